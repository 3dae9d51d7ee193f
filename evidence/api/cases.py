"""Case files, their exhibits, who works them and to whom they are referred, over HTTP."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, Field

from auth import accounts, agencies
from auth.principals import Principal
from evidence import access
from evidence.access import reach, scope
from evidence.access.reach import SeenCase
from evidence.api import paging
from evidence.api.dependencies import AppRoom, CurrentPrincipal, DatabaseSession, RequestId
from evidence.api.guards import CaseFor, CaseForReason, Guard, refusal_recorded
from evidence.cases import assignments, case_files, exhibits, opening, referrals
from evidence.cases.models import CaseFile, CaseKind
from evidence.errors import NotFoundError

router = APIRouter(tags=["Case files"])

Opener = Annotated[Principal, Depends(Guard("case.create"))]
Lister = Annotated[Principal, Depends(Guard("case.read"))]
Linker = Annotated[Principal, Depends(Guard("case.link"))]
ReadableCase = Annotated[SeenCase, Depends(CaseFor("case.read"))]
AssignableCase = Annotated[SeenCase, Depends(CaseFor("case.assign"))]
ReferableCase = Annotated[SeenCase, Depends(CaseFor("case.refer"))]
Withdrawal = Annotated[tuple[SeenCase, str], Depends(CaseForReason("case.unlink"))]
EndOfAssignment = Annotated[tuple[SeenCase, str], Depends(CaseForReason("case.assign"))]
EndOfReferral = Annotated[tuple[SeenCase, str], Depends(CaseForReason("case.refer"))]
Closing = Annotated[tuple[SeenCase, str], Depends(CaseForReason("case.close"))]

ExhibitNumber = Annotated[int, Path(ge=1, lt=2**31, description="Number of the exhibit in its case.")]


class CaseRequest(BaseModel):
    """What is needed to open a case file."""

    number: str = Field(max_length=64, description="As your agency numbers its cases.", examples=["26-004711"])
    title: str = Field(max_length=200, examples=["State v. Marsh"])
    kind: CaseKind = Field(
        default="criminal", description="A matter of internal affairs is opened by its investigators and confidential."
    )


class ExhibitRequest(BaseModel):
    """The item that is to become an exhibit."""

    item: str = Field(max_length=64, description="Id or evidence number.", examples=["2026-000123"])


class AssignmentRequest(BaseModel):
    """Who is to work the case, and as what."""

    email: str = Field(max_length=254, description="Of an account of your agency.", examples=["j.okafor@law.example"])
    capacity: str = Field(max_length=64, examples=["lead attorney"])


class ReferralRequest(BaseModel):
    """Before which agency the case is laid."""

    agency: str = Field(max_length=120, description="Its name.", examples=["City Attorney of Riverbend"])
    due_on: date | None = Field(default=None, description="When it wants the evidence.")


class ExhibitShown(BaseModel):
    """An item linked to the case, under a number that is never given again."""

    number: int
    item: UUID
    item_number: str
    linked_at: datetime
    withdrawn_at: datetime | None


class AssignmentShown(BaseModel):
    """Who works the case, or did."""

    id: UUID
    account: UUID
    name: str
    email: str
    capacity: str
    assigned_at: datetime
    ended_at: datetime | None


class ReferralShown(BaseModel):
    """Before which agency the case lies, or did."""

    id: UUID
    agency: str
    referred_at: datetime
    due_on: date | None
    ended_at: datetime | None


class CaseShown(BaseModel):
    """A case file in a list. `title` is absent for a role that may know of it but not what it says."""

    id: UUID
    number: str
    agency: UUID
    opened_at: datetime
    closed_at: datetime | None
    title: str | None


class CaseContents(CaseShown):
    """One case file; what is in it is absent for a role that may only know of it.

    Whoever may assign people sees who of their own agency works it.
    """

    exhibits: list[ExhibitShown] | None
    assignments: list[AssignmentShown] | None
    referrals: list[ReferralShown] | None


class CasePage(BaseModel):
    """A page of case files, in the order they were opened. The Link header says where the next one is."""

    cases: list[CaseShown]


@router.post("/cases", status_code=201)
def open_case(
    asked: CaseRequest, room: AppRoom, session: DatabaseSession, principal: Opener, request_id: RequestId
) -> CaseContents:
    """Open a case file; whoever opens it is assigned to it."""
    with refusal_recorded(room, principal, "case.create", request_id=request_id, named=asked.number):
        case = opening.open_for(
            session,
            principal,
            number=asked.number,
            title=asked.title,
            kind=asked.kind,
            at=room.clock(),
            request_id=request_id,
        )
    return contents(session, SeenCase(case, content=True, team=True), principal)


@router.get("/cases")
def list_cases(
    request: Request,
    response: Response,
    room: AppRoom,
    session: DatabaseSession,
    principal: Lister,
    limit: paging.Limit = 50,
    cursor: paging.Cursor = None,
) -> CasePage:
    """List the case files you may see."""
    now = room.clock()
    found = case_files.page(session, scope.visible_cases(principal, at=now), after=paging.after(cursor), limit=limit)
    if len(found) == limit:
        paging.link_next(request, response, found[-1].id)
    things = reach.things_of_cases(session, found, at=now)
    return CasePage(
        cases=[
            shown(each, content=access.allow(principal, "case.read", things[each.id], at=now).content) for each in found
        ]
    )


@router.get("/cases/{case}")
def show_case(case: ReadableCase, session: DatabaseSession, principal: CurrentPrincipal) -> CaseContents:
    """Show one case file, by id or case number."""
    return contents(session, case, principal)


@router.post("/cases/{case}/close")
def close_case(
    asked: Closing,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> CaseContents:
    """Close a case: nothing is linked to it, assigned or referred until it is reopened."""
    case, reason = asked
    case_files.close(session, case.case, by=principal, at=room.clock(), request_id=request_id, reason=reason)
    return contents(session, case, principal)


@router.post("/cases/{case}/reopen")
def reopen_case(
    asked: Closing,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> CaseContents:
    """Open a closed case again."""
    case, reason = asked
    case_files.reopen(session, case.case, by=principal, request_id=request_id, reason=reason)
    return contents(session, case, principal)


@router.post("/cases/{case}/exhibits", status_code=201)
def link_exhibit(
    asked: ExhibitRequest,
    case: ReadableCase,
    room: AppRoom,
    session: DatabaseSession,
    principal: Linker,
    request_id: RequestId,
) -> ExhibitShown:
    """Link an evidence item to the case, under its next exhibit number."""
    now = room.clock()
    with refusal_recorded(room, principal, "case.link", request_id=request_id, named=asked.item):
        item = reach.linkable(session, principal, case.case, asked.item, at=now)
    made = exhibits.link(session, case.case, item, by=principal, at=now, request_id=request_id)
    return ExhibitShown(
        number=made.number, item=item.id, item_number=item.number, linked_at=made.linked_at, withdrawn_at=None
    )


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
    case, reason = asked
    exhibit = exhibits.numbered(session, case.case, number)
    exhibits.withdraw(session, case.case, exhibit, by=principal, at=room.clock(), request_id=request_id, reason=reason)
    return contents(session, case, principal)


@router.post("/cases/{case}/assignments", status_code=201)
def assign_case(
    asked: AssignmentRequest,
    case: AssignableCase,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> CaseContents:
    """Assign somebody of your agency to the case."""
    account = accounts.by_email(session, asked.email)
    if account is None or account.agency_id != principal.agency_id:
        raise NotFoundError("Your agency has no account of this address.", next_step="Check the address.")
    assignments.make(
        session,
        case.case,
        account,
        capacity=asked.capacity,
        by=principal,
        at=room.clock(),
        request_id=request_id,
    )
    return contents(session, case, principal)


@router.post("/cases/{case}/assignments/{assignment_id}/end")
def end_assignment(
    assignment_id: UUID,
    asked: EndOfAssignment,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> CaseContents:
    """End an assignment: what the case showed the account, it shows no more, from the next request on."""
    case, reason = asked
    assignments.end(
        session,
        case.case,
        assignment_id,
        by=principal,
        at=room.clock(),
        request_id=request_id,
        reason=reason,
    )
    return contents(session, case, principal)


@router.post("/cases/{case}/referrals", status_code=201)
def refer_case(
    asked: ReferralRequest,
    case: ReferableCase,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> CaseContents:
    """Refer the case to the agency that prosecutes, which assigns its own people to it."""
    to = agencies.by_name(session, asked.agency)
    if to is None:
        raise NotFoundError("There is no agency of this name here.", next_step="Write the name as it was founded.")
    referrals.make(session, case.case, to, due_on=asked.due_on, by=principal, at=room.clock(), request_id=request_id)
    return contents(session, case, principal)


@router.post("/cases/{case}/referrals/{referral_id}/end")
def end_referral(
    referral_id: UUID,
    asked: EndOfReferral,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> CaseContents:
    """End a referral: what the case showed that agency, it shows no more, from the next request on."""
    case, reason = asked
    referrals.end(session, case.case, referral_id, by=principal, at=room.clock(), request_id=request_id, reason=reason)
    return contents(session, case, principal)


def shown(case: CaseFile, *, content: bool) -> CaseShown:
    """Say of the case that it is there; with `content` also its title."""
    return CaseShown(
        id=case.id,
        number=case.number,
        agency=case.agency_id,
        opened_at=case.opened_at,
        closed_at=case.closed_at,
        title=case.title if content else None,
    )


def contents(session: DatabaseSession, seen: SeenCase, principal: Principal) -> CaseContents:
    """Say what may be said of the case and what is in it."""
    team = [
        AssignmentShown(
            id=assignment.id,
            account=account.id,
            name=account.name,
            email=account.email,
            capacity=assignment.capacity,
            assigned_at=assignment.assigned_at,
            ended_at=assignment.ended_at,
        )
        for assignment, account in assignments.of_case(session, seen.case)
        if seen.content or (seen.team and account.agency_id == principal.agency_id)
    ]
    linked = [
        ExhibitShown(
            number=exhibit.number,
            item=item.id,
            item_number=item.number,
            linked_at=exhibit.linked_at,
            withdrawn_at=exhibit.withdrawn_at,
        )
        for exhibit, item in exhibits.of_case(session, seen.case)
        if item.id not in seen.hidden
    ]
    referred = [
        ReferralShown(
            id=referral.id,
            agency=agency.name,
            referred_at=referral.referred_at,
            due_on=referral.due_on,
            ended_at=referral.ended_at,
        )
        for referral, agency in referrals.of_case(session, seen.case)
    ]
    return CaseContents(
        **shown(seen.case, content=seen.content).model_dump(),
        exhibits=linked if seen.content else None,
        assignments=team if seen.content or seen.team else None,
        referrals=referred if seen.content else None,
    )
