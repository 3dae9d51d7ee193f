"""Reading an object back: every digest of it, from the bytes that are really stored.

Works on a complete object (vault.Vault.read_back) and just as well on one that is still arriving,
frame by frame behind the upload, where the store can read what is staged.
"""

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from hashlib import sha256

from evidence.errors import IntegrityError
from evidence.proof import package
from evidence.storage.frames import FRAME_SIZE, FrameCipher, OpenedFrame, frame_count, kind_of
from evidence.storage.store import Bytes

CHUNK_SIZE = package.CHUNK_SIZE
"""Bytes of plaintext in every chunk of an original but the last: 8 MiB, whole frames."""

CHUNK_FRAMES = CHUNK_SIZE // FRAME_SIZE

_memory = threading.local()


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What is really there. `chunks_sha256` is the digest of each 8 MiB chunk in order, 32 bytes each."""

    size: int
    sha256: bytes
    chunks_sha256: bytes
    stored_size: int
    stored_sha256: bytes


class ReadingBack:
    """Takes the frames of an object of `size` plaintext bytes in order and computes its digests."""

    def __init__(self, cipher: FrameCipher, *, size: int) -> None:
        self._cipher = cipher
        self._size = size
        self._whole, self._stored, self._chunk = sha256(), sha256(), sha256()
        self._chunks = bytearray()
        self._stored_size = 0
        self.next_frame = 0
        """The index of the frame to take next."""

    def take(self, *frames: Bytes, executor: Executor | None = None) -> None:
        """Take the next frames as stored. Raises FrameError when one does not open; then none was taken.

        With an executor the digests are computed side by side.
        """
        memory = _memory_of_this_thread(len(frames))
        plaintexts = [
            self._cipher.open_into(memory[at], index, frame, kind=kind_of(index, self._size))
            for at, (index, frame) in enumerate(enumerate(frames, self.next_frame))
        ]
        self._hash(frames, plaintexts, executor)

    def take_opened(self, frame: OpenedFrame) -> None:
        """Take the next frame, opened already."""
        self._hash([frame.stored], [frame.plaintext], None)

    def _hash(self, frames: Sequence[Bytes], plaintexts: Sequence[Bytes], executor: Executor | None) -> None:
        if executor is None:
            self._hash_stored(frames)
            self._hash_whole(plaintexts)
            self._hash_chunks(plaintexts)
        else:
            beside = executor.submit(self._hash_stored, frames), executor.submit(self._hash_whole, plaintexts)
            self._hash_chunks(plaintexts)
            for each in beside:
                each.result()
        self.next_frame += len(frames)

    def _hash_stored(self, frames: Sequence[Bytes]) -> None:
        for frame in frames:
            self._stored.update(frame)
            self._stored_size += len(frame)

    def _hash_whole(self, plaintexts: Sequence[Bytes]) -> None:
        for plaintext in plaintexts:
            self._whole.update(plaintext)

    def _hash_chunks(self, plaintexts: Sequence[Bytes]) -> None:
        for index, plaintext in enumerate(plaintexts, self.next_frame):
            self._chunk.update(plaintext)
            whole = index == frame_count(self._size) - 1
            if (whole and self._size) or (index + 1) % CHUNK_FRAMES == 0:
                self._chunks += self._chunk.digest()
                self._chunk = sha256()

    def result(self) -> ReadBack:
        """Return the digests. Raises IntegrityError before the last frame was taken."""
        if self.next_frame != frame_count(self._size):
            raise IntegrityError(f"The object was read back only up to frame {self.next_frame}.")
        return ReadBack(
            size=self._size,
            sha256=self._whole.digest(),
            chunks_sha256=bytes(self._chunks),
            stored_size=self._stored_size,
            stored_sha256=self._stored.digest(),
        )


def _memory_of_this_thread(frames: int) -> list[bytearray]:
    """Return memory for so many plaintexts, the same every time: fresh memory costs more than the cipher does."""
    memory: list[bytearray] = _memory.__dict__.setdefault("plaintexts", [])
    memory.extend(bytearray(FRAME_SIZE) for _ in range(frames - len(memory)))
    return memory


def read_back(cipher: FrameCipher, frames: Iterable[OpenedFrame], *, size: int) -> ReadBack:
    """Return the digests of an object from all its frames."""
    reading = ReadingBack(cipher, size=size)
    for frame in frames:
        reading.take_opened(frame)
    return reading.result()
