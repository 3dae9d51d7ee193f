"""Break-glass over HTTP: to break it, to list its uses, to review one."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, Field

from auth.principals import Principal
from evidence.access import glass, reach
from evidence.access.models import BrokenGlass
from evidence.api import paging
from evidence.api.dependencies import AppRoom, CurrentPrincipal, DatabaseSession, RequestId
from evidence.api.guards import Guard, ReasonGiven, refusal_recorded

router = APIRouter(tags=["Break-glass"])

Watcher = Annotated[Principal, Depends(Guard("evidence.stream"))]
AuditReader = Annotated[Principal, Depends(Guard("audit.read"))]


class Finding(BaseModel):
    """What the review found; it is kept with the use."""

    finding: str = Field(min_length=1, max_length=2000, pattern=r"\S", examples=["Justified: life at risk"])


class GlassShown(BaseModel):
    """One use of break-glass. It says nothing of the item but its id."""

    id: UUID
    item: UUID
    account: UUID
    reason: str
    broken_at: datetime
    ends_at: datetime
    reviewed_at: datetime | None
    reviewer: UUID | None
    finding: str | None


class GlassPage(BaseModel):
    """Uses of break-glass in your agency: those that wait for a review first."""

    uses: list[GlassShown]


@router.post("/items/{item}/break-glass", status_code=201)
def break_glass(
    item: Annotated[str, Path(description="Id or evidence number of the item.", max_length=64)],
    asked: ReasonGiven,
    room: AppRoom,
    session: DatabaseSession,
    principal: Watcher,
    request_id: RequestId,
) -> GlassShown:
    """Break the glass before an item: watch it for an hour, known to every auditor and administrator."""
    at = room.clock()
    with refusal_recorded(room, principal, "evidence.stream", request_id=request_id, named=item):
        found = reach.behind_glass(session, principal, item, at=at)
    used = glass.shatter(session, found, reason=asked.reason, by=principal, at=at, request_id=request_id)
    return shown(used)


@router.get("/break-glass")
def list_broken_glass(
    request: Request,
    response: Response,
    room: AppRoom,
    session: DatabaseSession,
    principal: AuditReader,
    limit: paging.Limit = 50,
    cursor: paging.Cursor = None,
) -> GlassPage:
    """List the uses of break-glass in your agency, unreviewed ones first."""
    reach.require_reviewer(principal, at=room.clock())
    found = glass.page(session, principal.agency_id, after=paging.after(cursor), limit=limit)
    if len(found) == limit:
        paging.link_next(request, response, found[-1].id)
    return GlassPage(uses=[shown(each) for each in found])


@router.get("/break-glass/{glass_id}")
def show_broken_glass(
    glass_id: UUID, room: AppRoom, session: DatabaseSession, principal: CurrentPrincipal
) -> GlassShown:
    """Show one use of break-glass: of your own, or of your agency if you may review."""
    return shown(reach.broken_glass(session, principal, glass_id, at=room.clock()))


@router.post("/break-glass/{glass_id}/review")
def review_broken_glass(
    glass_id: UUID,
    asked: Finding,
    room: AppRoom,
    session: DatabaseSession,
    principal: AuditReader,
    request_id: RequestId,
) -> GlassShown:
    """Review somebody else's use of break-glass, and say what you found."""
    at = room.clock()
    with refusal_recorded(room, principal, "audit.read", request_id=request_id, named=str(glass_id)):
        reach.require_reviewer(principal, at=at)
        used = glass.of_agency(session, principal.agency_id, glass_id)
        glass.review(session, used, finding=asked.finding, by=principal, at=at, request_id=request_id)
    return shown(used)


def shown(used: BrokenGlass) -> GlassShown:
    """Say of a use who, when, why, and what the review found."""
    return GlassShown(
        id=used.id,
        item=used.item_id,
        account=used.account_id,
        reason=used.reason,
        broken_at=used.broken_at,
        ends_at=used.ends_at,
        reviewed_at=used.reviewed_at,
        reviewer=used.reviewer_id,
        finding=used.finding,
    )
