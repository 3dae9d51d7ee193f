"""Reading back behind an upload, so that little is left to read when its last byte is in.

Only what a checkpoint made durable is read, and from the device.  After a restart it begins
again at the first byte; nothing of it is kept but in memory.
"""

from collections.abc import Iterator
from concurrent.futures import Executor
from threading import Condition

import structlog

from evidence.errors import EvidenceError
from evidence.storage.frames import FRAME_SIZE, FrameError, Reader, frame_length, stored_position
from evidence.storage.models import StoredObject
from evidence.storage.read_back import CHUNK_FRAMES, ReadBack, ReadingBack
from evidence.storage.store import Stored
from evidence.storage.vault import Vault

FARTHEST_BEHIND = 256 << 20
"""Bytes. A stream that is faster than reading waits, or sealing would take longer the larger the upload."""

log = structlog.get_logger()


class Trailing:
    """Reads one upload back in steps of a chunk, each a task of its own, so that many uploads take turns."""

    def __init__(self, vault: Vault, row: StoredObject, token: str, *, size: int, executor: Executor) -> None:
        self._vault = vault
        self._row = row
        self._token = token
        self._size = size
        self._executor = executor
        self._reading = ReadingBack(vault.cipher(row), size=size)
        self._durable_frames = 0
        self._running = False
        self._ended = False
        self._moved = Condition()

    def follow(self, durable_offset: int) -> None:
        """Say how far the upload is durable. Returns at once; reading goes on elsewhere."""
        store = self._vault.store
        if not store.reads_staged:
            return
        frames = durable_offset // FRAME_SIZE
        with self._moved:
            self._durable_frames = max(self._durable_frames, frames - frames % store.piece_frames)
            self._go_on()

    def wait_near(self) -> None:
        """Return when reading is not far behind."""
        with self._moved:
            self._moved.wait_for(
                lambda: not self._running or self._behind() * FRAME_SIZE <= FARTHEST_BEHIND, timeout=60
            )

    def finish(self, stored: Stored) -> ReadBack:
        """Read the rest from the complete object and return every digest of it.

        Raises FrameError when a frame does not open, UnavailableError when the store is away.
        """
        with self._moved:
            self._ended = True
            self._moved.wait_for(lambda: not self._running)
        reader = Reader(
            self._vault.store, self._row.key, self._vault.cipher(self._row), size=self._size, version=stored.version
        )
        for frame in reader.frames(self._reading.next_frame, afresh=True):
            self._reading.take_opened(frame)
        return self._reading.result()

    def _behind(self) -> int:
        return self._durable_frames - self._reading.next_frame

    def _go_on(self) -> None:
        if not self._running and not self._ended and self._behind() > 0:
            self._running = True
            self._executor.submit(self._step)

    def _step(self) -> None:
        try:
            for frame in self._staged_frames():
                self._reading.take(frame)
        except (EvidenceError, KeyError, OSError) as error:
            # A frame that does not open now is met again by `finish`, which says so; a trailing
            # reader has nobody to tell.
            log.warning("reading back stopped", object_id=str(self._row.id), kind=type(error).__name__)
            self._ended = True
        with self._moved:
            self._running = False
            self._go_on()
            self._moved.notify_all()

    def _staged_frames(self) -> Iterator[bytes]:
        first = self._reading.next_frame
        last = min(first + CHUNK_FRAMES, self._durable_frames) - 1
        ends = stored_position(last) + frame_length(last, self._size)
        begins = stored_position(first)
        block = memoryview(self._vault.store.read_staged(self._row.key, self._token, begins, ends - begins))
        for index in range(first, last + 1):
            at = stored_position(index) - begins
            frame = bytes(block[at : at + frame_length(index, self._size)])
            if len(frame) < frame_length(index, self._size):
                raise FrameError(index, "is cut off")
            yield frame
