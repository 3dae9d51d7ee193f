"""Intake: what one server process holds of the uploads it is at work on.

Writers, trailing readers, and the threads that hash and encrypt.  Nothing in here is needed to go
on with an upload: another process, or this one after a crash, starts from the row.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from threading import Lock
from typing import Any, TypeVar

import structlog

from auth.principals import Principal
from evidence.database import reading, unit_of_work
from evidence.errors import BusyError, EvidenceError, IntegrityError, OffsetConflictError
from evidence.ids import UploadId
from evidence.ingest import clearing, quarantine, receive, uploads
from evidence.ingest.fences import LEASE, Fence, Fences
from evidence.ingest.models import Upload
from evidence.ingest.quarantine import UnfitError
from evidence.ingest.streaming import Blocks, Body, Checksum
from evidence.ingest.trailing import Trailing
from evidence.ingest.writing import Writer
from evidence.room import Room
from evidence.storage.models import StoredObject

_LETTING_GO = 30.0
"""Seconds a writer that was asked to stop has for flushing what it holds."""

_TURNS = 2
"""Bodies read at once for each core."""

_ENTERING = 2
"""Uploads that may be at their first questions to the database at once."""

_BEHIND = 10
"""How much nicer than others the threads are that hash, encrypt and write to the disk."""

log = structlog.get_logger()

_Answer = TypeVar("_Answer")


class Intake:
    """The uploads of one process. Safe to use from many threads; close it at the end."""

    def __init__(self, room: Room, *, lease: timedelta = LEASE) -> None:
        cores = os.cpu_count() or 2
        self.room = room
        self.fences = Fences(room.sessions, lease=lease)
        # Few threads for what is all processor, and behind the thread that answers requests: more
        # would not be quicker, and everybody else would wait.
        self._writing = _pool("writing", max(1, cores // 2), behind=True)
        self._turns = _pool("reading", max(1, cores // 2), behind=True)
        self._hands = _pool("hashing", cores, behind=True)
        # These wait for disk and database.
        self._fetching = _pool("fetching", 2)
        self._staging = _pool("staging", 2, behind=True)
        self._flushing = _pool("flushing", 4, behind=True)
        self._keeping = _pool("keeping", 4, behind=True)
        self._asking = _pool("asking", 16)
        self._sealers = _pool("sealing", 8)
        self.blocks = Blocks()
        self._bodies = asyncio.Semaphore(_TURNS * cores)
        self.entrance = asyncio.Semaphore(_ENTERING)
        """Whoever begins to send passes here: when a shift ends, nobody else waits behind all its docks."""
        self._writers: dict[UploadId, Writer] = {}
        self._trailing: dict[UploadId, Trailing] = {}
        self._sealing: dict[UploadId, Future[None]] = {}
        self._guard = Lock()

    async def asked(self, of: Callable[..., _Answer], *arguments: Any, **named: Any) -> _Answer:
        """Run what waits for disk or database in a thread of ours, so that no other request waits for one."""
        return await asyncio.get_running_loop().run_in_executor(self._asking, partial(of, *arguments, **named))

    async def taken(self, upload_id: UploadId, *, offset: int) -> Writer:
        """Run `take` behind whoever only asks."""
        of = partial(self.take, upload_id, offset=offset)
        return await asyncio.get_running_loop().run_in_executor(self._keeping, of)

    def body(self, writer: Writer, *, checksum: Checksum | None) -> Body:
        """Return what takes the body of one request into the writer."""
        return Body(writer, self.blocks, self._bodies, writing=self._writing, keeping=self._keeping, checksum=checksum)

    def open(self, *, by: Principal, size: int, announced: str, request_id: str, signed: str | None = None) -> Upload:
        """Open an upload."""
        settings = self.room.settings
        with unit_of_work(self.room.sessions) as session:
            return uploads.open_upload(
                session,
                self.room.vault,
                by=by,
                size=size,
                announced=announced,
                signed=signed,
                largest=settings.maximum_upload,
                life=timedelta(hours=settings.upload_life_hours),
                at=self.room.clock(),
                request_id=request_id,
            )

    def load(self, upload_id: UploadId) -> Upload:
        """Return the upload as it is now."""
        with reading(self.room.sessions) as session:
            return session.get_one(Upload, upload_id)

    def at_rest(self, upload_id: UploadId) -> Upload:
        """Return an upload whose offset stands still: nobody is writing it any more.

        One that is to have no bytes has them all already, and is sealed from here.  Raises BusyError
        while another process is writing it, and has that one let go.
        """
        self.interrupt(upload_id)
        self.fences.ask(upload_id)
        upload = self.load(upload_id)
        if upload.state == "open" and upload.size == 0:
            writer = self.take(upload_id, offset=0)
            try:
                writer.checkpoint()
            finally:
                self.let_go(writer)
            upload = self.load(upload_id)
        return upload

    def terminate(self, upload_id: UploadId, *, by: Principal, request_id: str) -> None:
        """End an unfinished upload and remove what had arrived of it."""
        self.interrupt(upload_id)
        with unit_of_work(self.room.sessions) as session:
            uploads.terminate(session, upload_id, by=by, at=self.room.clock(), request_id=request_id)
        try:
            clearing.clear(self.room, upload_id)
        except EvidenceError as error:
            log.warning("left for the sweep to clear", upload_id=str(upload_id), kind=type(error).__name__)

    def take(self, upload_id: UploadId, *, offset: int) -> Writer:
        """Become the writer of an upload at this offset; whoever wrote it in this process lets go first.

        Who may is for the caller to have asked.  Raises GoneError, ConflictError (it has all its
        bytes), OffsetConflictError, or BusyError while another process writes it.
        """
        self.interrupt(upload_id)
        try:
            fence = self.fences.take(upload_id, state="open", wanted=lambda: self._stop(upload_id))
        except BusyError:
            uploads.require_open(self.load(upload_id))  # or it has ended, which is another answer
            raise
        try:
            writer = self._writer(upload_id, fence, offset=offset)
        except (IntegrityError, KeyError) as damage:
            raise self._damaged(upload_id, fence) from damage
        except BaseException:
            self.fences.release(fence)
            raise
        with self._guard:
            self._writers[upload_id] = writer
        return writer

    def _damaged(self, upload_id: UploadId, fence: Fence) -> UnfitError:
        """Put an upload into quarantine whose durable bytes cannot be read any more: it could never go on."""
        with unit_of_work(self.room.sessions) as session:
            upload = session.get_one(Upload, upload_id)
            row = uploads.object_of(session, upload)
        unfit = UnfitError("damaged", "What had arrived of this upload was damaged in our store before it was whole.")
        unfit.next_step = "Send the recording again in a new upload; what is left of this one is kept in quarantine."
        quarantine.put(self.room, upload, row, unfit, me=fence.me)
        return unfit

    def let_go(self, writer: Writer) -> None:
        """Close the writer; sealing begins if it has written the last byte. What was not checkpointed is not kept."""
        with self._guard:
            if self._writers.get(writer.upload_id) is writer:
                del self._writers[writer.upload_id]
            # In one go: whoever finds no writer any more finds the sealing that was handed its fence.
            handed = writer.whole and self._begin_sealing(writer.upload_id, writer.fence)
        if writer.whole and not handed:
            self.fences.release(writer.fence)
        writer.close()

    def interrupt(self, upload_id: UploadId) -> None:
        """Have the writer in this process flush and let go, so that the durable offset stands still.

        A client that lost its connection comes back on another, often long before the old one is
        known to be dead.  Raises BusyError if the old one does not get ready.
        """
        with self._guard:
            writer = self._writers.get(upload_id)
        if writer is not None:
            writer.stop()
            if not writer.closed.wait(_LETTING_GO):
                raise BusyError("What arrived before is still being stored.", next_step="Wait a moment and ask again.")

    def seal(self, upload_id: UploadId) -> Future[None]:
        """Begin, or go on waiting for, the end of an upload all of whose bytes are here.

        Waits for a writer in this process that is about to hand it over; raises BusyError if it does not.
        """
        with self._guard:
            writer = self._writers.get(upload_id)
        if writer is not None and not writer.closed.wait(_LETTING_GO):
            raise BusyError("What arrived is still being stored.", next_step="Wait a moment and ask again.")
        with self._guard:
            self._begin_sealing(upload_id, None)
            return self._sealing[upload_id]

    def close(self) -> None:
        """Stop taking on work and wait for what is under way; unfinished uploads stay as durable as they are."""
        with self._guard:
            writers = list(self._writers.values())
        for writer in writers:
            writer.stop()
        for writer in writers:
            # Whoever holds it flushes what has arrived, and needs our threads for that.
            writer.closed.wait(_LETTING_GO)
        self._sealers.shutdown(cancel_futures=True)
        self._writing.shutdown()
        self._keeping.shutdown()
        for pool in (self._turns, self._hands, self._fetching, self._staging, self._flushing, self._asking):
            pool.shutdown()
        self.fences.close()

    def _begin_sealing(self, upload_id: UploadId, fence: Fence | None) -> bool:
        """Begin under the guard, with the fence if there is one; say whether it was not under way already."""
        if upload_id in self._sealing:
            return False
        self._sealing[upload_id] = self._sealers.submit(self._seal, upload_id, fence)
        return True

    def _seal(self, upload_id: UploadId, fence: Fence | None) -> None:
        with self._guard:
            trailing = self._trailing.pop(upload_id, None)
        try:
            receive.finish(self.room, self.fences, upload_id, trailing=trailing, fence=fence)
        finally:
            with self._guard:
                del self._sealing[upload_id]

    def _stop(self, upload_id: UploadId) -> None:
        with self._guard:
            writer = self._writers.get(upload_id)
        if writer is not None:
            writer.stop()

    def _writer(self, upload_id: UploadId, fence: Fence, *, offset: int) -> Writer:
        with reading(self.room.sessions) as session:
            upload = session.get_one(Upload, upload_id)
            row = uploads.object_of(session, upload)
        if upload.durable_offset != offset:
            raise OffsetConflictError(
                f"The upload goes on at byte {upload.durable_offset}, not {offset}.",
                next_step="Ask for the offset and go on there.",
            )
        token = self._token(upload, row, fence)
        try:
            arriving = self.room.vault.arriving(row, token, size=upload.size, offset=offset, executor=self._staging)
        except KeyError:
            raise IntegrityError(
                "What had arrived of this upload is not there any more.", next_step="Open a new upload."
            ) from None
        trailing = self._follower(upload, row, token)
        return Writer(
            upload,
            arriving,
            fence,
            self.fences,
            sessions=self.room.sessions,
            clock=self.room.clock,
            life=timedelta(hours=self.room.settings.upload_life_hours),
            trailing=trailing,
            flushing=self._flushing,
        )

    def _token(self, upload: Upload, row: StoredObject, fence: Fence) -> str:
        if upload.staging_token is not None:
            return upload.staging_token
        # Between these two a crash leaves staged parts that no row names: the sweeper finds them.
        token = self.room.vault.store.begin(row.key)
        uploads.keep_token(self.room.sessions, fence.upload_id, token, me=fence.me)
        return token

    def _follower(self, upload: Upload, row: StoredObject, token: str) -> Trailing:
        upload_id = UploadId(upload.id)
        with self._guard:
            if upload_id not in self._trailing:
                self._trailing[upload_id] = Trailing(
                    self.room.vault,
                    row,
                    token,
                    size=upload.size,
                    turns=self._turns,
                    hands=self._hands,
                    fetching=self._fetching,
                )
            trailing = self._trailing[upload_id]
        trailing.follow(upload.durable_offset)
        return trailing


def _pool(name: str, threads: int, *, behind: bool = False) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix=name, initializer=_step_behind if behind else None)


def _step_behind() -> None:
    """Let this thread have the processor when others need it less. Linux has priorities of threads, others do not."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _BEHIND)
