"""What happens to identities and groups at providers, as custody events.

The provider is told openly; its subjects and the names of its groups are not.
"""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from evidence.custody.events import CustodyEvent, chain_of


@dataclass(frozen=True, slots=True, kw_only=True)
class _IdentityEvent(CustodyEvent):
    """Stands on the chain of whoever acts; what the system does stands on the account's."""

    open_facts: ClassVar[tuple[str, ...]] = ("account_id", "provider")
    told_apart_by: ClassVar[tuple[str, ...]] = ("account_id", "provider")

    account_id: UUID
    provider: str

    @property
    def chain(self) -> str:
        return self.actor.chain or chain_of("account", self.account_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityExpected(_IdentityEvent):
    """An account is to be signed in to at a provider."""

    act = "identity.expected"
    withheld = ("subject",)

    subject: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityLinked(_IdentityEvent):
    """An account belongs to somebody at a provider from now on."""

    act = "identity.linked"
    withheld = ("subject",)

    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _MappingEvent(CustodyEvent):
    """Stands on the chain of whoever acts."""

    withheld: ClassVar[tuple[str, ...]] = ("group", "reason")
    told_apart_by: ClassVar[tuple[str, ...]] = ("mapping_id",)

    mapping_id: UUID
    provider: str
    group: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMapped(_MappingEvent):
    """A provider's group gives roles at a first sign-in from now on. `roles` are their names, with blanks between."""

    act = "group.mapped"
    open_facts = ("mapping_id", "provider", "roles")

    roles: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupUnmapped(_MappingEvent):
    """A provider's group gives them no longer."""

    act = "group.unmapped"
    open_facts = ("mapping_id", "provider")
