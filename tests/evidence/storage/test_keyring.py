"""The agency key file: for its owner only, whole or refused, never replaced."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from evidence.errors import IntegrityError, SetupError
from evidence.storage.keyring import AgencyKeyring


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "agency.json"


def test_what_one_wraps_another_unwraps(path: Path) -> None:
    keyring = AgencyKeyring.create(path)
    data_key = keyring.new_data_key()

    wrapped = keyring.wrap(data_key)

    assert len(data_key) == 32
    assert data_key not in wrapped
    assert AgencyKeyring.load(path).unwrap(wrapped, key_id=keyring.current) == data_key


def test_the_file_is_for_its_owner_only(path: Path) -> None:
    AgencyKeyring.create(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_open_to_others_is_refused(path: Path, mode: int) -> None:
    AgencyKeyring.create(path)
    path.chmod(mode)

    with pytest.raises(SetupError, match=f"{mode:04o}"):
        AgencyKeyring.load(path)


def test_a_missing_file_is_said_to_be_missing(path: Path) -> None:
    with pytest.raises(SetupError, match="no agency key file"):
        AgencyKeyring.load(path)


def test_a_key_file_is_never_replaced(path: Path) -> None:
    AgencyKeyring.create(path)
    before = path.read_bytes()

    with pytest.raises(SetupError, match="already"):
        AgencyKeyring.create(path)

    assert path.read_bytes() == before


def other_key(written: dict[str, dict[str, str]]) -> None:
    (key_id,) = written["keys"]
    written["keys"][key_id] = "A" * 43 + "="


DAMAGES: dict[str, Callable[[dict], object]] = {  # type: ignore[type-arg]
    "another key under the id": other_key,
    "the current key is missing": lambda written: written.update(current="0" * 16),
    "no keys": lambda written: written.pop("keys"),
    "keys is a list": lambda written: written.update(keys=[]),
    "a key is not base64": lambda written: written["keys"].update({written["current"]: "?"}),
    "a key is short": lambda written: written["keys"].update({written["current"]: "AAAA"}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused(path: Path, damage: str) -> None:
    AgencyKeyring.create(path)
    written = json.loads(path.read_bytes())
    DAMAGES[damage](written)
    path.write_text(json.dumps(written))

    with pytest.raises(SetupError, match="damaged"):
        AgencyKeyring.load(path)


def test_a_file_cut_off_is_refused(path: Path) -> None:
    AgencyKeyring.create(path)
    path.write_bytes(path.read_bytes()[:-10])

    with pytest.raises(SetupError, match="damaged"):
        AgencyKeyring.load(path)


def test_after_rotation_old_keys_unwrap_and_the_new_one_wraps(path: Path) -> None:
    keyring = AgencyKeyring.create(path)
    old, data_key = keyring.current, keyring.new_data_key()
    wrapped = keyring.wrap(data_key)

    new = keyring.rotate()

    again = AgencyKeyring.load(path)
    assert again.current == new != old
    assert again.unwrap(wrapped, key_id=old) == data_key
    assert again.unwrap(again.wrap(data_key), key_id=new) == data_key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_unknown_agency_key_is_named(path: Path) -> None:
    keyring = AgencyKeyring.create(path)

    with pytest.raises(SetupError, match="feedfacefeedface"):
        keyring.unwrap(keyring.wrap(keyring.new_data_key()), key_id="feedfacefeedface")


def test_an_altered_wrapped_key_does_not_unwrap(path: Path) -> None:
    keyring = AgencyKeyring.create(path)
    wrapped = keyring.wrap(keyring.new_data_key())

    with pytest.raises(IntegrityError):
        keyring.unwrap(wrapped[:-1] + bytes([wrapped[-1] ^ 1]), key_id=keyring.current)
    with pytest.raises(IntegrityError):
        keyring.unwrap(wrapped[:5], key_id=keyring.current)


def test_no_key_shows_when_a_keyring_is_printed(path: Path) -> None:
    keyring = AgencyKeyring.create(path)
    (key,) = json.loads(path.read_bytes())["keys"].values()

    assert key not in f"{keyring!r}{keyring!s}"


def test_a_sealed_secret_opens_for_its_purpose_alone(path: Path) -> None:
    keyring = AgencyKeyring.create(path)

    sealed = keyring.seal(b"a shared secret", purpose="one")

    assert AgencyKeyring.load(path).open(sealed, purpose="one") == b"a shared secret"
    assert b"secret" not in sealed
    assert sealed != keyring.seal(b"a shared secret", purpose="one")
    for place in range(8, len(sealed)):
        altered = bytearray(sealed)
        altered[place] ^= 1
        with pytest.raises(IntegrityError):
            keyring.open(bytes(altered), purpose="one")
    for false, purpose in ((sealed, "two"), (sealed[:-1], "one"), (sealed[:10], "one"), (sealed[:8], "one")):
        with pytest.raises(IntegrityError):
            keyring.open(false, purpose=purpose)


def test_whatever_else_is_brought_as_sealed_is_a_value_that_is_wrong(path: Path) -> None:
    keyring = AgencyKeyring.create(path)
    sealed = keyring.seal(b"a shared secret", purpose="one")

    altered = [sealed[:each] + bytes([sealed[each] ^ 1]) + sealed[each + 1 :] for each in range(len(sealed))]

    for false in (*altered, b"", sealed[:7], sealed + b"x", bytes(40)):
        with pytest.raises(ValueError, match=r"sealed secret|key file"):
            keyring.open(false, purpose="one")


def test_what_an_older_agency_key_sealed_opens_as_long_as_it_is_kept(path: Path, tmp_path: Path) -> None:
    keyring = AgencyKeyring.create(path)
    sealed = keyring.seal(b"a shared secret", purpose="one")

    keyring.rotate()

    assert keyring.open(sealed, purpose="one") == b"a shared secret"
    with pytest.raises(SetupError, match="not in the key file"):
        AgencyKeyring.create(tmp_path / "other.json").open(sealed, purpose="one")
