"""Tables: upload, from its first byte to what became of it; camera and camera_assignment.

A row is never removed: what arrived, what did not and why is part of the story.
"""

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
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from auth.models import Account, Agency
from evidence.database import Base
from evidence.items.models import EvidenceItem
from evidence.storage.models import StoredObject

State = Literal["open", "sealing", "received", "quarantined", "terminated", "expired"]
"""open: bytes are arriving. sealing: all are here and durable, and only the server acts. The others are ends."""


class Upload(Base):
    """One resumable transfer.

    `durable_offset` counts bytes that are flushed to the store's disk and nothing else; it is the
    only offset ever told to a client.  `chunks_sha256` holds the digest of every whole chunk up to
    it, taken on the stream, 32 bytes each (the last chunk's too, once all bytes are here).
    `writer` is the fence: whoever's it is may write until `writer_until` (the database's clock);
    in state `sealing` it is the fence of the one who seals.  `wanted` asks it to let go: a client
    that comes back by way of another server process need not wait for the old connection to die.
    """

    __tablename__ = "upload"
    __table_args__ = (
        CheckConstraint(
            "state in ('open', 'sealing', 'received', 'quarantined', 'terminated', 'expired')", name="state_known"
        ),
        CheckConstraint("size >= 0 and durable_offset >= 0 and durable_offset <= size", name="offset_within_size"),
        CheckConstraint("declared_sha256 is null or length(declared_sha256) = 32", name="declared_is_sha256"),
        CheckConstraint(
            "state <> 'received' or (item_id is not null and record_id is not null)", name="received_whole"
        ),
        CheckConstraint("state <> 'quarantined' or explanation is not null", name="quarantined_explained"),
        # Two uploads of the same bytes are sealed one after the other: of an object that turns out
        # to be there already nothing must have been locked, for a lock cannot be undone.
        Index(
            "uq_upload_claim",
            "agency_id",
            "claimed_sha256",
            unique=True,
            postgresql_where=text("state = 'sealing'"),
        ),
        Index("ix_upload_unfinished", "touched_at", postgresql_where=text("state in ('open', 'sealing')")),
        Index("ix_upload_to_clear", "ended_at", postgresql_where=text("ended_at is not null and cleared_at is null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    agency_id: Mapped[UUID] = mapped_column(ForeignKey(Agency.id), index=True)
    opened_by_kind: Mapped[str] = mapped_column(String(16))
    opened_by_id: Mapped[UUID] = mapped_column(index=True)
    opened_by: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """The principal as it was then; whoever completes the upload later acts on its behalf."""

    state: Mapped[State] = mapped_column(String(16))
    size: Mapped[int] = mapped_column(BigInteger)
    declared_sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    announced: Mapped[str] = mapped_column(Text)
    """The `Upload-Metadata` exactly as sent (ASCII): nothing the client said is lost, whatever its keys."""

    manifest: Mapped[str | None] = mapped_column(Text)
    """What the dock signed of the recording, exactly as sent; None where a person sends."""

    object_id: Mapped[UUID] = mapped_column(ForeignKey(StoredObject.id), unique=True)
    staging_token: Mapped[str | None] = mapped_column(Text)
    durable_offset: Mapped[int] = mapped_column(BigInteger)
    chunks_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    writer: Mapped[UUID | None]
    writer_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    wanted: Mapped[bool]

    claimed_sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    chunks_object_id: Mapped[UUID | None] = mapped_column(ForeignKey(StoredObject.id))
    item_id: Mapped[UUID | None] = mapped_column(ForeignKey(EvidenceItem.id), index=True)
    record_id: Mapped[int | None] = mapped_column(BigInteger)
    found_sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    explanation: Mapped[str | None] = mapped_column(Text)

    opened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    touched_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    """When an open upload ends for want of bytes, and from when on what an ended one left may be removed."""
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    cleared_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When what had to be removed after the end (staged parts, a second copy) was seen to be gone."""


class Camera(Base):
    """A body-worn camera of an agency, by its serial number. It is retired, never removed."""

    __tablename__ = "camera"
    __table_args__ = (UniqueConstraint("agency_id", "serial"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    agency_id: Mapped[UUID] = mapped_column(ForeignKey(Agency.id))
    serial: Mapped[str] = mapped_column(String(255))
    model: Mapped[str | None] = mapped_column(String(255))
    enrolled_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    retired_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class CameraAssignment(Base):
    """Who carried a camera, from the first moment to the first no longer (None: still).

    A trigger refuses two of one camera that overlap, whoever writes.
    """

    __tablename__ = "camera_assignment"
    __table_args__ = (
        UniqueConstraint("camera_id", "from_at"),
        CheckConstraint("to_at is null or to_at > from_at", name="ends_after_it_began"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    camera_id: Mapped[UUID] = mapped_column(ForeignKey(Camera.id))
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id), index=True)
    from_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    to_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
