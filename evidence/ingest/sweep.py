"""The sweep: what crashes left behind is brought to its end, by any process, at any time.

Uploads whose bytes are all here are sealed; those left idle too long expire; what ended uploads
left in the store is removed, and so are staged parts that no unfinished upload stands on.  Each
step is its own unit of work: one that fails is met again by the next sweep.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from evidence.database import unit_of_work
from evidence.errors import BusyError, ConflictError, EvidenceError
from evidence.ids import UploadId
from evidence.ingest import clearing, receive, uploads
from evidence.ingest.fences import Fences
from evidence.ingest.models import Upload
from evidence.room import Room
from evidence.storage.models import StoredObject
from evidence.storage.store import Staged

LONGEST_PUT = timedelta(hours=1)
"""After this long, what was begun to be stored outside of an upload was left by a crash."""

log = structlog.get_logger()


@dataclass(slots=True)
class Swept:
    """How many of each kind one sweep brought to its end, and how many have to wait for the next."""

    sealed: int = 0
    expired: int = 0
    cleared: int = 0
    abandoned: int = 0
    waiting: int = 0


def sweep(room: Room) -> Swept:
    """Sweep once. Raises UnavailableError only when database or store do not answer at all."""
    swept = Swept()
    fences = Fences(room.sessions)
    try:
        for upload_id in _whole(room):
            swept.sealed += _step(swept, upload_id, partial(receive.finish, room, fences, upload_id))
        with unit_of_work(room.sessions) as session:
            stale = uploads.stale(session, at=room.clock())
        for upload_id in stale:
            swept.expired += _step(swept, upload_id, partial(_expire, room, upload_id))
    finally:
        fences.close()
    with unit_of_work(room.sessions) as session:
        uncleared = clearing.uncleared(session, at=room.clock())
    for upload_id in uncleared:
        swept.cleared += _step(swept, upload_id, partial(clearing.clear, room, upload_id))
    swept.abandoned = sum(_abandon(room, staged) for staged in list(room.vault.store.staged()))
    return swept


def _step(swept: Swept, upload_id: UploadId, act: Callable[[], None]) -> bool:
    try:
        act()
    except (BusyError, ConflictError):
        swept.waiting += 1
        return False
    except EvidenceError as error:
        # One upload must not keep the others from their end; this one is met again.
        log.warning("left for the next sweep", upload_id=str(upload_id), kind=type(error).__name__)
        swept.waiting += 1
        return False
    return True


def _whole(room: Room) -> list[UploadId]:
    with unit_of_work(room.sessions) as session:
        found = session.scalars(select(Upload.id).where(Upload.state == "sealing").order_by(Upload.touched_at))
        return [UploadId(each) for each in found]


def _expire(room: Room, upload_id: UploadId) -> None:
    with unit_of_work(room.sessions) as session:
        uploads.expire(session, upload_id, at=room.clock())


def _abandon(room: Room, staged: Staged) -> bool:
    """Drop what is staged and nobody will go on with."""
    with unit_of_work(room.sessions) as session:
        if _is_wanted(session, staged, at=room.clock()):
            return False
    room.vault.store.abandon(staged.key, staged.token)
    return True


def _is_wanted(session: Session, staged: Staged, *, at: datetime) -> bool:
    found = session.execute(
        select(Upload, StoredObject.id, Upload.writer_until >= func.clock_timestamp())
        .join(StoredObject, or_(StoredObject.id == Upload.object_id, StoredObject.id == Upload.chunks_object_id))
        .where(StoredObject.key == staged.key)
    ).first()
    if found is None:
        # Not of an upload: something else that is being stored, unless it has been for very long.
        return staged.begun_at > at - LONGEST_PUT
    upload, object_id, is_held = found
    if upload.state == "quarantined":
        return True  # what is left of it is evidence of what went wrong
    if upload.state not in ("open", "sealing"):
        return False
    # Whoever holds the fence may have begun it a moment ago and not noted it yet.
    return bool(is_held) or (object_id == upload.object_id and upload.staging_token == staged.token)
