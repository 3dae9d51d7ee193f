"""Who works a case, before whom it lies, and what is expected there, over HTTP."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, BeforeValidator, Field

from auth import accounts, agencies
from evidence.access.reach import SeenCase
from evidence.api import case_shapes
from evidence.api.case_shapes import CaseContents
from evidence.api.dependencies import AppRoom, CurrentPrincipal, DatabaseSession, RequestId
from evidence.api.guards import CaseFor, CaseForReason, ReasonGiven
from evidence.cases import assignments, exhibits, expectations, referrals
from evidence.cases.expectations import MOST_RECORDINGS, Wanted
from evidence.errors import NotFoundError

router = APIRouter(tags=["Case files"])

AssignableCase = Annotated[SeenCase, Depends(CaseFor("case.assign"))]
ReferableCase = Annotated[SeenCase, Depends(CaseFor("case.refer"))]
LinkableCase = Annotated[SeenCase, Depends(CaseFor("case.link"))]
EndOfAssignment = Annotated[tuple[SeenCase, str], Depends(CaseForReason("case.assign"))]
EndOfReferral = Annotated[tuple[SeenCase, str], Depends(CaseForReason("case.refer"))]
EndOfExpectation = Annotated[tuple[SeenCase, str], Depends(CaseForReason("case.link"))]


def _written(day: object) -> object:
    """Refuse a number, which would be read as so many seconds since 1970."""
    if day is not None and not isinstance(day, str):
        raise ValueError("a day is written YYYY-MM-DD")
    return day


Day = Annotated[date | None, BeforeValidator(_written)]


class AssignmentRequest(BaseModel):
    """Who is to work the case, and as what."""

    email: str = Field(max_length=254, description="Of an account of your agency.", examples=["j.okafor@law.example"])
    capacity: str = Field(max_length=64, examples=["lead attorney"])


class ReferralRequest(BaseModel):
    """Before which agency the case is laid."""

    agency: str = Field(max_length=120, description="Its name.", examples=["City Attorney of Riverbend"])
    due_on: Day = Field(default=None, description="When it wants the evidence.")


class DueRequest(ReasonGiven):
    """Another day, or none, and why."""

    due_on: Day


class ExpectationRequest(BaseModel):
    """One line of what is expected, as far as it is known."""

    what: str = Field(max_length=200, examples=["Body-worn video of the second officer"])
    incident: str | None = Field(default=None, max_length=255)
    camera: str | None = Field(default=None, max_length=255, description="Serial number.")
    officer: str | None = Field(default=None, max_length=255, description="Badge.")
    recordings: int = Field(default=1, ge=1, le=MOST_RECORDINGS, description="How many exhibits fulfil it.")


class FulfilmentRequest(BaseModel):
    """The exhibit that is what was expected, or part of it."""

    exhibit: int = Field(ge=1, lt=2**31, description="Number of the exhibit in its case.")


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
    now = room.clock()
    account = accounts.by_email(session, asked.email)
    if account is None or account.agency_id != principal.agency_id:
        raise NotFoundError("Your agency has no account of this address.", next_step="Check the address.")
    assignments.make(session, case.case, account, capacity=asked.capacity, by=principal, at=now, request_id=request_id)
    return case_shapes.contents(session, case, principal, at=now)


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
    (case, reason), now = asked, room.clock()
    assignments.require_ours(session, case.case, assignment_id, by=principal)
    assignments.end(session, case.case, assignment_id, by=principal, at=now, request_id=request_id, reason=reason)
    return case_shapes.contents(session, case, principal, at=now)


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
    now = room.clock()
    to = agencies.by_name(session, asked.agency)
    if to is None:
        raise NotFoundError("There is no agency of this name here.", next_step="Write the name as it was founded.")
    referrals.make(session, case.case, to, due_on=asked.due_on, by=principal, at=now, request_id=request_id)
    return case_shapes.contents(session, case, principal, at=now)


@router.post("/cases/{case}/referrals/{referral_id}/due")
def set_due(
    referral_id: UUID,
    asked: DueRequest,
    case: ReferableCase,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> CaseContents:
    """Set another day for a referral, or none; the former one stays on record."""
    referrals.set_due(
        session,
        case.case,
        referral_id,
        due_on=asked.due_on,
        by=principal,
        request_id=request_id,
        reason=asked.reason,
    )
    return case_shapes.contents(session, case, principal, at=room.clock())


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
    (case, reason), now = asked, room.clock()
    referrals.end(session, case.case, referral_id, by=principal, at=now, request_id=request_id, reason=reason)
    return case_shapes.contents(session, case, principal, at=now)


@router.post("/cases/{case}/referrals/{referral_id}/expected", status_code=201)
def expect(
    referral_id: UUID,
    asked: ExpectationRequest,
    case: LinkableCase,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> CaseContents:
    """List what is expected of a referral; whoever may link to the case may, in either of its two agencies."""
    now, wanted = room.clock(), Wanted(**asked.model_dump())
    expectations.add(session, case.case, referral_id, wanted, by=principal, at=now, request_id=request_id)
    return case_shapes.contents(session, case, principal, at=now)


@router.post("/cases/{case}/expected/{expectation_id}/fulfil")
def fulfil_expectation(
    expectation_id: UUID,
    asked: FulfilmentRequest,
    case: LinkableCase,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> CaseContents:
    """Say that an exhibit is what was expected, or part of it."""
    now = room.clock()
    exhibit = exhibits.numbered(session, case.case, asked.exhibit)
    expectations.fulfil(session, case.case, expectation_id, exhibit, by=principal, at=now, request_id=request_id)
    return case_shapes.contents(session, case, principal, at=now)


@router.post("/cases/{case}/expected/{expectation_id}/withdraw")
def withdraw_expectation(
    expectation_id: UUID,
    asked: EndOfExpectation,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> CaseContents:
    """Expect it no longer; the line is kept."""
    (case, reason), now = asked, room.clock()
    expectations.withdraw(
        session, case.case, expectation_id, by=principal, at=now, request_id=request_id, reason=reason
    )
    return case_shapes.contents(session, case, principal, at=now)
