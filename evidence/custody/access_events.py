"""What happens to units, access lists, access classes and critical incidents, as custody events.

Names, numbers and reasons are disclosures.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal
from uuid import UUID

from evidence.custody.events import CustodyEvent, chain_of

Kept = Literal["item", "case"]
"""On which kind of chain an event about access to a thing stands: that of the thing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitFounded(CustodyEvent):
    """An agency has a unit more; stands on the chain of who founded it."""

    act = "unit.founded"
    open_facts = ("unit_id",)
    withheld = ("name",)
    told_apart_by = ("unit_id",)

    unit_id: UUID
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _MembershipEvent(CustodyEvent):
    told_apart_by: ClassVar[tuple[str, ...]] = ("account_id", "unit_id")
    withheld: ClassVar[tuple[str, ...]] = ("unit_name",)

    account_id: UUID
    unit_id: UUID
    unit_name: str

    @property
    def chain(self) -> str:
        return chain_of("account", self.account_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitJoined(_MembershipEvent):
    """An account belongs to a unit from now on, or supervises it."""

    act = "unit.joined"
    open_facts = ("account_id", "unit_id", "standing")

    standing: Literal["member", "supervisor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitLeft(_MembershipEvent):
    """An account belongs to a unit no longer."""

    act = "unit.left"
    open_facts = ("account_id", "unit_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class _AccessEvent(CustodyEvent):
    on: Kept
    thing_id: UUID
    reason: str

    withheld: ClassVar[tuple[str, ...]] = ("reason",)

    @property
    def chain(self) -> str:
        return chain_of(self.on, self.thing_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessGranted(_AccessEvent):
    """Somebody, or a unit, was put on the access list. `name` is theirs, `expires_at` an instant as written."""

    act = "access.granted"
    open_facts = ("entry_id", "extent", "account_id", "unit_id", "expires_at")
    withheld = ("name", "reason")
    told_apart_by = ("entry_id",)

    entry_id: UUID
    extent: str
    name: str
    account_id: UUID | None = None
    unit_id: UUID | None = None
    expires_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessEnded(_AccessEvent):
    """An entry of the access list ended."""

    act = "access.ended"
    open_facts = ("entry_id",)
    told_apart_by = ("entry_id",)

    entry_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRaised(_AccessEvent):
    """Fewer may know of the thing from now on."""

    act = "access.restricted"
    open_facts = ("before", "now")

    before: str
    now: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassLowered(ClassRaised):
    """More may know of the thing from now on."""

    act = "access.unrestricted"


@dataclass(frozen=True, slots=True, kw_only=True)
class DisclosureForbidden(_AccessEvent):
    """The item was marked do-not-disclose."""

    act = "disclosure.forbidden"


@dataclass(frozen=True, slots=True, kw_only=True)
class DisclosureAllowed(_AccessEvent):
    """The mark do-not-disclose was taken from the item."""

    act = "disclosure.allowed"


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentDeclared(CustodyEvent):
    """A critical incident was declared; stands on the chain of who declared it."""

    act = "incident.declared"
    open_facts = ("incident_id",)
    withheld = ("number", "reason")

    incident_id: UUID
    number: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentCovers(CustodyEvent):
    """An item was put under a critical incident whose number it does not carry."""

    act = "incident.covers"
    open_facts = ("incident_id",)
    withheld = ("reason",)
    told_apart_by = ("item_id",)

    incident_id: UUID
    item_id: UUID
    reason: str

    @property
    def chain(self) -> str:
        """The chain of the item."""
        return chain_of("item", self.item_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ListingEvent(CustodyEvent):
    open_facts: ClassVar[tuple[str, ...]] = ("incident_id", "listing_id", "account_id")
    withheld: ClassVar[tuple[str, ...]] = ("reason",)
    told_apart_by: ClassVar[tuple[str, ...]] = ("listing_id",)

    incident_id: UUID
    listing_id: UUID
    account_id: UUID
    reason: str

    @property
    def chain(self) -> str:
        return chain_of("account", self.account_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonListed(_ListingEvent):
    """Somebody was listed as involved in a critical incident or as its witness, and may not watch for now."""

    act = "incident.listed"
    open_facts = ("incident_id", "listing_id", "account_id", "part")
    withheld = ("name", "reason")

    part: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRecorded(_ListingEvent):
    """Somebody listed gave their statement, and may watch from now on."""

    act = "statement.recorded"


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewingReleased(_ListingEvent):
    """Viewing was released to somebody listed, without a statement."""

    act = "viewing.released"
