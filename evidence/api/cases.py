"""Case files over HTTP: open, find, merge, close and reopen them."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from auth.principals import Principal
from evidence.access import reach, scope
from evidence.access.reach import SeenCase
from evidence.api import case_shapes, paging
from evidence.api.case_shapes import CaseContents, CasePage, ExhibitShown
from evidence.api.dependencies import AppRoom, CurrentPrincipal, DatabaseSession, RequestId
from evidence.api.guards import CaseFor, CaseForReason, Guard, ReasonGiven, refusal_recorded
from evidence.api.instants import Day
from evidence.api.paging import typed
from evidence.cases import case_files, finding, merging, opening
from evidence.cases.finding import CaseFilter
from evidence.cases.merging import Gain
from evidence.cases.models import CaseKind

router = APIRouter(tags=["Case files"])

Opener = Annotated[Principal, Depends(Guard("case.create"))]
Lister = Annotated[Principal, Depends(Guard("case.read"))]
ReadableCase = Annotated[SeenCase, Depends(CaseFor("case.read"))]
ClosableCase = Annotated[SeenCase, Depends(CaseFor("case.close"))]
Closing = Annotated[tuple[SeenCase, str], Depends(CaseForReason("case.close"))]


class CaseRequest(BaseModel):
    """What is needed to open a case file."""

    number: str | None = Field(
        default=None,
        max_length=64,
        description="As your agency numbers its cases; left out: the next by your agency's pattern.",
        examples=["26-004711"],
    )
    title: str = Field(max_length=200, examples=["State v. Marsh"])
    kind: CaseKind = Field(
        default="criminal", description="A matter of internal affairs is opened by its investigators and confidential."
    )


class MergerRequest(ReasonGiven):
    """Which case remains, and why the two are one."""

    into: str = Field(max_length=64, description="Id or number of the case that remains.", examples=["26-004712"])
    dry_run: bool = Field(default=False, description="Only say who would see more, and merge nothing.")


class GainShown(BaseModel):
    """Whom the merger lets see more: a person, or a whole agency."""

    agency: str
    name: str | None = Field(description="Absent: the agency, which may assign people of its own.")
    email: str | None
    capacity: str | None
    by_case: str = Field(description="By which of the two cases they are there already.")
    exhibits: int = Field(description="How many exhibits of the other case that opens to them.")

    @classmethod
    def of(cls, gain: Gain) -> "GainShown":
        """Say who gains what."""
        account = gain.account
        return cls(
            agency=gain.agency.name,
            name=account and account.name,
            email=account and account.email,
            capacity=gain.capacity,
            by_case=gain.by_case,
            exhibits=gain.exhibits,
        )


class MergerShown(BaseModel):
    """What a merger did, or would do: who sees more by it, and the case that remains."""

    dry_run: bool
    gains: list[GainShown]
    carried: list[ExhibitShown] = Field(description="Exhibits of the case that remains that went over just now.")
    case: CaseContents


class CaseQuery(BaseModel):
    """Which cases are asked for; always among those you may see, and by contents among those you may read."""

    number: str | None = Field(default=None, max_length=64, description="How the number begins.")
    incident: str | None = Field(default=None, max_length=255, description="One of its incident numbers.")
    state: Literal["open", "closed"] | None = Field(default=None, description="Open, or closed or merged.")
    referred: bool | None = Field(default=None, description="Whether it lies before an agency that prosecutes.")
    mine: bool = Field(default=False, description="Only those you are assigned to.")
    overdue: bool = Field(
        default=False, description="Only those that are late: a referral's day is past and something is missing."
    )
    due_by: Day | None = Field(default=None, description="Only those of which a referral is due by this day.")

    def asked(self, principal: Principal, *, today: date) -> CaseFilter:
        """Return what is asked, for this principal."""
        return CaseFilter(
            number=typed(self.number),
            incident=typed(self.incident),
            is_open=None if self.state is None else self.state == "open",
            is_referred=self.referred,
            assigned_to=principal.id if self.mine else None,
            overdue_on=today if self.overdue else None,
            due_by=self.due_by,
        )


@router.post("/cases", status_code=201)
def open_case(
    asked: CaseRequest, room: AppRoom, session: DatabaseSession, principal: Opener, request_id: RequestId
) -> CaseContents:
    """Open a case file; whoever opens it is assigned to it."""
    now = room.clock()
    with refusal_recorded(room, principal, "case.create", request_id=request_id, named=asked.number):
        case = opening.open_for(
            session,
            principal,
            number=asked.number,
            title=asked.title,
            kind=asked.kind,
            at=now,
            request_id=request_id,
        )
    return case_shapes.contents(session, SeenCase(case, content=True, team=True), principal, at=now)


@router.get("/cases")
def list_cases(
    request: Request,
    response: Response,
    room: AppRoom,
    session: DatabaseSession,
    principal: Lister,
    query: Annotated[CaseQuery, Depends()],
    limit: paging.Limit = 50,
    cursor: paging.Cursor = None,
) -> CasePage:
    """List the case files you may see."""
    now = room.clock()
    asked = query.asked(principal, today=now.date())
    scoped = scope.visible_cases(principal, at=now, content=asked.asks_content)
    narrowed = finding.cases(scoped, asked, agency_id=principal.agency_id)
    found = finding.page_of_cases(session, narrowed, after=paging.after(cursor), limit=limit)
    if len(found) == limit:
        paging.link_next(request, response, found[-1].id)
    return case_shapes.page(session, found, principal, at=now)


@router.get("/cases/{case}")
def show_case(case: ReadableCase, room: AppRoom, session: DatabaseSession, principal: CurrentPrincipal) -> CaseContents:
    """Show one case file, by id or case number. The number of a merged case shows the case that remains."""
    return case_shapes.contents(session, case, principal, at=room.clock())


@router.post("/cases/{case}/close")
def close_case(
    asked: Closing,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> CaseContents:
    """Close a case: nothing is linked to it, assigned or referred until it is reopened."""
    (case, reason), now = asked, room.clock()
    case_files.close(session, case.case, by=principal, at=now, request_id=request_id, reason=reason)
    return case_shapes.contents(session, case, principal, at=now)


@router.post("/cases/{case}/reopen")
def reopen_case(
    asked: Closing,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> CaseContents:
    """Open a closed case again. One that was merged stays as it is."""
    case, reason = asked
    case_files.reopen(session, case.case, by=principal, request_id=request_id, reason=reason)
    return case_shapes.contents(session, case, principal, at=room.clock())


@router.post("/cases/{case}/merge")
def merge_case(
    asked: MergerRequest,
    case: ClosableCase,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> MergerShown:
    """Merge a case into another, which remains and takes over its exhibits, people and referrals.

    It ends one case and links its exhibits to the other, so it needs `case.close` of the one and `case.link` of both;
    where it lays either case before a further agency, `case.refer` as well.  The answer says who sees more by it.
    """
    now = room.clock()
    into = _linkable(room, session, principal, asked.into, case, request_id=request_id)
    gains = [GainShown.of(each) for each in merging.gains(session, case.case, into.case)]
    carried: list[ExhibitShown] = []
    if not asked.dry_run:
        before = {each.number for each in case_shapes.exhibits_shown(session, into.case)}
        merging.merge(session, case.case, into.case, by=principal, at=now, request_id=request_id, reason=asked.reason)
        carried = [each for each in case_shapes.exhibits_shown(session, into.case) if each.number not in before]
    shown = case_shapes.contents(session, into, principal, at=now)
    return MergerShown(dry_run=asked.dry_run, gains=gains, carried=carried, case=shown)


def _linkable(
    room: AppRoom, session: DatabaseSession, principal: Principal, named: str, merged: SeenCase, *, request_id: str
) -> SeenCase:
    """Return the case that is to remain, if the principal may link to both and refer where that is needed."""
    now = room.clock()
    ids = str(merged.case.id)
    with refusal_recorded(room, principal, "case.link", request_id=request_id, named=named):
        reach.case(session, principal, "case.link", ids, at=now)
        into = reach.case(session, principal, "case.link", named, at=now)
    # From here on nobody else refers, recalls, assigns or links: what is judged is what is merged.
    merging.require_mergeable(session, merged.case, into.case)
    if merging.opens_to_another_agency(session, merged.case, into.case):
        with refusal_recorded(room, principal, "case.refer", request_id=request_id, named=named):
            reach.case(session, principal, "case.refer", ids, at=now)
            reach.case(session, principal, "case.refer", str(into.case.id), at=now)
    return into
