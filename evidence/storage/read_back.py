"""Reading an object back: every digest of it, from the bytes that are really stored.

Works on a complete object (vault.Vault.read_back) and just as well on one that is still arriving,
frame by frame behind the upload, where the store can read what is staged.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from evidence.errors import IntegrityError
from evidence.storage.frames import FRAME_SIZE, FrameCipher, OpenedFrame, frame_count, kind_of

CHUNK_FRAMES = 8
"""A chunk is 8 MiB of plaintext."""

CHUNK_SIZE = CHUNK_FRAMES * FRAME_SIZE


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

    def take(self, frame: bytes) -> None:
        """Take the next frame as stored. Raises FrameError when it does not open."""
        plaintext = self._cipher.open(self.next_frame, frame, kind=kind_of(self.next_frame, self._size))
        self.take_opened(OpenedFrame(self.next_frame, frame, plaintext))

    def take_opened(self, frame: OpenedFrame) -> None:
        """Take the next frame, opened already."""
        self._stored.update(frame.stored)
        self._stored_size += len(frame.stored)
        self._whole.update(frame.plaintext)
        self._chunk.update(frame.plaintext)
        self.next_frame += 1
        whole = self.next_frame == frame_count(self._size)
        if (whole and self._size) or self.next_frame % CHUNK_FRAMES == 0:
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
