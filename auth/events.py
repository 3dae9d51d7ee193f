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
    "unknown_dock",
    "retired",
    "bad_assertion",
    "bad_proof",
    "replayed",
]
"""Why a sign-in was refused. For the record only; the caller is never told which it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reported:
    """What every report says: when, in which request, and in whose agency (None: nobody's we know)."""

    at: datetime
    request_id: str
    agency_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn(_Reported):
    """A person signed in. `source` is the network address the request came from."""

    principal: Principal
    source: str | None = None


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
class RoleGranted(_Reported):
    """An account holds a role from now on."""

    by: Principal
    account_id: UUID
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleEnded(_Reported):
    """An account holds a role no longer."""

    by: Principal
    account_id: UUID
    role: Role


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


AuthEvent = (
    SignedIn
    | DockSignedIn
    | SignInRefused
    | AccountCreated
    | AccountSuspended
    | RoleGranted
    | RoleEnded
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
