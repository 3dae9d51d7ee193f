"""The object store, as the rest of the system sees it, and what every adapter promises.

Bytes in here are ciphertext (evidence/storage/frames.py); a store never sees a key.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from evidence.errors import ConflictError, IntegrityError


class AlreadyThereError(ConflictError):
    """The key is taken, and keys are written once."""


class DigestError(IntegrityError):
    """The bytes received are not the bytes announced; nothing was kept under the key."""


class LockedError(ConflictError):
    """The object is locked until a date, or held, and may not be removed."""


@dataclass(frozen=True, slots=True)
class StoredObject:
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


class ObjectStore(Protocol):
    """Somewhere to keep bytes under a key.

    Every adapter keeps these promises, and tests/evidence/storage/test_store.py puts them
    to each:

    - an object appears only once it is wholly written, durable, and (for `put`) its digest agrees;
    - a key is written once and never replaced (AlreadyThereError);
    - a missing key raises KeyError;
    - any range can be read without reading what is before it;
    - a locked object cannot be removed before its date, and the date only ever moves later;
      a held object cannot be removed at all; a lock or hold asked twice is the same lock or hold;
    - what was staged is durable once `sync` returned, in this process or any other, and
      `complete` may be called again after a crash and gives the same object.

    A store that does not answer raises evidence.errors.UnavailableError, one that is full
    NoSpaceError; both leave what was there as it was.
    """

    alias: str
    """What custody calls this store; never an address or a path."""

    piece_frames: int
    """How many whole frames one staged piece holds."""

    lock_binds: str
    """One sentence: whom the lock of this store binds, and whom not."""

    def prepare(self) -> None:
        """Make bucket or folder ready; harmless when they are."""

    def put(self, key: str, body: Iterable[bytes], *, size: int, sha256: bytes) -> StoredObject:
        """Write the object whole, or raise AlreadyThereError or DigestError and write nothing."""
        ...

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield the object, or the range asked for, in order. The range is clipped to the object."""
        ...

    def head(self, key: str) -> StoredObject:
        """Say what is stored under the key."""
        ...

    def lock(self, key: str, *, until: datetime) -> StoredObject:
        """Lock the object until the date. An earlier date than the present lock changes nothing."""
        ...

    def place_hold(self, key: str) -> StoredObject:
        """Hold the object until released, whatever its lock date."""
        ...

    def release_hold(self, key: str) -> StoredObject:
        """Release the hold; the lock date stands."""
        ...

    def remove(self, key: str) -> None:
        """Remove the object and every copy the store made of it, or raise LockedError."""
        ...

    def begin(self, key: str) -> str:
        """Start staging an object; the token is needed to go on with it, from any process."""
        ...

    def write_piece(self, key: str, token: str, position: int, piece: bytes) -> None:
        """Stage a whole piece (or the last, shorter one) at its byte position in the stored object.

        The same piece may be written again and replaces itself.
        """

    def write_tail(self, key: str, token: str, position: int, tail: bytes) -> None:
        """Stage what does not fill a piece yet, at its byte position. May be written again, longer."""

    def sync(self, key: str, token: str) -> None:
        """Return when everything staged so far is durable."""

    def read_staged(self, key: str, token: str, position: int, length: int) -> bytes:
        """Return staged bytes from the last whole piece on (a local store: from anywhere)."""
        ...

    def complete(self, key: str, token: str, *, size: int) -> StoredObject:
        """Make the staged pieces the object, after checking that none is missing.

        Calling it again for an object that is already complete returns it.  Raises
        IntegrityError when pieces are missing or the size differs.
        """
        ...

    def abandon(self, key: str, token: str) -> None:
        """Drop what was staged. Harmless when there is nothing."""

    def staged(self) -> Iterator[Staged]:
        """Yield everything that is staged, oldest first, for the sweeper."""
        ...
