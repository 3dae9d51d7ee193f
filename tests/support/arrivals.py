"""Uploads without HTTP: opened, written and sealed by hand, for tests of what happens in between."""

from hashlib import sha256

from sqlalchemy import text

from auth.principals import Principal
from evidence.custody import history
from evidence.custody.history import Entry
from evidence.database import unit_of_work
from evidence.ids import UploadId, new_id
from evidence.ingest import manifests
from evidence.ingest.intake import Intake
from evidence.ingest.models import Upload
from evidence.room import Room

OF_ITSELF = b""
"""Stands for: declare the digest that the bytes really have."""


def begun(intake: Intake, by: Principal, body: bytes, *, declared: bytes | None = OF_ITSELF, **said: str) -> UploadId:
    """Open an upload for these bytes."""
    if declared is not None:
        said["sha256"] = (declared or sha256(body).digest()).hex()
    announced = manifests.write({"filename": "stop.mp4", **said})
    return UploadId(intake.open(by=by, size=len(body), announced=announced, request_id=str(new_id())).id)


def written(intake: Intake, upload_id: UploadId, body: bytes) -> None:
    """Write what is still missing of these bytes, so that the server begins to seal them."""
    writer = intake.take(upload_id, offset=intake.load(upload_id).durable_offset)
    try:
        for at in range(writer.offset, len(body), 1 << 20):
            writer.feed(body[at : at + (1 << 20)])
        writer.checkpoint()
    finally:
        intake.let_go(writer)


def whole(intake: Intake, by: Principal, body: bytes, *, declared: bytes | None = OF_ITSELF) -> UploadId:
    """Have an upload that has all its bytes and that nobody is sealing: its server died right then."""
    upload_id = begun(intake, by, body, declared=declared)
    writer = intake.take(upload_id, offset=0)
    for at in range(0, len(body), 1 << 20):
        writer.feed(body[at : at + (1 << 20)])
    writer.checkpoint()
    intake.fences.release(writer.fence)
    writer.closed.set()
    return upload_id


def sent(intake: Intake, by: Principal, body: bytes, *, declared: bytes | None = OF_ITSELF) -> Upload:
    """Upload these bytes and return the upload when it has ended."""
    upload_id = begun(intake, by, body, declared=declared)
    written(intake, upload_id, body)
    return ended(intake, upload_id)


def ended(intake: Intake, upload_id: UploadId) -> Upload:
    """Wait for the end of an upload that has all its bytes."""
    intake.seal(upload_id).result(timeout=120)
    return intake.load(upload_id)


def acts(room: Room, chain: str) -> list[str]:
    """Return the acts on a chain, in order."""
    return [str(entry.body["act"]) for entry in entries(room, chain)]


def entries(room: Room, chain: str) -> list[Entry]:
    """Return the records of a chain, in order."""
    with unit_of_work(room.sessions) as session:
        return list(history.whole(session, chain))


def lapse(room: Room) -> None:
    """Stand in for the seconds after which the fences of dead servers fall."""
    with unit_of_work(room.sessions) as session:
        session.execute(text("UPDATE upload SET writer_until = clock_timestamp() - interval '1 second'"))
