"""What failed a check: kept, locked like an original, and explained. Never lost, and never an item.

A quarantine entry is the upload itself in state `quarantined`: what was announced, what was found
and, in `explanation`, what that means, for whoever sent it and for the evidence technician.
"""

from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from sqlalchemy import select

from evidence import custody
from evidence.custody.events import Actor, CitedObject, UploadQuarantined
from evidence.database import unit_of_work
from evidence.errors import BusyError, IntegrityError
from evidence.ingest import uploads
from evidence.ingest.models import Upload
from evidence.room import Room
from evidence.settings import Settings
from evidence.storage.models import StoredObject
from evidence.storage.read_back import ReadBack
from evidence.storage.store import Stored


class UnfitError(IntegrityError):
    """An upload cannot become an item. `reason` is a short code; `stored` and `back` what there is of it."""

    def __init__(self, reason: str, why: str, stored: Stored | None = None, back: ReadBack | None = None) -> None:
        super().__init__(why)
        self.reason = reason
        self.stored = stored
        self.back = back


def locked_until(received: datetime, settings: Settings) -> datetime:
    """Return until when what was received now is locked: the agency's minimum of whole days, in UTC."""
    day = received.astimezone(UTC).date() + timedelta(days=settings.minimum_retention_days + 1)
    return datetime.combine(day, time(), UTC)


def put(room: Room, upload: Upload, row: StoredObject, unfit: UnfitError, *, me: UUID) -> None:
    """Lock what there is and end the upload in quarantine. Raises BusyError if another server is at it."""
    at = room.clock()
    if unfit.stored is not None:
        room.vault.store.lock(row.key, until=locked_until(at, room.settings), version=unfit.stored.version)
    with unit_of_work(room.sessions) as session:
        mine = session.scalar(
            select(Upload)
            .where(Upload.id == upload.id, Upload.writer == me, Upload.state.in_(("open", "sealing")))
            .with_for_update()
        )
        if mine is None:
            raise BusyError("Another server is at this upload.", next_step="Ask for its state.")
        if unfit.back is not None and unfit.stored is not None:
            row = room.vault.settle(session, uploads.object_of(session, mine), unfit.back, unfit.stored)
            mine.found_sha256 = unfit.back.sha256
        mine.state = "quarantined"
        mine.explanation = str(unfit)
        mine.ended_at = mine.cleared_at = at
        mine.writer = mine.writer_until = None
        kept = CitedObject(role="original", id=row.id, sha256=row.sha256, size=row.size, store=room.vault.store.alias)
        custody.record(
            session,
            UploadQuarantined(
                actor=Actor.system(),
                on_behalf=Actor.of(uploads.opener(mine)),
                request_id=str(mine.id),
                upload_id=mine.id,
                sender_kind=uploads.opener(mine).kind,
                sender_id=mine.opened_by_id,
                reason=unfit.reason,
                explanation=str(unfit),
                size=mine.size,
                declared=uploads.declared(mine),
                objects=(kept,),
            ),
        )
