"""Connections that the server has closed are never handed out; what only reads begins and writes nothing."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import create_engine, func, select, text, update
from sqlalchemy.exc import OperationalError

from evidence import database
from evidence.database import DatabaseAwayError, Sessions, close, connect, execute_alone, reading, unit_of_work
from evidence.database import sessions as session_factory
from evidence.ingest.models import Upload
from tests.support.database import Database, driver_url


def close_all(kept: Database) -> None:
    """Let the server end every connection of the application."""
    with psycopg.connect(driver_url(kept.superuser_url)) as administrator:
        administrator.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_a_unit_of_work_after_a_restart_gets_a_fresh_connection(sessions: Sessions, database: Database) -> None:
    for _ in range(2):
        with unit_of_work(sessions) as first, unit_of_work(sessions) as second:
            assert (first.scalar(text("SELECT 1")), second.scalar(text("SELECT 1"))) == (1, 1)
        close_all(database)


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_the_first_and_the_last_instant_can_be_read_wherever_the_server_stands(database: Database, zone: str) -> None:
    with psycopg.connect(driver_url(database.superuser_url), autocommit=True) as administrator:
        administrator.execute(f"ALTER DATABASE {administrator.info.dbname} SET timezone TO '{zone}'")
    engine = connect(database.app_url, for_system=True)
    instants = "SELECT timestamptz '0001-01-01 00:00:00+00', timestamptz '9999-12-31 23:59:59.999999+00'"
    with unit_of_work(session_factory(engine)) as session:
        first, last = session.execute(text(instants)).one()
    engine.dispose()

    assert (first, last) == (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


def test_a_connection_that_is_well_is_used_again(sessions: Sessions) -> None:
    backends = set()
    for _ in range(3):
        with unit_of_work(sessions) as session:
            backends.add(session.scalar(text("SELECT pg_backend_pid()")))

    assert len(backends) == 1


def test_an_engine_that_does_not_look_hands_out_a_dead_connection(empty_database: Database) -> None:
    """The control."""
    engine = create_engine(empty_database.app_url)
    careless = database.sessions(engine)
    with unit_of_work(careless) as session:
        session.execute(text("SELECT 1"))
    close_all(empty_database)

    with careless() as session, pytest.raises(OperationalError):
        session.execute(text("SELECT 1"))
    engine.dispose()


@pytest.mark.parametrize("is_closed_for_good", [True, False])
def test_a_closed_engine_keeps_no_connection_whoever_is_late(database: Database, is_closed_for_good: bool) -> None:
    engine = connect(database.app_url, for_system=True)
    make_session = session_factory(engine)
    with unit_of_work(make_session) as late:
        late.execute(text("SELECT 1"))
        mine = late.connection().connection.driver_connection
        assert mine is not None
        close(engine) if is_closed_for_good else engine.dispose()
    kept = not mine.closed
    mine.close()  # the control's is still open, and its pool is nobody's any more

    assert kept is not is_closed_for_good
    if is_closed_for_good:
        with pytest.raises(DatabaseAwayError), unit_of_work(make_session) as later:
            later.execute(text("SELECT 1"))
    else:
        with unit_of_work(make_session) as later:
            later.execute(text("SELECT 1"))
        engine.dispose()


def test_reading_takes_part_in_no_transaction(sessions: Sessions) -> None:
    ids = set()
    with reading(sessions) as session:
        ids |= {session.scalar(select(func.pg_current_xact_id_if_assigned())) for _ in range(2)}
        begun = {session.scalar(select(func.transaction_timestamp() - func.statement_timestamp())) for _ in range(2)}
    with unit_of_work(sessions) as session:
        session.scalar(select(1))
        older = session.scalar(select(func.transaction_timestamp() < func.statement_timestamp()))

    assert ids == {None}
    assert {each.total_seconds() for each in begun if each is not None} == {0.0}
    assert older, "the control: a unit of work is one transaction"


def test_reading_refuses_to_write(sessions: Sessions) -> None:
    with pytest.raises(RuntimeError, match="only reads"), reading(sessions) as session:
        session.execute(update(Upload).values(wanted=True))
    with pytest.raises(RuntimeError, match="only reads"), reading(sessions) as session:
        session.add(Upload())


def test_a_connection_that_was_read_by_serves_units_of_work_again(sessions: Sessions) -> None:
    with reading(sessions) as session:
        backend = session.scalar(select(func.pg_backend_pid()))
    with unit_of_work(sessions) as session:
        assert session.scalar(select(func.pg_backend_pid())) == backend
        first = session.scalar(select(func.transaction_timestamp()))
        assert session.scalar(select(func.transaction_timestamp())) == first


class Somebody:
    id = uuid4()
    agency_id = uuid4()


def questions(sessions: Sessions, folder: Path, by: Somebody | None) -> int:
    """Count how often a unit of work with one statement asks the server and waits for it."""
    with (folder / "trace").open("w+") as trace:
        with unit_of_work(sessions, by=by) as session:
            driver = session.connection().connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            driver.rollback()
            driver.pgconn.trace(trace.fileno())
            session.rollback()
            session.execute(text("SELECT 1"))
        driver.pgconn.untrace()
        trace.seek(0)
        return trace.read().count("ReadyForQuery")


def test_to_say_for_whom_is_no_question_more(sessions: Sessions, tmp_path: Path) -> None:
    assert questions(sessions, tmp_path, Somebody()) == questions(sessions, tmp_path, None) == 3


def test_what_is_done_by_somebody_does_not_stand_alone(sessions: Sessions) -> None:
    with pytest.raises(RuntimeError, match="is a transaction"), unit_of_work(sessions, by=Somebody()) as session:
        session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})


@pytest.mark.parametrize("for_system", [False, True])
def test_only_a_connection_for_the_system_acts_for_it(database: Database, for_system: bool) -> None:
    with psycopg.connect(driver_url(database.superuser_url), autocommit=True) as administrator:
        administrator.execute(f"ALTER DATABASE {administrator.info.dbname} SET evidence.acting TO 'system'")
    engine = connect(database.app_url, for_system=for_system)
    with unit_of_work(session_factory(engine)) as session:
        acting = session.scalar(text("SELECT current_setting('evidence.acting', true)"))
    engine.dispose()

    assert acting == ("system" if for_system else "")


XACT = text("SELECT pg_current_xact_id()::text")
STATUS = text("SELECT pg_xact_status(CAST(:xact AS xid8))")


def test_a_statement_alone_is_committed_when_it_is_answered(sessions: Sessions) -> None:
    [(xact,)] = execute_alone(sessions, XACT)

    assert list(execute_alone(sessions, STATUS.bindparams(xact=xact))) == [("committed",)]


def test_a_connection_that_stood_alone_serves_units_of_work_again(sessions: Sessions) -> None:
    [(backend,)] = execute_alone(sessions, select(func.pg_backend_pid()))

    with unit_of_work(sessions) as session:
        assert session.scalar(select(func.pg_backend_pid())) == backend
        xact = session.scalar(XACT)
        session.rollback()
    assert list(execute_alone(sessions, STATUS.bindparams(xact=xact))) == [("aborted",)]


def read_while(sessions: Sessions, happens: Callable[[], None]) -> None:
    with reading(sessions) as session:
        session.scalar(select(1))
        happens()
        session.scalar(select(1))


def test_a_database_that_is_away_is_told_to_whoever_reads(sessions: Sessions, database: Database) -> None:
    with pytest.raises(DatabaseAwayError):
        read_while(sessions, lambda: close_all(database))


def test_a_database_that_breaks_off_is_told_to_whoever_has_a_statement_alone(sessions: Sessions) -> None:
    with pytest.raises(DatabaseAwayError):
        execute_alone(sessions, text("SELECT pg_terminate_backend(pg_backend_pid())"))
