"""Who works a case, and as what, from when to when. Access by the case begins and ends with it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from auth.models import Account
from auth.names import check_name
from auth.principals import Principal
from evidence import custody
from evidence.cases import case_files
from evidence.cases.models import CaseAssignment, CaseFile
from evidence.custody.case_events import AssignmentEnded, CaseAssigned
from evidence.custody.events import Actor
from evidence.errors import ConflictError, NotFoundError, RefusedError
from evidence.ids import new_id


def make(
    session: Session, case: CaseFile, account: Account, *, capacity: str, by: Principal, at: datetime, request_id: str
) -> CaseAssignment:
    """Assign the account to the case; raise ConflictError if it works on it or the case is closed."""
    case_files.require_open(session, case)
    if account.suspended_at is not None:
        raise ConflictError("The account is suspended.", next_step="Assign somebody else.")
    if session.scalar(_standing(case).where(CaseAssignment.account_id == account.id)) is not None:
        raise ConflictError(
            "The account is assigned to this case already.", next_step="End that assignment to change its capacity."
        )
    assignment = CaseAssignment(
        id=new_id(),
        case_id=case.id,
        account_id=account.id,
        capacity=check_name(capacity, what="A capacity", longest=64),
        assigned_at=at,
    )
    session.add(assignment)
    session.flush()
    event = CaseAssigned(
        actor=Actor.of(by),
        request_id=request_id,
        case_id=case.id,
        assignment_id=assignment.id,
        account_id=account.id,
        capacity=assignment.capacity,
        name=account.name,
    )
    custody.record(session, event)
    return assignment


def require_ours(session: Session, case: CaseFile, assignment_id: UUID, *, by: Principal) -> None:
    """Raise RefusedError for another agency's person, unless the case is one's own agency's.

    Each agency says who works for it: whom a case was referred to ends nobody else's work on it.
    """
    whose = select(Account.agency_id).join(CaseAssignment).where(CaseAssignment.id == assignment_id)
    if by.agency_id not in (case.agency_id, session.scalar(whose)):
        raise RefusedError("Each agency says who works for it.", next_step="Ask their agency, or whose case it is.")


def end(
    session: Session, case: CaseFile, assignment_id: UUID, *, by: Principal, at: datetime, request_id: str, reason: str
) -> None:
    """End an assignment; raise NotFoundError if the case has none of that id that stands. Closed or not."""
    case_files.lock(session, case)
    assignment = session.scalar(
        _standing(case)
        .where(CaseAssignment.id == assignment_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if assignment is None:
        raise NotFoundError(
            "The case has no such assignment that stands.", next_step="Show the case for who works on it."
        )
    assignment.ended_at = at
    session.flush()
    event = AssignmentEnded(
        actor=Actor.of(by),
        request_id=request_id,
        case_id=case.id,
        assignment_id=assignment.id,
        account_id=assignment.account_id,
        reason=reason,
    )
    custody.record(session, event)


def of_case(session: Session, case: CaseFile) -> Sequence[tuple[CaseAssignment, Account]]:
    """Return the assignments to the case with their accounts, oldest first, ended ones included."""
    found = session.execute(
        select(CaseAssignment, Account)
        .join(Account, Account.id == CaseAssignment.account_id)
        .where(CaseAssignment.case_id == case.id)
        .order_by(CaseAssignment.id)
    )
    return [(assignment, account) for assignment, account in found]


def _standing(case: CaseFile) -> Select[CaseAssignment]:
    return select(CaseAssignment).where(CaseAssignment.case_id == case.id, CaseAssignment.ended_at.is_(None))
