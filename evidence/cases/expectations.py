"""What an agency to which a case is referred expects, line by line, and which exhibits are it."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from auth.names import check_name
from auth.principals import Principal
from evidence import custody
from evidence.cases import case_files, referrals
from evidence.cases.models import CaseFile, Exhibit, Expectation, Fulfilment, Referral
from evidence.custody.events import Actor
from evidence.custody.reference_events import ExpectationAdded, ExpectationFulfilled, ExpectationWithdrawn
from evidence.errors import ConflictError, NotFoundError
from evidence.ids import new_id

MOST = 500
"""Lines that a referral can have at a time."""

MOST_RECORDINGS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is expected: in words, how many recordings, and as far as known of which incident, camera and officer."""

    what: str
    incident: str | None = None
    camera: str | None = None
    officer: str | None = None
    recordings: int = 1


@dataclass(frozen=True, slots=True)
class Line:
    """One line, and the numbers of the exhibits that are it and stand."""

    expectation: Expectation
    exhibits: tuple[int, ...]

    @property
    def missing(self) -> int:
        """How many recordings are still expected; none of a line that was withdrawn."""
        if self.expectation.ended_at is not None:
            return 0
        return max(0, self.expectation.recordings - len(self.exhibits))


def add(
    session: Session,
    case: CaseFile,
    referral_id: UUID,
    wanted: Wanted,
    *,
    by: Principal,
    at: datetime,
    request_id: str,
) -> Expectation:
    """List what is expected of a referral that stands; the agency that referred may, and the one it was referred to.

    Raises NotFoundError for a referral that is not theirs to list for, ConflictError for a closed case.
    """
    case_files.require_open(session, case)
    referral = referrals.standing(session, case, referral_id)
    _require_party(case, referral, by)
    count = select(func.count()).where(Expectation.referral_id == referral.id, Expectation.ended_at.is_(None))
    if (session.scalar(count) or 0) >= MOST:
        raise ConflictError(f"{MOST} lines are listed already.", next_step="Withdraw those that nobody waits for.")
    return _added(session, case, referral, wanted, by=by, at=at, request_id=request_id)


def fulfil(
    session: Session,
    case: CaseFile,
    expectation_id: UUID,
    exhibit: Exhibit,
    *,
    by: Principal,
    at: datetime,
    request_id: str,
) -> None:
    """Say that an exhibit of the case is what was expected, or part of it. Saying it again changes nothing."""
    case_files.require_open(session, case)
    expectation = standing(session, case, expectation_id, by=by)
    session.refresh(exhibit)
    if exhibit.withdrawn_at is not None:
        raise ConflictError("The exhibit was withdrawn.", next_step="Name an exhibit that stands.")
    _tick(session, case, expectation, exhibit, by=by, at=at, request_id=request_id)


def withdraw(
    session: Session,
    case: CaseFile,
    expectation_id: UUID,
    *,
    by: Principal,
    at: datetime,
    request_id: str,
    reason: str,
) -> None:
    """Expect it no longer; the line is kept. Raises NotFoundError if none of that id stands."""
    case_files.require_open(session, case)
    _end(
        session,
        case,
        standing(session, case, expectation_id, by=by),
        by=by,
        at=at,
        request_id=request_id,
        reason=reason,
    )


def standing(session: Session, case: CaseFile, expectation_id: UUID, *, by: Principal) -> Expectation:
    """Return the case's line of that id if it stands and its referral does, and is theirs; raise NotFoundError."""
    found = session.execute(
        select(Expectation, Referral)
        .join(Referral, Referral.id == Expectation.referral_id)
        .where(
            Expectation.id == expectation_id,
            Expectation.ended_at.is_(None),
            Referral.case_id == case.id,
            Referral.ended_at.is_(None),
        )
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        raise _unknown()
    expectation, referral = found
    _require_party(case, referral, by)
    return expectation


def of_referrals(session: Session, referral_ids: Collection[UUID]) -> dict[UUID, list[Line]]:
    """Return the lines of each of the referrals, oldest first, withdrawn ones included."""
    found = session.scalars(
        select(Expectation).where(Expectation.referral_id.in_(referral_ids)).order_by(Expectation.id)
    ).all()
    numbers: dict[UUID, list[int]] = defaultdict(list)
    ticked = session.execute(
        select(Fulfilment.expectation_id, Exhibit.number)
        .join(Exhibit, Exhibit.id == Fulfilment.exhibit_id)
        .where(Fulfilment.expectation_id.in_([each.id for each in found]), Exhibit.withdrawn_at.is_(None))
        .order_by(Exhibit.number)
    )
    for expectation_id, number in ticked:
        numbers[expectation_id].append(number)
    lines: dict[UUID, list[Line]] = defaultdict(list)
    for each in found:
        lines[each.referral_id].append(Line(each, tuple(numbers[each.id])))
    return lines


def overdue(session: Session, referral_ids: Collection[UUID], *, today: date) -> set[UUID]:
    """Return which of these referrals are overdue."""
    return set(session.scalars(select(Referral.id).where(Referral.id.in_(referral_ids), is_overdue(today))))


def is_overdue(today: date) -> ColumnElement[bool]:
    """Return the condition under which a Referral that stands is overdue: its day is past, and something is missing.

    Where nobody listed what is expected, something is missing as long as the case has no exhibit at all.
    """
    lines = select(Expectation.id).where(Expectation.referral_id == Referral.id, Expectation.ended_at.is_(None))
    there = (
        select(func.count())
        .select_from(Fulfilment)
        .join(Exhibit, Exhibit.id == Fulfilment.exhibit_id)
        .where(Fulfilment.expectation_id == Expectation.id, Exhibit.withdrawn_at.is_(None))
        .correlate(Expectation)
        .scalar_subquery()
    )
    exhibits = select(Exhibit.id).where(Exhibit.case_id == Referral.case_id, Exhibit.withdrawn_at.is_(None))
    return and_(
        Referral.ended_at.is_(None),
        Referral.due_on < today,
        or_(exists(lines.where(Expectation.recordings > there)), and_(~exists(lines), ~exists(exhibits))),
    )


def carry_over(
    session: Session,
    merged: CaseFile,
    into: CaseFile,
    *,
    referrals_there: Mapping[UUID, Referral],
    exhibits_there: Mapping[UUID, Exhibit],
    by: Principal,
    at: datetime,
    request_id: str,
    reason: str,
) -> None:
    """List at the case that remains what was expected at the merged one, with what has come of it.

    Each referral of the merged case, by id, goes on as one of the other case, and each exhibit.  The caller holds both.
    """
    lines = session.scalars(
        select(Expectation)
        .where(Expectation.referral_id.in_(list(referrals_there)), Expectation.ended_at.is_(None))
        .order_by(Expectation.id)
    ).all()
    for each in lines:
        referral = referrals_there[each.referral_id]
        wanted = Wanted(
            what=each.what,
            incident=each.incident,
            camera=each.camera,
            officer=each.officer,
            recordings=each.recordings,
        )
        # Whoever may merge acts here for the agency whose referral it is.
        made = _added(session, into, referral, wanted, by=by, at=at, request_id=request_id)
        ticked = session.scalars(select(Fulfilment.exhibit_id).where(Fulfilment.expectation_id == each.id))
        for exhibit_id in dict.fromkeys(ticked):
            if exhibit_id in exhibits_there:
                _tick(session, into, made, exhibits_there[exhibit_id], by=by, at=at, request_id=request_id)
        _end(session, merged, each, by=by, at=at, request_id=request_id, reason=reason)


def _added(
    session: Session,
    case: CaseFile,
    referral: Referral,
    wanted: Wanted,
    *,
    by: Principal,
    at: datetime,
    request_id: str,
) -> Expectation:
    expectation = Expectation(
        id=new_id(),
        referral_id=referral.id,
        what=check_name(wanted.what, what="What is expected", longest=200),
        incident=_checked(wanted.incident, what="An incident number"),
        camera=_checked(wanted.camera, what="A camera's serial number"),
        officer=_checked(wanted.officer, what="A badge number"),
        recordings=wanted.recordings,
        expected_at=at,
    )
    session.add(expectation)
    session.flush()
    event = ExpectationAdded(
        actor=Actor.of(by),
        request_id=request_id,
        case_id=case.id,
        expectation_id=expectation.id,
        referral_id=referral.id,
        agency_id=referral.agency_id,
        what=expectation.what,
        incident=expectation.incident,
        camera=expectation.camera,
        officer=expectation.officer,
        recordings=expectation.recordings,
    )
    custody.record(session, event)
    return expectation


def _tick(
    session: Session,
    case: CaseFile,
    expectation: Expectation,
    exhibit: Exhibit,
    *,
    by: Principal,
    at: datetime,
    request_id: str,
) -> None:
    known = select(Fulfilment.id).where(
        Fulfilment.expectation_id == expectation.id, Fulfilment.exhibit_id == exhibit.id
    )
    if session.scalar(known) is not None:
        return
    session.add(Fulfilment(id=new_id(), expectation_id=expectation.id, exhibit_id=exhibit.id, fulfilled_at=at))
    session.flush()
    event = ExpectationFulfilled(
        actor=Actor.of(by),
        request_id=request_id,
        case_id=case.id,
        expectation_id=expectation.id,
        referral_id=expectation.referral_id,
        agency_id=session.get_one(Referral, expectation.referral_id).agency_id,
        exhibit_id=exhibit.id,
        exhibit_number=exhibit.number,
    )
    custody.record(session, event)


def _end(
    session: Session,
    case: CaseFile,
    expectation: Expectation,
    *,
    by: Principal,
    at: datetime,
    request_id: str,
    reason: str,
) -> None:
    expectation.ended_at = at
    session.flush()
    event = ExpectationWithdrawn(
        actor=Actor.of(by),
        request_id=request_id,
        case_id=case.id,
        expectation_id=expectation.id,
        referral_id=expectation.referral_id,
        agency_id=session.get_one(Referral, expectation.referral_id).agency_id,
        reason=reason,
    )
    custody.record(session, event)


def _require_party(case: CaseFile, referral: Referral, by: Principal) -> None:
    if by.agency_id not in (case.agency_id, referral.agency_id):
        raise _unknown()


def _unknown() -> NotFoundError:
    return NotFoundError("The case has no such line that stands.", next_step="Show the case for what is expected.")


def _checked(said: str | None, *, what: str) -> str | None:
    return None if said is None else check_name(said, what=what, longest=255)
