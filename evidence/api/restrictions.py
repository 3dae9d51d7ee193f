"""Access lists, access classes and the mark do-not-disclose of items and cases, over HTTP."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from auth import accounts, units
from auth.errors import UnknownError
from auth.models import Account, Unit
from auth.principals import Principal
from evidence.access import classes, lists
from evidence.access.classes import require_narrower
from evidence.access.models import AccessListEntry, Extent
from evidence.access.reach import Seen, SeenCase
from evidence.api.dependencies import AppRoom, CurrentPrincipal, DatabaseSession, RequestId
from evidence.api.guards import CaseForReason, CaseToLook, ItemForReason, ItemToLook, ReasonGiven
from evidence.api.instants import Instant
from evidence.errors import InvalidError
from evidence.items.models import AccessClass

router = APIRouter(tags=["Access"])

GrantableItem = Annotated[tuple[Seen, str], Depends(ItemForReason("access.grant"))]
GrantableCase = Annotated[tuple[SeenCase, str], Depends(CaseForReason("access.grant"))]
LookedAtItem = Annotated[Seen, Depends(ItemToLook("access.grant"))]
LookedAtCase = Annotated[SeenCase, Depends(CaseToLook("access.grant"))]
RestrictableItem = Annotated[tuple[Seen, str], Depends(ItemForReason("access.restrict"))]
RestrictableCase = Annotated[tuple[SeenCase, str], Depends(CaseForReason("access.restrict"))]


class EntryRequest(ReasonGiven):
    """Who is to be put on the access list, and why: one account, or one unit."""

    email: str | None = Field(default=None, max_length=254, examples=["d.marsh@police.example"])
    unit: str | None = Field(default=None, max_length=120, examples=["Homicide"])
    extent: Extent = Field(default="view", description="To look, or whatever their role may do with it.")
    expires_at: Instant | None = None


class ClassRequest(ReasonGiven):
    """The narrower class a thing is to be in, and why."""

    to: Literal["restricted", "confidential"]


class EntryShown(BaseModel):
    """An entry of an access list, standing or ended."""

    id: UUID
    name: str
    account: UUID | None
    unit: UUID | None
    extent: Extent
    granted_at: datetime
    expires_at: datetime | None
    ended_at: datetime | None


class AccessShown(BaseModel):
    """The class of an item or case, and who is on its access list or was."""

    access_class: AccessClass
    entries: list[EntryShown]


class Restricted(BaseModel):
    """What stands now."""

    access_class: AccessClass
    do_not_disclose: bool | None = Field(default=None, description="Of an item.")


@router.get("/items/{item}/access-list")
def show_list_of_item(item: LookedAtItem, session: DatabaseSession) -> AccessShown:
    """Show who is on the access list of an item, or was. For whoever may change it, and whoever reviews."""
    return _shown(session, item.item)


@router.get("/cases/{case}/access-list")
def show_list_of_case(case: LookedAtCase, session: DatabaseSession) -> AccessShown:
    """Show who is on the access list of a case, or was. For whoever may change it, and whoever reviews."""
    return _shown(session, case.case)


@router.post("/items/{item}/access-list", status_code=201)
def put_on_list_of_item(
    asked: EntryRequest,
    item: GrantableItem,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> AccessShown:
    """Put an account or a unit of your agency on the access list of an item."""
    _put(session, room, item[0].item, asked, principal, request_id)
    return _shown(session, item[0].item)


@router.post("/cases/{case}/access-list", status_code=201)
def put_on_list_of_case(
    asked: EntryRequest,
    case: GrantableCase,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> AccessShown:
    """Put an account or a unit of your agency on the access list of a case, which opens its exhibits too."""
    _put(session, room, case[0].case, asked, principal, request_id)
    return _shown(session, case[0].case)


@router.post("/items/{item}/access-list/{entry_id}/end")
def end_entry_of_item(
    entry_id: UUID,
    item: GrantableItem,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> AccessShown:
    """End an entry of the access list of an item: what it opened is closed from the next request on."""
    seen, reason = item
    lists.end(session, seen.item, entry_id, reason=reason, by=principal, at=room.clock(), request_id=request_id)
    return _shown(session, seen.item)


@router.post("/cases/{case}/access-list/{entry_id}/end")
def end_entry_of_case(
    entry_id: UUID,
    case: GrantableCase,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> AccessShown:
    """End an entry of the access list of a case."""
    seen, reason = case
    lists.end(session, seen.case, entry_id, reason=reason, by=principal, at=room.clock(), request_id=request_id)
    return _shown(session, seen.case)


@router.post("/items/{item}/restrict")
def restrict_item(
    asked: ClassRequest,
    item: RestrictableItem,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> Restricted:
    """Let fewer know of an item: a restricted one is opened by its access list; a confidential one is not even seen."""
    seen, reason = item
    require_narrower(seen.item, asked.to)
    classes.change(session, seen.item, asked.to, reason=reason, by=principal, request_id=request_id)
    return Restricted(access_class=seen.item.access_class, do_not_disclose=seen.item.do_not_disclose)


@router.post("/cases/{case}/restrict")
def restrict_case(
    asked: ClassRequest,
    case: RestrictableCase,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> Restricted:
    """Let fewer know of a case: those assigned to it, and those on its access list, still do."""
    seen, reason = case
    require_narrower(seen.case, asked.to)
    classes.change(session, seen.case, asked.to, reason=reason, by=principal, request_id=request_id)
    return Restricted(access_class=seen.case.access_class)


@router.post("/items/{item}/do-not-disclose")
def forbid_disclosure(
    item: RestrictableItem, session: DatabaseSession, principal: CurrentPrincipal, request_id: RequestId
) -> Restricted:
    """Mark an item do-not-disclose: it goes to nobody outside until the mark is taken away."""
    seen, reason = item
    classes.mark(session, seen.item, do_not_disclose=True, reason=reason, by=principal, request_id=request_id)
    return Restricted(access_class=seen.item.access_class, do_not_disclose=seen.item.do_not_disclose)


def _put(
    session: DatabaseSession,
    room: AppRoom,
    of: lists.Of,
    asked: EntryRequest,
    principal: Principal,
    request_id: str,
) -> None:
    lists.put(
        session,
        of,
        _named(session, principal, asked),
        extent=asked.extent,
        reason=asked.reason,
        by=principal,
        at=room.clock(),
        request_id=request_id,
        expires_at=asked.expires_at,
    )


def _named(session: DatabaseSession, principal: Principal, asked: EntryRequest) -> Account | Unit:
    if (asked.email is None) == (asked.unit is None):
        raise InvalidError("An entry names one account or one unit.", next_step="Send either `email` or `unit`.")
    if asked.unit is not None:
        return units.by_name(session, principal.agency_id, asked.unit)
    account = accounts.by_email(session, asked.email or "")
    if account is None or account.agency_id != principal.agency_id:
        raise UnknownError("Your agency has no account of this address.")
    return account


def _shown(session: DatabaseSession, of: lists.Of) -> AccessShown:
    return AccessShown(access_class=of.access_class, entries=entries_shown(lists.entries(session, of)))


def entries_shown(entries: Sequence[tuple[AccessListEntry, str]]) -> list[EntryShown]:
    """Say who is on an access list, or was."""
    return [
        EntryShown(
            id=entry.id,
            name=name,
            account=entry.account_id,
            unit=entry.unit_id,
            extent=entry.extent,
            granted_at=entry.granted_at,
            expires_at=entry.expires_at,
            ended_at=entry.ended_at,
        )
        for entry, name in entries
    ]
