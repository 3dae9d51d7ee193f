"""Lay a case before the agency that prosecutes, and end that. It opens the case to those it assigns there."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from auth.models import Agency
from auth.principals import Principal
from evidence import custody
from evidence.cases import case_files
from evidence.cases.models import CaseFile, Referral
from evidence.custody.case_events import CaseReferred, ReferralDueSet, ReferralEnded
from evidence.custody.events import Actor
from evidence.errors import ConflictError, NotFoundError
from evidence.ids import new_id


def make(
    session: Session,
    case: CaseFile,
    to: Agency,
    *,
    due_on: date | None,
    by: Principal,
    at: datetime,
    request_id: str,
) -> Referral:
    """Refer the case to the agency; raise ConflictError if it stands referred there or is closed."""
    case_files.require_open(session, case)
    if session.scalar(_standing(case).where(Referral.agency_id == to.id)) is not None:
        raise ConflictError("The case is referred to this agency already.", next_step="Nothing needs to be done.")
    referral = Referral(id=new_id(), case_id=case.id, agency_id=to.id, referred_at=at, due_on=due_on)
    session.add(referral)
    session.flush()
    event = CaseReferred(
        actor=Actor.of(by),
        request_id=request_id,
        case_id=case.id,
        referral_id=referral.id,
        agency_id=to.id,
        agency_name=to.name,
        due_on=None if due_on is None else due_on.isoformat(),
    )
    custody.record(session, event)
    return referral


def end(
    session: Session, case: CaseFile, referral_id: UUID, *, by: Principal, at: datetime, request_id: str, reason: str
) -> None:
    """End a referral, and with it what that agency's people see; raise NotFoundError if none of that id stands."""
    case_files.lock(session, case)
    referral = standing(session, case, referral_id)
    referral.ended_at = at
    session.flush()
    event = ReferralEnded(
        actor=Actor.of(by),
        request_id=request_id,
        case_id=case.id,
        referral_id=referral.id,
        agency_id=referral.agency_id,
        reason=reason,
    )
    custody.record(session, event)


def set_due(
    session: Session,
    case: CaseFile,
    referral_id: UUID,
    *,
    due_on: date | None,
    by: Principal,
    request_id: str,
    reason: str,
) -> None:
    """Set another day for a referral that stands, or none; the former one stays on record. The same changes nothing."""
    case_files.require_open(session, case)
    referral = standing(session, case, referral_id)
    if referral.due_on == due_on:
        return
    former, referral.due_on = referral.due_on, due_on
    session.flush()
    event = ReferralDueSet(
        actor=Actor.of(by),
        request_id=request_id,
        case_id=case.id,
        referral_id=referral.id,
        agency_id=referral.agency_id,
        due_on=None if due_on is None else due_on.isoformat(),
        former_due_on=None if former is None else former.isoformat(),
        reason=reason,
    )
    custody.record(session, event)


def standing(session: Session, case: CaseFile, referral_id: UUID) -> Referral:
    """Return the case's referral of that id, locked until the transaction ends; raise NotFoundError if none stands."""
    referral = session.scalar(
        _standing(case).where(Referral.id == referral_id).with_for_update().execution_options(populate_existing=True)
    )
    if referral is None:
        raise NotFoundError("The case has no such referral that stands.", next_step="Show the case for its referrals.")
    return referral


def of_case(session: Session, case: CaseFile) -> Sequence[tuple[Referral, Agency]]:
    """Return the case's referrals with their agencies, oldest first, ended ones included."""
    return of_cases(session, [case.id])


def of_cases(session: Session, case_ids: Collection[UUID]) -> Sequence[tuple[Referral, Agency]]:
    """Return the referrals of all these cases with their agencies, oldest first, ended ones included."""
    found = session.execute(
        select(Referral, Agency)
        .join(Agency, Agency.id == Referral.agency_id)
        .where(Referral.case_id.in_(list(case_ids)))
        .order_by(Referral.id)
    )
    return [(referral, agency) for referral, agency in found]


def _standing(case: CaseFile) -> Select[Referral]:
    return select(Referral).where(Referral.case_id == case.id, Referral.ended_at.is_(None))
