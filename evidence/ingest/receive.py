"""A finished upload becomes an evidence item, or goes to quarantine.

All its bytes are durable; now the object is completed and read back, and only if three accounts
of it agree (declared beforehand, taken on the stream, read back from the store) it is locked and
then, in one transaction, entered: the item, its custody record, the receipt, the upload's end and
the job that looks into it.  Only after that commit may anybody be told.

Every step may be interrupted and is taken again from the start by whichever process comes next;
each is harmless to repeat.  In order:

1. complete the object (the same object however often)
2. read it back and compare; what disagrees twice goes to quarantine
3. claim its digest for this agency: of two uploads of the same bytes one goes first
4. store the chunk list, lock both objects; not for bytes that are held already
5. the transaction
6. the same bytes again: remove the second copy, which nothing refers to and nothing has locked
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.exc import IntegrityError as RowConflictError
from sqlalchemy.orm import Session

from evidence import custody, jobs
from evidence.custody import receipts
from evidence.custody.camera_events import ItemAttributed
from evidence.custody.events import Actor, CitedObject, Enciphered, ItemAnnounced, ItemReceived, ItemReceivedAgain
from evidence.database import execute_alone, reading, unit_of_work
from evidence.errors import BusyError, EvidenceError, IntegrityError, UnavailableError
from evidence.ids import UploadId, new_id
from evidence.ingest import attribution, clearing, quarantine, signed_manifests, uploads
from evidence.ingest.attribution import Attribution
from evidence.ingest.fences import Fence, Fences
from evidence.ingest.manifests import Manifest
from evidence.ingest.models import Upload
from evidence.ingest.quarantine import UnfitError
from evidence.ingest.trailing import Trailing
from evidence.items import register
from evidence.items.models import EvidenceItem
from evidence.items.register import AS_SAID, Held
from evidence.proof import package
from evidence.room import Room
from evidence.storage import layout
from evidence.storage.frames import FrameError, stored_size
from evidence.storage.models import StoredObject
from evidence.storage.read_back import ReadBack
from evidence.storage.store import Stored

log = structlog.get_logger()

_PATIENCE = 50
"""How many times, a fifth of a second apart, another upload of the same bytes is waited for."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """An upload all of whose bytes are one object in the store, and who is sealing it."""

    upload: Upload
    row: StoredObject
    stored: Stored
    me: UUID


def finish(
    room: Room,
    fences: Fences,
    upload_id: UploadId,
    *,
    trailing: Trailing | None = None,
    fence: Fence | None = None,
) -> None:
    """Bring an upload in state `sealing` to its end: received or quarantined. Harmless if it is there.

    `trailing` is what was read back of it so far, `fence` the one its writer held.  Raises
    BusyError when another process is at it, UnavailableError when store, database or another
    upload of the same bytes is in the way; it may be called again after either.
    """
    if fence is None and _has_ended(room, upload_id):
        return
    # From here on a fence that was handed over is let go of, whatever happens.
    with fences.held(upload_id, state="sealing", fence=fence) as fence:
        with reading(room.sessions) as session:
            upload = session.get_one(Upload, upload_id)
            row = uploads.object_of(session, upload)
        if upload.state != "sealing":
            return
        if trailing is not None:
            trailing.catch_up()
        try:
            arrived = Arrived(upload, row, _complete(room, upload, row), fence.me)
            back = _examine(room, arrived, trailing)
        except UnfitError as unfit:
            quarantine.put(room, upload, row, unfit, me=fence.me)
            return
        _claim(room, fences, arrived, back)
        known = _known(room, upload, back)
        if known is None:
            _keep(room, arrived, back)
        else:
            _recognize(room, arrived, back, known)
    if known is not None:
        try:
            clearing.clear(room, upload_id)
        except EvidenceError as error:
            # It is received, and its sender is told so; the sweep clears up.
            log.warning("left for the sweep to clear", upload_id=str(upload_id), kind=type(error).__name__)


def chunk_list(digests: bytes) -> bytes:
    """Write a chunk list, a line of hex for each chunk, from digests of 32 bytes each."""
    return package.write_chunks([digests[at : at + 32] for at in range(0, len(digests), 32)])


def _has_ended(room: Room, upload_id: UploadId) -> bool:
    with reading(room.sessions) as session:
        return session.get_one(Upload, upload_id).state != "sealing"


def _complete(room: Room, upload: Upload, row: StoredObject) -> Stored:
    """Step 1. Raises UnfitError when what was durable is not there any more."""
    store = room.vault.store
    try:
        return store.complete(row.key, upload.staging_token or "", size=stored_size(upload.size))
    except IntegrityError as error:
        raise UnfitError("incomplete", f"What had been stored is not whole any more. {error}") from error
    except KeyError:
        raise UnfitError("missing", "What had been stored is not there any more.") from None


def _examine(room: Room, arrived: Arrived, trailing: Trailing | None) -> ReadBack:
    """Step 2. Raises UnfitError for what is wrong twice: a wire may be at fault once."""
    upload, row, stored = arrived.upload, arrived.row, arrived.stored

    def whole() -> ReadBack:
        return room.vault.read_back(row, size=upload.size, version=stored.version)

    try:
        return _compare(arrived, whole if trailing is None else lambda: trailing.finish(stored))
    except UnfitError as unfit:
        log.warning("read back a second time", upload_id=str(upload.id), reason=unfit.reason)
        return _compare(arrived, whole)


def _compare(arrived: Arrived, read: Callable[[], ReadBack]) -> ReadBack:
    upload, stored = arrived.upload, arrived.stored
    try:
        back = read()
    except FrameError as error:
        raise UnfitError("unreadable", f"What is stored cannot be read back. {error}", stored) from error
    if back.chunks_sha256 != upload.chunks_sha256:
        raise UnfitError("altered", "What is stored is not, chunk by chunk, what came in over the wire.", stored, back)
    if upload.declared_sha256 is not None and back.sha256 != upload.declared_sha256:
        raise UnfitError(
            "not_as_declared",
            f"The SHA-256 announced beforehand is {upload.declared_sha256.hex()}; "
            f"the bytes that arrived and are stored have {back.sha256.hex()}.",
            stored,
            back,
        )
    return back


def _claim(room: Room, fences: Fences, arrived: Arrived, back: ReadBack) -> None:
    """Step 3. Where another upload has the claim, help it to its end first: nobody may be left to wait for the dead."""
    for _ in range(_PATIENCE):
        try:
            claimed = execute_alone(
                room.sessions,
                update(Upload).where(_is_mine(arrived)).values(claimed_sha256=back.sha256).returning(Upload.id),
            )
        except RowConflictError:
            _help(room, fences, arrived.upload.agency_id, back.sha256)
        else:
            if not claimed:
                raise _taken_over()
            return
    raise UnavailableError("The same bytes are being received by way of another upload.", next_step="Ask again.")


def _help(room: Room, fences: Fences, agency_id: UUID, sha256: bytes) -> None:
    with reading(room.sessions) as session:
        rival = session.scalar(
            select(Upload.id).where(
                Upload.agency_id == agency_id, Upload.claimed_sha256 == sha256, Upload.state == "sealing"
            )
        )
    if rival is not None:
        try:
            finish(room, fences, UploadId(rival))
        except BusyError:
            time.sleep(0.2)


def _known(room: Room, upload: Upload, back: ReadBack) -> EvidenceItem | None:
    with reading(room.sessions) as session:
        return register.find(session, upload.agency_id, sha256=back.sha256)


def _keep(room: Room, arrived: Arrived, back: ReadBack) -> None:
    """Steps 4 and 5 for bytes that are new."""
    at = room.clock()
    chunks = _store_chunk_list(room, arrived, back, at=at)
    until = quarantine.locked_until(at, room.settings)
    room.vault.store.lock(chunks.key, until=until, version=chunks.version)
    room.vault.store.lock(arrived.row.key, until=until, version=arrived.stored.version)
    with unit_of_work(room.sessions) as session:
        upload = _mine(session, arrived)
        room.vault.settle(session, uploads.object_of(session, upload), back, arrived.stored)
        said = Manifest.read(upload.announced)
        by_dock = upload.opened_by_kind == "dock"
        found = attribution.attribute(session, upload.agency_id, said, by_dock=by_dock, at=at)
        item = register.register(
            session,
            described=said.describe(),
            held=_held(upload, chunks, back),
            received_from=uploads.opener(upload),
            at=at,
            officer=AS_SAID if found is None else found.officer,
        )
        jobs.defer(session, jobs.ITEM_PROBE, item_id=str(item.id))
        _enter(room, session, upload, item, back, at=at, found=found)


def _recognize(room: Room, arrived: Arrived, back: ReadBack, item: EvidenceItem) -> None:
    """Step 5 for bytes that are held already: the arrival is recorded, the item stays the one there is."""
    with unit_of_work(room.sessions) as session:
        _enter(room, session, _mine(session, arrived), item, back, at=room.clock())


def _store_chunk_list(room: Room, arrived: Arrived, back: ReadBack, *, at: datetime) -> StoredObject:
    body = chunk_list(back.chunks_sha256)
    with unit_of_work(room.sessions) as session:
        upload = _mine(session, arrived)
        if upload.chunks_object_id is None:
            object_id = new_id()
            key = layout.chunks(upload.agency_id, sha256(body).digest(), object_id)
            room.vault.reserve(session, object_id, agency_id=upload.agency_id, key=key, at=at)
            upload.chunks_object_id = object_id
    with unit_of_work(room.sessions) as session:
        row = session.get_one(StoredObject, upload.chunks_object_id)
        return room.vault.put(session, row, body)


def _held(upload: Upload, chunks: StoredObject, back: ReadBack) -> Held:
    assert chunks.sha256 is not None
    return Held(
        size=back.size,
        sha256=back.sha256,
        chunks_sha256=chunks.sha256,
        original_object_id=upload.object_id,
        chunks_object_id=chunks.id,
        declared="none" if upload.declared_sha256 is None else "sha256",
    )


def _enter(
    room: Room,
    session: Session,
    upload: Upload,
    item: EvidenceItem,
    back: ReadBack,
    *,
    at: datetime,
    found: Attribution | None = None,
) -> None:
    """Record the arrival in the item's chain, give the receipt, and end the upload."""
    if upload.manifest is not None:
        custody.record(session, _announcement(session, upload, upload.manifest, item))
    custody.record(session, _arrival(session, room, upload, item, back))
    if found is not None:
        custody.record(session, _attributed(upload, item, found))
    sealed = next(each for each in custody.seal(session) if isinstance(each.event, ItemReceived | ItemReceivedAgain))
    delay = timedelta(seconds=room.settings.maximum_merge_delay_seconds)
    receipts.give(session, sealed, room.signing, merge_delay=delay)
    upload.state = "received"
    upload.item_id = item.id
    upload.record_id = sealed.record_id
    upload.found_sha256 = back.sha256
    upload.ended_at = upload.expires_at = at
    upload.writer = upload.writer_until = None
    if item.original_object_id == upload.object_id:
        upload.cleared_at = at


def _announcement(session: Session, upload: Upload, manifest: str, item: EvidenceItem) -> ItemAnnounced:
    signed = signed_manifests.read(manifest)
    return ItemAnnounced(
        actor=Actor.of(uploads.opener(upload)),
        request_id=str(upload.id),
        item_id=item.id,
        upload_id=upload.id,
        dock_id=upload.opened_by_id,
        fingerprint=signed.fingerprint,
        public=signed_manifests.key_of(session, upload.opened_by_id, signed),
        manifest=manifest,
        digest=signed.digest,
        announced=signed.manifest.sha256,
    )


def _attributed(upload: Upload, item: EvidenceItem, found: Attribution) -> ItemAttributed:
    return ItemAttributed(
        actor=Actor.system(),
        request_id=str(upload.id),
        item_id=item.id,
        outcome=found.officer.basis,
        why=found.officer.why,
        account_id=found.officer.account_id,
        camera_id=found.camera_id,
        assignment_id=found.assignment_id,
        officer_badge=item.officer_badge,
    )


def _arrival(
    session: Session, room: Room, upload: Upload, item: EvidenceItem, back: ReadBack
) -> ItemReceived | ItemReceivedAgain:
    manifest = Manifest.read(upload.announced)
    original = session.get_one(StoredObject, item.original_object_id)
    chunks = session.get_one(StoredObject, item.chunks_object_id)
    kind = ItemReceived if item.original_object_id == upload.object_id else ItemReceivedAgain
    return kind(
        actor=Actor.of(uploads.opener(upload)),
        # Not the request's own: whichever request or process comes to seal this upload, it is one record.
        request_id=str(upload.id),
        item_id=item.id,
        upload_id=upload.id,
        original=_cited(room, "original", original, mime=item.content_type, chunks=chunks.sha256),
        chunk_list=_cited(room, "chunks", chunks, mime="text/plain"),
        declared=upload.declared_sha256,
        read_back=back.sha256,
        streamed_chunks=sha256(chunk_list(upload.chunks_sha256)).digest(),
        read_back_chunks=sha256(chunk_list(back.chunks_sha256)).digest(),
        filename=manifest.filename,
        number=item.number,
        recorded_at=manifest.recorded_at,
        camera_serial=manifest.camera,
        officer_badge=manifest.officer,
        incident=manifest.incident,
    )


def _cited(room: Room, role: str, row: StoredObject, *, mime: str, chunks: bytes | None = None) -> CitedObject:
    enc = None
    if row.stored_sha256 is not None and row.stored_size is not None:
        enc = Enciphered(format="evidence.frame.v1", sha256=row.stored_sha256, size=row.stored_size)
    return CitedObject(
        role=role,
        id=row.id,
        sha256=row.sha256,
        size=row.size,
        mime=mime,
        store=room.vault.store.alias,
        version=row.version,
        chunks=chunks,
        enc=enc,
    )


def _mine(session: Session, arrived: Arrived) -> Upload:
    """Return the upload, locked, if it is still ours to seal; else raise BusyError."""
    upload = session.scalar(select(Upload).where(_is_mine(arrived)).with_for_update())
    if upload is None:
        raise _taken_over()
    return upload


def _taken_over() -> BusyError:
    return BusyError("Another server is at this upload.", next_step="Ask for its state.")


def _is_mine(arrived: Arrived) -> ColumnElement[bool]:
    return and_(Upload.id == arrived.upload.id, Upload.writer == arrived.me, Upload.state == "sealing")
