"""An object that is arriving: plaintext in at one end, sealed frames staged at the other.

Frames are gathered into the pieces the store takes; what does not fill a piece is staged as a
tail at each checkpoint, so that no byte a checkpoint counted is ever lost, whatever process goes
on with the upload.  Whose turn it is to write, and where the offset is kept, is the caller's
business (ingest).
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future, wait

from evidence.errors import InvalidError
from evidence.storage.frames import (
    FRAME_SIZE,
    STORED_FRAME,
    FrameCipher,
    FrameError,
    Kind,
    frame_count,
    kind_of,
    stored_position,
)
from evidence.storage.store import Bytes, ObjectStore

PIECES_AHEAD = 3
"""Pieces sealed while others wait for the disk, which is held up by whoever reads back what was staged before."""

_spare: deque[bytearray] = deque()
"""Memory for sealed frames, used again and again: fresh memory costs more than the cipher does."""


class ArrivingObject:
    """Goes on with a staged object of `size` plaintext bytes at a durable `offset`.

    The bargain: keep what `checkpoint` returns before calling it again, and after any error throw
    this away and go on from the offset last kept.
    """

    def __init__(
        self,
        store: ObjectStore,
        key: str,
        token: str,
        cipher: FrameCipher,
        *,
        size: int,
        offset: int,
        executor: Executor | None = None,
    ) -> None:
        """Take up the upload. Raises KeyError when nothing is staged there, FrameError when the tail is damaged.

        With an executor a piece is staged while the next few are sealed.
        """
        self._store = store
        self._key = key
        self._token = token
        self._cipher = cipher
        self._size = size
        self._kept = offset
        self._executor = executor
        self._staging: deque[Future[None]] = deque()
        self.offset = offset
        """Plaintext bytes taken so far; durable only up to the last checkpoint."""
        self._frames = bytearray()  # sealed frames of the open piece
        self._open = bytearray()  # plaintext of the open frame
        self._tails: set[int] = set()  # positions at which a tail may be staged
        self._whole = 0 < size == offset
        if 0 < offset < size:
            self._take_up_tail()

    def write(self, plaintext: Bytes) -> None:
        """Take the next bytes. Raises InvalidError when they are more than the object's size."""
        if self.offset + len(plaintext) > self._size:
            raise InvalidError("More bytes came than were announced.")
        rest = memoryview(plaintext)
        while rest:
            part = rest[: FRAME_SIZE - len(self._open)]
            rest = rest[len(part) :]
            self.offset += len(part)
            if len(part) == FRAME_SIZE and self.offset < self._size:
                self._seal(self.offset // FRAME_SIZE - 1, part)
                continue
            self._open += part
            if len(self._open) == FRAME_SIZE and self.offset < self._size:
                self._seal(self.offset // FRAME_SIZE - 1, self._open)
                self._open.clear()

    def checkpoint(self) -> int:
        """Make everything taken so far durable, and return the offset up to which it is."""
        if self.offset == self._size and not self._whole:
            self._seal(frame_count(self._size) - 1, self._open)
            self._open.clear()
            self._whole = True
        self._wait_staged()
        tail = bytes(self._frames)
        if self._open:
            tail += self._cipher.seal(self.offset // FRAME_SIZE, self._open, kind=Kind.TAIL)
        if tail:
            self._store.write_tail(self._key, self._token, self._piece_position(self.offset), tail)
            self._tails.add(self._piece_position(self.offset))
        self._store.sync(self._key, self._token)
        # Only tails that the offset kept before this checkpoint has passed: that offset may
        # still be the one to go on from if the caller fails to keep the new one.
        passed = {position for position in self._tails if position < self._piece_position(self._kept)}
        for position in passed:
            self._store.drop_tail(self._key, self._token, position)
        self._tails -= passed
        self._kept = self.offset
        return self.offset

    def close(self) -> None:
        """Return when nothing is written any more. What was not checkpointed is not kept."""
        wait(self._staging)

    def flush(self) -> None:
        """Have whole pieces written to the disk, so that the next checkpoint has less to wait for.

        May run in another thread while `write` goes on. After an error here everything since the
        last checkpoint has to be written again.
        """
        self._store.sync(self._key, self._token)

    def replay(self, start: int) -> Iterator[bytes]:
        """Yield what arrived from plaintext byte `start`, a multiple of the frame size, up to `offset`.

        For hashing the open chunk anew.  Where the store cannot read staged pieces, `start` must
        not lie before the last whole piece.
        """
        first = start // FRAME_SIZE
        in_tail = self._piece_position(self.offset) // STORED_FRAME
        ends = self.offset // FRAME_SIZE if self.offset < self._size else frame_count(self._size)
        for index in range(first, min(in_tail, ends)):
            length = min(FRAME_SIZE, self._size - index * FRAME_SIZE) + STORED_FRAME - FRAME_SIZE
            frame = self._store.read_staged(self._key, self._token, stored_position(index), length)
            yield self._cipher.open(index, frame, kind=kind_of(index, self._size))
        sealed = memoryview(self._frames)
        for index in range(max(first, in_tail), in_tail + len(sealed) // STORED_FRAME):
            at = (index - in_tail) * STORED_FRAME
            yield self._cipher.open(index, sealed[at : at + STORED_FRAME], kind=Kind.INNER)
        if self._open:
            yield bytes(self._open)

    def _seal(self, index: int, plaintext: Bytes) -> None:
        """Seal a frame; stage the piece when it is whole, or the object is."""
        kind = kind_of(index, self._size)
        memory = _spare.pop() if _spare else bytearray(STORED_FRAME)
        frame = self._cipher.seal_into(memory, index, plaintext, kind=kind)
        first = index - index % self._store.piece_frames
        if index == first and (self._store.piece_frames == 1 or kind is Kind.LAST):
            self._stage(first, frame, memory)
            return
        self._frames += frame
        _spare.append(memory)
        if index + 1 - first == self._store.piece_frames or kind is Kind.LAST:
            piece, self._frames = self._frames, bytearray()
            self._stage(first, piece, None)

    def _stage(self, first: int, piece: Bytes, memory: bytearray | None) -> None:
        """Stage a piece; with an executor, while the next few are sealed. Then its memory is used again."""
        if self._executor is None:
            self._write_piece(first, piece, memory)
        else:
            self._wait_staged(all_but=PIECES_AHEAD)
            self._staging.append(self._executor.submit(self._write_piece, first, piece, memory))

    def _write_piece(self, first: int, piece: Bytes, memory: bytearray | None) -> None:
        self._store.write_piece(self._key, self._token, stored_position(first), piece)
        if memory is not None:
            _spare.append(memory)

    def _wait_staged(self, *, all_but: int = 0) -> None:
        """Return when at most so many pieces are still to be staged, or raise what one met."""
        while len(self._staging) > all_but:
            self._staging.popleft().result()

    def _piece_position(self, offset: int) -> int:
        """Where the piece begins, in the store, that plaintext byte `offset` goes to; at the end, past all."""
        if offset == self._size:
            return stored_position(frame_count(self._size))
        frames = offset // FRAME_SIZE
        return stored_position(frames - frames % self._store.piece_frames)

    def _take_up_tail(self) -> None:
        position = self._piece_position(self.offset)
        if self.offset % FRAME_SIZE == 0 and position == stored_position(self.offset // FRAME_SIZE):
            return  # the offset lies between two pieces
        tail = memoryview(self._store.read_tail(self._key, self._token, position))
        self._tails.add(position)
        first = position // STORED_FRAME
        inner = self.offset // FRAME_SIZE - first
        self._frames += tail[: inner * STORED_FRAME]
        if len(self._frames) != inner * STORED_FRAME:
            raise FrameError(first + len(self._frames) // STORED_FRAME, "is missing from the tail")
        for at in range(inner):
            whole = tail[at * STORED_FRAME : (at + 1) * STORED_FRAME]
            self._cipher.open(first + at, whole, kind=Kind.INNER)
        begun = self.offset % FRAME_SIZE
        if begun:
            # The tail may be newer, and so longer, than the offset that was kept.
            last = tail[inner * STORED_FRAME : (inner + 1) * STORED_FRAME]
            kind = Kind.INNER if len(last) == STORED_FRAME else Kind.TAIL
            plaintext = self._cipher.open(first + inner, last, kind=kind)
            if len(plaintext) < begun:
                raise FrameError(first + inner, "holds less than was durable")
            self._open += plaintext[:begun]
