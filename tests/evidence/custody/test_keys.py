"""Signing keys are made once, kept to ourselves, registered in the chain, and known by the trust file."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy.exc import ProgrammingError

from evidence.custody import history, keys, origin
from evidence.custody.keys import SigningKeys
from evidence.database import Sessions, connect, unit_of_work
from evidence.database import sessions as session_factory
from evidence.errors import SetupError
from evidence.proof import note, trust
from tests.support.database import ORIGIN, Database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "signing"


def test_keys_are_made_once_and_only_we_may_read_them(folder: Path) -> None:
    made = SigningKeys.create(folder, ORIGIN)
    found = SigningKeys.create(folder, ORIGIN)

    assert folder.stat().st_mode & 0o777 == 0o700
    assert sorted(file.name for file in folder.iterdir()) == ["export.pem", "receipt.pem"]
    for role in keys.ROLES:
        assert (folder / f"{role}.pem").stat().st_mode & 0o777 == 0o600
        assert made.verifier_key(role) == found.verifier_key(role)
    assert made.verifier_key("receipt").public != made.verifier_key("export").public


def test_of_two_that_make_the_same_key_the_first_one_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = SigningKeys.create(folder, ORIGIN)
    monkeypatch.setattr(Path, "exists", lambda _path: False)

    second = SigningKeys.create(folder, ORIGIN)

    assert second.verifier_key("receipt") == first.verifier_key("receipt")


def test_a_signed_note_opens_with_the_key_of_its_role_and_no_other(folder: Path) -> None:
    signing = SigningKeys.create(folder, ORIGIN)

    signed = note.parse(signing.sign("receipt", "some text\n"))

    assert note.open_note(signed, [signing.verifier_key("receipt")]).text == "some text\n"
    assert signing.verifier_key("receipt").name == f"{ORIGIN}/receipt"
    with pytest.raises(note.NoSignatureError):
        note.open_note(signed, [signing.verifier_key("export")])


def test_a_missing_key_is_named(folder: Path) -> None:
    SigningKeys.create(folder, ORIGIN)
    (folder / "export.pem").unlink()

    with pytest.raises(SetupError, match=r"export\.pem is missing"):
        SigningKeys.open(folder, ORIGIN)


def test_a_key_that_others_may_read_is_refused(folder: Path) -> None:
    SigningKeys.create(folder, ORIGIN)
    (folder / "receipt.pem").chmod(0o640)

    with pytest.raises(SetupError, match="read by others"):
        SigningKeys.open(folder, ORIGIN)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    ],
)
def test_what_is_not_an_ed25519_key_is_refused(folder: Path, content: bytes) -> None:
    SigningKeys.create(folder, ORIGIN)
    with os.fdopen(os.open(folder / "receipt.pem", os.O_WRONLY | os.O_TRUNC), "wb") as file:
        file.write(content)

    with pytest.raises(SetupError, match="not a private Ed25519 key"):
        SigningKeys.open(folder, ORIGIN)


@pytest.fixture
def owners(database: Database) -> Iterator[Sessions]:
    """Sessions of the role that migrates: it alone enters keys."""
    engine = connect(database.owner_url)
    yield session_factory(engine)
    engine.dispose()


def test_the_application_cannot_add_a_key_that_strangers_would_trust(folder: Path, sessions: Sessions) -> None:
    signing = SigningKeys.create(folder, ORIGIN)

    with pytest.raises(ProgrammingError, match="permission denied"), unit_of_work(sessions) as session:
        signing.register(session, request_id="mine")


def test_keys_are_registered_once_and_stand_in_their_chain(folder: Path, sessions: Sessions, owners: Sessions) -> None:
    signing = SigningKeys.create(folder, ORIGIN)
    for request in ("first", "second"):
        with unit_of_work(owners) as session:
            signing.register(session, request_id=request)

    with sessions() as session:
        entries = history.page(session, "_keys")
        trusted = keys.trust(session, ORIGIN)
    assert [entry.body["facts"]["role"] for entry in entries] == ["receipt", "export"]
    assert [entry.body["facts"]["public"] for entry in entries] == [
        signing.verifier_key(role).public.hex() for role in keys.ROLES
    ]
    assert trust.parse(trusted.write()) == trusted
    assert {key.role: key.public for key in trusted.keys} == {
        role: signing.verifier_key(role).public for role in keys.ROLES
    }


def test_every_record_is_made_within_the_time_of_the_key_that_signs_for_it(
    folder: Path, sessions: Sessions, owners: Sessions
) -> None:
    signing = SigningKeys.create(folder, ORIGIN)
    with unit_of_work(owners) as session:
        signing.register(session, request_id="first")

    with sessions() as session:
        (first, _) = history.page(session, "_keys")
        trusted = keys.trust(session, ORIGIN)
    assert all(key.covers(first.record.at) for key in trusted.keys)


def test_the_installation_is_called_as_it_was_at_first(sessions: Sessions) -> None:
    with sessions() as session:
        assert origin.read(session) == ORIGIN
        assert origin.require(session, None) == ORIGIN
        assert origin.require(session, ORIGIN) == ORIGIN
        with pytest.raises(SetupError, match="says otherwise"):
            origin.require(session, "evidence.example/other")
