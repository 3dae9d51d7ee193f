"""Open a viewing, read through it, end it. See the head of this package for what is promised."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from auth.principals import Principal
from evidence import custody
from evidence.access import Action, reach
from evidence.access.reach import Seen
from evidence.clock import Clock
from evidence.custody.events import Actor, CitedObject
from evidence.custody.viewing_events import ViewingBegun, ViewingEnded
from evidence.database import Sessions, execute_alone, reading, unit_of_work
from evidence.errors import GoneError, NotFoundError
from evidence.ids import new_id
from evidence.items.models import EvidenceItem
from evidence.review.models import Manner, Viewing
from evidence.storage.frames import Reader
from evidence.storage.models import StoredObject
from evidence.storage.vault import Vault

ACTION: Mapping[Manner, Action] = {"watch": "evidence.stream", "download": "evidence.download_original"}

LONGEST = timedelta(hours=12)
"""After this long a viewing is over, and another says again why."""

IDLE = timedelta(minutes=30)
"""A viewing nobody read from for so long has ended."""

COUNTED = 8 << 20
"""Bytes that are counted in one go, before the first of them is sent."""


@dataclass(frozen=True, slots=True)
class Footage:
    """What a viewing reads: the item, its original, and how to read it."""

    viewing: Viewing
    item: EvidenceItem
    reader: Reader


def begin(
    session: Session,
    seen: Seen,
    manner: Manner,
    *,
    reason: str | None,
    by: Principal,
    at: datetime,
    request_id: str,
    source: str | None,
) -> Viewing:
    """Open a viewing of an item that was reached for `ACTION[manner]`, and enter the intent in its chain.

    `reason` is why, `source` the network address it was asked from.
    """
    item = seen.item
    viewing = Viewing(
        id=new_id(), item_id=item.id, account_id=by.id, manner=manner, begun_at=at, last_read_at=at, size=0
    )
    session.add(viewing)
    session.flush()
    event = ViewingBegun(
        actor=Actor.of(by),
        request_id=request_id,
        item_id=item.id,
        viewing_id=viewing.id,
        manner=manner,
        original=CitedObject(role="original", id=item.original_object_id, sha256=item.sha256, size=item.size),
        reason=reason,
        source=source,
    )
    custody.record(session, event)
    return viewing


def footage(make_session: Sessions, vault: Vault, principal: Principal, viewing_id: UUID, *, at: datetime) -> Footage:
    """Return what the principal's viewing reads, judged anew: what ended access ends the viewing's reads at once.

    Raises NotFoundError for a viewing that is not there or somebody else's, GoneError for one that is
    over, and what `reach.item` raises.
    """
    with unit_of_work(make_session, by=principal) as session:
        viewing = _own(session, principal, viewing_id)
        if viewing.ended_at is not None or at - viewing.begun_at > LONGEST or at - viewing.last_read_at > IDLE:
            raise GoneError("This viewing is over.", next_step="Begin another.")
        seen = reach.again(session, principal, ACTION[viewing.manner], viewing.item_id, at=at)
    return Footage(viewing, seen.item, _reader(make_session, vault, seen.item))


def _reader(make_session: Sessions, vault: Vault, item: EvidenceItem) -> Reader:
    """Open an original that somebody was let see; its key may be another agency's."""
    with reading(make_session) as session:
        return vault.reader(session.get_one(StoredObject, item.original_object_id))


def read(sessions: Sessions, clock: Clock, opened: Footage, *, start: int, length: int) -> Iterator[bytes]:
    """Yield these bytes of the original; each is counted, and the count committed, before it is yielded.

    Raises GoneError when the viewing was ended meanwhile.
    """
    counted = 0
    for block in opened.reader.read(start, length):
        if counted <= 0:
            counted = min(COUNTED, length)
            length -= counted
            _count(sessions, opened.viewing.id, counted, at=clock())
        counted -= len(block)
        yield block


def end(session: Session, viewing_id: UUID, *, by: Principal, at: datetime, request_id: str) -> Viewing:
    """End the principal's own viewing and enter in the chain how much went out; a second time changes nothing."""
    viewing = _own(session, by, viewing_id, lock=True)
    if viewing.ended_at is None:
        _end(session, viewing, Actor.of(by), at=at, request_id=request_id)
    return viewing


def end_idle(make_session: Sessions, *, at: datetime) -> int:
    """End every viewing that nobody reads from any more, or that lasted too long; return how many."""
    over = select(Viewing.id).where(
        Viewing.ended_at.is_(None), (Viewing.last_read_at < at - IDLE) | (Viewing.begun_at < at - LONGEST)
    )
    with unit_of_work(make_session) as session:
        ids = session.scalars(over.limit(1000)).all()
    ended = 0
    for viewing_id in ids:
        with unit_of_work(make_session) as session:
            viewing = session.get_one(Viewing, viewing_id, with_for_update=True)
            if viewing.ended_at is None:
                _end(session, viewing, Actor.system(), at=at, request_id=f"viewing:{viewing.id}")
                ended += 1
    return ended


def _end(session: Session, viewing: Viewing, actor: Actor, *, at: datetime, request_id: str) -> None:
    viewing.ended_at = at
    session.flush()
    event = ViewingEnded(
        actor=actor,
        request_id=request_id,
        item_id=viewing.item_id,
        viewing_id=viewing.id,
        manner=viewing.manner,
        size=viewing.size,
    )
    custody.record(session, event)


def _count(sessions: Sessions, viewing_id: UUID, size: int, *, at: datetime) -> None:
    counted = execute_alone(
        sessions,
        update(Viewing)
        .where(Viewing.id == viewing_id, Viewing.ended_at.is_(None))
        .values(size=Viewing.size + size, last_read_at=at)
        .returning(Viewing.id),
    )
    if not counted:
        raise GoneError("This viewing is over.", next_step="Begin another.")


def _own(session: Session, principal: Principal, viewing_id: UUID, *, lock: bool = False) -> Viewing:
    mine = select(Viewing).where(Viewing.id == viewing_id, Viewing.account_id == principal.id)
    viewing = session.scalar(mine.with_for_update() if lock else mine)
    if viewing is None:
        raise NotFoundError("There is no such viewing, or it is somebody else's.", next_step="Begin one.")
    return viewing
