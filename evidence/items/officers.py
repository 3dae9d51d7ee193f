"""Whose recording an item is: decided by a person where the roster could not say, or said something wrong."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.orm import Session

from auth import units
from auth.models import Account
from auth.principals import Principal
from evidence import custody
from evidence.custody.camera_events import ItemReassigned
from evidence.custody.events import Actor
from evidence.errors import ConflictError, InvalidError
from evidence.items import search
from evidence.items.models import EvidenceItem


def reassign(
    session: Session, item: EvidenceItem, officer: Account, *, by: Principal, request_id: str, reason: str
) -> None:
    """Make it the officer's recording, and their unit's; what stood there before stays in its chain of custody.

    Raises InvalidError for another agency's account, ConflictError when it is theirs already.
    """
    session.refresh(item, with_for_update=True)
    if officer.agency_id != item.agency_id:
        raise InvalidError("That account is not of the item's agency.", next_step="Name an officer of the agency.")
    if item.officer_id == officer.id:
        raise ConflictError("It is that officer's recording already.", next_step="Nothing is left to do.")
    before, unit_before = item.officer_id, item.unit_id
    item.officer_id, item.officer_basis, item.officer_why = officer.id, "reassigned", None
    item.unit_id = units.home_of(session, officer.id, at=item.received_at) or unit_before
    session.flush()
    custody.record(
        session,
        ItemReassigned(
            actor=Actor.of(by),
            request_id=request_id,
            item_id=item.id,
            account_id=officer.id,
            before=before,
            unit_id=item.unit_id,
            unit_before=unit_before,
            reason=reason,
            officer_badge=officer.badge,
            name=officer.name,
        ),
    )


def unresolved(
    session: Session, scoped: Select[EvidenceItem], *, after: UUID | None, limit: int
) -> Sequence[EvidenceItem]:
    """Return the items, within a selection that access has scoped, of which nobody knows whose recording they are."""
    return search.page(session, scoped.where(EvidenceItem.officer_basis == "unresolved"), after=after, limit=limit)
