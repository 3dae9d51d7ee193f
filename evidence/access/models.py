"""Tables: access lists, critical incidents, requests for a second person and uses of break-glass. All rows are kept."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from auth.models import Account, Agency, Unit
from evidence.access.actions import Action
from evidence.cases.models import CaseFile
from evidence.database import Base
from evidence.items.models import EvidenceItem

Extent = Literal["view", "work"]
"""What an entry of an access list opens: to look, or whatever the role may do with it."""

Part = Literal["involved", "witness"]

RequestState = Literal["open", "approved", "refused", "withdrawn", "void"]
"""How a request stands; one that lapsed stays `open`, and `expires_at` says so."""


class AccessListEntry(Base):
    """Somebody, or a unit, named on the access list of an item or a case, from when to when."""

    __tablename__ = "access_list_entry"
    __table_args__ = (
        CheckConstraint("num_nonnulls(item_id, case_id) = 1", name="of_one_thing"),
        CheckConstraint("num_nonnulls(account_id, unit_id) = 1", name="names_one"),
        CheckConstraint("extent in ('view', 'work')", name="extent_known"),
        Index("ix_access_list_entry_item_id", "item_id", postgresql_where=text("item_id IS NOT NULL")),
        Index("ix_access_list_entry_case_id", "case_id", postgresql_where=text("case_id IS NOT NULL")),
        Index("ix_access_list_entry_account_id", "account_id", postgresql_where=text("account_id IS NOT NULL")),
        Index("ix_access_list_entry_unit_id", "unit_id", postgresql_where=text("unit_id IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    item_id: Mapped[UUID | None] = mapped_column(ForeignKey(EvidenceItem.id))
    case_id: Mapped[UUID | None] = mapped_column(ForeignKey(CaseFile.id))
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey(Account.id))
    unit_id: Mapped[UUID | None] = mapped_column(ForeignKey(Unit.id))
    extent: Mapped[Extent] = mapped_column(String(8))
    granted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    granted_by_id: Mapped[UUID]
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class CriticalIncident(Base):
    """A use of force or the like, after which those involved first say what they remember and then may watch.

    It covers every item of its agency that carries its number, whenever it arrives, and those
    that are named besides.
    """

    __tablename__ = "critical_incident"
    __table_args__ = (UniqueConstraint("agency_id", "number"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    agency_id: Mapped[UUID] = mapped_column(ForeignKey(Agency.id))
    unit_id: Mapped[UUID | None] = mapped_column(ForeignKey(Unit.id))
    number: Mapped[str] = mapped_column(String(255))
    declared_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    declared_by_id: Mapped[UUID]


class IncidentListing(Base):
    """Somebody who was involved in a critical incident or saw it. `opened_at`: since when they may watch."""

    __tablename__ = "incident_listing"
    __table_args__ = (
        UniqueConstraint("incident_id", "account_id"),
        CheckConstraint("part in ('involved', 'witness')", name="part_known"),
        CheckConstraint("opened_by in ('statement', 'release')", name="opened_by_known"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    incident_id: Mapped[UUID] = mapped_column(ForeignKey(CriticalIncident.id))
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id), index=True)
    part: Mapped[Part] = mapped_column(String(8))
    listed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    opened_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    opened_by: Mapped[Literal["statement", "release"] | None] = mapped_column(String(16))


class IncidentItem(Base):
    """An item that a critical incident covers though it does not carry its number."""

    __tablename__ = "incident_item"

    incident_id: Mapped[UUID] = mapped_column(ForeignKey(CriticalIncident.id), primary_key=True)
    item_id: Mapped[UUID] = mapped_column(ForeignKey(EvidenceItem.id), primary_key=True, index=True)
    covered_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ApprovalRequest(Base):
    """What somebody asked for that takes effect only when a second person approves exactly this.

    `frozen` is the whole of it as canonical JSON, `sha256` its digest; neither is ever changed.
    """

    __tablename__ = "approval_request"
    __table_args__ = (
        UniqueConstraint("id", "requester_id"),
        CheckConstraint("state in ('open', 'approved', 'refused', 'withdrawn', 'void')", name="state_known"),
        CheckConstraint("length(sha256) = 32", name="sha256_size"),
        Index("ix_approval_request_agency_id_open", "agency_id", "id", postgresql_where=text("state = 'open'")),
        Index("ix_approval_request_requester_id", "requester_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    agency_id: Mapped[UUID] = mapped_column(ForeignKey(Agency.id))
    requester_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    action: Mapped[Action] = mapped_column(String(32))
    frozen: Mapped[bytes] = mapped_column(LargeBinary)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    requested_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    state: Mapped[RequestState] = mapped_column(String(16))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Approval(Base):
    """The second person's yes. The database itself takes one for a request, and none of the requester's own."""

    __tablename__ = "approval"
    __table_args__ = (
        ForeignKeyConstraint(["request_id", "requester_id"], [ApprovalRequest.id, ApprovalRequest.requester_id]),
        CheckConstraint("approver_id <> requester_id", name="by_another"),
    )

    request_id: Mapped[UUID] = mapped_column(primary_key=True)
    requester_id: Mapped[UUID]
    approver_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    given_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class BrokenGlass(Base):
    """An administrator's way to watch one item, until `ends_at`; somebody else reviews it afterwards."""

    __tablename__ = "broken_glass"
    __table_args__ = (
        CheckConstraint("reviewer_id <> account_id", name="reviewed_by_another"),
        CheckConstraint("num_nonnulls(reviewed_at, reviewer_id, finding) in (0, 3)", name="reviewed_whole"),
        Index("ix_broken_glass_item_id", "item_id", "account_id"),
        Index("ix_broken_glass_agency_id", "agency_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    agency_id: Mapped[UUID] = mapped_column(ForeignKey(Agency.id))
    item_id: Mapped[UUID] = mapped_column(ForeignKey(EvidenceItem.id))
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    reason: Mapped[str] = mapped_column(Text)
    broken_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ends_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    reviewed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    reviewer_id: Mapped[UUID | None] = mapped_column(ForeignKey(Account.id))
    finding: Mapped[str | None] = mapped_column(Text)
