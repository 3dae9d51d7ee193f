"""A pooled connection that the server has closed is never handed to a unit of work."""

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from evidence import database
from evidence.database import Sessions, unit_of_work
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
