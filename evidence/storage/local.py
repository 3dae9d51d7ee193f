"""A store in a folder on this machine, for one box. Any number of processes may use it at once.

    objects/<key>               complete objects, readable and never written again
    locks/<key>.json            lock date and hold of an object, beside it
    staging/<key>~<token>/      an object that is arriving: `pieces`, and `tail-<position>`

An object appears by a hard link from its staging file: the file system does that wholly or not
at all, and refuses when the name is taken.  A file is flushed before its name, a name before
anything that relies on it.
"""

import errno
import fcntl
import json
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256 as sha256_of
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote, unquote

from evidence.clock import Clock, system_clock
from evidence.errors import IntegrityError, NoSpaceError, SetupError, UnavailableError
from evidence.storage import layout
from evidence.storage.frames import STORED_FRAME
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

_BLOCK = STORED_FRAME  # so that whoever reads frames gets each in one block
_AT_ONCE = 1 << 20
"""Bytes. A direct read keeps writers of the same file waiting until it is done."""
_ALIGNED = 4096
"""Bytes. Positions, lengths and memory of direct reads are multiples of this."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class LocalStore:
    """Keeps objects under one folder. The folder must be on a file system with hard links."""

    alias = "local"
    piece_frames = 1
    maximum_size = 1 << 42
    reads_staged = True
    lock_binds = (
        "The lock of the local store binds this program; it does not bind whoever is root on the machine, "
        "owns the folder, or sets the machine's clock."
    )

    def __init__(self, folder: Path, *, clock: Clock = system_clock) -> None:
        self._objects = folder / "objects"
        self._locks = folder / "locks"
        self._staging = folder / "staging"
        self._clock = clock

    def prepare(self) -> None:
        """Make the folders. Raises SetupError when they cannot be used."""
        try:
            for folder in (self._objects, self._locks, self._staging):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                _flush_folder(folder)
            _flush_folder(self._objects.parent)
            trial = self._staging / f".{secrets.token_hex(8)}"
            trial.touch()
            try:
                os.link(trial, trial.with_suffix(".link"))
            finally:
                trial.with_suffix(".link").unlink(missing_ok=True)
                trial.unlink()
        except OSError:
            raise SetupError(
                "The folder for objects cannot be used.",
                next_step="Check who owns it, and that its file system is writable and has hard links.",
            ) from None

    def put(self, key: str, body: Iterable[Bytes], *, size: int, sha256: bytes) -> Stored:
        """Write the object whole, or raise and write nothing."""
        token = self.begin(key)
        try:
            digest, position = sha256_of(), 0
            for block in body:
                self.write_piece(key, token, position, block)
                digest.update(block)
                position += len(block)
            if position != size or digest.digest() != sha256:
                raise DigestError("What was received is not what was announced.")
            return self.complete(key, token, size=size)
        finally:
            self.abandon(key, token)

    def read(
        self, key: str, *, start: int = 0, length: int | None = None, version: str | None = None, afresh: bool = False
    ) -> Iterator[bytes]:
        """Yield the object, or the range asked for, in order."""
        read_at: Callable[[int, int, int], Bytes] = _read_device if afresh else _read_at
        with _opened(self._object(key), os.O_RDONLY | (os.O_DIRECT if afresh else 0)) as file:
            end = os.fstat(file).st_size
            if length is not None:
                end = min(end, start + length)
            while start < end:
                with _disk():
                    block = bytes(read_at(file, start, min(_BLOCK, end - start)))
                if not block:
                    return
                start += len(block)
                yield block

    def head(self, key: str, *, version: str | None = None) -> Stored:
        """Say what is stored under the key."""
        with _opened(self._object(key), os.O_RDONLY) as file:
            return self._stored(key, file)

    def lock(self, key: str, *, until: datetime, version: str | None = None) -> Stored:
        """Lock the object until the date, unless it is locked longer already."""
        with _opened(self._object(key), os.O_RDONLY, lock=fcntl.LOCK_EX) as file:
            stored = self._stored(key, file)
            until = whole_second(until.astimezone(UTC))
            if stored.locked_until is None or stored.locked_until < until:
                self._write_lock(key, until, held=stored.held)
            return self._stored(key, file)

    def place_hold(self, key: str, *, version: str | None = None) -> Stored:
        """Hold the object until released."""
        return self._set_hold(key, held=True)

    def release_hold(self, key: str, *, version: str | None = None) -> Stored:
        """Release the hold; the lock date stands."""
        return self._set_hold(key, held=False)

    def remove(self, key: str) -> None:
        """Remove the object, or raise LockedError."""
        path = self._object(key)
        with _opened(path, os.O_RDONLY, lock=fcntl.LOCK_EX) as file:
            stored = self._stored(key, file)
            if stored.held:
                raise LockedError("The object is held.")
            if stored.locked_until is not None and stored.locked_until > self._clock():
                raise LockedError(f"The object is locked until {stored.locked_until.isoformat()}.")
            with _disk():
                path.unlink()
                _flush_folder(path.parent)
                self._lock_path(key).unlink(missing_ok=True)

    def begin(self, key: str) -> str:
        """Start staging an object."""
        if self._object(key).exists():
            raise AlreadyThereError("There is an object under this key.")
        token = f"{int(self._clock().timestamp() * 1_000_000):014x}{secrets.token_hex(8)}"
        folder = self._staged_folder(key, token)
        with _disk():
            folder.mkdir(mode=0o700)
            os.close(os.open(folder / "pieces", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            _flush_folder(folder)
            _flush_folder(self._staging)
        return token

    def write_piece(self, key: str, token: str, position: int, piece: Bytes) -> None:
        """Stage a whole piece."""
        # Shared with other pieces and not with `complete`: nothing is written to a complete object,
        # even by a process that has not noticed yet that the upload went on without it.
        with _opened(self._staged_folder(key, token) / "pieces", os.O_WRONLY, lock=fcntl.LOCK_SH) as file:
            if not os.fstat(file).st_mode & stat.S_IWUSR:
                raise KeyError(token)
            with _disk():
                _write_at(file, position, piece)

    def write_tail(self, key: str, token: str, position: int, tail: Bytes) -> None:
        """Stage what does not fill a piece yet."""
        folder = self._staged_folder(key, token)
        draft = folder / f"draft-{secrets.token_hex(8)}"
        with _opened(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as file, _disk():
            try:
                _write_at(file, 0, tail)
                os.fsync(file)
                draft.replace(folder / f"tail-{position}")
            finally:
                draft.unlink(missing_ok=True)

    def read_tail(self, key: str, token: str, position: int) -> bytes:
        """Return the tail last written at the position."""
        with _opened(self._staged_folder(key, token) / f"tail-{position}", os.O_RDONLY) as file, _disk():
            return _read_at(file, 0, os.fstat(file).st_size)

    def drop_tail(self, key: str, token: str, position: int) -> None:
        """Drop the tail at the position."""
        with _disk():
            (self._staged_folder(key, token) / f"tail-{position}").unlink(missing_ok=True)

    def sync(self, key: str, token: str) -> None:
        """Return when everything staged so far is durable."""
        folder = self._staged_folder(key, token)
        with _opened(folder / "pieces", os.O_RDONLY) as file, _disk():
            os.fdatasync(file)
            # What is read from here on comes from the device, and 64 uploads do not fill the memory.
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            _flush_folder(folder)

    def read_staged(self, key: str, token: str, position: int, length: int, *, area: Area | None = None) -> Bytes:
        """Return staged bytes of whole pieces."""
        with _opened(self._staged_folder(key, token) / "pieces", os.O_RDONLY | os.O_DIRECT) as file, _disk():
            return _read_device(file, position, length, area)

    def complete(self, key: str, token: str, *, size: int) -> Stored:
        """Make the staged pieces the object, after checking that none is missing."""
        staged, path = self._staged_folder(key, token) / "pieces", self._object(key)
        try:
            with _opened(staged, os.O_RDONLY, lock=fcntl.LOCK_EX) as file, _disk():
                _require_whole(file, size)
                os.fchmod(file, 0o400)
                os.fsync(file)
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                _make_folders(path.parent, self._objects)
                try:
                    os.link(staged, path)
                except FileExistsError:
                    if not os.path.samestat(os.fstat(file), path.stat()):
                        raise AlreadyThereError("There is an object under this key.") from None
                _flush_folder(path.parent)
        except (KeyError, FileNotFoundError):
            # Completed before, by us or somebody else at this moment: what was staged is the object now.
            stored = self.head(key)
            if stored.size != size:
                raise IntegrityError(f"The object has {stored.size} bytes, not {size}.") from None
            return stored
        self.abandon(key, token)
        return self.head(key)

    def abandon(self, key: str, token: str) -> None:
        """Drop what was staged; an object made of it stays."""
        shutil.rmtree(self._staged_folder(key, token), ignore_errors=True)

    def staged(self) -> Iterator[Staged]:
        """Yield everything that is staged, oldest first."""
        found = []
        with _disk(), os.scandir(self._staging) as entries:
            for entry in entries:
                name, tilde, token = entry.name.rpartition("~")
                if tilde:
                    begun = datetime.fromtimestamp(int(token[:14], 16) / 1_000_000, UTC)
                    found.append(Staged(unquote(name), token, begun))
        yield from sorted(found, key=lambda each: each.begun_at)

    def _object(self, key: str) -> Path:
        return self._objects / layout.check(key)

    def _lock_path(self, key: str) -> Path:
        return self._locks / f"{layout.check(key)}.json"

    def _staged_folder(self, key: str, token: str) -> Path:
        return self._staging / _staged_name(key, token)

    def _stored(self, key: str, file: int) -> Stored:
        locked_until, held = self._read_lock(key)
        return Stored(key=key, size=os.fstat(file).st_size, version=None, locked_until=locked_until, held=held)

    def _set_hold(self, key: str, *, held: bool) -> Stored:
        with _opened(self._object(key), os.O_RDONLY, lock=fcntl.LOCK_EX) as file:
            stored = self._stored(key, file)
            if stored.held != held:
                self._write_lock(key, stored.locked_until, held=held)
            return self._stored(key, file)

    def _read_lock(self, key: str) -> tuple[datetime | None, bool]:
        try:
            with _disk():
                written = json.loads(self._lock_path(key).read_bytes())
            until = written["locked_until"]
            return (None if until is None else datetime.fromisoformat(until)), bool(written["held"])
        except FileNotFoundError:
            return None, False
        except (ValueError, KeyError, TypeError):
            raise IntegrityError("The lock of an object cannot be read; it counts as locked.") from None

    def _write_lock(self, key: str, until: datetime | None, *, held: bool) -> None:
        path = self._lock_path(key)
        written = {"locked_until": until.isoformat() if until else None, "held": held}
        with _disk():
            _make_folders(path.parent, self._locks)
            draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
            try:
                with draft.open("xb") as file:
                    file.write(json.dumps(written).encode())
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)
            _flush_folder(path.parent)


@lru_cache(maxsize=256)  # asked for every piece
def _staged_name(key: str, token: str) -> str:
    if not token.isalnum():
        raise KeyError(token)
    return f"{quote(layout.check(key), safe='')}~{token}"


@contextmanager
def _opened(path: Path, flags: int, *, lock: int | None = None) -> Iterator[int]:
    """Open a file, locked if asked. Raises KeyError when it is not there (any more)."""
    try:
        with _disk():
            file = _open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise KeyError(path.name) from None
    try:
        if lock is not None:
            fcntl.flock(file, lock)
            if os.fstat(file).st_nlink == 0:
                raise KeyError(path.name)
        yield file
    finally:
        os.close(file)


def _open(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags, 0o600)
    except OSError as error:
        if error.errno != errno.EINVAL or not flags & os.O_DIRECT:
            raise
    # A file system that cannot; one in memory has no device to read from anyway.
    file = os.open(path, flags & ~os.O_DIRECT, 0o600)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    return file


@contextmanager
def _disk() -> Iterator[None]:
    """Turn what a disk says into our errors; leave to the caller what is about names."""
    try:
        yield
    except (FileNotFoundError, FileExistsError):
        raise
    except OSError as error:
        _fail(error)


def _fail(error: OSError) -> NoReturn:
    name = errno.errorcode.get(error.errno or 0, "unknown error")
    if error.errno in _FULL:
        raise NoSpaceError(f"The local store is full ({name}).", next_step="Make room on its disk.") from None
    raise UnavailableError(f"The disk of the local store failed ({name}).", next_step="Check the disk.") from None


def _write_at(file: int, position: int, content: Bytes) -> None:
    rest = memoryview(content)
    while rest:
        written = os.pwrite(file, rest, position)
        rest = rest[written:]
        position += written


def _read_at(file: int, position: int, length: int) -> bytes:
    blocks = []
    while length and (block := os.pread(file, length, position)):
        blocks.append(block)
        position += len(block)
        length -= len(block)
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)


def _read_device(file: int, position: int, length: int, area: Area | None = None) -> Bytes:
    """Read from a file opened with O_DIRECT: what the device has, not what this machine's memory holds of it.

    It also takes a tenth of the processor's time that reading by way of the page cache takes.
    """
    begins = position - position % _ALIGNED
    need = -(-(position + length - begins) // _ALIGNED) * _ALIGNED
    whole = (area or Area(length)).view[:need]
    found = 0
    while found < len(whole):
        count = os.preadv(file, [whole[found : found + _AT_ONCE]], begins + found)
        found += count
        if count == 0 or count % _ALIGNED:
            break
    return whole[position - begins : max(position - begins, min(position - begins + length, found))]


def _require_whole(file: int, size: int) -> None:
    found = os.fstat(file).st_size
    if found != size:
        raise IntegrityError(f"{found} bytes are staged, not {size}.")
    # A piece that was never written is a hole in the file, and ciphertext has none.
    if size and (hole := os.lseek(file, 0, os.SEEK_HOLE)) < size:
        raise IntegrityError(f"A piece is missing at byte {hole} of the object.")


def _make_folders(folder: Path, root: Path) -> None:
    """Make the folder and those above it, up to the root, each durable in the one above it."""
    if folder == root or folder.is_dir():
        return
    _make_folders(folder.parent, root)
    folder.mkdir(mode=0o700, exist_ok=True)
    _flush_folder(folder.parent)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
