"""The body of one request into a writer: the next block arrives while the last is hashed and written.

At most two blocks of a body are in memory, however long it is and however slow the disk: nothing
more is asked of the network until the block before was taken.  When many bodies come at once, most
have one block each.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

from evidence.errors import ChecksumError
from evidence.ingest.writing import Writer
from evidence.storage.frames import FRAME_SIZE
from evidence.storage.store import Bytes

ALGORITHMS = ("sha256", "sha1", "md5")
"""Checksums a client may send with a piece. They find a bad line, not a forger: `sha256` of the whole does that."""

BLOCKS_KEPT = 8
"""Blocks that a process keeps for bodies to come."""

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

    Every body gets its first block; only those that find one left get a second, to fill while the
    first is taken. Used by the thread that answers requests, and no other.
    """

    def __init__(self) -> None:
        self._left = deque((bytearray(FRAME_SIZE) for _ in range(BLOCKS_KEPT)), maxlen=BLOCKS_KEPT)

    def first(self) -> bytearray:
        """Return a block."""
        return self.second() or bytearray(FRAME_SIZE)

    def second(self) -> bytearray | None:
        """Return a block if one is left."""
        return self._left.pop() if self._left else None

    def give_back(self, block: bytearray) -> None:
        """Leave a block for others, who may get it at once."""
        self._left.append(block)


class Body:
    """Takes the body of one request into a writer that is this request's alone."""

    def __init__(
        self, writer: Writer, blocks: Blocks, *, writing: Executor, keeping: Executor, checksum: Checksum | None = None
    ) -> None:
        """Blocks are written by `writing`; what waits for the disk and the database is done by `keeping`."""
        self._writer = writer
        self._writing = writing
        self._keeping = keeping
        self._blocks = blocks
        self._checksum = checksum
        self._hash = checksum.begin() if checksum else None
        # Filled by turns, if there are two: one is taken while the other fills.
        self._filling, self._other = blocks.first(), blocks.second()
        self._filled = 0
        self._block = FRAME_SIZE - writer.offset % FRAME_SIZE
        self._taking: asyncio.Future[None] | None = None
        self._heard = 0.0
        writer.piecemeal = checksum is None

    async def take(self, parts: AsyncIterator[bytes]) -> bool:
        """Take all parts and make them durable; return whether the body came to its end.

        `parts` may raise BrokenOffError.  A body that broke off, or whose writer somebody else asked
        for, is kept as far as it came, unless it has a checksum: then nothing of it is.  Raises
        ChecksumError, or what the writer raises; nothing after the last checkpoint is kept then.
        """
        try:
            return await self._take(parts)
        finally:
            if self._taking is None or self._taking.done():
                for block in filter(None, (self._filling, self._other)):
                    self._blocks.give_back(block)

    async def _take(self, parts: AsyncIterator[bytes]) -> bool:
        whole = await self._listen(parts)
        await self._taken()
        if self._filled:
            await self._hand_on()
            await self._taken()
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
        async for part in parts:
            self._heard = loop.time()
            rest = memoryview(part)
            while rest:
                piece = rest[: self._block - self._filled]
                self._filling[self._filled : self._filled + len(piece)] = piece
                self._filled += len(piece)
                rest = rest[len(piece) :]
                if self._filled == self._block:
                    await self._hand_on()

    def _watch(self, listening: "asyncio.Future[None]") -> None:
        loop = asyncio.get_running_loop()
        if loop.time() - self._heard >= IDLE:
            listening.cancel()
        elif not listening.done():
            loop.call_later(IDLE / 4, self._watch, listening)

    async def _hand_on(self) -> None:
        """Hand the filled block to a thread, once the one before was taken.

        Blocks end where frames do, so that they are sealed from where they lie.
        """
        await self._taken()
        block = memoryview(self._filling)[: self._filled]
        self._filled, self._block = 0, FRAME_SIZE
        self._taking = asyncio.get_running_loop().run_in_executor(self._writing, self._feed, block)
        if self._other is None:
            await self._taken()
        else:
            self._filling, self._other = self._other, self._filling

    async def _taken(self) -> None:
        if self._taking is not None:
            # Shielded: a thread cannot be stopped half-way through a block.
            await asyncio.shield(self._taking)

    def _feed(self, block: memoryview) -> None:
        if self._hash is not None:
            self._hash.update(block)
        self._writer.feed(block)
