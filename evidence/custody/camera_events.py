"""Cameras, who carried them from when to when, and whose recording an item is, as custody events.

What is done to a camera stands on the chain of whoever does it; serial numbers, badges and names
are disclosures.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from evidence.clock import written
from evidence.custody.events import CustodyEvent, Members, chain_of


@dataclass(frozen=True, slots=True, kw_only=True)
class _CameraEvent(CustodyEvent):
    open_facts: ClassVar[tuple[str, ...]] = ("camera_id",)
    told_apart_by: ClassVar[tuple[str, ...]] = ("camera_id",)

    camera_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraEnrolled(_CameraEvent):
    """A camera came onto the books."""

    act = "camera.enrolled"
    withheld = ("camera_serial", "model")

    camera_serial: str
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraRetired(_CameraEvent):
    """A camera is in use no longer."""

    act = "camera.retired"
    withheld = ("camera_serial", "reason")

    camera_serial: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _CarryingEvent(CustodyEvent):
    """`since` and `until` are the first moment somebody carried the camera and the first they did not."""

    open_facts: ClassVar[tuple[str, ...]] = ("assignment_id", "camera_id", "account_id")
    told_apart_by: ClassVar[tuple[str, ...]] = ("assignment_id",)
    withheld: ClassVar[tuple[str, ...]] = ("camera_serial", "officer_badge", "name")

    assignment_id: UUID
    camera_id: UUID
    account_id: UUID
    since: datetime
    until: datetime | None = None
    camera_serial: str
    officer_badge: str | None = None
    name: str

    def facts(self) -> Members:
        """Return the facts, the two moments as instants."""
        until = {} if self.until is None else {"until": written(self.until)}
        return {**self._named(self.open_facts), "since": written(self.since), **until}


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraAssigned(_CarryingEvent):
    """Somebody carries a camera, or carried it."""

    act = "camera.assigned"


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraAssignmentEnded(_CarryingEvent):
    """It became known until when somebody carried a camera."""

    act = "camera.assignment_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfficerEvent(CustodyEvent):
    item_id: UUID

    @property
    def chain(self) -> str:
        return chain_of("item", self.item_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemAttributed(_OfficerEvent):
    """The roster was asked whose recording an item is. `outcome` is "roster", or "unresolved" for the reason `why`."""

    act = "item.attributed"
    open_facts = ("outcome", "why", "account_id", "camera_id", "assignment_id")
    withheld = ("officer_badge",)

    outcome: str
    why: str | None = None
    account_id: UUID | None = None
    camera_id: UUID | None = None
    assignment_id: UUID | None = None
    officer_badge: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemReassigned(_OfficerEvent):
    """Somebody decided whose recording an item is: `account`, and not `before`, if anybody stood there.

    The item moves with the officer, from one unit to another.
    """

    act = "item.reassigned"
    open_facts = ("account_id", "before", "unit_id", "unit_before")
    withheld = ("reason", "officer_badge", "name")

    account_id: UUID
    before: UUID | None
    unit_id: UUID | None
    unit_before: UUID | None
    reason: str
    officer_badge: str | None
    name: str
