"""Incident numbers of a case or an item: what dispatch called what happened. There may be several; one is withdrawn."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from unicodedata import normalize
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from auth.names import check_name
from auth.principals import Principal
from evidence import custody
from evidence.cases import case_files
from evidence.cases.models import CaseFile, IncidentNumber
from evidence.custody.case_events import Kept
from evidence.custody.events import Actor
from evidence.custody.reference_events import IncidentAdded, IncidentWithdrawn
from evidence.errors import ConflictError, NotFoundError
from evidence.ids import new_id
from evidence.items.models import EvidenceItem

MOST = 50
"""Incident numbers that a case or item can have at a time."""


def check_number(number: str) -> str:
    """Return the number without blanks around it; raise AccountError for what cannot be read whole."""
    return check_name(number, what="An incident number", longest=255)


def add(
    session: Session, about: CaseFile | EvidenceItem, number: str, *, by: Principal, at: datetime, request_id: str
) -> bool:
    """Say that the case or item belongs to the incident; return whether that is news. A case has to be open."""
    number = check_number(number)
    if session.scalar(_standing(about).where(IncidentNumber.number == number)) is not None:
        return False
    _lock(session, about)
    numbers = [each.number for each in session.scalars(_standing(about))]
    if number in numbers:
        return False  # somebody else said the same, and was quicker
    if len(numbers) >= MOST:
        raise ConflictError(
            f"It has {MOST} incident numbers already.", next_step="Withdraw those that do not belong to it."
        )
    added = IncidentNumber(
        id=new_id(), agency_id=about.agency_id, **_to(about), number=number, added_at=at, ended_at=None
    )
    session.add(added)
    session.flush()
    event = IncidentAdded(
        actor=Actor.of(by),
        request_id=request_id,
        on=kind_of(about),
        about_id=about.id,
        incident_id=added.id,
        number=number,
    )
    custody.record(session, event)
    return True


def withdraw(
    session: Session,
    about: CaseFile | EvidenceItem,
    number: str,
    *,
    by: Principal,
    at: datetime,
    request_id: str,
    reason: str,
) -> None:
    """Withdraw an incident number; raise NotFoundError if the case or item has none of that name that stands."""
    _lock(session, about)
    number = normalize("NFC", number.strip())
    found = session.scalar(_standing(about).where(IncidentNumber.number == number)) if number.isprintable() else None
    if found is None:
        raise NotFoundError("It has no such incident number that stands.", next_step="Show it for those it has.")
    found.ended_at = at
    session.flush()
    event = IncidentWithdrawn(
        actor=Actor.of(by),
        request_id=request_id,
        on=kind_of(about),
        about_id=about.id,
        incident_id=found.id,
        number=found.number,
        reason=reason,
    )
    custody.record(session, event)


def of_cases(session: Session, case_ids: Collection[UUID]) -> dict[UUID, list[str]]:
    """Return the incident numbers that stand of each of the cases, in the order they were said."""
    return _by_thing(session, select(IncidentNumber.case_id, IncidentNumber.number), case_ids, IncidentNumber.case_id)


def of_items(session: Session, item_ids: Collection[UUID]) -> dict[UUID, list[str]]:
    """Return the incident numbers that people said of each of the items, besides what was said on arrival."""
    return _by_thing(session, select(IncidentNumber.item_id, IncidentNumber.number), item_ids, IncidentNumber.item_id)


def kind_of(about: CaseFile | EvidenceItem) -> Kept:
    """Say on which kind of chain stands what is said of it."""
    return "case" if isinstance(about, CaseFile) else "item"


def _by_thing(
    session: Session,
    selected: Select[UUID | None, str],
    ids: Collection[UUID],
    column: InstrumentedAttribute[UUID | None],
) -> dict[UUID, list[str]]:
    numbers: dict[UUID, list[str]] = defaultdict(list)
    found = session.execute(
        selected.where(column.in_(ids), IncidentNumber.ended_at.is_(None)).order_by(IncidentNumber.id)
    )
    for about, number in found:
        assert about is not None
        numbers[about].append(number)
    return numbers


def _standing(about: CaseFile | EvidenceItem) -> Select[IncidentNumber]:
    column = IncidentNumber.case_id if isinstance(about, CaseFile) else IncidentNumber.item_id
    return select(IncidentNumber).where(column == about.id, IncidentNumber.ended_at.is_(None))


def _to(about: CaseFile | EvidenceItem) -> dict[str, UUID]:
    return {f"{kind_of(about)}_id": about.id}


def _lock(session: Session, about: CaseFile | EvidenceItem) -> None:
    if isinstance(about, CaseFile):
        case_files.require_open(session, about)
    else:
        session.execute(select(EvidenceItem.id).where(EvidenceItem.id == about.id).with_for_update())
