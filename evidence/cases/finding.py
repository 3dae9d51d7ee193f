"""Narrow a list of cases or items that access has scoped already, by what they say and where they stand.

Whoever narrows by what a thing says hands in a selection of what the principal may read (`asks_content`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Select, and_, exists, or_, select, union
from sqlalchemy.orm import Session, aliased

from auth.models import Account
from evidence.cases import expectations
from evidence.cases.models import CaseAssignment, CaseFile, Exhibit, IncidentNumber, Referral
from evidence.items.models import EvidenceItem


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFilter:
    """Which items are asked for. What is None is not asked; of a period, its end does not belong to it."""

    incident: str | None = None
    officer: str | None = None
    camera: str | None = None
    received_from: datetime | None = None
    received_to: datetime | None = None
    recorded_from: datetime | None = None
    recorded_to: datetime | None = None
    case_id: UUID | None = None

    @property
    def asks_content(self) -> bool:
        """Whether an item's being found tells what it says."""
        said = (self.incident, self.officer, self.camera, self.recorded_from, self.recorded_to, self.case_id)
        return any(each is not None for each in said)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFilter:
    """Which cases are asked for. What is None is not asked."""

    number: str | None = None
    incident: str | None = None
    is_open: bool | None = None
    is_referred: bool | None = None
    assigned_to: UUID | None = None
    overdue_on: date | None = None
    due_by: date | None = None

    @property
    def asks_content(self) -> bool:
        """Whether a case's being found tells what is in it."""
        said = (self.incident, self.is_referred, self.assigned_to, self.overdue_on, self.due_by)
        return any(each is not None for each in said)


def items(scoped: Select[EvidenceItem], asked: ItemFilter) -> Select[EvidenceItem]:
    """Narrow a selection of items."""
    if asked.incident is not None:
        # Two selections, each by its own index: as one condition every item that may be seen would be looked at.
        announced = aliased(EvidenceItem)
        found = union(
            select(announced.id).where(announced.incident == asked.incident),
            select(IncidentNumber.item_id).where(
                IncidentNumber.number == asked.incident,
                IncidentNumber.ended_at.is_(None),
                IncidentNumber.item_id.is_not(None),
            ),
        ).subquery()
        scoped = scoped.where(EvidenceItem.id.in_(select(found.c.id)))
    if asked.officer is not None:
        wears = select(Account.id).where(Account.agency_id == EvidenceItem.agency_id, Account.badge == asked.officer)
        # What was said counts until somebody has decided otherwise.
        said = and_(EvidenceItem.officer_basis != "reassigned", EvidenceItem.officer_badge == asked.officer)
        scoped = scoped.where(or_(said, EvidenceItem.officer_id.in_(wears)))
    if asked.camera is not None:
        scoped = scoped.where(EvidenceItem.camera_serial == asked.camera)
    if asked.received_from is not None:
        scoped = scoped.where(EvidenceItem.received_at >= asked.received_from)
    if asked.received_to is not None:
        scoped = scoped.where(EvidenceItem.received_at < asked.received_to)
    if asked.recorded_from is not None:
        scoped = scoped.where(EvidenceItem.recorded_at >= asked.recorded_from)
    if asked.recorded_to is not None:
        scoped = scoped.where(EvidenceItem.recorded_at < asked.recorded_to)
    if asked.case_id is not None:
        linked = select(Exhibit.item_id).where(Exhibit.case_id == asked.case_id, Exhibit.withdrawn_at.is_(None))
        scoped = scoped.where(EvidenceItem.id.in_(linked))
    return scoped


def cases(scoped: Select[CaseFile], asked: CaseFilter, *, agency_id: UUID) -> Select[CaseFile]:
    """Narrow a selection of cases for somebody of this agency: it knows when its own cases and referrals are due."""
    if asked.number is not None:
        scoped = scoped.where(CaseFile.number.startswith(asked.number, autoescape=True))
    if asked.incident is not None:
        said = select(IncidentNumber.case_id).where(
            IncidentNumber.number == asked.incident,
            IncidentNumber.ended_at.is_(None),
            IncidentNumber.case_id.is_not(None),
        )
        scoped = scoped.where(CaseFile.id.in_(said))
    if asked.is_open is not None:
        scoped = scoped.where(CaseFile.closed_at.is_(None) if asked.is_open else CaseFile.closed_at.is_not(None))
    if asked.is_referred is not None:
        stands = exists().where(Referral.case_id == CaseFile.id, Referral.ended_at.is_(None)).correlate(CaseFile)
        scoped = scoped.where(stands if asked.is_referred else ~stands)
    if asked.assigned_to is not None:
        works = select(CaseAssignment.case_id).where(
            CaseAssignment.account_id == asked.assigned_to, CaseAssignment.ended_at.is_(None)
        )
        scoped = scoped.where(CaseFile.id.in_(works))
    told = or_(Referral.agency_id == agency_id, CaseFile.agency_id == agency_id)
    awaited = (
        select(Referral.id)
        .where(Referral.case_id == CaseFile.id, Referral.ended_at.is_(None), told)
        .correlate(CaseFile)
    )
    if asked.overdue_on is not None:
        late = exists(awaited.where(expectations.is_overdue(asked.overdue_on)))
        scoped = scoped.where(CaseFile.closed_at.is_(None), late)
    if asked.due_by is not None:
        scoped = scoped.where(CaseFile.closed_at.is_(None), exists(awaited.where(Referral.due_on <= asked.due_by)))
    return scoped


def page_of_cases(session: Session, scoped: Select[CaseFile], *, after: UUID | None, limit: int) -> Sequence[CaseFile]:
    """Return the next cases in the order they were opened; ids are time-ordered, so they are the cursor."""
    if after is not None:
        scoped = scoped.where(CaseFile.id > after)
    return session.scalars(scoped.order_by(CaseFile.id).limit(limit)).all()
