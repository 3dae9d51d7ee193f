"""Break-glass: an administrator, who sees no content, may watch one item for an hour, and everybody hears of it.

It opens what the matrix has a `bg` cell for, of this one item, and nothing else (gates.py): no other
act, no list, and not the viewing gate of a critical incident.  Somebody else reviews it afterwards.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, false, or_, select
from sqlalchemy.orm import Session

from auth.principals import Principal, Role
from evidence import custody, notices
from evidence.access.models import BrokenGlass
from evidence.clock import written
from evidence.custody.approval_events import GlassBroken, GlassReviewed, Kept
from evidence.custody.events import Actor
from evidence.errors import ConflictError, InvalidError, NotFoundError, RefusedError
from evidence.ids import new_id
from evidence.items.models import EvidenceItem

LIFE = timedelta(minutes=60)
WATCHERS: tuple[Role, ...] = ("auditor", "agency_admin")
"""Who is told of every use in their agency."""

BOTH: tuple[Kept, Kept] = ("item", "account")
"""It stands on the item's chain and on that of whoever acted."""


def shatter(
    session: Session, item: EvidenceItem, *, reason: str, by: Principal, at: datetime, request_id: str
) -> BrokenGlass:
    """Let the principal watch the item for an hour, tell every auditor and administrator, and wait for a review.

    Raises ConflictError while it is open to them.  Whether they may is reach.behind_glass's to say.
    """
    _require_kept(reason)
    session.refresh(item, with_for_update=True)
    if by.id in of_items(session, [item.id], at=at)[item.id]:
        raise ConflictError("You have broken the glass before this item.", next_step="Watch it; it is still open.")
    glass = BrokenGlass(
        id=new_id(),
        agency_id=item.agency_id,
        item_id=item.id,
        account_id=by.id,
        reason=reason,
        broken_at=at,
        ends_at=at + LIFE,
    )
    session.add(glass)
    session.flush()
    for on in BOTH:
        event = GlassBroken(
            actor=Actor.of(by),
            request_id=request_id,
            on=on,
            glass_id=glass.id,
            item_id=item.id,
            account_id=by.id,
            ends_at=written(glass.ends_at),
            reason=reason,
        )
        custody.record(session, event)
    people = notices.holders(session, item.agency_id, WATCHERS, at=at)
    notices.give(session, "glass.broken", glass.id, agency_id=item.agency_id, to=people, at=at)
    return glass


def review(session: Session, glass: BrokenGlass, *, finding: str, by: Principal, at: datetime, request_id: str) -> None:
    """Enter what somebody else found of it; raise RefusedError for one's own and ConflictError a second time."""
    _require_kept(finding)
    if glass.account_id == by.id:
        raise RefusedError("Nobody reviews a break-glass of their own.", next_step="Ask an auditor.")
    session.refresh(glass, with_for_update=True)
    if glass.reviewed_at is not None:
        raise ConflictError("It was reviewed already.", next_step="Read the finding.")
    glass.reviewed_at, glass.reviewer_id, glass.finding = at, by.id, finding
    session.flush()
    for on in BOTH:
        event = GlassReviewed(
            actor=Actor.of(by),
            request_id=request_id,
            on=on,
            glass_id=glass.id,
            item_id=glass.item_id,
            account_id=glass.account_id,
            finding=finding,
        )
        custody.record(session, event)
    to = [glass.account_id]
    notices.give(session, "glass.reviewed", glass.id, agency_id=glass.agency_id, to=to, at=at)


def of_agency(session: Session, agency_id: UUID, id: UUID) -> BrokenGlass:
    """Return the agency's use of that id; raise NotFoundError."""
    glass = session.get(BrokenGlass, id)
    if glass is None or glass.agency_id != agency_id:
        raise no_such_use()
    return glass


def no_such_use() -> NotFoundError:
    """Return what is raised for a use that is missing or that one may not know of, in the same words."""
    return NotFoundError("There is no such use of break-glass.", next_step="List them.")


def page(session: Session, agency_id: UUID, *, after: UUID | None = None, limit: int = 50) -> Sequence[BrokenGlass]:
    """Return the agency's uses: unreviewed ones first, newest first among both."""
    is_reviewed = BrokenGlass.reviewed_at.is_not(None)
    found = select(BrokenGlass).where(BrokenGlass.agency_id == agency_id)
    if after is not None:
        last = of_agency(session, agency_id, after)
        among = is_reviewed == (last.reviewed_at is not None)
        rest = is_reviewed if last.reviewed_at is None else false()
        found = found.where(or_(and_(among, BrokenGlass.id < last.id), rest))
    return session.scalars(found.order_by(is_reviewed, BrokenGlass.id.desc()).limit(limit)).all()


def unreviewed(session: Session, agency_id: UUID, *, by_others_than: UUID) -> Sequence[BrokenGlass]:
    """Return the agency's uses that wait for a review by somebody else, oldest first."""
    return session.scalars(
        select(BrokenGlass)
        .where(
            BrokenGlass.agency_id == agency_id,
            BrokenGlass.reviewed_at.is_(None),
            BrokenGlass.account_id != by_others_than,
        )
        .order_by(BrokenGlass.id)
        .limit(200)
    ).all()


def of_items(session: Session, ids: Collection[UUID], *, at: datetime) -> dict[UUID, frozenset[UUID]]:
    """Return who has broken the glass before each of the items, and may still watch it, at that instant."""
    people: dict[UUID, set[UUID]] = defaultdict(set)
    rows = select(BrokenGlass.item_id, BrokenGlass.account_id)
    for item_id, account_id in session.execute(rows.where(BrokenGlass.item_id.in_(ids), _stands(at))):
        people[item_id].add(account_id)
    return {each: frozenset(people[each]) for each in ids}


def items_opened_to(principal: Principal, *, at: datetime) -> Select[UUID]:
    """Select the items before which the principal has broken the glass, and which they may still watch."""
    return select(BrokenGlass.item_id).where(BrokenGlass.account_id == principal.id, _stands(at))


def _stands(at: datetime) -> ColumnElement[bool]:
    return and_(BrokenGlass.broken_at <= at, BrokenGlass.ends_at > at)


def _require_kept(said: str) -> None:
    if not said.strip() or "\0" in said:
        raise InvalidError("Words are needed here, and none with a NUL character.", next_step="Say why, in words.")
