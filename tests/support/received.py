"""Items whose originals are really stored, without the way there."""

from hashlib import sha256
from uuid import UUID

from auth.principals import Principal
from evidence import jobs
from evidence.custody import history
from evidence.custody.history import Entry
from evidence.database import unit_of_work
from evidence.ids import ItemId, new_id
from evidence.items.register import Description, Held, register
from evidence.room import Room
from evidence.storage import layout
from evidence.storage.models import StoredObject


def an_item_with(room: Room, by: Principal, content: bytes, *, filename: str = "clip.mp4") -> ItemId:
    """Store the bytes as an original, take them onto the books, and enqueue what receiving enqueues."""
    original, chunks = _stored(room, by.agency_id, content), _stored(room, by.agency_id, sha256(content).digest())
    with unit_of_work(room.sessions) as session:
        item = register(
            session,
            described=Description(filename=filename, content_type="video/mp4"),
            held=Held(
                size=len(content),
                sha256=sha256(content).digest(),
                chunks_sha256=sha256(sha256(content).digest()).digest(),
                original_object_id=original,
                chunks_object_id=chunks,
                declared="sha256",
            ),
            received_from=by,
            at=room.clock(),
        )
        jobs.defer(session, jobs.ITEM_PROBE, item_id=str(item.id))
        return ItemId(item.id)


def probings_of(room: Room, item_id: ItemId) -> list[Entry]:
    """Return the records of the item's chain that say it was probed."""
    with unit_of_work(room.sessions) as session:
        chain = list(history.whole(session, f"item/{item_id}"))
    return [entry for entry in chain if entry.body["act"] == "item.probed"]


def _stored(room: Room, agency_id: UUID, content: bytes) -> UUID:
    object_id = new_id()
    with unit_of_work(room.sessions) as session:
        key = layout.original(agency_id, room.clock().date(), object_id)
        room.vault.reserve(session, object_id, agency_id=agency_id, key=key, at=room.clock())
    with unit_of_work(room.sessions) as session:
        row = session.get_one(StoredObject, object_id)
        room.vault.put(session, row, content)
    return object_id
