"""Exhibits of a case over HTTP: link, propose, accept, withdraw."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, Field

from auth.principals import Principal
from evidence.access import reach, scope
from evidence.access.reach import SeenCase
from evidence.api import case_shapes, items, paging
from evidence.api.case_shapes import CaseContents, ExhibitShown
from evidence.api.dependencies import AppRoom, CurrentPrincipal, DatabaseSession, RequestId
from evidence.api.guards import CaseFor, CaseForReason, Guard, refusal_recorded
from evidence.cases import exhibits, expectations, proposals

router = APIRouter(tags=["Case files"])

Linker = Annotated[Principal, Depends(Guard("case.link"))]
ReadableCase = Annotated[SeenCase, Depends(CaseFor("case.read"))]
LinkableCase = Annotated[SeenCase, Depends(CaseFor("case.link"))]
Withdrawal = Annotated[tuple[SeenCase, str], Depends(CaseForReason("case.unlink"))]

ExhibitNumber = Annotated[int, Path(ge=1, lt=2**31, description="Number of the exhibit in its case.")]
ItemNamed = Annotated[str, Field(max_length=64, description="Id or evidence number.", examples=["2026-000123"])]


class ExhibitRequest(BaseModel):
    """The item that is to become an exhibit."""

    item: ItemNamed
    fulfils: UUID | None = Field(default=None, description="The expected line that it is, or part of it.")


class AcceptanceRequest(BaseModel):
    """The items that are to become exhibits, all or none."""

    items: list[ItemNamed] = Field(min_length=1, max_length=200)


class ReasonShown(BaseModel):
    """Why an item may belong to the case: it names the incident, or its officer recorded the exhibit about then."""

    incident: str | None = None
    exhibit: int | None = None


class ProposalShown(BaseModel):
    """An item that may belong to the case, and why."""

    item: items.ItemShown
    reasons: list[ReasonShown]


class ProposalPage(BaseModel):
    """A page of proposals, in the order the items were received. The Link header says where the next one is."""

    proposals: list[ProposalShown]


class ExhibitsLinked(BaseModel):
    """The exhibits that the items became."""

    exhibits: list[ExhibitShown]


@router.post("/cases/{case}/exhibits", status_code=201)
def link_exhibit(
    asked: ExhibitRequest,
    case: ReadableCase,
    room: AppRoom,
    session: DatabaseSession,
    principal: Linker,
    request_id: RequestId,
) -> ExhibitShown:
    """Link an evidence item to the case, under its next exhibit number, and say which expected line it is."""
    now = room.clock()
    with refusal_recorded(room, principal, "case.link", request_id=request_id, named=asked.item):
        item = reach.linkable(session, principal, case.case, asked.item, at=now)
    made = exhibits.link(session, case.case, item, by=principal, at=now, request_id=request_id)
    if asked.fulfils is not None:
        expectations.fulfil(session, case.case, asked.fulfils, made, by=principal, at=now, request_id=request_id)
    return ExhibitShown(
        number=made.number, item=item.id, item_number=item.number, linked_at=made.linked_at, withdrawn_at=None
    )


@router.get("/cases/{case}/proposals")
def propose_exhibits(
    request: Request,
    response: Response,
    case: LinkableCase,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    limit: paging.Limit = 50,
    cursor: paging.Cursor = None,
) -> ProposalPage:
    """List items that you may read and that may belong to the case, with the reasons. Nothing is linked by itself."""
    found = proposals.of_case(
        session,
        case.case,
        scope.visible_items(principal, at=room.clock(), content=True),
        window=timedelta(minutes=room.settings.proposal_window_minutes),
        after=paging.after(cursor),
        limit=limit,
    )
    if len(found) == limit:
        paging.link_next(request, response, found[-1].item.id)
    return ProposalPage(
        proposals=[
            ProposalShown(
                item=items.shown(each.item, content=True),
                reasons=[
                    *(ReasonShown(incident=incident) for incident in each.incidents),
                    *(ReasonShown(exhibit=number) for number in each.exhibits),
                ],
            )
            for each in found
        ]
    )


@router.post("/cases/{case}/proposals/accept", status_code=201)
def accept_proposals(
    asked: AcceptanceRequest,
    case: ReadableCase,
    room: AppRoom,
    session: DatabaseSession,
    principal: Linker,
    request_id: RequestId,
) -> ExhibitsLinked:
    """Link several items to the case in one act: all of them, or none if one cannot be."""
    now = room.clock()
    made = []
    for named in dict.fromkeys(asked.items):
        with refusal_recorded(room, principal, "case.link", request_id=request_id, named=named):
            item = reach.linkable(session, principal, case.case, named, at=now)
        made.append(exhibits.link(session, case.case, item, by=principal, at=now, request_id=request_id).number)
    return ExhibitsLinked(exhibits=case_shapes.exhibits_shown(session, case.case, made))


@router.post("/cases/{case}/exhibits/{number}/withdraw")
def withdraw_exhibit(
    number: ExhibitNumber,
    asked: Withdrawal,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> CaseContents:
    """Withdraw an exhibit: the link ends, and is kept."""
    (case, reason), now = asked, room.clock()
    exhibit = exhibits.numbered(session, case.case, number)
    exhibits.withdraw(session, case.case, exhibit, by=principal, at=now, request_id=request_id, reason=reason)
    return case_shapes.contents(session, case, principal, at=now)
