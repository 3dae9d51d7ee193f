"""Migrations make exactly the tables the models declare, in order, by one runner at a time."""

import re
import threading
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from evidence.database import connect
from evidence.engines import cluster, postgres, schema
from evidence.engines.cluster import APP_ROLE
from evidence.errors import SetupError
from tests.support.custody import faults, rows
from tests.support.database import ORIGIN, Database, driver_url
from tests.support.left_out import left_out

ROOT = Path(__file__).parents[2]

SEALED = {"custody_record", "custody_head", "custody_origin"}

NOT_INSERTED_BY_THE_APPLICATION = SEALED | {"alembic_version"}


def configured(database: Database) -> Config:
    config = schema.configuration()
    config.attributes |= {"url": database.owner_url, "app_role": APP_ROLE, "origin": ORIGIN}
    return config


def steps() -> list[str]:
    """Revisions from the first to the last."""
    return [step.revision for step in ScriptDirectory.from_config(schema.configuration()).walk_revisions()][::-1]


def test_there_is_one_row_of_steps_named_by_their_dates() -> None:
    found = steps()
    files = sorted(file.name for file in (ROOT / "migrations" / "versions").glob("*.py"))

    assert found == sorted(found)
    assert [file[:13] for file in files] == found
    assert all(re.fullmatch(r"[0-9]{8}_[0-9]{4}_[a-z_]+\.py", file) for file in files)


def test_every_step_says_its_risk_and_how_to_undo_it() -> None:
    for step in ScriptDirectory.from_config(schema.configuration()).walk_revisions():
        assert re.search("^Risk: ", step.module.__doc__ or "", re.MULTILINE), step.revision
        assert re.search("^Undo: ", step.module.__doc__ or "", re.MULTILINE), step.revision


def test_from_empty_to_head_gives_what_the_models_declare(database: Database) -> None:
    command.check(configured(database))


def test_a_column_that_no_model_knows_is_noticed(database: Database) -> None:
    with psycopg.connect(driver_url(database.owner_url)) as connection:
        connection.execute("ALTER TABLE custody_disclosure ADD COLUMN forgotten text")

    with pytest.raises(Exception, match="New upgrade operations detected"):
        command.check(configured(database))


def test_every_step_can_be_undone_and_done_again(empty_database: Database) -> None:
    config = configured(empty_database)
    for revision in steps():
        command.upgrade(config, revision)
        command.downgrade(config, "-1")
        command.upgrade(config, revision)
    command.downgrade(config, "base")
    with psycopg.connect(driver_url(empty_database.owner_url)) as connection:
        left = connection.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace").fetchall()
        functions = connection.execute(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        ).fetchall()

    assert {name for (name,) in left} == {"alembic_version", "alembic_version_pkc"}
    assert functions == []


def test_custody_refuses_to_be_changed_after_the_whole_upgrade(database: Database) -> None:
    with psycopg.connect(driver_url(database.superuser_url), autocommit=True) as connection:
        connection.execute("SELECT custody_append(ARRAY['_keys'], ARRAY['k'], ARRAY['{}'])")
        for table in SEALED:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"TRUNCATE {table} CASCADE")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"DELETE FROM {table}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("UPDATE custody_record SET raw = ''")


def test_the_application_owns_nothing_and_has_no_right_it_was_not_given_for_custody(database: Database) -> None:
    with psycopg.connect(driver_url(database.superuser_url)) as connection:
        owned = connection.execute("SELECT relname FROM pg_class WHERE relowner = %s::regrole", [APP_ROLE]).fetchall()
        granted = connection.execute(
            "SELECT table_name, privilege_type FROM information_schema.table_privileges WHERE grantee IN (%s, 'PUBLIC')"
            " AND table_schema = 'public'",
            [APP_ROLE],
        ).fetchall()

    assert owned == []
    for table in NOT_INSERTED_BY_THE_APPLICATION:
        assert [right for name, right in granted if name == table] == ["SELECT"]
    assert not [table for table, right in granted if right in ("TRUNCATE", "TRIGGER", "REFERENCES")]


def test_an_old_schema_is_refused_with_what_to_run(empty_database: Database) -> None:
    engine = connect(empty_database.app_url)
    with pytest.raises(SetupError, match="old or missing") as missing:
        schema.require_head(engine)
    command.upgrade(configured(empty_database), steps()[0])
    with pytest.raises(SetupError, match="old or missing"):
        schema.require_head(engine)
    command.upgrade(configured(empty_database), "head")
    schema.require_head(engine)
    engine.dispose()

    assert "evidence migrate" in missing.value.next_step


def test_a_schema_newer_than_the_program_is_refused(database: Database) -> None:
    with psycopg.connect(driver_url(database.owner_url)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '29991231_0000'")
    engine = connect(database.app_url)

    with pytest.raises(SetupError, match="newer"):
        schema.require_head(engine)
    with pytest.raises(SetupError, match="newer"):
        schema.pending(engine)
    engine.dispose()


def test_the_application_may_not_own_the_tables(empty_database: Database) -> None:
    with pytest.raises(SetupError, match="same database role"):
        schema.upgrade(empty_database.app_url, app_role=APP_ROLE, origin=ORIGIN)


def test_of_two_runners_one_waits_and_finds_nothing_to_do(empty_database: Database) -> None:
    """Two upgrades at once on an empty database: without the lock one fails on tables the other has just made."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            schema.upgrade(empty_database.owner_url, app_role=APP_ROLE, origin=ORIGIN)
        except BaseException as error:  # noqa: BLE001 - handed to the assertion below
            failed.append(error)

    holder = psycopg.connect(driver_url(empty_database.owner_url))
    holder.execute("SELECT pg_advisory_lock(%s)", [0x65766964656E6365])
    runner = threading.Thread(target=run)
    runner.start()
    runner.join(1.5)
    assert runner.is_alive(), "a runner must wait while another holds the lock"
    holder.close()
    runner.join()
    run()

    assert failed == []


def test_the_installation_gets_a_name_when_none_is_chosen(empty_database: Database) -> None:
    schema.upgrade(empty_database.owner_url, app_role=APP_ROLE)
    engine = create_engine(empty_database.app_url)
    with engine.connect() as connection:
        name = connection.scalar(text("SELECT origin FROM custody_origin"))
    engine.dispose()

    assert re.fullmatch(r"evidence\.local/[0-9a-f]{16}", name)


@pytest.mark.parametrize("version", [15, 16])
def test_older_servers_take_all_steps_and_append(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int) -> None:
    try:
        folder = cluster.programs(version)
    except SetupError:
        left_out(f"PostgreSQL {version} is not installed")
    monkeypatch.setattr(cluster, "_candidates", lambda: [(version, folder)])

    with postgres.attached(tmp_path) as old:
        schema.upgrade(old.owner_url, app_role=APP_ROLE, origin=ORIGIN)
        with psycopg.connect(driver_url(old.app_url)) as connection:
            assert connection.info.server_version // 10_000 == version
            for key in ("a", "b", "a"):
                connection.execute("SELECT custody_append(ARRAY['_keys'], ARRAY[%s], ARRAY['{}'])", [key])
            kept = rows(connection)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("DELETE FROM custody_record")
    assert len(kept) == 2
    assert faults(kept) == set()
