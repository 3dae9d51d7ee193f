"""Frames: how an object is encrypted so that any range of it can be read and none of it exchanged.

FORMAT.md 12.  An object is its frames and nothing else.  Each holds up to 1 MiB
of plaintext under the object's own data key, and is bound to the object, to its place and to
whether it is the last: a frame that was altered, moved, taken from another object, cut off or
added does not open.  This module knows nothing of where data keys come from (vault.py).
"""

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from evidence.errors import IntegrityError
from evidence.storage.store import Bytes, ObjectStore

FRAME_SIZE = 1 << 20
"""Bytes of plaintext in every frame but the last."""

_NONCE = 12
_TAG = 16
FRAME_OVERHEAD = _NONCE + _TAG
"""Bytes that a frame is longer than its plaintext."""

STORED_FRAME = FRAME_SIZE + FRAME_OVERHEAD

_OPENINGS = 3
"""A frame that does not open is asked for again before it is called damaged: a wire may be at fault."""


class FrameError(IntegrityError):
    """A frame is missing, damaged, out of place or too many. `index` says which, counted from 0."""

    def __init__(self, index: int, what: str) -> None:
        super().__init__(f"Frame {index} of the stored object {what}.")
        self.index = index


class Kind(IntEnum):
    """What a frame is to its object; part of what is authenticated."""

    INNER = 0
    LAST = 1
    TAIL = 2
    """The open end of an upload. Never part of a complete object."""


def frame_count(size: int) -> int:
    """Return how many frames hold a plaintext of `size` bytes. The empty object is one empty frame."""
    return max(1, -(-size // FRAME_SIZE))


def stored_size(size: int) -> int:
    """Return the size in the store of a plaintext of `size` bytes."""
    return size + frame_count(size) * FRAME_OVERHEAD


def stored_position(index: int) -> int:
    """Return where frame `index` begins in the store."""
    return index * STORED_FRAME


def kind_of(index: int, size: int) -> Kind:
    """Return the kind of frame `index` in a complete object of `size` bytes."""
    return Kind.LAST if index == frame_count(size) - 1 else Kind.INNER


def frame_length(index: int, size: int) -> int:
    """Return how long frame `index` is in the store, in a complete object of `size` bytes."""
    return min(size - index * FRAME_SIZE, FRAME_SIZE) + FRAME_OVERHEAD


class FrameCipher:
    """Seals and opens the frames of one object."""

    def __init__(self, object_id: UUID, data_key: bytes) -> None:
        self._bound = b"evidence.frame.v1\n" + object_id.bytes
        self._aes = AESGCM(data_key)

    def seal(self, index: int, plaintext: Bytes, *, kind: Kind) -> bytearray:
        """Encrypt one frame. Every call takes a new random nonce, so sealing again is harmless."""
        frame = bytearray(len(plaintext) + FRAME_OVERHEAD)
        self.seal_into(frame, index, plaintext, kind=kind)
        return frame

    def seal_into(self, memory: bytearray, index: int, plaintext: Bytes, *, kind: Kind) -> memoryview:
        """Encrypt one frame into memory that is used again and again, and return it there.

        For whoever seals many: fresh memory costs more than the cipher does.
        """
        frame = memoryview(memory)[: len(plaintext) + FRAME_OVERHEAD]
        nonce = secrets.token_bytes(_NONCE)
        frame[:_NONCE] = nonce
        self._aes.encrypt_into(nonce, plaintext, self._about(index, kind), frame[_NONCE:])
        return frame

    def open(self, index: int, frame: Bytes, *, kind: Kind) -> bytes:
        """Decrypt one frame. Raises FrameError unless it is this frame of this object, of this kind."""
        nonce, sealed = self._parts(index, frame)
        try:
            return self._aes.decrypt(nonce, sealed, self._about(index, kind))
        except InvalidTag:
            raise _not_this_frame(index) from None

    def open_into(self, memory: bytearray | memoryview, index: int, frame: Bytes, *, kind: Kind) -> memoryview:
        """Decrypt one frame into memory that is used again and again, and return it there."""
        nonce, sealed = self._parts(index, frame)
        plaintext = memoryview(memory)[: len(sealed) - _TAG]
        try:
            self._aes.decrypt_into(nonce, sealed, self._about(index, kind), plaintext)
        except InvalidTag:
            raise _not_this_frame(index) from None
        return plaintext

    def _parts(self, index: int, frame: Bytes) -> tuple[bytes, memoryview]:
        if not FRAME_OVERHEAD <= len(frame) <= STORED_FRAME:
            raise FrameError(index, "is cut off" if len(frame) < FRAME_OVERHEAD else "is too long")
        whole = memoryview(frame)
        return bytes(whole[:_NONCE]), whole[_NONCE:]

    def _about(self, index: int, kind: Kind) -> bytes:
        return self._bound + index.to_bytes(8, "big") + kind.to_bytes(1, "big")


def _not_this_frame(index: int) -> FrameError:
    return FrameError(index, "was altered or does not belong there")


def seal_all(cipher: FrameCipher, blocks: Iterable[Bytes], *, size: int) -> Iterator[bytearray]:
    """Yield the frames of a plaintext of `size` bytes that comes in blocks of any length.

    Raises IntegrityError when the blocks are more or fewer bytes than announced.
    """
    last = frame_count(size) - 1
    index, taken, waiting = 0, 0, bytearray()
    for block in blocks:
        taken += len(block)
        waiting += block
        while len(waiting) >= FRAME_SIZE and index < last:
            yield cipher.seal(index, waiting[:FRAME_SIZE], kind=Kind.INNER)
            del waiting[:FRAME_SIZE]
            index += 1
    if taken != size:
        raise IntegrityError(f"The object was announced with {size} bytes and came with {taken}.")
    yield cipher.seal(last, waiting, kind=Kind.LAST)


@dataclass(frozen=True, slots=True)
class OpenedFrame:
    """One frame as it is stored and as it reads."""

    index: int
    stored: Bytes
    plaintext: bytes


class Reader:
    """Reads any range of one complete object, fetching only the frames that hold it.

    `size` is the size of the plaintext.  Whatever is yielded was authenticated.
    """

    def __init__(
        self, store: ObjectStore, key: str, cipher: FrameCipher, *, size: int, version: str | None = None
    ) -> None:
        self._store = store
        self._key = key
        self._cipher = cipher
        self._size = size
        self._version = version

    def read(self, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield the plaintext from byte `start` on, at most `length` bytes, clipped to the object."""
        end = self._size if length is None else min(start + length, self._size)
        if start >= end and (start, self._size) != (0, 0):
            return
        for frame in self.frames(start // FRAME_SIZE, max(end - 1, 0) // FRAME_SIZE):
            begins = frame.index * FRAME_SIZE
            yield frame.plaintext[max(start - begins, 0) : end - begins]

    def frames(self, first: int = 0, last: int | None = None, *, afresh: bool = False) -> Iterator[OpenedFrame]:
        """Yield the frames from `first` to `last` (none: to the end), each opened.

        Raises FrameError at the first that is missing, does not open, or follows the last.
        """
        final = frame_count(self._size) - 1
        last = final if last is None else last
        start = stored_position(first)
        # Up to the object's end, the read has no limit: whatever was appended would be seen.
        length = None if last == final else stored_position(last + 1) - start
        blocks = self._store.read(self._key, start=start, length=length, version=self._version, afresh=afresh)
        waiting = bytearray()
        for index in range(first, last + 1):
            need = frame_length(index, self._size)
            block = self._next(blocks, index) if not waiting else b""
            if len(block) == need:
                frame = block  # the usual case: blocks as long as frames, and nothing to copy
            else:
                waiting += block
                while len(waiting) < need and (block := self._next(blocks, index)):
                    waiting += block
                frame = bytes(memoryview(waiting)[:need])
                del waiting[:need]
            if len(frame) < need:
                raise FrameError(index, "is cut off" if frame else "is missing")
            yield self._opened(index, frame)
        if waiting or (length is None and any(blocks)):
            raise FrameError(last + 1, "does not belong to it: the object is longer than recorded")

    def _next(self, blocks: Iterator[bytes], index: int) -> bytes:
        try:
            return next(blocks, b"")
        except KeyError:
            raise FrameError(index, "is missing: the store has no such object") from None

    def _opened(self, index: int, frame: bytes) -> OpenedFrame:
        kind = kind_of(index, self._size)
        for _ in range(_OPENINGS - 1):
            try:
                return OpenedFrame(index, frame, self._cipher.open(index, frame, kind=kind))
            except FrameError:
                again = self._store.read(
                    self._key, start=stored_position(index), length=len(frame), version=self._version, afresh=True
                )
                frame = b"".join(again)
        return OpenedFrame(index, frame, self._cipher.open(index, frame, kind=kind))
