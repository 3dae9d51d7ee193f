"""What auth reports, and the Recorder it reports to.

Auth does not know what becomes of a report.  The Recorder is handed in; it writes in the
session it is given, so that an act and its report stand or fall together.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from auth.principals import Principal, Role

Reason = Literal[
    "unknown_account",
    "wrong_password",
    "suspended",
    "locked",
    "source_locked",
    "idle",
    "one_time_password_over",
    "banner_not_acknowledged",
    "new_password_missing",
    "second_factor_missing",
    "wrong_code",
    "replayed_code",
    "unknown_renewal",
    "renewal_reused",
    "session_ended",
    "wrong_enrolment_code",
    "unknown_dock",
    "retired",
    "bad_assertion",
    "bad_proof",
    "replayed",
    "not_begun_here",
    "provider_refused",
    "provider_away",
    "bad_provider_token",
    "not_expected",
]
"""Why a sign-in was refused. For the record only; but for what is missing, the caller is never told which it was."""

Ending = Literal[
    "signed_out",
    "too_many",
    "password_changed",
    "suspended",
    "reset",
    "renewal_reused",
    "code_reused",
    "guessed_at",
    "provider",
]
"""Why a session was ended before its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reported:
    """What every report says: when, in which request, and in whose agency (None: nobody's we know)."""

    at: datetime
    request_id: str
    agency_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn(_Reported):
    """A person signed in, and a session began. `source` is the network address the request came from.

    `amr` says by what means (RFC 8176), `banner` which system-use notice was acknowledged (its SHA-256 in hex),
    `provider` whose word it was, if not ours.
    """

    principal: Principal
    amr: tuple[str, ...] = ()
    banner: str | None = None
    source: str | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DockSignedIn(_Reported):
    """A dock signed in with its key."""

    principal: Principal
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRefused(_Reported):
    """A sign-in was refused. What was typed is not kept: people type passwords into the wrong box.

    `kind` and `id` name the account or dock that was claimed, if there is such a one.
    """

    reason: Reason
    kind: Literal["account", "dock"] | None = None
    id: UUID | None = None
    source: str | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCreated(_Reported):
    """An account was created."""

    by: Principal
    account_id: UUID
    email: str
    name: str
    badge: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSuspended(_Reported):
    """An account may not come in any more."""

    by: Principal
    account_id: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityExpected(_Reported):
    """An account is to be signed in to at a provider; `subject` is who that will be, if it is known yet."""

    by: Principal
    account_id: UUID
    provider: str
    subject: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityLinked(_Reported):
    """An account belongs to a provider's subject from now on. The account itself is the actor."""

    principal: Principal
    provider: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleGranted(_Reported):
    """An account holds a role from now on; `mapping_id` is by which mapping of a group, if by one."""

    by: Principal
    account_id: UUID
    role: Role
    mapping_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleEnded(_Reported):
    """An account holds a role no longer."""

    by: Principal
    account_id: UUID
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMapped(_Reported):
    """A provider's group gives these roles at a first sign-in from now on."""

    by: Principal
    mapping_id: UUID
    provider: str
    group: str
    roles: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupUnmapped(_Reported):
    """A provider's group gives the roles of this mapping no longer; who got them by it keeps them."""

    by: Principal
    mapping_id: UUID
    provider: str
    group: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitFounded(_Reported):
    """An agency has a unit more."""

    by: Principal
    unit_id: UUID
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitJoined(_Reported):
    """An account belongs to a unit from now on, or supervises it."""

    by: Principal
    unit_id: UUID
    unit: str
    account_id: UUID
    supervises: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitLeft(_Reported):
    """An account belongs to a unit no longer."""

    by: Principal
    unit_id: UUID
    unit: str
    account_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DockInvited(_Reported):
    """A one-time enrolment code was made for a dock."""

    by: Principal
    invitation_id: UUID
    dock_name: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DockEnrolled(_Reported):
    """A dock brought its public key and a good code. The dock itself is the actor."""

    dock_id: UUID
    name: str
    fingerprint: str
    invitation_id: UUID
    invited_by: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DockKeyReplaced(_Reported):
    """A dock has another key from now on. The dock itself is the actor: the old key named the new one."""

    dock_id: UUID
    name: str
    fingerprint: str
    replaced: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DockRetired(_Reported):
    """A dock may not come in any more."""

    by: Principal
    dock_id: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded(_Reported):
    """A session was ended before its time. `by` is None when a rule ended it."""

    by: Principal | None
    account_id: UUID
    session_id: UUID
    because: Ending


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvedAgain(_Reported):
    """Somebody proved their second factor again, within a session; `method` as in `amr`."""

    principal: Principal
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactorEnrolled(_Reported):
    """An account has a second factor from now on."""

    by: Principal
    account_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCodesMade(_Reported):
    """An account was given recovery codes; those it had count no longer."""

    by: Principal
    account_id: UUID
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCodeUsed(_Reported):
    """A recovery code stood in for the second factor; `left` are good still."""

    account_id: UUID
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChanged(_Reported):
    """Somebody chose another password."""

    by: Principal
    account_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedOut(_Reported):
    """An account, or a network address (`source`, without an account), is locked out from now on."""

    account_id: UUID | None = None
    source: str | None = None
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountReleased(_Reported):
    """An administrator let an account in again that was locked out or had been idle for too long."""

    by: Principal
    account_id: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReleased(_Reported):
    """An administrator let a network address in again."""

    by: Principal
    source: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountReset(_Reported):
    """An account was reset at the server's own console: a one-time password, no second factor, no session.

    The other administrators are to hear of it: `agency_id` says whose.
    """

    by: Principal
    account_id: UUID


AuthEvent = (
    SignedIn
    | SessionEnded
    | ProvedAgain
    | SecondFactorEnrolled
    | RecoveryCodesMade
    | RecoveryCodeUsed
    | PasswordChanged
    | LockedOut
    | AccountReleased
    | SourceReleased
    | AccountReset
    | DockSignedIn
    | SignInRefused
    | AccountCreated
    | AccountSuspended
    | IdentityExpected
    | IdentityLinked
    | RoleGranted
    | RoleEnded
    | GroupMapped
    | GroupUnmapped
    | UnitFounded
    | UnitJoined
    | UnitLeft
    | DockInvited
    | DockEnrolled
    | DockKeyReplaced
    | DockRetired
)


class Recorder(Protocol):
    """Somebody who keeps what auth reports, in the same transaction as the act."""

    def record(self, session: Session, event: AuthEvent) -> None:
        """Keep the event with the session's transaction; raise if that cannot be done."""


@dataclass
class Remembered:
    """A Recorder that keeps events in a list, whatever becomes of the transaction."""

    events: list[AuthEvent] = field(default_factory=list)

    def record(self, session: Session, event: AuthEvent) -> None:
        """Keep the event in the list."""
        self.events.append(event)
