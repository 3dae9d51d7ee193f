"""Tables: agencies, the accounts and docks that act for them, and what those may hold.

Nothing here is deleted but spent entries of `used_assertion`, which mean nothing once their
token would be refused for its age, and counts of `lockout` that have run out.  People, docks,
sessions and second factors end by a date.
"""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    MetaData,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
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
    """What one person signs in to. It is suspended, never deleted.

    A password with an end is a one-time password: it lets its owner choose another, before then.
    """

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
    password_ends_at: Mapped[datetime | None]
    released_at: Mapped[datetime | None]
    """When an administrator last let it in again; it has not been idle longer than since then."""


class SignInSession(Base):
    """What begins with a person's sign-in and what every token of theirs names.

    `ends_at` is its end at the latest, `idle_ends_at` its end unless it is used before; either may
    have passed without anybody having written `ended_at`.  `strong_at` is when a second factor was
    last proved in it.  Both halves of the renewal token are kept as SHA-256: the one that stays says which
    session it is, the other changes at every renewal.
    """

    __tablename__ = "sign_in_session"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id), index=True)
    method: Mapped[str]
    amr: Mapped[list[str]] = mapped_column(ARRAY(Text))
    began_at: Mapped[datetime]
    proved_at: Mapped[datetime]
    strong_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime]
    idle_ends_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_because: Mapped[str | None]
    source: Mapped[str | None]
    renewal_family: Mapped[bytes] = mapped_column(unique=True)
    renewal_sha256: Mapped[bytes]


class SecondFactor(Base):
    """A secret shared with a person's authenticator, sealed under a key that is not in the database.

    It counts from its confirmation to its end; at most one of an account does.  `last_step` is the time
    step of the last code that was taken: no code of it or of an earlier one is taken again.
    """

    __tablename__ = "second_factor"
    __table_args__ = (
        Index("uq_second_factor_open", "account_id", unique=True, postgresql_where=text("ended_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    sealed_secret: Mapped[bytes]
    offered_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    last_step: Mapped[int | None] = mapped_column(BigInteger)


class RecoveryCode(Base):
    """A code that stands in for the second factor once. Only its digest is kept."""

    __tablename__ = "recovery_code"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id), index=True)
    code_sha256: Mapped[bytes] = mapped_column(unique=True)
    made_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    """When it was used, or others took its place."""


class Lockout(Base):
    """The late failures of one account or source address, and since when it is locked out."""

    __tablename__ = "lockout"

    subject: Mapped[str] = mapped_column(primary_key=True)
    failed_at: Mapped[list[datetime]] = mapped_column(ARRAY(DateTime(timezone=True)))
    locked_at: Mapped[datetime | None]


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


class GroupMapping(Base):
    """The roles that a provider's group gives in an agency at a first sign-in, from one day to another.

    A role that was got by it names it in custody.  It never changes: another takes its place.
    """

    __tablename__ = "group_mapping"
    __table_args__ = (
        CheckConstraint("cardinality(roles) > 0", name="gives_something"),
        Index(
            "uq_group_mapping_open",
            *("agency_id", "provider", "group_name"),
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    agency_id: Mapped[UUID] = mapped_column(ForeignKey(Agency.id))
    provider: Mapped[str]
    group_name: Mapped[str]
    roles: Mapped[list[str]] = mapped_column(ARRAY(Text))
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class Unit(Base):
    """A part of an agency: a precinct, a squad. It ends by a date, and its name may then be used again."""

    __tablename__ = "unit"
    __table_args__ = (
        Index("uq_unit_name_open", "agency_id", "name", unique=True, postgresql_where=text("ended_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    agency_id: Mapped[UUID] = mapped_column(ForeignKey(Agency.id))
    name: Mapped[str]
    founded_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class UnitMember(Base):
    """Who belongs to a unit, and whether they supervise it, from when to when."""

    __tablename__ = "unit_member"
    __table_args__ = (
        Index("uq_unit_member_open", "account_id", "unit_id", unique=True, postgresql_where=text("left_at IS NULL")),
        Index("ix_unit_member_unit_id", "unit_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    unit_id: Mapped[UUID] = mapped_column(ForeignKey(Unit.id))
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    supervises: Mapped[bool]
    joined_at: Mapped[datetime]
    left_at: Mapped[datetime | None]


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


class ProviderIdentity(Base):
    """Who somebody is at an identity provider, and whose account that is here.

    An administrator expects it (`expected_at`), by subject or by the account's e-mail address; the first
    sign-in links it.  Once it names a subject it never names another.
    """

    __tablename__ = "provider_identity"
    __table_args__ = (
        CheckConstraint("(issuer IS NULL) = (subject IS NULL)", name="whole_subject"),
        CheckConstraint("linked_at IS NULL OR subject IS NOT NULL", name="linked_to_somebody"),
        UniqueConstraint("provider", "issuer", "subject"),
        UniqueConstraint("account_id", "provider"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id))
    provider: Mapped[str]
    issuer: Mapped[str | None]
    subject: Mapped[str | None]
    expected_at: Mapped[datetime]
    linked_at: Mapped[datetime | None]


class ProviderSession(Base):
    """What stands at a provider behind a session of ours, whose id it has: how it is renewed there.

    `serial` counts the tokens given out for it.  `sealed_refresh` is the provider's refresh token, sealed; the
    database cannot read it.
    """

    __tablename__ = "provider_session"

    id: Mapped[UUID] = mapped_column(ForeignKey(SignInSession.id), primary_key=True)
    identity_id: Mapped[UUID] = mapped_column(ForeignKey(ProviderIdentity.id), index=True)
    sealed_refresh: Mapped[bytes | None]
    serial: Mapped[int]
    renewed_at: Mapped[datetime]
    renewing_since: Mapped[datetime | None]


class UsedAssertion(Base):
    """A statement or proof good once that was used; the same one is refused until it is too old anyway."""

    __tablename__ = "used_assertion"

    jti_sha256: Mapped[bytes] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
