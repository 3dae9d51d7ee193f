"""Units of an agency, who belongs to them and who supervises them, with dates."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from auth.errors import NotPermittedError, TakenError, UnknownError
from auth.events import Recorder, UnitFounded, UnitJoined, UnitLeft
from auth.models import Account, Unit, UnitMember
from auth.names import check_name
from auth.principals import Principal


def found(session: Session, recorder: Recorder, name: str, *, by: Principal, at: datetime, request_id: str) -> Unit:
    """Found a unit of one's own agency; raise TakenError if there is one of that name."""
    unit = Unit(agency_id=by.agency_id, name=check_name(name, what="The name of a unit"), founded_at=at)
    try:
        with session.begin_nested():
            session.add(unit)
    except IntegrityError:
        raise TakenError(f"Your agency has a unit named {unit.name} already.") from None
    event = UnitFounded(by=by, unit_id=unit.id, name=unit.name, agency_id=unit.agency_id, at=at, request_id=request_id)
    recorder.record(session, event)
    return unit


def join(
    session: Session,
    recorder: Recorder,
    unit: Unit,
    account: Account,
    *,
    supervises: bool,
    by: Principal,
    at: datetime,
    request_id: str,
) -> None:
    """Let the account belong to the unit from now on; a change of `supervises` ends the old membership.

    Raises NotPermittedError for oneself, TakenError for what is so already, UnknownError for a unit that ended.
    """
    if by.id == account.id:
        raise NotPermittedError("Nobody changes a unit of their own.")
    if unit.ended_at is not None or unit.agency_id != account.agency_id:
        raise UnknownError("There is no such unit.")
    session.refresh(account, with_for_update=True)
    before = _membership(session, unit, account)
    if before is not None and before.supervises == supervises:
        raise TakenError("The account belongs to this unit already.")
    if before is not None:
        before.left_at = at
        session.flush()
    session.add(UnitMember(unit_id=unit.id, account_id=account.id, supervises=supervises, joined_at=at))
    session.flush()
    event = UnitJoined(
        by=by,
        unit_id=unit.id,
        unit=unit.name,
        account_id=account.id,
        supervises=supervises,
        agency_id=unit.agency_id,
        at=at,
        request_id=request_id,
    )
    recorder.record(session, event)


def leave(
    session: Session, recorder: Recorder, unit: Unit, account: Account, *, by: Principal, at: datetime, request_id: str
) -> None:
    """End the membership from now on; that it was is kept. Raises UnknownError if there is none."""
    if by.id == account.id:
        raise NotPermittedError("Nobody changes a unit of their own.")
    session.refresh(account, with_for_update=True)
    membership = _membership(session, unit, account)
    if membership is None:
        raise UnknownError("The account does not belong to this unit.")
    membership.left_at = at
    session.flush()
    event = UnitLeft(
        by=by,
        unit_id=unit.id,
        unit=unit.name,
        account_id=account.id,
        agency_id=unit.agency_id,
        at=at,
        request_id=request_id,
    )
    recorder.record(session, event)


def by_name(session: Session, agency_id: UUID, name: str) -> Unit:
    """Return the agency's unit of that name; raise UnknownError."""
    unit = None
    if name.isprintable():  # no unit has another name, and PostgreSQL knows no NUL
        unit = session.scalar(
            select(Unit).where(Unit.agency_id == agency_id, Unit.name == name, Unit.ended_at.is_(None))
        )
    if unit is None:
        raise UnknownError("There is no such unit.")
    return unit


def of_agency(session: Session, agency_id: UUID) -> Sequence[Unit]:
    """Return the agency's units by name."""
    return session.scalars(
        select(Unit).where(Unit.agency_id == agency_id, Unit.ended_at.is_(None)).order_by(Unit.name)
    ).all()


def members(session: Session, unit: Unit, *, at: datetime) -> list[tuple[UnitMember, Account]]:
    """Return who belongs to the unit at that instant, by name."""
    rows = session.execute(
        select(UnitMember, Account)
        .join(Account, Account.id == UnitMember.account_id)
        .where(UnitMember.unit_id == unit.id, belongs(at))
        .order_by(Account.name, Account.id)
    )
    return [(row[0], row[1]) for row in rows]


def of_account(account_id: UUID, *, at: datetime) -> Select[UUID]:
    """Select the units that the account belongs to at that instant."""
    return select(UnitMember.unit_id).where(UnitMember.account_id == account_id, belongs(at))


def supervised_by(account_id: UUID, *, at: datetime) -> Select[UUID]:
    """Select the units that the account supervises at that instant."""
    return of_account(account_id, at=at).where(UnitMember.supervises)


def supervisors(session: Session, unit_ids: Collection[UUID], *, at: datetime) -> dict[UUID, frozenset[UUID]]:
    """Return the accounts that supervise each of the units at that instant."""
    people: dict[UUID, set[UUID]] = defaultdict(set)
    if unit_ids:
        rows = select(UnitMember.unit_id, UnitMember.account_id)
        for unit_id, account_id in session.execute(
            rows.where(UnitMember.unit_id.in_(unit_ids), UnitMember.supervises, belongs(at))
        ):
            people[unit_id].add(account_id)
    return {each: frozenset(people[each]) for each in unit_ids}


def home_of(session: Session, account_id: UUID, *, at: datetime) -> UUID | None:
    """Return the unit that the account belongs to, if it is exactly one: what it makes belongs there too."""
    units = session.scalars(of_account(account_id, at=at).limit(2)).all()
    return units[0] if len(units) == 1 else None


def home_of_badge(session: Session, agency_id: UUID, badge: str, *, at: datetime) -> UUID | None:
    """Return the one unit of the one account of the agency with that badge, if it is that clear."""
    people = session.scalars(
        select(Account.id).where(Account.agency_id == agency_id, Account.badge == badge).limit(2)
    ).all()
    return home_of(session, people[0], at=at) if len(people) == 1 else None


def belongs(at: datetime) -> ColumnElement[bool]:
    """Return the condition under which a UnitMember belongs at that instant."""
    return and_(UnitMember.joined_at <= at, or_(UnitMember.left_at.is_(None), UnitMember.left_at > at))


def _membership(session: Session, unit: Unit, account: Account) -> UnitMember | None:
    return session.scalar(
        select(UnitMember).where(
            UnitMember.unit_id == unit.id, UnitMember.account_id == account.id, UnitMember.left_at.is_(None)
        )
    )


def _open(agency_id: UUID) -> Select[Unit]:
    return select(Unit).where(Unit.agency_id == agency_id, Unit.ended_at.is_(None))
