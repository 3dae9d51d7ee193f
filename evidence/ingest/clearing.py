"""After the end of an upload: what it left in the store and nobody needs is removed.

Staged parts of an upload that was terminated or expired, and the second copy of bytes that were
held already.  Nothing that is locked, and nothing an item or a quarantine entry stands on.
"""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence.database import unit_of_work
from evidence.ids import UploadId
from evidence.ingest.models import Upload
from evidence.room import Room
from evidence.storage.models import StoredObject
from evidence.storage.store import LockedError


def uncleared(session: Session, *, at: datetime) -> list[UploadId]:
    """Return the uploads that have ended and may be cleared up after, and were not."""
    found = session.scalars(
        select(Upload.id)
        .where(Upload.ended_at.is_not(None), Upload.cleared_at.is_(None), Upload.expires_at <= at)
        .order_by(Upload.ended_at)
    )
    return [UploadId(each) for each in found]


def clear(room: Room, upload_id: UploadId) -> None:
    """Remove what the ended upload left, and destroy its data key. Harmless to repeat.

    A store may lock whatever is put into it for some time: then it is removed when that is over.
    """
    with unit_of_work(room.sessions) as session:
        upload = session.get_one(Upload, upload_id)
        row = session.get_one(StoredObject, upload.object_id)
    if upload.ended_at is None or upload.cleared_at is not None:
        return
    until = _removed(room, upload, row)
    with unit_of_work(room.sessions) as session:
        room.vault.destroy_key(session, upload.object_id, at=room.clock())
        upload = session.get_one(Upload, upload_id)
        if until is None:
            upload.cleared_at = room.clock()
        else:
            upload.expires_at = until


def _removed(room: Room, upload: Upload, row: StoredObject) -> datetime | None:
    """Remove what is left in the store; return None, or until when it is locked."""
    store = room.vault.store
    if upload.state != "received":
        if upload.staging_token is not None:
            store.abandon(row.key, upload.staging_token)
        return None
    try:
        store.remove(row.key)
    except KeyError:
        return None  # removed before, by us or somebody else
    except LockedError:
        # A hold has no date: ask again tomorrow.
        return store.head(row.key).locked_until or room.clock() + timedelta(days=1)
    return None
