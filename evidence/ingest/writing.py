"""Writing one upload: bytes in, sealed frames and chunk digests out, the durable offset moved.

The digest of each chunk is taken here, on the stream, before anything is encrypted or stored, and
kept on the upload's row: what is read back later has to agree with what came in over the wire.
"""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from concurrent.futures import wait as wait_for
from datetime import timedelta
from threading import Event

from sqlalchemy import update

from evidence.clock import Clock
from evidence.database import Sessions, execute_alone
from evidence.errors import BusyError, TooLargeError
from evidence.ids import UploadId
from evidence.ingest.fences import Fence, Fences
from evidence.ingest.models import Upload
from evidence.ingest.trailing import Trailing
from evidence.storage.arriving import ArrivingObject
from evidence.storage.read_back import ChunkDigests
from evidence.storage.store import Bytes

CHECKPOINT_SIZE = 64 << 20
"""At most so many bytes have to be sent again after a crash."""

FLUSH_SIZE = 8 << 20
"""Bytes after which the disk is set to work, so that a checkpoint has little to wait for."""


class Writer:
    """Writes one upload behind its fence. Used by one thread at a time; `stop` may be called by any.

    After an error it must be closed and thrown away: the upload goes on from the durable offset.
    """

    def __init__(
        self,
        upload: Upload,
        arriving: ArrivingObject,
        fence: Fence,
        fences: Fences,
        *,
        sessions: Sessions,
        clock: Clock,
        life: timedelta,
        trailing: Trailing,
        flushing: Executor,
    ) -> None:
        self.upload_id = UploadId(upload.id)
        self.size = upload.size
        self.durable_offset = upload.durable_offset
        self.piecemeal = True
        """Whether what arrived may be kept before all of it did; not while a checksum is outstanding."""
        self.closed = Event()
        self.on_stop: Callable[[], object] = lambda: None
        self._arriving = arriving
        self.fence = fence
        self._fences = fences
        self._sessions = sessions
        self._clock = clock
        self._life = life
        self._trailing = trailing
        self._flush_by = flushing
        self._flushing: Future[None] | None = None
        self._flushed = upload.durable_offset
        self._stopped = Event()
        self._whole = False
        self._digests = ChunkDigests(upload.chunks_sha256, size=upload.size, offset=upload.durable_offset)
        for block in arriving.replay(self._digests.offset) if upload.durable_offset else ():
            self._digests.take(block)

    @property
    def offset(self) -> int:
        """How many bytes were taken; durable only up to `durable_offset`."""
        return self._arriving.offset

    @property
    def whole(self) -> bool:
        """Whether every byte of the upload is here and durable, and the upload is in state `sealing`."""
        return self._whole

    @property
    def stopped(self) -> bool:
        """Whether somebody asked this writer to let go."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Ask the writer to flush what it has and let go. Harmless to repeat."""
        self._stopped.set()
        self.on_stop()

    def feed(self, block: Bytes) -> None:
        """Take the next bytes: hash, encrypt, stage. Raises TooLargeError when they are more than announced."""
        if self.offset + len(block) > self.size:
            raise TooLargeError(
                "More bytes came than the upload was opened with.", next_step="Open a new upload with the right size."
            )
        self.fence.require()
        self._digests.take(block)
        self._arriving.write(block)
        self._flush_ahead()
        if self.piecemeal and self.offset - self.durable_offset >= CHECKPOINT_SIZE:
            self.checkpoint()

    def checkpoint(self) -> int:
        """Make everything taken durable, then count it on the row; return the durable offset.

        When these are the last bytes the upload passes into state `sealing`, from where only the
        server acts; the fence is kept for that.  Raises BusyError when it was lost: then nothing was
        counted.
        """
        if self._whole or self.offset == self.durable_offset < self.size:
            return self.durable_offset
        self.fence.require()
        self._flush_done(wait=True)
        offset = self._arriving.checkpoint()
        now = self._clock()
        counted = execute_alone(
            self._sessions,
            update(Upload)
            .where(Upload.id == self.upload_id, Upload.writer == self.fence.me, Upload.state == "open")
            .where(Upload.durable_offset == self.durable_offset)
            .values(
                state="sealing" if offset == self.size else "open",
                durable_offset=offset,
                chunks_sha256=self._digests.whole(),
                touched_at=now,
                expires_at=now + self._life,
            )
            .returning(Upload.id),
        )
        if not counted:
            raise BusyError("Another server went on with this upload.", next_step="Ask for the offset.")
        self.durable_offset = offset
        self._whole = offset == self.size
        self._trailing.follow(offset)
        if offset < self.size:
            self._trailing.wait_near()
        return offset

    def close(self) -> None:
        """Let go. What was not checkpointed is not kept; the fence of a whole upload is for whoever seals it."""
        if not self.closed.is_set():
            self._arriving.close()
            if self._flushing is not None:
                wait_for([self._flushing])
            if not self.whole:
                self._fences.release(self.fence)
            self.closed.set()

    def _flush_ahead(self) -> None:
        """Have what was written flushed while more comes in. Nothing counts as durable by this."""
        if self.offset - self._flushed >= FLUSH_SIZE and self._flush_done(wait=False):
            self._flushed = self.offset
            self._flushing = self._flush_by.submit(self._arriving.flush)

    def _flush_done(self, *, wait: bool) -> bool:
        """Say whether no flush is under way, after waiting for it if asked. Raises what it met."""
        if self._flushing is not None and (wait or self._flushing.done()):
            self._flushing.result()
            self._flushing = None
        return self._flushing is None
