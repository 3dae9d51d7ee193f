"""Tables: agencies, the accounts and docks that act for them, and what those may hold.

Nothing here is deleted but spent entries of `used_assertion`, which mean nothing once their
token would be refused for its age.  People and docks end by a date.
"""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, MetaData, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""Names of constraints, the same as in evidence.database, which this package may not import."""


class Base(DeclarativeBase):
    """The tables of `auth`."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {datetime: DateTime(timezone=True), str: Text}  # noqa: RUF012


class Agency(Base):
    """A police or prosecuting agency: the wall around everything it holds."""

    __tablename__ = "agency"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]


class Account(Base):
    """What one person signs in to. It is suspended, never deleted."""

    __tablename__ = "account"
    __table_args__ = (CheckConstraint("email = lower(email)", name="email_lower"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    agency_id: Mapped[UUID] = mapped_column(ForeignKey(Agency.id), index=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    badge: Mapped[str | None]
    password_hash: Mapped[str]
    created_at: Mapped[datetime]
    suspended_at: Mapped[datetime | None]


class RoleAssignment(Base):
    """A role an account holds from one day to another. At most one of a kind is open."""

    __tablename__ = "role_assignment"
    __table_args__ = (
        Index("uq_role_assignment_open", "account_id", "role", unique=True, postgresql_where=text("ended_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    role: Mapped[str]
    granted_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class Dock(Base):
    """A docking station with a key of its own. It is retired, never deleted.

    One key belongs to one dock for ever; a name may be used again after its dock is retired.
    `public_key` is the one that counts now; `dock_key` has all it ever had.
    """

    __tablename__ = "dock"
    __table_args__ = (
        Index("uq_dock_name_active", "agency_id", "name", unique=True, postgresql_where=text("retired_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    agency_id: Mapped[UUID] = mapped_column(ForeignKey(Agency.id))
    name: Mapped[str]
    public_key: Mapped[dict[str, Any]] = mapped_column(JSONB)
    fingerprint: Mapped[str] = mapped_column(unique=True)
    enrolled_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]


class DockKey(Base):
    """A public key that a dock has or had, from when to when. What it signed stays checkable for ever."""

    __tablename__ = "dock_key"

    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    dock_id: Mapped[UUID] = mapped_column(ForeignKey(Dock.id), index=True)
    public_key: Mapped[dict[str, Any]] = mapped_column(JSONB)
    since: Mapped[datetime]
    until: Mapped[datetime | None]


class EnrolmentCode(Base):
    """A one-time code with which a dock may enrol. Only its digest is kept."""

    __tablename__ = "enrolment_code"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    agency_id: Mapped[UUID] = mapped_column(ForeignKey(Agency.id))
    dock_name: Mapped[str]
    code_sha256: Mapped[bytes] = mapped_column(unique=True)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    invited_by: Mapped[UUID]
    """The principal who invited: an account, or the server's own console."""


class UsedAssertion(Base):
    """A statement or proof of a dock that was used; the same one is refused until it is too old anyway."""

    __tablename__ = "used_assertion"

    jti_sha256: Mapped[bytes] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
