"""A dock's key stays with the dock, and what it signs is what the server takes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from evidence.docking import identity
from evidence.docking.identity import ASSERTION_LIFE, Dock, DockKey
from evidence.errors import NotFoundError, SetupError

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DOCK = Dock(name="East, 1", id="d1", url="http://127.0.0.1:1", fingerprint="f", enrolled_at=AT.isoformat())


def test_the_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    first = DockKey.load_or_create(tmp_path / "dock")
    second = DockKey.load_or_create(tmp_path / "dock")

    assert first.public_jwk() == second.public_jwk()
    assert (tmp_path / "dock" / "key.pem").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "dock").stat().st_mode & 0o777 == 0o700


def test_an_assertion_verifies_with_another_library(tmp_path: Path) -> None:
    key = DockKey.load_or_create(tmp_path)

    token = jwt.decode(
        key.assertion("d1", audience="http://room/api/v1/tokens", at=AT),
        ECKey.import_key({**key.public_jwk()}),
        algorithms=["ES256"],
    )

    assert token.header == {"alg": "ES256", "typ": "JWT"}
    assert token.claims["iss"] == token.claims["sub"] == "d1"
    assert token.claims["aud"] == "http://room/api/v1/tokens"
    assert token.claims["exp"] - token.claims["iat"] == ASSERTION_LIFE / timedelta(seconds=1)


def test_no_two_assertions_are_the_same(tmp_path: Path) -> None:
    key = DockKey.load_or_create(tmp_path)

    assert key.assertion("d1", audience="a", at=AT) != key.assertion("d1", audience="a", at=AT)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    DockKey.load_or_create(tmp_path)
    (tmp_path / "key.pem").chmod(0o640)

    with pytest.raises(SetupError, match="read by others"):
        DockKey.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_damaged_key_is_said_to_be_damaged(tmp_path: Path, content: bytes) -> None:
    identity.write_private(tmp_path / "key.pem", content)

    with pytest.raises(SetupError, match="cannot be read as a key"):
        DockKey.load(tmp_path)


def test_a_dock_written_is_a_dock_read(tmp_path: Path) -> None:
    folder = tmp_path / identity.folder_name(DOCK.name)
    folder.mkdir()
    DOCK.write(folder)

    assert Dock.read(folder) == DOCK
    assert identity.enrolled(tmp_path) == [(DOCK, folder)]


def test_a_dock_that_was_not_enrolled_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        Dock.read(tmp_path)
    assert identity.enrolled(tmp_path / "nothing") == []


@pytest.mark.parametrize(
    "name", ["..", "../../etc", "/root", "a/b", "", ".hidden", "x" * 200, "Zentrale, Süd 2", "a\0b"]
)
def test_no_name_of_a_dock_leads_out_of_its_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / identity.folder_name(name)

    assert folder.parent == tmp_path
    folder.mkdir()


def test_names_that_look_alike_get_folders_of_their_own() -> None:
    names = ["Dock 1", "Dock-1", "Dock/1", "dock 1"]

    assert len({identity.folder_name(name) for name in names}) == len(names)
