"""Tables: case files, their exhibits, people and referrals, and what is said of them. Each row ends by a date."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Date, DateTime, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from auth.models import Account, Agency, Unit
from evidence.database import Base
from evidence.items.models import AccessClass, EvidenceItem

CaseKind = Literal["criminal", "internal_affairs"]
"""A matter of internal affairs is confidential, and opens what is linked to it to those who investigate it."""


class CaseFile(Base):
    """The folder of a case, under the number its agency gave it.

    `merged_into_id` is the case that remains of a merger, today: when that one is merged in turn, it follows.
    """

    __tablename__ = "case_file"
    __table_args__ = (
        UniqueConstraint("agency_id", "number"),
        CheckConstraint("kind in ('criminal', 'internal_affairs')", name="kind_known"),
        CheckConstraint("access_class in ('unrestricted', 'restricted', 'confidential')", name="access_class_known"),
        CheckConstraint("merged_into_id IS NULL OR closed_at IS NOT NULL", name="merged_is_closed"),
        CheckConstraint("merged_into_id <> id", name="not_merged_into_itself"),
        Index("ix_case_file_number_prefix", "agency_id", "number", postgresql_ops={"number": "varchar_pattern_ops"}),
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
    merged_into_id: Mapped[UUID | None] = mapped_column(ForeignKey("case_file.id"), index=True)


class Exhibit(Base):
    """An item linked to a case, under a number that is given once and never again.

    `carried_to_id` is the exhibit under which the item went on when its case was merged into another.
    """

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
    carried_to_id: Mapped[UUID | None] = mapped_column(ForeignKey("exhibit.id"), index=True)


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
        Index("ix_referral_due_on", "due_on", postgresql_where=text("ended_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey(CaseFile.id))
    agency_id: Mapped[UUID] = mapped_column(ForeignKey(Agency.id), index=True)
    referred_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    due_on: Mapped[date | None] = mapped_column(Date)
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Expectation(Base):
    """What an agency to which a case is referred expects and may not have yet: so many recordings of a kind."""

    __tablename__ = "expectation"
    __table_args__ = (CheckConstraint("recordings > 0", name="recordings_positive"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    referral_id: Mapped[UUID] = mapped_column(ForeignKey(Referral.id), index=True)
    what: Mapped[str] = mapped_column(String(200))
    incident: Mapped[str | None] = mapped_column(String(255))
    camera: Mapped[str | None] = mapped_column(String(255))
    officer: Mapped[str | None] = mapped_column(String(255))
    recordings: Mapped[int]
    expected_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Fulfilment(Base):
    """An exhibit that is what was expected. It counts for as long as the exhibit is not withdrawn."""

    __tablename__ = "fulfilment"
    __table_args__ = (UniqueConstraint("expectation_id", "exhibit_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    expectation_id: Mapped[UUID] = mapped_column(ForeignKey(Expectation.id))
    exhibit_id: Mapped[UUID] = mapped_column(ForeignKey(Exhibit.id), index=True)
    fulfilled_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


ABOUT_ONE = "num_nonnulls(case_id, item_id) = 1"
"""What is said is said of a case or of an item, and never of both."""


class IncidentNumber(Base):
    """The number of an incident that a case or an item belongs to; there may be several."""

    __tablename__ = "incident_number"
    __table_args__ = (
        CheckConstraint(ABOUT_ONE, name="about_one"),
        Index("uq_incident_number_case", "case_id", "number", unique=True, postgresql_where=text("ended_at IS NULL")),
        Index("uq_incident_number_item", "item_id", "number", unique=True, postgresql_where=text("ended_at IS NULL")),
        Index("ix_incident_number_number", "number"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    agency_id: Mapped[UUID] = mapped_column(ForeignKey(Agency.id))
    case_id: Mapped[UUID | None] = mapped_column(ForeignKey(CaseFile.id))
    item_id: Mapped[UUID | None] = mapped_column(ForeignKey(EvidenceItem.id))
    number: Mapped[str] = mapped_column(String(255))
    added_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class ExternalReference(Base):
    """What an agency's other system calls a case or an item, and where it shows it. `agency_id` is whose it is."""

    __tablename__ = "external_reference"
    __table_args__ = (
        CheckConstraint(ABOUT_ONE, name="about_one"),
        Index(
            "uq_external_reference_open",
            "agency_id",
            "system",
            "external_id",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    agency_id: Mapped[UUID] = mapped_column(ForeignKey(Agency.id))
    case_id: Mapped[UUID | None] = mapped_column(ForeignKey(CaseFile.id), index=True)
    item_id: Mapped[UUID | None] = mapped_column(ForeignKey(EvidenceItem.id), index=True)
    system: Mapped[str] = mapped_column(String(64))
    external_id: Mapped[str] = mapped_column(String(128))
    address: Mapped[str | None] = mapped_column(String(2000))
    added_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class CaseNumberPattern(Base):
    """How an agency writes the numbers of its cases; no pattern: as people type them."""

    __tablename__ = "case_number_pattern"

    agency_id: Mapped[UUID] = mapped_column(ForeignKey(Agency.id), primary_key=True)
    pattern: Mapped[str | None] = mapped_column(String(64))
    set_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class CaseNumber(Base):
    """The last number given in one series: an agency's pattern with its year filled in."""

    __tablename__ = "case_number"

    agency_id: Mapped[UUID] = mapped_column(ForeignKey(Agency.id), primary_key=True)
    series: Mapped[str] = mapped_column(String(80), primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger)
