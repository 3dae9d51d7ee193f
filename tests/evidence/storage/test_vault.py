"""Objects through the vault: rows first, digests from what is stored, and keys that can be destroyed."""

import secrets
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy.exc import IntegrityError as RowError
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from auth.models import Agency
from evidence.errors import ConflictError, InvalidError, NotFoundError, SetupError
from evidence.ids import new_id
from evidence.storage import layout
from evidence.storage.frames import FRAME_SIZE, FrameCipher, FrameError, Reader, stored_size
from evidence.storage.keyring import AgencyKeyring
from evidence.storage.memory import MemoryStore
from evidence.storage.models import StoredObject
from evidence.storage.read_back import ReadBack
from evidence.storage.store import AlreadyThereError, ObjectStore
from evidence.storage.vault import KeyDestroyedError, Vault
from tests.conftest import NOON
from tests.evidence.storage.conftest import Local

FOOTAGE = secrets.token_bytes(2 * FRAME_SIZE + 777)


@pytest.fixture
def keyring(tmp_path: Path) -> AgencyKeyring:
    return AgencyKeyring.create(tmp_path / "agency.json")


@pytest.fixture
def vault(store: ObjectStore, keyring: AgencyKeyring) -> Vault:
    return Vault(store, keyring)


@pytest.fixture
def agency_id(session: Session) -> UUID:
    agency = Agency(id=new_id(), name=f"Agency {secrets.token_hex(4)}", created_at=NOON)
    session.add(agency)
    session.flush()
    return agency.id


def reserve(session: Session, vault: Vault, agency_id: UUID) -> StoredObject:
    object_id = new_id()
    key = layout.original(agency_id, NOON, object_id)
    return vault.reserve(session, object_id, agency_id=agency_id, key=key, at=NOON)


def kept(session: Session, vault: Vault, agency_id: UUID, body: bytes = FOOTAGE) -> StoredObject:
    return vault.put(session, reserve(session, vault, agency_id), body)


def read(session: Session, vault: Vault, object_id: UUID) -> bytes:
    return b"".join(vault.read(session, object_id))


def test_an_object_arrives_is_read_back_and_then_exists(session: Session, vault: Vault, agency_id: UUID) -> None:
    row = reserve(session, vault, agency_id)
    token = vault.store.begin(row.key)
    arriving = vault.arriving(row, token, size=len(FOOTAGE), offset=0)
    arriving.write(FOOTAGE)
    arriving.checkpoint()
    with pytest.raises(NotFoundError):
        vault.read(session, row.id)

    stored = vault.store.complete(row.key, token, size=stored_size(len(FOOTAGE)))
    vault.settle(session, row, vault.read_back(row, size=len(FOOTAGE), version=stored.version), stored)

    assert read(session, vault, row.id) == FOOTAGE
    assert b"".join(vault.read(session, row.id, start=FRAME_SIZE - 5, length=10)) == FOOTAGE[FRAME_SIZE - 5 :][:10]
    assert (row.size, row.sha256) == (len(FOOTAGE), sha256(FOOTAGE).digest())
    ciphertext = b"".join(vault.store.read(row.key))
    assert (row.stored_size, row.stored_sha256) == (len(ciphertext), sha256(ciphertext).digest())


@pytest.mark.parametrize("body", [b"", b"x", FOOTAGE])
def test_a_small_object_is_put_and_putting_it_again_is_harmless(
    session: Session, vault: Vault, agency_id: UUID, body: bytes
) -> None:
    row = kept(session, vault, agency_id, body)
    first = (row.size, row.sha256, row.stored_sha256, row.version)

    vault.put(session, row, body)

    assert (row.size, row.sha256, row.stored_sha256, row.version) == first
    assert read(session, vault, row.id) == body


def test_another_body_under_a_row_is_refused(session: Session, vault: Vault, agency_id: UUID) -> None:
    row = kept(session, vault, agency_id, b"the list")

    with pytest.raises(AlreadyThereError):
        vault.put(session, row, b"another!")

    assert read(session, vault, row.id) == b"the list"


def test_nothing_in_the_store_shows_the_plaintext_or_the_data_key(
    session: Session, vault: Vault, agency_id: UUID
) -> None:
    row = kept(session, vault, agency_id, b"a plain statement " * 100)
    assert row.wrapped_key is not None
    data_key = vault.keyring.unwrap(row.wrapped_key, key_id=row.agency_key_id)

    ciphertext = b"".join(vault.store.read(row.key))

    assert b"plain statement" not in ciphertext
    assert data_key not in ciphertext
    assert row.wrapped_key not in ciphertext


def test_every_object_has_a_data_key_of_its_own(session: Session, vault: Vault, agency_id: UUID) -> None:
    one, other = reserve(session, vault, agency_id), reserve(session, vault, agency_id)

    assert one.wrapped_key != other.wrapped_key


def test_a_row_takes_only_keys_of_the_layout(session: Session, vault: Vault, agency_id: UUID) -> None:
    with pytest.raises(InvalidError):
        vault.reserve(session, new_id(), agency_id=agency_id, key="../outside", at=NOON)


def test_digests_once_settled_do_not_change(session: Session, vault: Vault, agency_id: UUID) -> None:
    row = kept(session, vault, agency_id)
    stored = vault.store.head(row.key)
    other = ReadBack(
        size=len(FOOTAGE), sha256=bytes(32), chunks_sha256=b"", stored_size=stored.size, stored_sha256=bytes(32)
    )

    with pytest.raises(ConflictError):
        vault.settle(session, row, other, stored)


def test_destroying_the_key_leaves_every_copy_of_the_object_unreadable(
    session: Session, vault: Vault, agency_id: UUID, tmp_path: Path
) -> None:
    """The crypto-erase that an expungement needs, because a compliance lock cannot be undone."""
    row, spared = kept(session, vault, agency_id), kept(session, vault, agency_id, b"another object")
    vault.store.lock(row.key, until=datetime.now(UTC) + timedelta(days=90))
    backup = tmp_path / "backup"
    backup.write_bytes(b"".join(vault.store.read(row.key)))

    # Control: before, both the object and its backup read.
    assert read(session, vault, row.id) == FOOTAGE
    assert read_copy(vault, row, backup) == FOOTAGE

    vault.destroy_key(session, row.id, at=NOON)
    session.expire_all()

    # The ciphertext stands, locked, as before; nothing the system holds opens it.
    assert b"".join(vault.store.read(row.key)) == backup.read_bytes()
    for attempt in (
        lambda: read(session, vault, row.id),
        lambda: read_copy(vault, row, backup),
        lambda: vault.read_back(row, size=len(FOOTAGE)),
        lambda: vault.cipher(row),
        lambda: vault.arriving(row, "0" * 30, size=1, offset=0),
    ):
        with pytest.raises(KeyDestroyedError):
            attempt()
    assert spared.wrapped_key is not None
    another_key = vault.keyring.unwrap(spared.wrapped_key, key_id=spared.agency_key_id)
    with pytest.raises(FrameError):
        open_with(FrameCipher(row.id, another_key), row, backup)
    assert read(session, vault, spared.id) == b"another object"
    assert (row.wrapped_key, row.key_destroyed_at) == (None, NOON)
    assert row.sha256 == sha256(FOOTAGE).digest()


def test_a_backup_of_the_database_still_reads_until_the_agency_key_it_needs_is_gone(
    session: Session, vault: Vault, agency_id: UUID
) -> None:
    """What README says of backups that still hold the wrapped key, in both directions."""
    row, spared = kept(session, vault, agency_id), kept(session, vault, agency_id, b"another object")
    of_backup = StoredObject(id=row.id, key=row.key, wrapped_key=row.wrapped_key, agency_key_id=row.agency_key_id)
    vault.destroy_key(session, row.id, at=NOON)
    session.flush()

    reader = Reader(vault.store, row.key, vault.cipher(of_backup), size=len(FOOTAGE))
    assert b"".join(reader.read()) == FOOTAGE

    old = vault.keyring.current
    vault.keyring.rotate()
    vault.rewrap(spared)
    vault.rewrap(row)
    remaining = AgencyKeyring(
        vault.keyring.path,
        current=vault.keyring.current,
        keys={vault.keyring.current: vault.keyring._keys[vault.keyring.current]},
    )

    with pytest.raises(SetupError, match=old):
        Vault(vault.store, remaining).cipher(of_backup)
    assert read(session, Vault(vault.store, remaining), spared.id) == b"another object"
    assert row.wrapped_key is None


def test_destroying_a_key_twice_keeps_the_first_date(session: Session, vault: Vault, agency_id: UUID) -> None:
    row = kept(session, vault, agency_id)

    vault.destroy_key(session, row.id, at=NOON)
    vault.destroy_key(session, row.id, at=NOON + timedelta(days=1))

    assert row.key_destroyed_at == NOON


def test_an_unknown_object_is_not_found(session: Session, vault: Vault) -> None:
    for act in (lambda: vault.read(session, new_id()), lambda: vault.destroy_key(session, new_id(), at=NOON)):
        with pytest.raises(NotFoundError):
            act()


def test_an_object_altered_on_the_disk_does_not_read(
    session: Session, local: Local, keyring: AgencyKeyring, agency_id: UUID
) -> None:
    vault = Vault(local.store, keyring)
    row = kept(session, vault, agency_id)
    path = local.folder / "objects" / row.key
    content = bytearray(path.read_bytes())
    content[FRAME_SIZE + 5000] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)

    with pytest.raises(FrameError, match="Frame 1 "):
        read(session, vault, row.id)
    with pytest.raises(FrameError, match="Frame 1 "):
        vault.read_back(row, size=len(FOOTAGE))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM stored_object",
        "UPDATE stored_object SET key = 'x'",
        "UPDATE stored_object SET agency_id = gen_random_uuid()",
        "TRUNCATE stored_object",
    ],
)
def test_the_application_can_neither_remove_a_row_nor_move_it(
    session: Session, vault: Vault, agency_id: UUID, statement: str
) -> None:
    reserve(session, vault, agency_id)

    with pytest.raises(ProgrammingError, match="permission denied"):
        session.connection().exec_driver_sql(statement)


def test_a_row_has_its_key_or_the_date_it_was_destroyed(session: Session, vault: Vault, agency_id: UUID) -> None:
    row = reserve(session, vault, agency_id)
    row.wrapped_key = None

    with pytest.raises(RowError, match="key_there_or_destroyed"):
        session.flush()


def read_copy(vault: Vault, row: StoredObject, copy: Path) -> bytes:
    return open_with(vault.cipher(row), row, copy)


def open_with(cipher: FrameCipher, row: StoredObject, copy: Path) -> bytes:
    """Read a copy of an object's ciphertext from wherever it was put."""
    content = copy.read_bytes()
    store = MemoryStore()
    store.put(row.key, [content], size=len(content), sha256=sha256(content).digest())
    return b"".join(Reader(store, row.key, cipher, size=len(FOOTAGE)).read())
