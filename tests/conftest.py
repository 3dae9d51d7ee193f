"""What tests of all parts share: a real database, sessions on it, a clock that stands."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from argon2 import PasswordHasher
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from auth import passwords
from evidence.database import Sessions, close, connect, unit_of_work
from evidence.database import sessions as session_factory
from evidence.engines import postgres
from evidence.engines.postgres import Cluster
from evidence.room import Room
from tests.support.application import application_over
from tests.support.clock import FixedClock
from tests.support.database import Database, database_from, migrated_template
from tests.support.left_out import LEFT_OUT
from tests.support.rooms import room_for

pytest_plugins = ["tests.support.s3"]

# What an unconfigured structlog does with an exception, every local variable laid out in colours, takes up to a
# minute where whole objects are among them. The program itself never logs so (evidence/cli/logs.py).
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the journeys first: they take longest, and one begun last would be waited for alone."""
    items.sort(key=lambda item: not item.nodeid.startswith("tests/journeys/"))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One embedded PostgreSQL for the whole run."""
    with postgres.attached(tmp_path_factory.mktemp("home")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def template(cluster: Cluster) -> Iterator[str]:
    """The name of a database at head; never written to, only copied."""
    with migrated_template(cluster) as name:
        yield name


@pytest.fixture
def empty_database(cluster: Cluster) -> Iterator[Database]:
    """A database without any table."""
    with database_from(cluster, "template0") as database:
        yield database


@pytest.fixture
def database(cluster: Cluster, template: str) -> Iterator[Database]:
    """A database at head of one's own; commits are welcome."""
    with database_from(cluster, template) as database:
        yield database


@pytest.fixture
def sessions(database: Database) -> Iterator[Sessions]:
    """Sessions of the application on a database of one's own."""
    engine = connect(database.app_url, for_system=True)
    yield session_factory(engine)
    close(engine)


@pytest.fixture(scope="session")
def _shared_sessions(cluster: Cluster, template: str) -> Iterator[Sessions]:
    with database_from(cluster, template) as database:
        engine = connect(database.app_url, for_system=True)
        yield session_factory(engine)
        close(engine)


@pytest.fixture
def session(_shared_sessions: Sessions) -> Iterator[Session]:
    """One unit of work of the application, rolled back at the end. Quicker than `sessions`."""

    class EndError(Exception):
        pass

    with suppress(EndError), unit_of_work(_shared_sessions) as session:
        yield session
        raise EndError


@pytest.fixture
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests that cost little, for tests that make hundreds; tests/auth/test_passwords.py has the real ones."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    monkeypatch.setattr(passwords, "NOBODY", passwords.digest("nobody knows this one"))


@pytest.fixture
def clock() -> FixedClock:
    """A clock that says NOON until it is moved."""
    return FixedClock(NOON)


@pytest.fixture
def room(database: Database, tmp_path: Path) -> Iterator[Room]:
    """A whole installation: database and local store of one's own, keys, the system's clock."""
    with room_for(database, tmp_path / "home") as room:
        yield room


@pytest.fixture
def client(room: Room) -> Iterator[TestClient]:
    """The server's application over the room, spoken to over HTTP without a network."""
    with TestClient(application_over(room)) as client:
        yield client


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what was left out to whoever runs this process, when the run is spread over several."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = sorted(LEFT_OUT)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what one process of several left out."""
    LEFT_OUT.update(getattr(node, "workeroutput", {}).get("left_out", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say aloud what was left out."""
    if LEFT_OUT:
        terminalreporter.section("left out")
        for reason in sorted(LEFT_OUT):
            terminalreporter.line(reason)
