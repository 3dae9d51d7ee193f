"""Reading back behind an upload, so that little is left to read when its last byte is in.

Only what a checkpoint made durable is read, and from the device: of a whole upload all of it, before
it is made the object.  After a restart it begins again at the first byte; nothing of it is kept but
in memory.
"""

from collections import deque
from concurrent.futures import Executor, Future, wait
from threading import Condition, local

import structlog

from evidence.errors import EvidenceError
from evidence.storage.frames import (
    FRAME_SIZE,
    STORED_FRAME,
    FrameError,
    Reader,
    frame_count,
    frame_length,
    stored_position,
)
from evidence.storage.models import StoredObject
from evidence.storage.read_back import HASHED_AT_ONCE, ReadBack, ReadingBack
from evidence.storage.store import Area, Bytes, Stored
from evidence.storage.vault import Vault

FARTHEST_BEHIND = 256 << 20
"""Bytes. A stream that is faster than reading waits, or sealing would take longer the larger the upload."""

BLOCK_FRAMES = 4
"""Frames read from the disk at once."""

BLOCKS_AT_ONCE = HASHED_AT_ONCE + 2
"""Blocks in memory: while some are hashed the others are read."""

TURN_FRAMES = 64
"""Frames after which it is another upload's turn."""

log = structlog.get_logger()

_memory = local()


class Trailing:
    """Reads one upload back in turns, each a task of its own, so that many uploads take theirs.

    `turns` runs the turns, `hands` the hashing they have done side by side, `fetching` the reads ahead;
    these must not be one executor, for the first waits for the others.
    """

    def __init__(
        self,
        vault: Vault,
        row: StoredObject,
        token: str,
        *,
        size: int,
        turns: Executor,
        hands: Executor,
        fetching: Executor,
    ) -> None:
        self._vault = vault
        self._row = row
        self._token = token
        self._size = size
        self._turns = turns
        self._fetching = fetching
        self._reading = ReadingBack(vault.cipher(row), size=size, executor=hands)
        self._durable_frames = 0
        self._running = False
        self._ended = False
        self._moved = Condition()

    def follow(self, durable_offset: int) -> None:
        """Say how far the upload is durable. Returns at once; reading goes on elsewhere."""
        store = self._vault.store
        if not store.reads_staged:
            return
        frames = frame_count(self._size) if 0 < durable_offset == self._size else durable_offset // FRAME_SIZE
        with self._moved:
            self._durable_frames = max(self._durable_frames, frames - frames % store.piece_frames)
            self._go_on()

    def wait_near(self) -> None:
        """Return when reading is not far behind."""
        with self._moved:
            self._moved.wait_for(
                lambda: not self._running or self._behind() * FRAME_SIZE <= FARTHEST_BEHIND, timeout=60
            )

    def catch_up(self) -> None:
        """Return when all that is durable was read, or as much as could be; what is staged is not read after that."""
        with self._moved:
            self._moved.wait_for(lambda: not self._running)
            self._ended = True

    def finish(self, stored: Stored) -> ReadBack:
        """Read the rest from the complete object and return every digest of it.

        Raises FrameError when a frame does not open, UnavailableError when the store is away.
        """
        self.catch_up()
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
            self._turns.submit(self._step)

    def _step(self) -> None:
        try:
            self._read_on()
        except (EvidenceError, KeyError, OSError) as error:
            # A frame that does not open now is met again by `finish`, which says so; a trailing
            # reader has nobody to tell.
            log.warning("reading back stopped", object_id=str(self._row.id), kind=type(error).__name__)
            self._ended = True
        with self._moved:
            self._running = False
            self._go_on()
            self._moved.notify_all()

    def _read_on(self) -> None:
        """Read what is durable, up to a turn's worth: the next blocks from the disk while others are hashed."""
        end = min(self._reading.next_frame + TURN_FRAMES, self._durable_frames)
        starts = iter(range(self._reading.next_frame, end, BLOCK_FRAMES))
        coming: deque[tuple[Future[Bytes], Area]] = deque()
        hashed: deque[Area] = deque()

        def fetch(area: Area) -> None:
            if (start := next(starts, None)) is not None:
                coming.append((self._fetching.submit(self._block, start, end, area), area))

        for area in _areas_of_this_thread():
            fetch(area)
        try:
            while coming:
                block, area = coming.popleft()
                self._reading.take(block.result())
                hashed.append(area)
                if len(hashed) > HASHED_AT_ONCE:
                    fetch(hashed.popleft())
        finally:
            # Nobody may use an area while it is being read into or hashed.
            wait([block for block, _ in coming])
            self._reading.settle()

    def _block(self, first: int, end: int, area: Area) -> Bytes:
        last = min(first + BLOCK_FRAMES, end) - 1
        begins = stored_position(first)
        length = stored_position(last) + frame_length(last, self._size) - begins
        block = self._vault.store.read_staged(self._row.key, self._token, begins, length, area=area)
        if len(block) < length:
            raise FrameError(first + len(block) // STORED_FRAME, "is cut off")
        return block


def _areas_of_this_thread() -> list[Area]:
    """Return areas, the same every time, for reading blocks while one is hashed."""
    areas: list[Area] = _memory.__dict__.setdefault("areas", [])
    if not areas:
        areas.extend(Area(BLOCK_FRAMES * STORED_FRAME) for _ in range(BLOCKS_AT_ONCE))
    return areas
