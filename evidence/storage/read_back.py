"""Reading an object back: every digest of it, from the bytes that are really stored.

Works on a complete object (vault.Vault.read_back) and just as well on one that is still arriving,
frame by frame behind the upload, where the store can read what is staged.
"""

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
        opened = []
        for index, frame in enumerate(frames, self.next_frame):
            plaintext = self._cipher.open(index, frame, kind=kind_of(index, self._size))
            opened.append(OpenedFrame(index, frame, plaintext))
        self.take_opened(*opened, executor=executor)

    def take_opened(self, *frames: OpenedFrame, executor: Executor | None = None) -> None:
        """Take the next frames, opened already."""
        beside = (
            [executor.submit(hashing, frames) for hashing in (self._hash_stored, self._hash_whole)] if executor else []
        )
        self._hash_chunks(frames)
        if executor is None:
            self._hash_stored(frames)
            self._hash_whole(frames)
        for each in beside:
            each.result()
        self.next_frame += len(frames)

    def _hash_stored(self, frames: Sequence[OpenedFrame]) -> None:
        for frame in frames:
            self._stored.update(frame.stored)
            self._stored_size += len(frame.stored)

    def _hash_whole(self, frames: Sequence[OpenedFrame]) -> None:
        for frame in frames:
            self._whole.update(frame.plaintext)

    def _hash_chunks(self, frames: Sequence[OpenedFrame]) -> None:
        for frame in frames:
            self._chunk.update(frame.plaintext)
            whole = frame.index == frame_count(self._size) - 1
            if (whole and self._size) or (frame.index + 1) % CHUNK_FRAMES == 0:
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


def read_back(cipher: FrameCipher, frames: Iterable[OpenedFrame], *, size: int) -> ReadBack:
    """Return the digests of an object from all its frames."""
    reading = ReadingBack(cipher, size=size)
    for frame in frames:
        reading.take_opened(frame)
    return reading.result()
