"""Tables: case_file, exhibit, case_assignment and referral. Each row ends by a date and is kept."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, Date, DateTime, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from auth.models import Account, Agency, Unit
from evidence.database import Base
from evidence.items.models import AccessClass, EvidenceItem

CaseKind = Literal["criminal", "internal_affairs"]
"""A matter of internal affairs is confidential, and opens what is linked to it to those who investigate it."""


class CaseFile(Base):
    """The folder of a case, under the number its agency gave it."""

    __tablename__ = "case_file"
    __table_args__ = (
        UniqueConstraint("agency_id", "number"),
        CheckConstraint("kind in ('criminal', 'internal_affairs')", name="kind_known"),
        CheckConstraint("access_class in ('unrestricted', 'restricted', 'confidential')", name="access_class_known"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    agency_id: Mapped[UUID] = mapped_column(ForeignKey(Agency.id))
    number: Mapped[str] = mapped_column(String(64))
    title: Mapped[str] = mapped_column(String(200))
    kind: Mapped[CaseKind] = mapped_column(String(16), default="criminal", server_default="criminal")
    unit_id: Mapped[UUID | None] = mapped_column(ForeignKey(Unit.id))
    access_class: Mapped[AccessClass] = mapped_column(String(16), default="unrestricted", server_default="unrestricted")
    opened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    opened_by_id: Mapped[UUID] = mapped_column(index=True)
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Exhibit(Base):
    """An item linked to a case, under a number that is given once and never again."""

    __tablename__ = "exhibit"
    __table_args__ = (
        UniqueConstraint("case_id", "number"),
        Index("uq_exhibit_open", "item_id", "case_id", unique=True, postgresql_where=text("withdrawn_at IS NULL")),
        CheckConstraint("number > 0", name="number_positive"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey(CaseFile.id))
    item_id: Mapped[UUID] = mapped_column(ForeignKey(EvidenceItem.id))
    number: Mapped[int]
    linked_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    withdrawn_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class CaseAssignment(Base):
    """Who works a case, and as what, from when to when."""

    __tablename__ = "case_assignment"
    __table_args__ = (
        Index(
            "uq_case_assignment_open", "account_id", "case_id", unique=True, postgresql_where=text("ended_at IS NULL")
        ),
        Index("ix_case_assignment_case_id", "case_id"),
        Index("ix_case_assignment_account_id", "account_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey(CaseFile.id))
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    capacity: Mapped[str] = mapped_column(String(64))
    assigned_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Referral(Base):
    """A case laid before an agency that prosecutes, from when to when. `due_on` is when it wants the evidence."""

    __tablename__ = "referral"
    __table_args__ = (
        Index("uq_referral_open", "case_id", "agency_id", unique=True, postgresql_where=text("ended_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey(CaseFile.id))
    agency_id: Mapped[UUID] = mapped_column(ForeignKey(Agency.id), index=True)
    referred_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    due_on: Mapped[date | None] = mapped_column(Date)
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
