"""What only a folder can show: files, their modes, what stands on the disk, and whom the lock binds."""

import os
import stat
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from evidence.errors import IntegrityError, SetupError, UnavailableError
from evidence.settings import Settings
from evidence.storage import open_store
from evidence.storage.local import LocalStore
from evidence.storage.store import LockedError, ObjectStore
from tests.evidence.storage.conftest import Local

KEY = "original/agency/2026/03/object"
BODY = b"footage" * 1000


def put(store: ObjectStore) -> None:
    store.put(KEY, [BODY], size=len(BODY), sha256=sha256(BODY).digest())


def test_an_object_is_a_file_that_nobody_may_write(local: Local) -> None:
    put(local.store)

    path = local.folder / "objects" / KEY
    assert path.read_bytes() == BODY
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert path.stat().st_nlink == 1
    assert stat.S_IMODE(local.folder.joinpath("objects").stat().st_mode) == 0o700
    assert list((local.folder / "staging").iterdir()) == []


def test_a_lock_outlives_the_process(local: Local) -> None:
    put(local.store)
    local.store.lock(KEY, until=local.now() + timedelta(days=90))
    local.store.place_hold(KEY)

    again = local.reopened()
    assert again.head(KEY).locked_until == local.now() + timedelta(days=90)
    assert again.head(KEY).held


def test_a_lock_that_cannot_be_read_counts_as_locked(local: Local) -> None:
    put(local.store)
    local.store.lock(KEY, until=local.now() + timedelta(days=1))
    (sidecar,) = (path for path in (local.folder / "locks").rglob("*") if path.is_file())
    sidecar.write_text("{")
    local.clock.advance(timedelta(days=2))

    with pytest.raises(IntegrityError):
        local.store.remove(KEY)

    assert b"".join(local.store.read(KEY)) == BODY


def test_the_store_says_that_its_lock_does_not_bind_root(local: Local) -> None:
    put(local.store)
    local.store.lock(KEY, until=local.now() + timedelta(days=90))
    with pytest.raises(LockedError):
        local.store.remove(KEY)

    (local.folder / "objects" / KEY).unlink()

    with pytest.raises(KeyError):
        local.store.head(KEY)
    assert "does not bind whoever is root" in local.store.lock_binds


def test_no_link_put_in_an_objects_place_is_followed(local: Local, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("elsewhere")
    (local.folder / "objects" / "original").mkdir()
    (local.folder / "objects" / "original" / "1").symlink_to(tmp_path / "secret")

    with pytest.raises(UnavailableError, match="ELOOP") as refused:
        list(local.store.read("original/1"))

    assert "elsewhere" not in str(refused.value)


def test_a_hole_where_a_piece_should_be_is_found(local: Local) -> None:
    """The size alone would not say: the last piece makes the file as long as it should be."""
    token = local.store.begin(KEY)
    local.store.write_piece(KEY, token, 0, b"x" * 500_000)
    local.store.write_piece(KEY, token, 1_000_000, b"x" * 500_000)
    (pieces,) = (local.folder / "staging").rglob("pieces")
    assert pieces.stat().st_size == 1_500_000

    with pytest.raises(IntegrityError, match="missing"):
        local.store.complete(KEY, token, size=1_500_000)


def test_strange_names_in_the_staging_folder_are_left_alone(local: Local) -> None:
    (local.folder / "staging" / "lost+found").mkdir()

    assert list(local.store.staged()) == []


def test_a_folder_that_cannot_be_used_is_a_matter_of_setup(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SetupError):
        LocalStore(tmp_path / "file" / "objects").prepare()


def test_the_settings_open_a_folder(tmp_path: Path) -> None:
    store = open_store(Settings(home=tmp_path))
    store.prepare()

    put(store)

    assert (tmp_path / "objects" / "objects" / KEY).read_bytes() == BODY


def test_reading_afresh_asks_the_device(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the machine's memory nothing can be asked here; that it is told to be read past, can."""
    put(local.store)
    flags: list[int] = []
    real = os.open

    def opened(path: Path, flag: int, mode: int) -> int:
        flags.append(flag)
        return real(path, flag, mode)

    monkeypatch.setattr(os, "open", opened)

    assert b"".join(local.store.read(KEY, start=7, afresh=True)) == BODY[7:]

    assert flags[0] & os.O_DIRECT
