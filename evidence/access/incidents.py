"""Critical incidents: who was involved or saw it, and since when each of them may watch what was recorded.

An incident covers every item of its agency that carries its number, also one that arrives later,
and those put under it by hand.  Whoever is listed watches nothing of it until their statement is
recorded or viewing is released to them.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, and_, func, select, union
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from auth import units
from auth.models import Account
from auth.names import check_name
from auth.principals import Principal
from evidence import custody
from evidence.access.models import CriticalIncident, IncidentItem, IncidentListing, Part
from evidence.cases.models import IncidentNumber
from evidence.custody.access_events import (
    IncidentCovers,
    IncidentDeclared,
    PersonListed,
    StatementRecorded,
    ViewingReleased,
)
from evidence.custody.events import Actor
from evidence.errors import ConflictError, NotFoundError
from evidence.ids import new_id
from evidence.items.models import EvidenceItem


@dataclass(frozen=True, slots=True)
class Listed:
    """Who is listed in the critical incidents that cover an item, and who of them may not watch it yet."""

    everybody: frozenset[UUID]
    barred: frozenset[UUID]


def declare(
    session: Session, number: str, *, reason: str, by: Principal, at: datetime, request_id: str
) -> CriticalIncident:
    """Declare a critical incident under the number that its recordings carry; raise ConflictError if it is."""
    incident = CriticalIncident(
        id=new_id(),
        agency_id=by.agency_id,
        unit_id=units.home_of(session, by.id, at=at),
        number=check_name(number, what="The number of an incident", longest=255),
        declared_at=at,
        declared_by_id=by.id,
    )
    try:
        with session.begin_nested():
            session.add(incident)
    except IntegrityError:
        raise ConflictError(
            "A critical incident of this number was declared already.", next_step="Show that incident."
        ) from None
    event = IncidentDeclared(
        actor=Actor.of(by), request_id=request_id, incident_id=incident.id, number=incident.number, reason=reason
    )
    custody.record(session, event)
    return incident


def cover(
    session: Session,
    incident: CriticalIncident,
    item: EvidenceItem,
    *,
    reason: str,
    by: Principal,
    at: datetime,
    request_id: str,
) -> None:
    """Put an item under the incident whose number it does not carry; raise ConflictError if it is covered."""
    session.refresh(incident, with_for_update=True)
    if item.id in session.scalars(covered_items(incident)).all():
        raise ConflictError("The incident covers this item already.", next_step="Nothing needs to be done.")
    session.add(IncidentItem(incident_id=incident.id, item_id=item.id, covered_at=at))
    session.flush()
    event = IncidentCovers(
        actor=Actor.of(by), request_id=request_id, incident_id=incident.id, item_id=item.id, reason=reason
    )
    custody.record(session, event)


def enlist(
    session: Session,
    incident: CriticalIncident,
    account: Account,
    part: Part,
    *,
    reason: str,
    by: Principal,
    at: datetime,
    request_id: str,
) -> IncidentListing:
    """List somebody as involved or as a witness; raise ConflictError if they are listed."""
    listing = IncidentListing(id=new_id(), incident_id=incident.id, account_id=account.id, part=part, listed_at=at)
    try:
        with session.begin_nested():
            session.add(listing)
    except IntegrityError:
        raise ConflictError("They are listed in this incident already.", next_step="Show the incident.") from None
    event = PersonListed(
        actor=Actor.of(by),
        request_id=request_id,
        incident_id=incident.id,
        listing_id=listing.id,
        account_id=account.id,
        part=part,
        name=account.name,
        reason=reason,
    )
    custody.record(session, event)
    return listing


def open_viewing(
    session: Session,
    incident: CriticalIncident,
    listing_id: UUID,
    *,
    released: bool,
    reason: str,
    by: Principal,
    at: datetime,
    request_id: str,
) -> None:
    """Let somebody listed watch from now on: their statement is recorded, or viewing is `released` without one."""
    listing = session.scalar(
        select(IncidentListing)
        .where(IncidentListing.incident_id == incident.id, IncidentListing.id == listing_id)
        .with_for_update()
    )
    if listing is None:
        raise NotFoundError("The incident has no such listing.", next_step="Show the incident.")
    if listing.opened_at is not None:
        raise ConflictError("They may watch already.", next_step="Nothing needs to be done.")
    listing.opened_at, listing.opened_by = at, "release" if released else "statement"
    session.flush()
    act = ViewingReleased if released else StatementRecorded
    event = act(
        actor=Actor.of(by),
        request_id=request_id,
        incident_id=incident.id,
        listing_id=listing.id,
        account_id=listing.account_id,
        reason=reason,
    )
    custody.record(session, event)


def of_items(session: Session, ids: Collection[UUID], *, at: datetime) -> dict[UUID, Listed]:
    """Return who is listed in the incidents that cover each of the items, as of that instant."""
    everybody: dict[UUID, set[UUID]] = defaultdict(set)
    barred: dict[UUID, set[UUID]] = defaultdict(set)
    covered = union(
        *(each.where(EvidenceItem.id.in_(ids)) for each in _by_number()),
        select(IncidentItem.item_id, IncidentItem.incident_id).where(IncidentItem.item_id.in_(ids)),
    ).subquery()
    rows = session.execute(
        select(covered.c.item_id, IncidentListing.account_id, IncidentListing.opened_at)
        .join(IncidentListing, IncidentListing.incident_id == covered.c.incident_id)
        .where(IncidentListing.listed_at <= at)
    )
    for item_id, account_id, opened_at in rows:
        everybody[item_id].add(account_id)
        if opened_at is None or opened_at > at:
            barred[item_id].add(account_id)
    return {each: Listed(frozenset(everybody[each]), frozenset(barred[each])) for each in ids}


def listings(session: Session, incident: CriticalIncident) -> Sequence[tuple[IncidentListing, Account]]:
    """Return who is listed, in the order of listing."""
    rows = session.execute(
        select(IncidentListing, Account)
        .join(Account, Account.id == IncidentListing.account_id)
        .where(IncidentListing.incident_id == incident.id)
        .order_by(IncidentListing.id)
    )
    return [(row[0], row[1]) for row in rows]


def covered_items(incident: CriticalIncident) -> Select[UUID]:
    """Select the items that the incident covers."""
    by_number = (
        each.where(CriticalIncident.id == incident.id).with_only_columns(EvidenceItem.id) for each in _by_number()
    )
    by_hand = select(IncidentItem.item_id).where(IncidentItem.incident_id == incident.id)
    return union(*by_number, by_hand)  # type: ignore[return-value]  # a union selects what its parts do


def _by_number() -> tuple[Select[UUID, UUID], Select[UUID, UUID]]:
    """Select items with the incidents whose number they carry: as they were brought in, or given since.

    Blanks and capitals do not take an item out of an incident: people type the number.  Nor does it that the
    number was taken back: one who may not watch yet could take it back, and would watch.
    """
    pairs = select(EvidenceItem.id.label("item_id"), CriticalIncident.id.label("incident_id"))
    ours = EvidenceItem.agency_id == CriticalIncident.agency_id
    number = func.lower(CriticalIncident.number)
    given = IncidentNumber.item_id == EvidenceItem.id
    return (
        pairs.join(CriticalIncident, and_(ours, func.lower(func.trim(EvidenceItem.incident)) == number)),
        pairs.join(IncidentNumber, given).join(
            CriticalIncident, and_(ours, func.lower(func.trim(IncidentNumber.number)) == number)
        ),
    )
