"""Viewings of an item, as custody events: what is about to be shown, and how much was."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from evidence.custody.events import CitedObject, CustodyEvent, Members, chain_of


@dataclass(frozen=True, slots=True, kw_only=True)
class _ViewingEvent(CustodyEvent):
    told_apart_by: ClassVar[tuple[str, ...]] = ("viewing_id",)

    item_id: UUID
    viewing_id: UUID
    manner: str

    @property
    def chain(self) -> str:
        return chain_of("item", self.item_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewingBegun(_ViewingEvent):
    """Somebody is about to watch the item, or to have a copy; written before any byte leaves."""

    act = "viewing.begun"
    open_facts = ("viewing_id", "manner")
    withheld = ("reason", "source")

    original: CitedObject
    reason: str | None = None
    source: str | None = None

    def members(self) -> Members:
        """Say which object is read."""
        return {"obj": [self.original.members()]}


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewingEnded(_ViewingEvent):
    """A viewing ended. `size` are the bytes sent at most: each was counted before it was sent."""

    act = "viewing.ended"
    open_facts = ("viewing_id", "manner", "size")

    size: int
