"""Docks over HTTP: invited by a person, enrolled by themselves, retired at once."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from auth import dock_keys, local_sign_in, machines
from auth.errors import EnrolmentCodeError, NotSignedInError
from auth.principals import Principal
from evidence.api import paging
from evidence.api.dependencies import AppRoom, DatabaseSession, RequestId, Source
from evidence.api.guards import Guard
from evidence.database import unit_of_work

router = APIRouter(tags=["Docks"])

DockKeeper = Annotated[Principal, Depends(Guard("devices.manage"))]


class InvitationRequest(BaseModel):
    """Which dock is to be enrolled."""

    name: str = Field(max_length=80, examples=["Central station, dock 2"])


class InvitationShown(BaseModel):
    """A one-time enrolment code. It is shown here and never again."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    dock_name: str
    code: str = Field(description="Type it into the dock; good for one dock, once, until it expires.")
    expires_at: datetime


class EnrolmentRequest(BaseModel):
    """What a dock brings: the code a person typed into it, and its public key."""

    code: str = Field(min_length=1, max_length=100)
    name: str | None = Field(default=None, max_length=80, description="Its name, if it knows the one it was given.")
    public_key: dict[str, Any] = Field(
        description="Its public key as a JWK: EC on P-256. The private key never leaves the dock.",
        examples=[{"kty": "EC", "crv": "P-256", "x": "...", "y": "..."}],
    )


class RetirementRequest(BaseModel):
    """Why a dock may come in no more."""

    reason: str = Field(min_length=1, max_length=500, examples=["Replaced"])


class NewKey(BaseModel):
    """A dock's new key, vouched for twice; evidence/proof/FORMAT.md has both statements."""

    statement: str = Field(
        max_length=8192, description="A JWT signed ES256 with the dock's present key that names the new one (`jwk`)."
    )
    answer: str = Field(
        max_length=8192, description="A JWT signed ES256 with the new key that names the statement by its digest."
    )


class DockShown(BaseModel):
    """One dock of the agency."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    agency_id: UUID
    name: str
    fingerprint: str = Field(description="RFC 7638 thumbprint of its public key; the dock shows the same.")
    enrolled_at: datetime
    retired_at: datetime | None


class DockPage(BaseModel):
    """A page of docks, by name. The Link header says where the next one is."""

    docks: list[DockShown]


@router.post("/docks/invitations", status_code=201)
def invite_dock(
    asked: InvitationRequest, room: AppRoom, session: DatabaseSession, principal: DockKeeper, request_id: RequestId
) -> InvitationShown:
    """Make a one-time code with which a dock of this name may enrol."""
    invitation = machines.invite(
        session,
        room.recorder,
        agency_id=principal.agency_id,
        dock_name=asked.name,
        by=principal,
        at=room.clock(),
        life=room.settings.auth.enrolment_life,
        request_id=request_id,
    )
    return InvitationShown.model_validate(invitation)


@router.post("/docks", status_code=201)
def enrol_dock(asked: EnrolmentRequest, room: AppRoom, request_id: RequestId, source: Source) -> DockShown:
    """Enrol a dock: its public key, against a one-time code. The code is what is asked for instead of a token."""
    at = room.clock()
    try:
        with unit_of_work(room.sessions) as session:
            local_sign_in.require_enrolment_open(session, source)
            dock = machines.enrol(
                session,
                room.recorder,
                code=asked.code,
                name=asked.name,
                public_key=asked.public_key,
                at=at,
                request_id=request_id,
            )
            return DockShown.model_validate(dock)
    except EnrolmentCodeError:
        with unit_of_work(room.sessions) as session:
            local_sign_in.refuse_enrolment(
                session, room.recorder, rules=room.settings.auth, source=source, at=at, request_id=request_id
            )
        raise


@router.post("/docks/{dock_id}/key")
def replace_dock_key(dock_id: UUID, asked: NewKey, room: AppRoom, request_id: RequestId, source: Source) -> DockShown:
    """Give a dock another key. What its present key signs is asked for instead of a token; that key is over at once."""
    with unit_of_work(room.sessions) as session:
        dock = dock_keys.replace(
            session,
            room.recorder,
            dock_id,
            statement=asked.statement,
            answer=asked.answer,
            audiences=(f"{room.settings.url}/api/v1/docks/{dock_id}/key",),
            at=room.clock(),
            leeway=room.tokens.leeway,
            request_id=request_id,
            source=source,
        )
    # The refusal is on record by now: it was committed.
    if dock is None:
        raise NotSignedInError("key not replaced")
    return DockShown.model_validate(dock)


@router.get("/docks")
def list_docks(
    request: Request,
    response: Response,
    session: DatabaseSession,
    principal: DockKeeper,
    limit: paging.Limit = 50,
    cursor: paging.Cursor = None,
) -> DockPage:
    """List the docks of your agency, retired ones included."""
    found = machines.page(session, principal.agency_id, after=paging.after(cursor), limit=limit)
    if len(found) == limit:
        paging.link_next(request, response, found[-1].id)
    return DockPage(docks=[DockShown.model_validate(each) for each in found])


@router.get("/docks/{dock_id}")
def show_dock(dock_id: UUID, session: DatabaseSession, principal: DockKeeper) -> DockShown:
    """Show one dock of your agency."""
    return DockShown.model_validate(machines.in_agency(session, dock_id, principal.agency_id))


@router.post("/docks/{dock_id}/retire")
def retire_dock(
    dock_id: UUID,
    asked: RetirementRequest,
    room: AppRoom,
    session: DatabaseSession,
    principal: DockKeeper,
    request_id: RequestId,
) -> DockShown:
    """Retire a dock of your agency: it is refused from its next request on."""
    dock = machines.in_agency(session, dock_id, principal.agency_id)
    machines.retire(
        session, room.recorder, dock, by=principal, at=room.clock(), request_id=request_id, reason=asked.reason
    )
    return DockShown.model_validate(dock)
