"""After the end of an upload: what it left in the store and nobody needs is removed.

Staged parts of an upload that was terminated or expired, and the second copy of bytes that were
held already.  Nothing that is locked, and nothing an item or a quarantine entry stands on.
"""

from contextlib import suppress

from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence.database import unit_of_work
from evidence.ids import UploadId
from evidence.ingest.models import Upload
from evidence.room import Room
from evidence.storage.models import StoredObject


def uncleared(session: Session) -> list[UploadId]:
    """Return the uploads that have ended and not been cleared up after."""
    found = session.scalars(
        select(Upload.id).where(Upload.ended_at.is_not(None), Upload.cleared_at.is_(None)).order_by(Upload.ended_at)
    )
    return [UploadId(each) for each in found]


def clear(room: Room, upload_id: UploadId) -> None:
    """Remove what the ended upload left, and destroy its data key. Harmless to repeat."""
    with unit_of_work(room.sessions) as session:
        upload = session.get_one(Upload, upload_id)
        row = session.get_one(StoredObject, upload.object_id)
    if upload.ended_at is None or upload.cleared_at is not None:
        return
    store = room.vault.store
    if upload.state == "received":
        with suppress(KeyError):  # removed before, by us or somebody else
            store.remove(row.key)
    elif upload.staging_token is not None:
        store.abandon(row.key, upload.staging_token)
    with unit_of_work(room.sessions) as session:
        room.vault.destroy_key(session, upload.object_id, at=room.clock())
        session.get_one(Upload, upload_id).cleared_at = room.clock()
