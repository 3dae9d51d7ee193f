"""Tables of the chain of custody.

`custody_record` holds the sealed bytes, which are the truth; `custody_head` the end of every
chain; `custody_origin` the name of this installation.  These three are written by the database
function `custody_append` alone and refuse UPDATE, DELETE and TRUNCATE to everybody.

`custody_disclosure` holds what records only commit to.  Its rows may be deleted: an erasure
ordered by law takes salt and value away, and the chain still holds.
"""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Text,
    UniqueConstraint,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from evidence.database import Base


class CustodyOrigin(Base):
    """The name of this installation in every record. One row, chosen once."""

    __tablename__ = "custody_origin"
    __table_args__ = (CheckConstraint("single", name="one_row"),)

    single: Mapped[bool] = mapped_column(primary_key=True, server_default=true())
    origin: Mapped[str] = mapped_column(Text)


class CustodyHead(Base):
    """The end of one chain: its last record's number, hash and instant. Appending locks this row."""

    __tablename__ = "custody_head"

    chain: Mapped[str] = mapped_column(Text, primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    h: Mapped[bytes]
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class CustodyRecordRow(Base):
    """One record as sealed. `h` is its leaf hash, `key` what makes a retry the same record.

    `actor` is the actor's id, by which everything somebody did is found; the database reads it from `raw` itself.
    """

    __tablename__ = "custody_record"
    __table_args__ = (
        UniqueConstraint("chain", "seq"),
        UniqueConstraint("chain", "key"),
        Index("ix_custody_record_actor", "actor", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    chain: Mapped[str] = mapped_column(Text)
    seq: Mapped[int] = mapped_column(BigInteger)
    h: Mapped[bytes]
    raw: Mapped[bytes]
    key: Mapped[str] = mapped_column(Text)
    actor: Mapped[str | None] = mapped_column(
        Text, Computed("custody_said(raw, '{actor,id}'::text[])", persisted=True), deferred=True
    )


class CustodyDisclosure(Base):
    """Salt, name and value of one field that a record commits to by `digest`.

    No foreign key: records are never removed, and checking one costs as much as the append itself.
    """

    __tablename__ = "custody_disclosure"

    record_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    disclosure: Mapped[str] = mapped_column(Text)


class CustodyReceipt(Base):
    """The signed note that was given for a record."""

    __tablename__ = "custody_receipt"

    record_id: Mapped[int] = mapped_column(ForeignKey(CustodyRecordRow.id), primary_key=True)
    note: Mapped[str] = mapped_column(Text)


class SigningKey(Base):
    """The public half of a key we sign with. `id` is its name and key id as in a signed note."""

    __tablename__ = "signing_key"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    role: Mapped[str] = mapped_column(Text)
    algorithm: Mapped[str] = mapped_column(Text)
    public: Mapped[bytes]
    valid_from: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    valid_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
