"""In the background of ingest: read what an original is, and sweep up after uploads that died.

Probing is delivered at least once and is harmless to repeat: the second time nothing is left to
do, and two at the same time end in one record, because the item's row is locked while it is
written and the record's key does not name the attempt.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from uuid import UUID

import structlog
from procrastinate import JobContext
from procrastinate.exceptions import JobAborted
from sqlalchemy.orm import Session

from auth import once
from evidence import custody
from evidence.custody.events import Actor, CitedObject, ItemProbed, Tool
from evidence.database import unit_of_work
from evidence.errors import NotFoundError
from evidence.ids import ItemId
from evidence.ingest.sweep import sweep
from evidence.items.models import EvidenceItem
from evidence.jobs import AGAIN, FOOTAGE, ITEM_PROBE, UPKEEP, queue
from evidence.room import Room
from evidence.storage.models import StoredObject
from evidence.storage.vault import KeyDestroyedError
from transcode import media
from transcode.probe import Probe, probe

log = structlog.get_logger()


@queue.task(name=ITEM_PROBE, queue=FOOTAGE, retry=AGAIN, pass_context=True)
def probe_item(context: JobContext, item_id: str) -> None:
    """Read what the item's original is, on the worker that the context describes."""
    room: Room = context.additional_context["room"]
    scratch: Path = context.additional_context["scratch"]
    probe_original(room, ItemId(UUID(item_id)), scratch=scratch, must_stop=context.should_abort)


@queue.periodic(cron="* * * * *")
@queue.task(name="upload.sweep", queue=UPKEEP, lock="upload.sweep", queueing_lock="upload.sweep", pass_context=True)
def sweep_uploads(context: JobContext, timestamp: int) -> None:
    """Bring to its end what crashes left behind, every minute; a minute is left out while one still sweeps."""
    room: Room = context.additional_context["room"]
    log.info("swept", **asdict(sweep(room)))
    with unit_of_work(room.sessions) as session:
        once.forget_old(session, room.clock())


def probe_original(
    room: Room, item_id: ItemId, *, scratch: Path, must_stop: Callable[[], bool] = lambda: False
) -> None:
    """Read what the original is, and enter it on the item and in its chain of custody, once.

    The plaintext lies in a private file below `scratch` meanwhile.  JobAborted when the worker
    has to stop before it began to read.
    """
    with unit_of_work(room.sessions) as session:
        item, original = _item_and_original(session, item_id)
    if _is_probed(item):
        return
    try:
        with _plaintext(room, original, scratch=scratch, must_stop=must_stop) as path:
            found = probe(path, room.settings.transcode)
        if found.sandbox is not None and not found.sandbox.sound:
            log.warning("footage was read by a child that can reach the network: see evidence doctor")
    except KeyDestroyedError:
        log.info("the key was destroyed before the original was probed", item=str(item_id))
        return
    with unit_of_work(room.sessions) as session:
        _enter(session, item_id, found)


def _item_and_original(session: Session, item_id: ItemId) -> tuple[EvidenceItem, StoredObject]:
    item = session.get(EvidenceItem, item_id)
    if item is None:
        raise NotFoundError(f"There is no item {item_id}.")
    return item, session.get_one(StoredObject, item.original_object_id)


def _is_probed(item: EvidenceItem) -> bool:
    return item.media is not None or item.media_note is not None


@contextmanager
def _plaintext(room: Room, original: StoredObject, *, scratch: Path, must_stop: Callable[[], bool]) -> Iterator[Path]:
    """Have the original's plaintext in a file only we can read, under a name we made, gone afterwards."""
    reader = room.vault.reader(original)
    with tempfile.TemporaryDirectory(prefix="item-", dir=scratch) as folder:
        path = Path(folder) / "original"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for block in reader.read(0, None):
                if must_stop():
                    raise JobAborted
                file.write(block)
        yield path


def _enter(session: Session, item_id: ItemId, found: Probe) -> None:
    item = session.get(EvidenceItem, item_id, with_for_update=True)
    if item is None or _is_probed(item):
        return
    item.media = None if found.media is None else media.write(found.media)
    item.media_note = found.note
    custody.record(session, _event(item, found))


def _event(item: EvidenceItem, found: Probe) -> ItemProbed:
    said = item.media or {}
    return ItemProbed(
        actor=Actor.system(),
        request_id=f"probe:{item.id}",
        item_id=item.id,
        original=CitedObject(role="original", id=item.original_object_id, sha256=item.sha256, size=item.size),
        tool=Tool(name=found.tool.name, version=found.tool.version, sha256=found.tool.sha256),
        outcome=found.outcome,
        container=said.get("container"),
        duration_us=said.get("duration_us"),
        streams=len(said["streams"]) if said else None,
        note=found.note,
        media=item.media,
    )
