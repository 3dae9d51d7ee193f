"""Opening again what was restricted, over HTTP. Every route here answers with a request: two people do this."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends

from auth.principals import Principal
from evidence.access import approvals
from evidence.access.approved_acts import Act, AllowDisclosure, LowerClass, ReleaseViewing
from evidence.access.models import CriticalIncident
from evidence.access.reach import Seen, SeenCase
from evidence.api.approvals import ApprovalShown, shown
from evidence.api.dependencies import AppRoom, CurrentPrincipal, DatabaseSession, RequestId
from evidence.api.guards import CaseForReason, IncidentForReason, ItemForReason, ReasonGiven, refusal_recorded

router = APIRouter(tags=["Access"])

LiftableItem = Annotated[tuple[Seen, str], Depends(ItemForReason("access.unrestrict", awaiting=True))]
LiftableCase = Annotated[tuple[SeenCase, str], Depends(CaseForReason("access.unrestrict", awaiting=True))]
LiftableIncident = Annotated[
    tuple[CriticalIncident, str], Depends(IncidentForReason("access.unrestrict", awaiting=True))
]


class WiderClassRequest(ReasonGiven):
    """The wider class a thing is to be in, and why."""

    to: Literal["unrestricted", "restricted"]


@router.post("/items/{item}/unrestrict", status_code=202)
def unrestrict_item(
    asked: WiderClassRequest,
    item: LiftableItem,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> ApprovalShown:
    """Ask that more may know of an item: it takes effect when a second person approves it."""
    seen, reason = item
    return _ask(room, session, LowerClass("item", seen.item.id, asked.to), principal, reason, request_id)


@router.post("/cases/{case}/unrestrict", status_code=202)
def unrestrict_case(
    asked: WiderClassRequest,
    case: LiftableCase,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> ApprovalShown:
    """Ask that more may know of a case: it takes effect when a second person approves it."""
    seen, reason = case
    return _ask(room, session, LowerClass("case", seen.case.id, asked.to), principal, reason, request_id)


@router.post("/items/{item}/do-not-disclose/lift", status_code=202)
def allow_disclosure(
    item: LiftableItem, room: AppRoom, session: DatabaseSession, principal: CurrentPrincipal, request_id: RequestId
) -> ApprovalShown:
    """Ask that the mark do-not-disclose be taken from an item: a second person has to approve it."""
    seen, reason = item
    return _ask(room, session, AllowDisclosure(seen.item.id), principal, reason, request_id)


@router.post("/incidents/{incident}/listings/{listing_id}/release", status_code=202)
def release_viewing(
    listing_id: UUID,
    incident: LiftableIncident,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> ApprovalShown:
    """Ask, as internal affairs, that somebody listed may watch without a statement: a second person approves it."""
    found, reason = incident
    return _ask(room, session, ReleaseViewing(found.id, listing_id), principal, reason, request_id)


def _ask(
    room: AppRoom, session: DatabaseSession, act: Act, principal: Principal, reason: str, request_id: str
) -> ApprovalShown:
    at = room.clock()
    with refusal_recorded(room, principal, act.action, request_id=request_id):
        waiting = approvals.required_or_done(
            session, room.recorder, act, by=principal, reason=reason, at=at, request_id=request_id
        )
    assert waiting is not None, "every cell of access.unrestrict asks for two"
    return shown(waiting, at=at)
