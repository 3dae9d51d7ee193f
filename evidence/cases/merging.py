"""Merge two case files that turned out to be one: the one ends and points to the other, which remains.

What stands at the merged case goes over: exhibits under new numbers, people, referrals with what is expected of them,
incident numbers, references.  Nothing is removed: the merged case keeps its number, its ended links and its chain.

It opens evidence to people who did not see it before, so `gains` says beforehand who that is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from auth.models import Account, Agency
from auth.principals import Principal
from evidence import custody
from evidence.cases import assignments, case_files, exhibits, expectations, incidents, references, referrals
from evidence.cases.models import CaseAssignment, CaseFile, Exhibit, Referral
from evidence.custody.case_events import CaseMerged
from evidence.custody.events import Actor
from evidence.errors import ConflictError


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """Whom a merger lets see more: a person, or an agency as a whole. `exhibits` are how many it opens to them."""

    agency: Agency
    account: Account | None
    capacity: str | None
    by_case: str
    exhibits: int


def require_mergeable(session: Session, merged: CaseFile, into: CaseFile) -> None:
    """Lock both cases; raise ConflictError unless they are two open cases of one agency."""
    if merged.id == into.id:
        raise ConflictError("A case is not merged into itself.", next_step="Name the case that is to remain.")
    if merged.agency_id != into.agency_id:
        raise ConflictError(
            "The two cases are of different agencies.", next_step="Refer the one to the other agency instead."
        )
    if (merged.kind, merged.access_class) != (into.kind, into.access_class):
        raise ConflictError(
            "The two cases are not of one kind and access class: each would open to those of the other.",
            next_step="Bring them to the same access class first; a matter of internal affairs merges with another.",
        )
    # In one order, so that two mergers never wait for each other.
    for each in sorted((merged, into), key=attrgetter("id")):
        case_files.require_open(session, each)


def gains(session: Session, merged: CaseFile, into: CaseFile) -> list[Gain]:
    """Return whom the merger lets see more than now: by the one case, what is in the other and not in theirs."""
    items = {case.id: _items(session, case) for case in (merged, into)}
    people = {case.id: _people(session, case) for case in (merged, into)}
    agencies = {case.id: _agencies(session, case) for case in (merged, into)}
    found: list[Gain] = []
    for have, other in ((merged, into), (into, merged)):
        new = len(items[other.id] - items[have.id])
        for account_id, (assignment, account, agency) in people[have.id].items():
            if account_id not in people[other.id]:
                found.append(
                    Gain(
                        agency=agency,
                        account=account,
                        capacity=assignment.capacity,
                        by_case=have.number,
                        exhibits=new,
                    )
                )
        found += [
            Gain(agency=agency, account=None, capacity=None, by_case=have.number, exhibits=new)
            for agency_id, (_, agency) in agencies[have.id].items()
            if agency_id not in agencies[other.id]
        ]
    return found


def opens_to_another_agency(session: Session, merged: CaseFile, into: CaseFile) -> bool:
    """Say whether the merger lays a case before an agency before which it does not lie."""
    return _agencies(session, merged).keys() != _agencies(session, into).keys()


def merge(
    session: Session, merged: CaseFile, into: CaseFile, *, by: Principal, at: datetime, request_id: str, reason: str
) -> None:
    """Let everything that stands at the one case go over to the other, and end the one. Raises ConflictError."""
    require_mergeable(session, merged, into)
    why = f"merged into case {into.number}: {reason}"
    exhibits_there = exhibits.carry_over(session, merged, into, by=by, at=at, request_id=request_id)
    for number in incidents.of_cases(session, [merged.id])[merged.id]:
        incidents.withdraw(session, merged, number, by=by, at=at, request_id=request_id, reason=why)
        incidents.add(session, into, number, by=by, at=at, request_id=request_id)
    references.carry_over(session, merged, into, by=by, at=at, request_id=request_id, reason=why)
    # Before its referrals end: an attorney to whom only they show it sees it from here on by the one that remains.
    merged.closed_at, merged.merged_into_id = at, into.id
    session.flush()
    referrals_there = _refer(session, merged, into, by=by, at=at, request_id=request_id, reason=why)
    expectations.carry_over(
        session,
        merged,
        into,
        referrals_there=referrals_there,
        exhibits_there=exhibits_there,
        by=by,
        at=at,
        request_id=request_id,
        reason=why,
    )
    _assign(session, merged, into, by=by, at=at, request_id=request_id, reason=why)
    # Whatever was merged into this one before goes on to the case that remains now.
    session.execute(
        update(CaseFile).where(CaseFile.merged_into_id == merged.id).values(merged_into_id=into.id),
        execution_options={"synchronize_session": "fetch"},
    )
    for case in (merged, into):
        event = CaseMerged(
            actor=Actor.of(by),
            request_id=request_id,
            case_id=case.id,
            merged_id=merged.id,
            into_id=into.id,
            merged_number=merged.number,
            into_number=into.number,
            reason=reason,
        )
        custody.record(session, event)


def merged_into(session: Session, case: CaseFile) -> Sequence[CaseFile]:
    """Return the cases that were merged into this one, oldest first."""
    return session.scalars(select(CaseFile).where(CaseFile.merged_into_id == case.id).order_by(CaseFile.id)).all()


def _refer(
    session: Session, merged: CaseFile, into: CaseFile, *, by: Principal, at: datetime, request_id: str, reason: str
) -> dict[UUID, Referral]:
    """End the referrals of the one case and lay the other before those agencies; the earlier of two days counts."""
    there = {agency_id: referral for agency_id, (referral, _) in _agencies(session, into).items()}
    carried: dict[UUID, Referral] = {}
    for agency_id, (referral, agency) in _agencies(session, merged).items():
        due_on = referral.due_on
        if (to := there.get(agency_id)) is None:
            to = referrals.make(session, into, agency, due_on=due_on, by=by, at=at, request_id=request_id)
        elif due_on is not None and (to.due_on is None or due_on < to.due_on):
            referrals.set_due(session, into, to.id, due_on=due_on, by=by, request_id=request_id, reason=reason)
        referrals.end(session, merged, referral.id, by=by, at=at, request_id=request_id, reason=reason)
        carried[referral.id] = to
    return carried


def _assign(
    session: Session, merged: CaseFile, into: CaseFile, *, by: Principal, at: datetime, request_id: str, reason: str
) -> None:
    there = _people(session, into)
    for assignment, account in assignments.of_case(session, merged):
        if assignment.ended_at is not None:
            continue
        assignments.end(session, merged, assignment.id, by=by, at=at, request_id=request_id, reason=reason)
        if account.id not in there and account.suspended_at is None:
            assignments.make(session, into, account, capacity=assignment.capacity, by=by, at=at, request_id=request_id)


def _items(session: Session, case: CaseFile) -> set[UUID]:
    return set(
        session.scalars(select(Exhibit.item_id).where(Exhibit.case_id == case.id, Exhibit.withdrawn_at.is_(None)))
    )


def _people(session: Session, case: CaseFile) -> dict[UUID, tuple[CaseAssignment, Account, Agency]]:
    """Return who works the case and is not suspended, by account."""
    found = session.execute(
        select(CaseAssignment, Account, Agency)
        .join(Account, Account.id == CaseAssignment.account_id)
        .join(Agency, Agency.id == Account.agency_id)
        .where(CaseAssignment.case_id == case.id, CaseAssignment.ended_at.is_(None), Account.suspended_at.is_(None))
        .order_by(CaseAssignment.id)
    )
    return {account.id: (assignment, account, agency) for assignment, account, agency in found}


def _agencies(session: Session, case: CaseFile) -> dict[UUID, tuple[Referral, Agency]]:
    """Return before whom the case lies, by agency."""
    return {
        agency.id: (referral, agency)
        for referral, agency in referrals.of_case(session, case)
        if referral.ended_at is None
    }
