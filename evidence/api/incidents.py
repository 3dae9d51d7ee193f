"""Critical incidents over HTTP: declare one, list who was there, record statements."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from auth import accounts
from auth.errors import UnknownError
from auth.principals import Principal
from evidence.access import incidents, reach
from evidence.access.models import CriticalIncident, Part
from evidence.api.dependencies import AppRoom, CurrentPrincipal, DatabaseSession, RequestId
from evidence.api.guards import Guard, IncidentFor, IncidentForReason, ReasonGiven, refusal_recorded

router = APIRouter(tags=["Critical incidents"])

Declarer = Annotated[Principal, Depends(Guard("access.restrict"))]
KnownIncident = Annotated[CriticalIncident, Depends(IncidentFor("access.restrict"))]
RestrictableIncident = Annotated[tuple[CriticalIncident, str], Depends(IncidentForReason("access.restrict"))]
StatementTaker = Annotated[tuple[CriticalIncident, str], Depends(IncidentForReason("statement.record"))]


class IncidentRequest(ReasonGiven):
    """An incident to declare critical, under the number its recordings carry."""

    number: str = Field(max_length=255, examples=["26-118204"])


class ListingRequest(ReasonGiven):
    """Who was there, and as what."""

    email: str = Field(max_length=254, examples=["o.vega@police.example"])
    part: Part


class CoverRequest(ReasonGiven):
    """An item that belongs to the incident though it carries another number, or none."""

    item: str = Field(max_length=64, description="Id or evidence number.", examples=["2026-000123"])


class ListingShown(BaseModel):
    """Somebody who was there. `opened_at`: since when they may watch; absent while they may not."""

    id: UUID
    account: UUID
    name: str
    part: Part
    listed_at: datetime
    opened_at: datetime | None
    opened_by: Literal["statement", "release"] | None


class IncidentShown(BaseModel):
    """A critical incident."""

    id: UUID
    number: str
    declared_at: datetime
    listings: list[ListingShown]


@router.post("/incidents", status_code=201)
def declare_incident(
    asked: IncidentRequest, room: AppRoom, session: DatabaseSession, principal: Declarer, request_id: RequestId
) -> IncidentShown:
    """Declare a critical incident: it covers every item of your agency with its number, now and later."""
    incident = incidents.declare(
        session, asked.number, reason=asked.reason, by=principal, at=room.clock(), request_id=request_id
    )
    return _shown(session, incident)


@router.get("/incidents/{incident}")
def show_incident(incident: KnownIncident, session: DatabaseSession) -> IncidentShown:
    """Show a critical incident and who is listed in it."""
    return _shown(session, incident)


@router.post("/incidents/{incident}/listings", status_code=201)
def list_person(
    asked: ListingRequest,
    incident: RestrictableIncident,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> IncidentShown:
    """List somebody as involved or as a witness: they watch nothing of it until their statement is recorded."""
    found, reason = incident
    account = accounts.by_email(session, asked.email)
    if account is None or account.agency_id != principal.agency_id:
        raise UnknownError("Your agency has no account of this address.")
    incidents.enlist(
        session, found, account, asked.part, reason=reason, by=principal, at=room.clock(), request_id=request_id
    )
    return _shown(session, found)


@router.post("/incidents/{incident}/listings/{listing_id}/statement")
def record_statement(
    listing_id: UUID,
    incident: StatementTaker,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> IncidentShown:
    """Record that somebody listed has given their statement: from now on they may watch."""
    found, reason = incident
    incidents.open_viewing(
        session,
        found,
        listing_id,
        released=False,
        reason=reason,
        by=principal,
        at=room.clock(),
        request_id=request_id,
    )
    return _shown(session, found)


@router.post("/incidents/{incident}/items", status_code=201)
def cover_item(
    asked: CoverRequest,
    incident: RestrictableIncident,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> IncidentShown:
    """Put an item under an incident whose number it does not carry."""
    found, reason = incident
    with refusal_recorded(room, principal, "access.restrict", request_id=request_id, named=asked.item):
        seen = reach.item(session, principal, "access.restrict", asked.item, at=room.clock(), reason=reason)
    incidents.cover(session, found, seen.item, reason=reason, by=principal, at=room.clock(), request_id=request_id)
    return _shown(session, found)


def _shown(session: DatabaseSession, incident: CriticalIncident) -> IncidentShown:
    return IncidentShown(
        id=incident.id,
        number=incident.number,
        declared_at=incident.declared_at,
        listings=[
            ListingShown(
                id=listing.id,
                account=account.id,
                name=account.name,
                part=listing.part,
                listed_at=listing.listed_at,
                opened_at=listing.opened_at,
                opened_by=listing.opened_by,
            )
            for listing, account in incidents.listings(session, incident)
        ],
    )
