"""Tables: evidence_item and item_number."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from auth.models import Account, Agency, Unit
from evidence.database import Base
from evidence.storage.models import StoredObject

Basis = Literal["said", "roster", "reassigned", "unresolved"]
"""How it is known whose recording an item is: by the badge that was said (no roster then), by the roster, by the
decision of a person; or not at all: it is on the worklist."""

Declared = Literal["sha256", "none"]
"""Whether whoever brought the item said beforehand what its digest is."""

AccessClass = Literal["unrestricted", "restricted", "confidential"]
"""Who may know of a thing, beyond its roles: see evidence/access/gates.py."""


class EvidenceItem(Base):
    """One thing held: an original, and what is known of it now.

    What was said of the item when it arrived is frozen in its chain of custody; these columns
    are for finding and showing it.  `recorded_at` is the camera's clock, `received_at` ours.
    """

    __tablename__ = "evidence_item"
    __table_args__ = (
        UniqueConstraint("agency_id", "sha256"),
        UniqueConstraint("agency_id", "number"),
        Index("ix_evidence_item_incident_number", "agency_id", text("lower(trim(both from incident))")),
        CheckConstraint("size >= 0", name="size_not_negative"),
        CheckConstraint(
            "officer_basis in ('said', 'roster', 'reassigned', 'unresolved') "
            "and (officer_basis in ('roster', 'reassigned')) = (officer_id is not null)",
            name="officer_known_or_not",
        ),
        Index("ix_evidence_item_worklist", "agency_id", "id", postgresql_where=text("officer_basis = 'unresolved'")),
        CheckConstraint("declared in ('sha256', 'none')", name="declared_known"),
        CheckConstraint("access_class in ('unrestricted', 'restricted', 'confidential')", name="access_class_known"),
        Index("ix_evidence_item_incident", "incident"),
        Index("ix_evidence_item_agency_id_camera_serial", "agency_id", "camera_serial"),
        Index("ix_evidence_item_agency_id_officer_badge_recorded_at", "agency_id", "officer_badge", "recorded_at"),
        Index("ix_evidence_item_agency_id_recorded_at", "agency_id", "recorded_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    agency_id: Mapped[UUID] = mapped_column(ForeignKey(Agency.id), index=True)
    number: Mapped[str] = mapped_column(String(64))
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
    received_from_kind: Mapped[str] = mapped_column(String(16))
    received_from_id: Mapped[UUID] = mapped_column(index=True)
    declared: Mapped[Declared] = mapped_column(String(8))

    filename: Mapped[str] = mapped_column(String)
    content_type: Mapped[str] = mapped_column(String(255))
    recorded_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    camera_serial: Mapped[str | None] = mapped_column(String(255))
    officer_badge: Mapped[str | None] = mapped_column(String(255), index=True)
    incident: Mapped[str | None] = mapped_column(String(255))

    officer_basis: Mapped[Basis] = mapped_column(String(16), server_default="said")
    officer_id: Mapped[UUID | None] = mapped_column(ForeignKey(Account.id), index=True)
    """Whose recording it is, by roster or decision; `officer_badge` stays what was said."""
    officer_why: Mapped[str | None] = mapped_column(String(32))
    rostered_id: Mapped[UUID | None] = mapped_column(ForeignKey(Account.id))
    """Whom the roster named, whether or not the badge agrees."""

    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    chunks_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    original_object_id: Mapped[UUID] = mapped_column(ForeignKey(StoredObject.id))
    chunks_object_id: Mapped[UUID] = mapped_column(ForeignKey(StoredObject.id))

    unit_id: Mapped[UUID | None] = mapped_column(ForeignKey(Unit.id), index=True)
    access_class: Mapped[AccessClass] = mapped_column(String(16), default="unrestricted", server_default="unrestricted")
    do_not_disclose: Mapped[bool] = mapped_column(default=False, server_default=false())

    media: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    media_note: Mapped[str | None] = mapped_column(String)


class ItemNumber(Base):
    """The last evidence number given in an agency and year."""

    __tablename__ = "item_number"

    agency_id: Mapped[UUID] = mapped_column(ForeignKey(Agency.id), primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger)
