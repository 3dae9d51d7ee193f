"""What happens to sessions, second factors and locked accounts, as custody events.

All but a locked address stand on the chain of whoever acts, or of the account where the system acts.
Addresses and reasons are disclosures.
"""

from dataclasses import dataclass
from uuid import UUID

from evidence.custody.events import REFUSED_CHAIN, AccountEvent, CustodyEvent, chain_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded(AccountEvent):
    """A session was ended before its time. `session` is its digest, as in the actor of what was done in it."""

    act = "session.ended"
    open_facts = ("account_id", "session", "reason")
    told_apart_by = ("session",)

    session: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvedAgain(CustodyEvent):
    """Somebody proved their second factor again, within a session."""

    act = "account.proved_again"
    open_facts = ("amr",)

    amr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactorEnrolled(AccountEvent):
    """An account has a second factor from now on."""

    act = "second_factor.enrolled"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCodesMade(AccountEvent):
    """An account was given recovery codes; earlier ones count no longer."""

    act = "recovery_codes.made"
    open_facts = ("account_id", "count")

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCodeUsed(AccountEvent):
    """A recovery code stood in for the second factor."""

    act = "recovery_code.used"
    open_facts = ("account_id", "left")

    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChanged(AccountEvent):
    """The password of an account was changed."""

    act = "account.password_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedOut(CustodyEvent):
    """An account was locked out, or, without one, a network address; that stands among the refused."""

    act = "account.locked_out"
    open_facts = ("account_id", "failures")
    withheld = ("source",)
    told_apart_by = ("account_id",)

    account_id: UUID | None = None
    failures: int
    source: str | None = None

    @property
    def chain(self) -> str:
        """The account's chain, if it is an account."""
        return REFUSED_CHAIN if self.account_id is None else chain_of("account", self.account_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountReleased(AccountEvent):
    """An account that was locked out or idle was let in again."""

    act = "account.released"
    withheld = ("reason",)

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReleased(CustodyEvent):
    """A network address that was locked out was let in again."""

    act = "source.released"
    withheld = ("source", "reason")

    source: str
    reason: str

    @property
    def chain(self) -> str:
        """The releasing account's chain; what the console does stands among the refused."""
        return self.actor.chain or REFUSED_CHAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountReset(AccountEvent):
    """An account was reset at the server's own console: one-time password, no second factor, no session."""

    act = "account.reset"
