"""Reach one evidence item for an action: load it, decide, or refuse. Nobody loads one any other way."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, false
from sqlalchemy.orm import Session

from auth.principals import Principal
from evidence import access
from evidence.access import Action, Thing, scope
from evidence.errors import NotFoundError, RefusedError
from evidence.items.models import EvidenceItem


@dataclass(frozen=True, slots=True)
class Seen:
    """An item as one principal may see it; without `content` only that it is there, and its custody."""

    item: EvidenceItem
    content: bool


def item(
    session: Session, principal: Principal, action: Action, named: str, *, at: datetime, reason: str | None = None
) -> Seen:
    """Return the item of that id or evidence number.

    Raises NotFoundError for an item that does not exist or that the principal may not know of, in
    the same words, and RefusedError for one it may know of but not do this to.
    """
    found = session.scalar(scope.visible_items(principal).where(_is(named)))
    if found is None:
        raise NotFoundError(
            "There is no such evidence item, or none you may know of.",
            next_step="Check the number; `evidence item list` shows what you may see.",
        )
    decision = access.allow(principal, action, thing(found), at=at, reason=reason)
    if not decision.allowed:
        raise RefusedError(
            f"{action} is refused: {decision.reason}.", next_step="Ask whoever runs your agency's roles."
        )
    readable = access.allow(principal, "evidence.read_meta", thing(found), at=at)
    return Seen(found, decision.content and readable.content)


def thing(of: EvidenceItem) -> Thing:
    """Say of the item what the rules may ask."""
    return Thing(agency_id=of.agency_id, officer_badge=of.officer_badge, brought_by=of.received_from_id)


def _is(named: str) -> ColumnElement[bool]:
    if not named.isprintable():
        return false()  # PostgreSQL knows no NUL, and no number of ours has a character nobody can type
    try:
        return EvidenceItem.id == UUID(named)
    except ValueError:
        return EvidenceItem.number == named
