"""Who stands how to a case at an instant: what the rules of access may ask, and the same as SQL."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, String, Uuid, and_, column, or_, select, table
from sqlalchemy.orm import Session

from evidence.cases.models import CaseAssignment, Exhibit, Referral


@dataclass(frozen=True, slots=True)
class CaseStanding:
    """One case: the accounts assigned to it, the agencies it stands referred to, and what kind of case it is."""

    assigned: frozenset[UUID]
    referred_to: frozenset[UUID]
    is_internal: bool = False
    """It is a matter of internal affairs."""
    is_open: bool = True


_STANDING = table(
    "case_standing", column("id", Uuid()), column("kind", String(16)), column("closed_at", DateTime(timezone=True))
)
"""A view of case_file that shows what a case is also of confidential ones, and nothing it says (migration 1070).

Rules are computed from it: that somebody may not see a case does not end what it holds.
"""


def of_cases(session: Session, case_ids: Collection[UUID], *, at: datetime) -> dict[UUID, CaseStanding]:
    """Return how people and agencies stand to each of the cases at that instant."""
    if not case_ids:
        return {}
    assigned: dict[UUID, set[UUID]] = defaultdict(set)
    referred: dict[UUID, set[UUID]] = defaultdict(set)
    people = select(CaseAssignment.case_id, CaseAssignment.account_id)
    for case_id, account_id in session.execute(people.where(CaseAssignment.case_id.in_(case_ids), works(at))):
        assigned[case_id].add(account_id)
    agencies = select(Referral.case_id, Referral.agency_id)
    for case_id, agency_id in session.execute(agencies.where(Referral.case_id.in_(case_ids), is_referred(at))):
        referred[case_id].add(agency_id)
    kinds = select(_STANDING.c.id, _STANDING.c.kind, _STANDING.c.closed_at).where(_STANDING.c.id.in_(case_ids))
    known = {case_id: (kind, closed_at) for case_id, kind, closed_at in session.execute(kinds)}
    # A referral may end between two questions; then nothing is known of the case and it counts as open.
    unknown = ("criminal", None)
    return {
        case_id: CaseStanding(
            assigned=frozenset(assigned[case_id]),
            referred_to=frozenset(referred[case_id]),
            is_internal=known.get(case_id, unknown)[0] == "internal_affairs",
            is_open=known.get(case_id, unknown)[1] is None,
        )
        for case_id in case_ids
    }


def of_items(session: Session, item_ids: Collection[UUID], *, at: datetime) -> dict[UUID, tuple[CaseStanding, ...]]:
    """Return the standings of the cases that each of the items is an exhibit of."""
    links = session.execute(
        select(Exhibit.item_id, Exhibit.case_id).where(Exhibit.item_id.in_(item_ids), is_linked(at))
    ).all()
    standings = of_cases(session, {case_id for _, case_id in links}, at=at)
    return {each: tuple(standings[case_id] for item_id, case_id in links if item_id == each) for each in item_ids}


def is_linked(at: datetime) -> ColumnElement[bool]:
    """Return the condition under which an Exhibit is linked at that instant."""
    return and_(Exhibit.linked_at <= at, or_(Exhibit.withdrawn_at.is_(None), Exhibit.withdrawn_at > at))


def works(at: datetime) -> ColumnElement[bool]:
    """Return the condition under which a CaseAssignment stands at that instant."""
    return and_(CaseAssignment.assigned_at <= at, or_(CaseAssignment.ended_at.is_(None), CaseAssignment.ended_at > at))


def is_referred(at: datetime) -> ColumnElement[bool]:
    """Return the condition under which a Referral stands at that instant."""
    return and_(Referral.referred_at <= at, or_(Referral.ended_at.is_(None), Referral.ended_at > at))
