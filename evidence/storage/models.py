"""Table: stored_object. What we know of one object in the store, first of all its key there.

The row is written before the object, so that nothing can be stored that no row names; the
digests are filled in when the object was read back.  For readers an object exists from then on.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from auth.models import Agency
from evidence.database import Base


class StoredObject(Base):
    """One object: where it is, its wrapped data key, and its digests once it was read back.

    `size` and `sha256` are of the plaintext, `stored_size` and `stored_sha256` of the ciphertext:
    whoever has only these can check the stored bytes without any key.  `wrapped_key` is NULL once
    the key was destroyed; the row stays, to say so.
    """

    __tablename__ = "stored_object"
    __table_args__ = (
        CheckConstraint("(wrapped_key is null) = (key_destroyed_at is not null)", name="key_there_or_destroyed"),
        CheckConstraint(
            "(size is null) = (sha256 is null) and (size is null) = (stored_size is null)"
            " and (size is null) = (stored_sha256 is null)",
            name="read_back_whole",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    agency_id: Mapped[UUID] = mapped_column(ForeignKey(Agency.id), index=True)
    key: Mapped[str] = mapped_column(String(255), unique=True)
    wrapped_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    agency_key_id: Mapped[str] = mapped_column(String(64))
    key_destroyed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    size: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    stored_size: Mapped[int | None] = mapped_column(BigInteger)
    stored_sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    version: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
