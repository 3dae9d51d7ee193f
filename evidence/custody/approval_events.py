"""Two-person acts and break-glass, as custody events. Reasons and findings are disclosures."""

from dataclasses import dataclass
from typing import ClassVar, Literal
from uuid import UUID

from evidence.custody.events import REFUSED_CHAIN, CustodyEvent, chain_of

Kept = Literal["item", "case", "account", "agency"]
"""What an act is about. It is recorded on the chain of each; for an agency, which has none, on that of who approved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _ApprovalEvent(CustodyEvent):
    """`sha256` (32 bytes) is of the frozen request: what was asked is exactly that, and nothing else."""

    open_facts: ClassVar[tuple[str, ...]] = ("approval_id", "action", "sha256", "requester_id")
    told_apart_by: ClassVar[tuple[str, ...]] = ("approval_id",)

    approval_id: UUID
    action: str
    sha256: bytes
    requester_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequested(_ApprovalEvent):
    """Somebody asked for what a second person has to approve; stands on the requester's chain."""

    act = "approval.requested"
    open_facts = ("approval_id", "action", "sha256")
    withheld = ("reason",)

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalGiven(_ApprovalEvent):
    """A second person approved exactly this; stands on their chain."""

    act = "approval.given"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRefused(_ApprovalEvent):
    """Somebody who might have approved it refused it."""

    act = "approval.refused"
    withheld = ("reason",)

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalWithdrawn(_ApprovalEvent):
    """The requester asks for it no more."""

    act = "approval.withdrawn"
    open_facts = ("approval_id", "action", "sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalVoided(_ApprovalEvent):
    """What it was about had changed when somebody came to approve it; stands on that person's chain."""

    act = "approval.voided"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalCarriedOut(_ApprovalEvent):
    """What was approved took effect on this; beside it stands the act itself."""

    act = "approval.carried_out"
    open_facts = ("approval_id", "action", "sha256", "requester_id", "approver_id")

    on: Kept
    thing_id: UUID
    approver_id: UUID

    @property
    def chain(self) -> str:
        """The chain of the thing, or of whoever approved what is about a whole agency."""
        return chain_of("account", self.approver_id) if self.on == "agency" else chain_of(self.on, self.thing_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _GlassEvent(CustodyEvent):
    """Stands on the item's chain and on that of whoever acted."""

    told_apart_by: ClassVar[tuple[str, ...]] = ("glass_id",)

    on: Kept
    glass_id: UUID
    item_id: UUID
    account_id: UUID

    @property
    def chain(self) -> str:
        return chain_of("item", self.item_id) if self.on == "item" else self.actor.chain or REFUSED_CHAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassBroken(_GlassEvent):
    """An administrator broke the glass: they may watch this one item until `ends_at` (an instant as written)."""

    act = "glass.broken"
    open_facts = ("glass_id", "item_id", "account_id", "ends_at")
    withheld = ("reason",)

    ends_at: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassReviewed(_GlassEvent):
    """Somebody else reviewed a use of break-glass; `account_id` is who had broken it."""

    act = "glass.reviewed"
    open_facts = ("glass_id", "item_id", "account_id")
    withheld = ("finding",)

    finding: str
