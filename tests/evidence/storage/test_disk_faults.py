"""A full disk and a failing one: nothing is acknowledged that is not there, and all goes on when it can again."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import pytest

from evidence.errors import IntegrityError, NoSpaceError, UnavailableError
from evidence.storage.arriving import ArrivingObject
from evidence.storage.frames import FRAME_SIZE, FrameCipher, FrameError, Reader, stored_size
from evidence.storage.local import LocalStore
from evidence.storage.store import Bytes, ObjectStore
from tests.evidence.storage.uploader import footage
from tests.support.left_out import left_out

KEY = "original/1"
CIPHER = FrameCipher(UUID(int=5), bytes(32))
SIZE = 5 * FRAME_SIZE + 1234
FOOTAGE = footage(SIZE)


def go_on(store: ObjectStore, token: str, offset: int) -> ArrivingObject:
    return ArrivingObject(store, KEY, token, CIPHER, size=SIZE, offset=offset)


def finished(store: ObjectStore, token: str, offset: int) -> bytes:
    """Upload the rest and read the object back."""
    arriving = go_on(store, token, offset)
    arriving.write(FOOTAGE[offset:])
    arriving.checkpoint()
    return completed(store, token)


def completed(store: ObjectStore, token: str) -> bytes:
    store.complete(KEY, token, size=stored_size(SIZE))
    return b"".join(Reader(store, KEY, CIPHER, size=SIZE).read())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    if os.geteuid() != 0:
        left_out("a full disk: mounting an 8 MiB file system needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        left_out("a full disk: this machine does not let root mount a tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.root
@pytest.mark.parametrize("room", [64 << 10, 1 << 20, (2 << 20) + 4096, 4 << 20, 5 << 20])
def test_a_full_disk_acknowledges_nothing_and_goes_on_when_there_is_room(small_disk: Path, room: int) -> None:
    store = LocalStore(small_disk / "objects")
    store.prepare()
    token, offsets = store.begin(KEY), [0]
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes((8 << 20) - room))
    arriving = go_on(store, token, 0)

    def upload() -> None:
        for at in range(0, SIZE, 300_000):
            arriving.write(FOOTAGE[at : at + 300_000])
            offsets.append(arriving.checkpoint())

    with pytest.raises(NoSpaceError):
        upload()

    assert offsets[-1] < SIZE
    with pytest.raises(KeyError):
        store.head(KEY)
    ballast.unlink()
    assert finished(store, token, offsets[-1]) == FOOTAGE
    assert [path.name for path in (small_disk / "objects" / "staging").iterdir()] == []


class Deaf(LocalStore):
    """Takes no notice of a full disk."""

    def write_piece(self, key: str, token: str, position: int, piece: Bytes) -> None:
        with suppress(NoSpaceError):
            super().write_piece(key, token, position, piece)

    def write_tail(self, key: str, token: str, position: int, tail: Bytes) -> None:
        with suppress(NoSpaceError):
            super().write_tail(key, token, position, tail)


@pytest.mark.root
def test_control_a_store_deaf_to_a_full_disk_acknowledges_what_is_not_there(small_disk: Path) -> None:
    store = Deaf(small_disk / "objects")
    store.prepare()
    token = store.begin(KEY)
    (small_disk / "ballast").write_bytes(bytes(6 << 20))
    arriving = go_on(store, token, 0)
    arriving.write(FOOTAGE)

    assert arriving.checkpoint() == SIZE
    with pytest.raises(IntegrityError):
        completed(store, token)


class FailingDisk:
    """Fails the n-th flush and loses what was not flushed, as Linux does; the next flush succeeds again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, at: int) -> None:
        self.flushes = 0
        self.at = at
        self._real = os.fdatasync
        self._durable: dict[int, int] = {}
        monkeypatch.setattr(os, "fdatasync", self.flush)

    def flush(self, file: int) -> None:
        self.flushes += 1
        inode = os.fstat(file).st_ino
        if self.flushes == self.at:
            path = f"/proc/self/fd/{file}"
            os.truncate(path, self._durable.get(inode, 0))
            raise OSError(errno.EIO, "Input/output error")
        self._real(file)
        self._durable[inode] = os.fstat(file).st_size


STEP = 700_000


def uploaded_through_failures(store: ObjectStore) -> bytes:
    """Upload as ingest does: after an error, go on anew from the offset last kept."""
    store.prepare()
    token, kept, failures = store.begin(KEY), 0, 0
    arriving = go_on(store, token, kept)
    while kept < SIZE:
        try:
            arriving.write(FOOTAGE[arriving.offset :][:STEP])
            kept = arriving.checkpoint()
        except UnavailableError:
            failures += 1
            arriving = go_on(store, token, kept)
    assert failures == 1, "the disk must have failed"
    store.complete(KEY, token, size=stored_size(SIZE))
    return b"".join(Reader(store, KEY, CIPHER, size=SIZE).read())


@pytest.mark.parametrize("at", range(1, -(-SIZE // STEP) + 1))
def test_after_a_failed_flush_everything_since_the_last_good_one_is_staged_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    FailingDisk(monkeypatch, at=at)

    assert uploaded_through_failures(LocalStore(tmp_path / "objects")) == FOOTAGE


class Careless(LocalStore):
    """Asks again when a flush fails, and believes the second answer."""

    failures = 0

    def sync(self, key: str, token: str) -> None:
        try:
            super().sync(key, token)
        except UnavailableError:
            self.failures += 1
            super().sync(key, token)


def test_control_asking_the_disk_again_loses_what_was_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FailingDisk(monkeypatch, at=4)
    store = Careless(tmp_path / "objects")

    with pytest.raises((AssertionError, FrameError)):
        uploaded_through_failures(store)

    assert store.failures == 1


@pytest.mark.parametrize("what", ["fsync", "pwrite", "link", "fchmod"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EMFILE])
def test_whatever_the_disk_refuses_no_object_appears_and_the_next_try_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, number: int
) -> None:
    store = LocalStore(tmp_path / "objects")
    store.prepare()
    token = store.begin(KEY)

    def refuse(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as broken:
        broken.setattr(os, what, refuse)
        with pytest.raises(NoSpaceError if number == errno.ENOSPC else UnavailableError) as failed:
            finished(store, token, 0)
    with pytest.raises(KeyError):
        store.head(KEY)
    assert str(tmp_path) not in str(failed.value)

    # What fails at completing has made all durable before; completing again is what goes on.
    at_completing = what in ("link", "fchmod")
    assert (completed(store, token) if at_completing else finished(store, token, 0)) == FOOTAGE
