"""Nobody changes or removes what custody holds: not the application, not the owner, not the administrator."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from tests.support.custody import ITEM_CHAIN, faults, rows
from tests.support.database import Database, driver_url

ROLES: dict[str, Callable[[Database], str]] = {
    "application": lambda database: database.app_url,
    "owner": lambda database: database.owner_url,
    "administrator": lambda database: database.superuser_url,
    "administrator who plays a replica": lambda database: (
        database.superuser_url + "&options=-csession_replication_role%3Dreplica"
    ),
}

CHANGES = {
    "edit a record": "UPDATE custody_record SET raw = raw || 'x'::bytea",
    "edit nothing of a record": "UPDATE custody_record SET raw = raw WHERE false",
    "move a record": "UPDATE custody_record SET chain = '_refused'",
    "remove a record": "DELETE FROM custody_record",
    "remove all records": "TRUNCATE custody_record CASCADE",
    "turn a chain back": "UPDATE custody_head SET seq = seq - 1",
    "give a chain another end": "UPDATE custody_head SET h = sha256('x')",
    "let a chain skip a number": "UPDATE custody_head SET seq = seq + 2",
    "turn a chain's time back": "UPDATE custody_head SET seq = seq + 1, at = at - interval '1 day'",
    "rename a chain": "UPDATE custody_head SET seq = seq + 1, chain = '_keys'",
    "remove a chain's end": "DELETE FROM custody_head",
    "remove all ends": "TRUNCATE custody_head",
    "rename the installation": "UPDATE custody_origin SET origin = 'other'",
    "forget the installation": "DELETE FROM custody_origin",
    "empty the installation": "TRUNCATE custody_origin",
    "take back all receipts": "TRUNCATE custody_receipt",
}

WRITES = {
    "write a record": "INSERT INTO custody_record (chain, seq, h, raw, key) VALUES ('_keys', 1, '', '', '')",
    "write a head": "INSERT INTO custody_head VALUES ('_keys', 1, '', now())",
    "move a head on": "UPDATE custody_head SET seq = seq + 1",
    "edit a receipt": "UPDATE custody_receipt SET note = ''",
    "remove a receipt": "DELETE FROM custody_receipt",
    "edit a disclosure": "UPDATE custody_disclosure SET disclosure = ''",
    "remove a key": "DELETE FROM signing_key",
    "exchange a key": "UPDATE signing_key SET public = ''",
    "take the triggers away": "ALTER TABLE custody_record DISABLE TRIGGER ALL",
    "write a new append": "CREATE FUNCTION custody_append() RETURNS void LANGUAGE sql AS ''",
    "lock a head for ever": "SELECT * FROM custody_head FOR UPDATE",
}


@pytest.fixture
def kept(database: Database) -> Iterator[Database]:
    """A database with two records in one chain, which must be there unchanged afterwards."""
    with psycopg.connect(driver_url(database.app_url)) as connection:
        for key in ("a", "b"):
            connection.execute("SELECT custody_append(%s, %s, ARRAY['{}'])", [[ITEM_CHAIN], [key]])
        before = rows(connection)
    yield database
    with psycopg.connect(driver_url(database.app_url)) as connection:
        assert rows(connection) == before
        assert faults(before) == set()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("change", CHANGES)
def test_no_role_can(kept: Database, role: str, change: str) -> None:
    with psycopg.connect(driver_url(ROLES[role](kept))) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute(CHANGES[change])


@pytest.mark.parametrize("write", WRITES)
def test_the_application_cannot(kept: Database, write: str) -> None:
    with psycopg.connect(driver_url(kept.app_url)) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute(WRITES[write])


@pytest.mark.parametrize("change", [name for name in CHANGES if name != "edit nothing of a record"])
def test_it_is_the_triggers_that_refuse_the_owner(kept: Database, change: str) -> None:
    """The control: without them every one of these changes goes through."""
    connection = psycopg.connect(driver_url(kept.owner_url))
    for table in ("custody_record", "custody_head", "custody_origin", "custody_receipt"):
        connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    changed = connection.execute(CHANGES[change])

    assert changed.rowcount > 0 or CHANGES[change].startswith("TRUNCATE")
    connection.rollback()
    connection.close()


def test_a_stranger_to_the_database_cannot_append(kept: Database) -> None:
    with psycopg.connect(driver_url(kept.superuser_url)) as connection:
        connection.execute("CREATE ROLE stranger")
        connection.execute("SET ROLE stranger")
        with pytest.raises(InsufficientPrivilege):
            connection.execute("SELECT custody_append(ARRAY['_keys'], ARRAY['k'], ARRAY['{}'])")
        connection.rollback()
