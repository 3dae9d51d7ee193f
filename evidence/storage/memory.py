"""A store in memory, for tests: the promises of the port and nothing else."""

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256 as sha256_of
from threading import RLock

from evidence.clock import Clock, system_clock
from evidence.errors import IntegrityError
from evidence.storage import layout
from evidence.storage.store import (
    AlreadyThereError,
    Area,
    Bytes,
    DigestError,
    LockedError,
    Staged,
    Stored,
    whole_second,
)

_BLOCK = 1 << 20


@dataclass
class _Staging:
    begun_at: datetime
    pieces: dict[int, bytes] = field(default_factory=dict)
    tails: dict[int, bytes] = field(default_factory=dict)


class MemoryStore:
    """Keeps objects in a dictionary. Nothing survives the process."""

    alias = "memory"
    piece_frames = 1
    maximum_size = 1 << 32
    reads_staged = True
    lock_binds = "The lock binds this process only; nothing is kept when it ends."

    def __init__(self, *, clock: Clock = system_clock) -> None:
        self._clock = clock
        self._objects: dict[str, tuple[Stored, bytes]] = {}
        self._staging: dict[tuple[str, str], _Staging] = {}
        self._guard = RLock()

    def prepare(self) -> None:
        """Do nothing: memory is ready."""

    def put(self, key: str, body: Iterable[Bytes], *, size: int, sha256: bytes) -> Stored:
        """Write the object whole, or raise and write nothing."""
        content = b"".join(body)
        if len(content) != size or sha256_of(content).digest() != sha256:
            raise DigestError("What was received is not what was announced.")
        return self._add(layout.check(key), content)

    def read(
        self, key: str, *, start: int = 0, length: int | None = None, version: str | None = None, afresh: bool = False
    ) -> Iterator[bytes]:
        """Yield the object, or the range asked for."""
        content = self._objects[key][1]
        end = len(content) if length is None else min(start + length, len(content))
        for at in range(start, end, _BLOCK):
            yield content[at : min(at + _BLOCK, end)]

    def head(self, key: str, *, version: str | None = None) -> Stored:
        """Say what is stored under the key."""
        return self._objects[key][0]

    def lock(self, key: str, *, until: datetime, version: str | None = None) -> Stored:
        """Lock the object until the date, unless it is locked longer already."""
        with self._guard:
            present = self.head(key).locked_until
            return self._say(key, locked_until=max(present or whole_second(until), whole_second(until)))

    def place_hold(self, key: str, *, version: str | None = None) -> Stored:
        """Hold the object until released."""
        return self._say(key, held=True)

    def release_hold(self, key: str, *, version: str | None = None) -> Stored:
        """Release the hold."""
        return self._say(key, held=False)

    def remove(self, key: str) -> None:
        """Remove the object, or raise LockedError."""
        with self._guard:
            stored = self.head(key)
            if stored.held or (stored.locked_until and stored.locked_until > self._clock()):
                raise LockedError("The object is locked or held.")
            del self._objects[key]

    def begin(self, key: str) -> str:
        """Start staging an object."""
        with self._guard:
            if layout.check(key) in self._objects:
                raise AlreadyThereError("There is an object under this key.")
            token = secrets.token_hex(16)
            self._staging[key, token] = _Staging(self._clock())
            return token

    def write_piece(self, key: str, token: str, position: int, piece: Bytes) -> None:
        """Stage a whole piece."""
        self._staging[key, token].pieces[position] = bytes(piece)

    def write_tail(self, key: str, token: str, position: int, tail: Bytes) -> None:
        """Stage what does not fill a piece yet."""
        self._staging[key, token].tails[position] = bytes(tail)

    def read_tail(self, key: str, token: str, position: int) -> bytes:
        """Return the tail last written at the position."""
        return self._staging[key, token].tails[position]

    def drop_tail(self, key: str, token: str, position: int) -> None:
        """Drop the tail at the position."""
        self._staging[key, token].tails.pop(position, None)

    def sync(self, key: str, token: str) -> None:
        """Do nothing: memory is as durable as it gets. Raises KeyError when nothing is staged."""
        self._staging[key, token]

    def read_staged(self, key: str, token: str, position: int, length: int, *, area: Area | None = None) -> Bytes:
        """Return staged bytes of whole pieces."""
        pieces = self._staging[key, token].pieces
        staged = bytearray(max((at + len(piece) for at, piece in pieces.items()), default=0))
        for at, piece in pieces.items():
            staged[at : at + len(piece)] = piece
        return bytes(staged[position : position + length])

    def complete(self, key: str, token: str, *, size: int) -> Stored:
        """Make the staged pieces the object."""
        with self._guard:
            if (key, token) not in self._staging:
                stored = self.head(key)
                if stored.size != size:
                    raise IntegrityError(f"The object has {stored.size} bytes, not {size}.")
                return stored
            content = bytearray()
            for position, piece in sorted(self._staging[key, token].pieces.items()):
                if position != len(content):
                    raise IntegrityError(f"A piece is missing at byte {len(content)} of the object.")
                content += piece
            if len(content) != size:
                raise IntegrityError(f"{len(content)} bytes are staged, not {size}.")
            stored = self._add(key, bytes(content))
            del self._staging[key, token]
            return stored

    def abandon(self, key: str, token: str) -> None:
        """Drop what was staged."""
        self._staging.pop((key, token), None)

    def staged(self) -> Iterator[Staged]:
        """Yield everything that is staged, oldest first."""
        every = [Staged(key, token, staging.begun_at) for (key, token), staging in self._staging.items()]
        yield from sorted(every, key=lambda each: each.begun_at)

    def _add(self, key: str, content: bytes) -> Stored:
        with self._guard:
            if key in self._objects:
                raise AlreadyThereError("There is an object under this key.")
            stored = Stored(key=key, size=len(content), version=None, locked_until=None, held=False)
            self._objects[key] = (stored, content)
            return stored

    def _say(self, key: str, *, locked_until: datetime | None = None, held: bool | None = None) -> Stored:
        with self._guard:
            stored, content = self._objects[key]
            stored = replace(
                stored,
                locked_until=locked_until or stored.locked_until,
                held=stored.held if held is None else held,
            )
            self._objects[key] = (stored, content)
            return stored
