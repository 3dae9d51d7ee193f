"""The object store, as the rest of the system sees it, and what every adapter promises.

Bytes in here are ciphertext (evidence/storage/frames.py); a store never sees a key.
"""

import mmap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from evidence.errors import ConflictError, IntegrityError

Bytes = bytes | bytearray | memoryview


class Area:
    """Memory for reading into again and again, aligned as reads from a device ask: fresh memory is dear."""

    def __init__(self, longest: int) -> None:
        """Have room for reads of at most `longest` bytes."""
        memory = mmap.mmap(-1, longest + 2 * mmap.PAGESIZE)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            memory.madvise(mmap.MADV_HUGEPAGE)
        self.view = memoryview(memory)


class AlreadyThereError(ConflictError):
    """The key is taken, and keys are written once."""


class DigestError(IntegrityError):
    """The bytes received are not the bytes announced; nothing was kept under the key."""


class LockedError(ConflictError):
    """The object is locked until a date, or held, and may not be removed."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store says of one object. Sizes are bytes as stored (ciphertext)."""

    key: str
    size: int
    version: str | None
    locked_until: datetime | None
    held: bool


@dataclass(frozen=True, slots=True)
class Staged:
    """An object that is arriving and does not exist for readers yet."""

    key: str
    token: str
    begun_at: datetime


def whole_second(instant: datetime) -> datetime:
    """Round an instant up to a second, the finest that every store keeps of a lock."""
    return instant if instant.microsecond == 0 else instant.replace(microsecond=0) + timedelta(seconds=1)


class ObjectStore(Protocol):
    """Somewhere to keep bytes under a key.

    Every adapter keeps these promises, and tests/evidence/storage/test_store.py puts them
    to each:

    - an object appears only once it is wholly written, durable, and (for `put`) its digest agrees;
    - a key is written once and never replaced (AlreadyThereError; where a service cannot keep two
      writers apart at the same instant, each has written a version of its own and is told which);
    - a missing key raises KeyError;
    - any range can be read without reading what is before it;
    - a locked object cannot be removed before its date, and the date only ever moves later;
      a held object cannot be removed at all; a lock or hold asked twice is the same lock or hold;
    - what was staged is durable once `sync` returned, in this process or any other, and
      `complete` may be called again after a crash and gives the same object.

    A store that does not answer raises evidence.errors.UnavailableError, one that is full
    NoSpaceError; both leave what was there as it was.  After a `sync` that raised, everything
    staged since the last one that returned has to be staged again: a disk that failed once
    may say "flushed" the next time without having it.

    A `version` is what `complete` or `put` returned.  Whoever names it gets exactly that object,
    even if somebody with the store's own credentials wrote another over its key since, or hid it.
    """

    alias: str
    """What custody calls this store; never an address or a path."""

    piece_frames: int
    """How many whole frames one staged piece holds."""

    maximum_size: int
    """The largest object this store can take, in bytes as stored."""

    reads_staged: bool
    """Whether whole pieces can be read again before the object is complete."""

    lock_binds: str
    """One sentence: whom the lock of this store binds, and whom not."""

    def prepare(self) -> None:
        """Make bucket or folder ready; harmless when they are. Raises SetupError when they cannot be."""

    def put(self, key: str, body: Iterable[Bytes], *, size: int, sha256: bytes) -> Stored:
        """Write the object whole, or raise AlreadyThereError or DigestError and write nothing."""
        ...

    def read(
        self, key: str, *, start: int = 0, length: int | None = None, version: str | None = None, afresh: bool = False
    ) -> Iterator[bytes]:
        """Yield the object, or the range asked for, in order. The range is clipped to the object.

        `afresh` asks for the bytes on the device, not for what this machine's memory still holds of them.
        """
        ...

    def head(self, key: str, *, version: str | None = None) -> Stored:
        """Say what is stored under the key."""
        ...

    def lock(self, key: str, *, until: datetime, version: str | None = None) -> Stored:
        """Lock the object until the date, rounded up to a second. An earlier date than the present changes nothing."""
        ...

    def place_hold(self, key: str, *, version: str | None = None) -> Stored:
        """Hold the object until released, whatever its lock date."""
        ...

    def release_hold(self, key: str, *, version: str | None = None) -> Stored:
        """Release the hold; the lock date stands."""
        ...

    def remove(self, key: str) -> None:
        """Remove the object and every copy the store made of it, or raise LockedError."""
        ...

    def begin(self, key: str) -> str:
        """Start staging an object; the token is needed to go on with it, from any process."""
        ...

    def write_piece(self, key: str, token: str, position: int, piece: Bytes) -> None:
        """Stage a whole piece (or the last, shorter one) at its byte position in the stored object.

        The same piece may be written again and replaces itself.  Raises KeyError when nothing is
        staged under the token (any more).
        """

    def write_tail(self, key: str, token: str, position: int, tail: Bytes) -> None:
        """Stage what does not fill a piece yet, at its byte position. May be written again, longer.

        A tail stands beside the pieces and is no part of the object.  It replaces an earlier tail
        at the same position wholly or not at all; tails at other positions stay.
        """

    def read_tail(self, key: str, token: str, position: int) -> bytes:
        """Return the tail last written at the position. Raises KeyError when there is none."""
        ...

    def drop_tail(self, key: str, token: str, position: int) -> None:
        """Drop the tail at the position, where a whole piece has taken its place. Harmless when there is none."""

    def sync(self, key: str, token: str) -> None:
        """Return when everything staged so far is durable."""

    def read_staged(self, key: str, token: str, position: int, length: int, *, area: Area | None = None) -> Bytes:
        """Return staged bytes of whole pieces, from the device once they were synced.

        They may be in the `area`, if one is lent, and are then good until it is used again.
        Only where `reads_staged`; elsewhere raises NotImplementedError.
        """
        ...

    def complete(self, key: str, token: str, *, size: int) -> Stored:
        """Make the staged pieces the object, after checking that none is missing.

        Calling it again for an object that is already complete returns it.  Raises
        IntegrityError when pieces are missing or the size differs, KeyError when neither
        the object nor anything staged is there.
        """
        ...

    def abandon(self, key: str, token: str) -> None:
        """Drop what was staged. Harmless when there is nothing, and to an object that is complete."""

    def staged(self) -> Iterator[Staged]:
        """Yield everything that is staged, oldest first, for the sweeper."""
        ...
