"""Reading an object back: every digest of it, from the bytes that are really stored.

Works on a complete object (vault.Vault.read_back) and just as well on one that is still arriving,
frame by frame behind the upload, where the store can read what is staged.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

from evidence.errors import IntegrityError
from evidence.proof import package
from evidence.storage.frames import FrameCipher, OpenedFrame, frame_count, frame_length, kind_of
from evidence.storage.store import Bytes

CHUNK_SIZE = package.CHUNK_SIZE
"""Bytes of plaintext in every chunk of an original but the last: 8 MiB, whole frames."""

HASHED_AT_ONCE = 2
"""Takes that may be hashed at once: with one, a processor would be idle at the end of each."""

_memory = threading.local()


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What is really there. `chunks_sha256` is the digest of each 8 MiB chunk in order, 32 bytes each."""

    size: int
    sha256: bytes
    chunks_sha256: bytes
    stored_size: int
    stored_sha256: bytes


class ChunkDigests:
    """SHA-256 of each 8 MiB chunk of a plaintext, 32 bytes each; the last chunk's once the plaintext is whole."""

    def __init__(self, whole: bytes = b"", *, size: int, offset: int = 0) -> None:
        """Go on after the chunks that are whole, of a plaintext of `size` bytes of which `offset` were taken."""
        self._whole = bytearray(whole)
        self._open = sha256()
        self._size = size
        self.offset = offset - offset % CHUNK_SIZE
        """Where hashing goes on: after a resume the open chunk has to be taken once more."""

    def take(self, block: Bytes) -> None:
        """Take the next bytes."""
        rest = memoryview(block)
        while rest:
            part = rest[: CHUNK_SIZE - self.offset % CHUNK_SIZE]
            self._open.update(part)
            self.offset += len(part)
            rest = rest[len(part) :]
            if self.offset % CHUNK_SIZE == 0 or self.offset == self._size:
                self._whole += self._open.digest()
                self._open = sha256()

    def whole(self) -> bytes:
        """Return the digests of all chunks that are whole."""
        return bytes(self._whole)


class ReadingBack:
    """Takes the frames of an object of `size` plaintext bytes in order and computes its digests.

    With an executor they are computed side by side while the next frames are opened: what was taken
    stays untouched until `settle` says that it is hashed.  `take` itself settles all but one.
    """

    def __init__(self, cipher: FrameCipher, *, size: int, executor: Executor | None = None) -> None:
        self._cipher = cipher
        self._size = size
        self._whole, self._stored, self._chunks = sha256(), sha256(), ChunkDigests(size=size)
        self._stored_size = 0
        self._executor = executor
        self._hashing: deque[tuple[Future[None], ...]] = deque()
        self._takes = 0
        self.next_frame = 0
        """The index of the frame to take next."""

    def take(self, stored: Bytes) -> None:
        """Take the next frames, as they lie in the store. Raises FrameError when one does not open; then none was."""
        self.settle(all_but=HASHED_AT_ONCE - 1)
        block = memoryview(stored)
        memory = _memory_of_this_thread(self._takes % HASHED_AT_ONCE, len(block))
        index, at, opened = self.next_frame, 0, 0
        while at < len(block):
            frame = block[at : at + frame_length(index, self._size)]
            opened += len(self._cipher.open_into(memory[opened:], index, frame, kind=kind_of(index, self._size)))
            index, at = index + 1, at + len(frame)
        self._takes += 1
        self._hash(block, memory[:opened], index)

    def take_opened(self, frame: OpenedFrame) -> None:
        """Take the next frame, opened already."""
        self._hash(frame.stored, frame.plaintext, self.next_frame + 1)

    def settle(self, *, all_but: int = 0) -> None:
        """Return when of what was taken at most so many takes are still being hashed."""
        while len(self._hashing) > all_but:
            for each in self._hashing.popleft():
                each.result()

    def _hash(self, stored: Bytes, plaintext: Bytes, next_frame: int) -> None:
        digests = (
            partial(self._hash_stored, stored),
            partial(self._whole.update, plaintext),
            partial(self._chunks.take, plaintext),
        )
        if self._executor is None:
            for each in digests:
                each()
        else:
            before = self._hashing[-1] if self._hashing else (None,) * len(digests)
            self._hashing.append(
                tuple(self._executor.submit(_in_order, *each) for each in zip(before, digests, strict=True))
            )
        self.next_frame = next_frame

    def _hash_stored(self, stored: Bytes) -> None:
        self._stored.update(stored)
        self._stored_size += len(stored)

    def result(self) -> ReadBack:
        """Return the digests. Raises IntegrityError before the last frame was taken."""
        self.settle()
        if self.next_frame != frame_count(self._size):
            raise IntegrityError(f"The object was read back only up to frame {self.next_frame}.")
        return ReadBack(
            size=self._size,
            sha256=self._whole.digest(),
            chunks_sha256=self._chunks.whole(),
            stored_size=self._stored_size,
            stored_sha256=self._stored.digest(),
        )


def _in_order(before: Future[None] | None, do: Callable[[], None]) -> None:
    """Do what comes next, once what comes before is done: submitted earlier, it is never waited for in vain."""
    if before is not None:
        before.result()
    do()


def _memory_of_this_thread(which: int, length: int) -> memoryview:
    """Return memory for so many bytes, the same every time: fresh memory costs more than the cipher does."""
    kept: dict[int, bytearray] = _memory.__dict__.setdefault("plaintexts", {})
    if len(kept.get(which, b"")) < length:
        kept[which] = bytearray(length)
    return memoryview(kept[which])


def read_back(cipher: FrameCipher, frames: Iterable[OpenedFrame], *, size: int) -> ReadBack:
    """Return the digests of an object from all its frames."""
    reading = ReadingBack(cipher, size=size)
    for frame in frames:
        reading.take_opened(frame)
    return reading.result()
