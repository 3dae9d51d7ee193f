"""The body of one request into a writer: the next blocks arrive while one is hashed and written.

At most four blocks of a body are in memory, however long it is and however slow the disk: nothing
more is asked of the network until one of them was taken.  When many bodies come at once, most have
one block each.
"""

import asyncio
import hashlib
import math
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

from evidence.errors import ChecksumError
from evidence.ingest.writing import Writer
from evidence.storage.frames import FRAME_SIZE
from evidence.storage.store import Bytes

ALGORITHMS = ("sha256", "sha1", "md5")
"""Checksums a client may send with a piece. They find a bad line, not a forger: `sha256` of the whole does that."""

BLOCKS_KEPT = 8
"""Blocks that a process keeps for bodies to come."""

BLOCKS_AT_MOST = 4
"""Blocks one body may have. With two, whoever fills and whoever takes would each wait for the other's slowest."""

TURN_SIZE = 8 << 20
"""Bytes of a body after which it is another's turn."""

PAUSE = 0.1
"""Seconds after which a body that brings next to nothing loses its turn: a slow sender keeps nobody waiting."""

LITTLE = 16 << 10
"""Bytes in that time that are next to nothing. Who brought so little has a turn for each part, and no longer."""

IDLE = 60.0
"""Seconds after which a client that sends nothing is taken for gone."""


class BrokenOffError(Exception):
    """The client is gone, or asked for elsewhere: the body ended before its time."""


class _Hash(Protocol):
    def update(self, block: Bytes, /) -> None: ...
    def digest(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Checksum:
    """What a client says the body's checksum is."""

    algorithm: str
    expected: bytes

    def begin(self) -> _Hash:
        """Return a hash to feed the body to."""
        return hashlib.new(self.algorithm, usedforsecurity=False)


class Blocks:
    """Memory for blocks, used again and again: fresh memory costs more than the cipher does.

    Every body gets its first block; more only where some are left. Used by the thread that answers
    requests, and no other.
    """

    def __init__(self) -> None:
        self._left = deque((bytearray(FRAME_SIZE) for _ in range(BLOCKS_KEPT)), maxlen=BLOCKS_KEPT)

    def first(self) -> bytearray:
        """Return a block."""
        return self.another() or bytearray(FRAME_SIZE)

    def another(self) -> bytearray | None:
        """Return a block if one is left."""
        return self._left.pop() if self._left else None

    def give_back(self, block: bytearray) -> None:
        """Leave a block for others, who may get it at once."""
        self._left.append(block)


class Belt:
    """Carries a body, in blocks, to a thread that takes them one by one, and brings the blocks back empty.

    Each block is a task of its own: after it, it is another body's turn.
    """

    def __init__(self, take: Callable[[memoryview], None], blocks: Blocks, executor: Executor, *, first: int) -> None:
        """The first block is `first` bytes long, all but the last then FRAME_SIZE."""
        self._take = take
        self._blocks = blocks
        self._executor = executor
        self._loop = asyncio.get_running_loop()
        self._filling: bytearray | None = blocks.first()
        self._filled = 0
        self._length = first
        self._lent = 1
        self._full: deque[tuple[bytearray, int]] = deque()
        self._empty: list[bytearray] = []
        self._guard = Lock()
        self._running = False
        self._failure: BaseException | None = None
        self._moved = asyncio.Event()
        self._closed = False

    async def load(self, part: bytes) -> None:
        """Put the next bytes on, once there is room for them. Raises what taking met."""
        rest = memoryview(part)
        while rest:
            block = self._filling = self._filling or await self._another()
            piece = rest[: self._length - self._filled]
            block[self._filled : self._filled + len(piece)] = piece
            self._filled += len(piece)
            rest = rest[len(piece) :]
            if self._filled == self._length:
                self._carry(block)

    async def unload(self) -> None:
        """Return when everything put on was taken. Raises what taking met."""
        if self._filling and self._filled:
            self._carry(self._filling)
        while self._running:
            await self._move()
        self._require_well()

    def close(self) -> None:
        """Leave the blocks to others. What is not being taken by now will not be."""
        self._closed = True
        with self._guard:
            being_taken = [self._full.popleft()] if self._running else []
            left = [*self._empty, *(block for block, _ in self._full)]
            self._full = deque(being_taken)
        for block in (*left, *filter(None, [self._filling])):
            self._blocks.give_back(block)

    async def _another(self) -> bytearray:
        while not self._empty:
            if self._lent < BLOCKS_AT_MOST and (another := self._blocks.another()):
                self._lent += 1
                return another
            await self._move()
        return self._empty.pop()

    def _carry(self, block: bytearray) -> None:
        self._require_well()
        with self._guard:
            self._full.append((block, self._filled))
            starts, self._running = not self._running, True
        self._filling, self._filled, self._length = None, 0, FRAME_SIZE
        if starts:
            self._have_next_taken()

    async def _move(self) -> None:
        self._require_well()
        self._moved.clear()
        await self._moved.wait()

    def _require_well(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _have_next_taken(self) -> None:
        block, length = self._full[0]
        self._executor.submit(self._take, memoryview(block)[:length]).add_done_callback(self._took)

    def _took(self, taking: Future[None]) -> None:
        """Go on in the thread that took a block, without a word to the loop in between."""
        self._failure = taking.exception()
        with self._guard:
            block, _ = self._full.popleft()
            self._running = goes_on = bool(self._full) and self._failure is None
        if goes_on:
            self._have_next_taken()
        self._loop.call_soon_threadsafe(self._brought_back, block)

    def _brought_back(self, block: bytearray) -> None:
        if self._closed:
            self._blocks.give_back(block)
        else:
            self._empty.append(block)
        self._moved.set()


class Turn:
    """One body's turns at being read, of as many as there are at once.

    Were all read at once that come when a shift ends, each a little, then memory, disk and whoever
    asks anything else would suffer.
    """

    def __init__(self, turns: asyncio.Semaphore) -> None:
        self._turns = turns
        self._left = 0
        self._loop = asyncio.get_running_loop()
        self._brought = 0
        self._is_slow = False
        self._waits_for_us = False
        self._watch: asyncio.TimerHandle | None = None

    async def begin(self) -> None:
        """Return when it is this body's turn, which it may be already."""
        self._waits_for_us = True
        if not self._left:
            await self._turns.acquire()
            self._left = TURN_SIZE

    def use(self, length: int) -> None:
        """Count what was read. The turn ends with its last byte, or when next to nothing follows for a while."""
        self._waits_for_us = False
        self._is_slow = self._is_slow and length < LITTLE
        if length >= self._left or self._is_slow:
            self.end()
            return
        self._left -= length
        self._brought += length
        if self._watch is None:
            self._look_later()

    def end(self) -> None:
        """Let others have the turn. Harmless to repeat."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._left:
            self._left = 0
            self._turns.release()

    def _look(self) -> None:
        """End the turn if it is hardly used. One timer looks again and again: one for every part would cost more."""
        if self._waits_for_us or self._brought >= LITTLE:
            self._look_later()
        else:
            self._is_slow = True
            self.end()

    def _look_later(self) -> None:
        self._brought = 0
        self._watch = self._loop.call_later(PAUSE, self._look)


class Body:
    """Takes the body of one request into a writer that is this request's alone."""

    def __init__(
        self,
        writer: Writer,
        blocks: Blocks,
        turns: asyncio.Semaphore,
        *,
        writing: Executor,
        keeping: Executor,
        checksum: Checksum | None = None,
    ) -> None:
        """Blocks are written by `writing`; what waits for the disk and the database is done by `keeping`."""
        self._turn = Turn(turns)
        self._writer = writer
        self._keeping = keeping
        self._checksum = checksum
        self._hash = checksum.begin() if checksum else None
        # Blocks end where frames do, so that they are sealed from where they lie.
        self._belt = Belt(self._feed, blocks, writing, first=FRAME_SIZE - writer.offset % FRAME_SIZE)
        self._heard = 0.0
        writer.piecemeal = checksum is None

    async def take(self, parts: AsyncIterator[bytes]) -> bool:
        """Take all parts and make them durable; return whether the body came to its end.

        `parts` may raise BrokenOffError.  A body that broke off, or whose writer somebody else asked
        for, is kept as far as it came, unless it has a checksum: then nothing of it is.  Raises
        ChecksumError, or what the writer raises; nothing after the last checkpoint is kept then.
        """
        try:
            whole = await self._listen(parts)
            # Whatever happens to us meanwhile: a thread cannot be stopped half-way through a block.
            await asyncio.shield(self._belt.unload())
        finally:
            self._belt.close()
        if self._checksum is not None:
            if not whole:
                return False
            self._require_undamaged(self._checksum)
        await asyncio.get_running_loop().run_in_executor(self._keeping, self._writer.checkpoint)
        return whole

    def _require_undamaged(self, checksum: Checksum) -> None:
        if self._hash is None or self._hash.digest() != checksum.expected:
            raise ChecksumError(
                f"The {checksum.algorithm} of what arrived is not the one sent with it; nothing was kept.",
                next_step="Send the same bytes again.",
            )

    async def _listen(self, parts: AsyncIterator[bytes]) -> bool:
        """Listen in a task of its own, so that another request can stop it whatever it is waiting for."""
        loop = asyncio.get_running_loop()
        listening = asyncio.ensure_future(self._read(parts))
        self._writer.on_stop = lambda: loop.call_soon_threadsafe(listening.cancel)
        if self._writer.stopped:
            listening.cancel()
        watch = loop.call_later(IDLE, self._watch, listening)
        try:
            await listening
        except BrokenOffError:
            return False
        except asyncio.CancelledError:
            if not listening.done():
                # We ourselves are being stopped, with the server: what arrived is kept first.
                listening.cancel()
            return False
        finally:
            watch.cancel()
        return True

    async def _read(self, parts: AsyncIterator[bytes]) -> None:
        loop = asyncio.get_running_loop()
        try:
            async for part in parts:
                self._heard = math.inf  # nobody is idle while it is we who are slow
                await self._turn.begin()
                await self._belt.load(part)
                self._turn.use(len(part))
                self._heard = loop.time()
        finally:
            self._turn.end()

    def _watch(self, listening: "asyncio.Future[None]") -> None:
        loop = asyncio.get_running_loop()
        if loop.time() - self._heard >= IDLE:
            listening.cancel()
        elif not listening.done():
            loop.call_later(IDLE / 4, self._watch, listening)

    def _feed(self, block: memoryview) -> None:
        if self._hash is not None:
            self._hash.update(block)
        self._writer.feed(block)
