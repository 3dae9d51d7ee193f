"""Units of one's own agency over HTTP: who belongs to them, who supervises them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field

from auth import accounts, units
from auth.errors import UnknownError
from auth.models import Account, Unit
from auth.principals import Principal
from evidence.api.dependencies import AppRoom, DatabaseSession, RequestId
from evidence.api.guards import Guard

router = APIRouter(tags=["Units"])

Keeper = Annotated[Principal, Depends(Guard("users.manage"))]
UnitNamed = Annotated[str, Path(description="Name of the unit.", max_length=120)]


class UnitRequest(BaseModel):
    """A unit to found."""

    name: str = Field(max_length=120, examples=["Central Precinct"])


class MemberRequest(BaseModel):
    """Who is to belong to the unit."""

    email: str = Field(max_length=254, examples=["r.alvarez@police.example"])
    supervises: bool = Field(default=False, description="Whether they supervise it.")


class FormerMember(BaseModel):
    """Who is to belong to the unit no longer."""

    email: str = Field(max_length=254, examples=["r.alvarez@police.example"])


class MemberShown(BaseModel):
    """Somebody who belongs to the unit now."""

    account: UUID
    name: str
    email: str
    supervises: bool
    joined_at: datetime


class UnitShown(BaseModel):
    """One unit of the agency."""

    id: UUID
    name: str
    founded_at: datetime
    members: list[MemberShown]


class UnitList(BaseModel):
    """The agency's units, by name."""

    units: list[UnitShown]


@router.post("/units", status_code=201)
def found_unit(
    asked: UnitRequest, room: AppRoom, session: DatabaseSession, principal: Keeper, request_id: RequestId
) -> UnitShown:
    """Found a unit of your agency."""
    unit = units.found(session, room.recorder, asked.name, by=principal, at=room.clock(), request_id=request_id)
    return _shown(session, unit, at=room.clock())


@router.get("/units")
def list_units(room: AppRoom, session: DatabaseSession, principal: Keeper) -> UnitList:
    """List the units of your agency with those who belong to them."""
    found = units.of_agency(session, principal.agency_id)
    return UnitList(units=[_shown(session, each, at=room.clock()) for each in found])


@router.post("/units/{unit}/members")
def add_member(
    unit: UnitNamed,
    asked: MemberRequest,
    room: AppRoom,
    session: DatabaseSession,
    principal: Keeper,
    request_id: RequestId,
) -> UnitShown:
    """Let somebody belong to a unit, or supervise it, from now on."""
    found = units.by_name(session, principal.agency_id, unit)
    units.join(
        session,
        room.recorder,
        found,
        _account(session, principal, asked.email),
        supervises=asked.supervises,
        by=principal,
        at=room.clock(),
        request_id=request_id,
    )
    return _shown(session, found, at=room.clock())


@router.post("/units/{unit}/members/leave")
def end_membership(
    unit: UnitNamed,
    asked: FormerMember,
    room: AppRoom,
    session: DatabaseSession,
    principal: Keeper,
    request_id: RequestId,
) -> UnitShown:
    """Let somebody belong to a unit no longer: what they saw by it, they see no more."""
    found = units.by_name(session, principal.agency_id, unit)
    account = _account(session, principal, asked.email)
    units.leave(session, room.recorder, found, account, by=principal, at=room.clock(), request_id=request_id)
    return _shown(session, found, at=room.clock())


def _account(session: DatabaseSession, principal: Principal, email: str) -> Account:
    account = accounts.by_email(session, email)
    if account is None or account.agency_id != principal.agency_id:
        raise UnknownError("Your agency has no account of this address.")
    return account


def _shown(session: DatabaseSession, unit: Unit, *, at: datetime) -> UnitShown:
    return UnitShown(
        id=unit.id,
        name=unit.name,
        founded_at=unit.founded_at,
        members=[
            MemberShown(
                account=account.id,
                name=account.name,
                email=account.email,
                supervises=member.supervises,
                joined_at=member.joined_at,
            )
            for member, account in units.members(session, unit, at=at)
        ],
    )
