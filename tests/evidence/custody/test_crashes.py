"""R-2: PostgreSQL dies at once, again and again, under eight writers; nothing that was acknowledged is lost.

The control runs the same writers with commits that are not durable, and must lose some.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from evidence.engines import postgres, schema
from evidence.engines.cluster import APP_ROLE
from evidence.engines.postgres import Cluster
from tests.support.custody import faults, rows
from tests.support.database import ORIGIN, driver_url

WRITERS = 8
CHAINS = [f"item/{uuid4()}" for _ in range(3)]
BETWEEN_CRASHES = 120
"""Acknowledged appends before the server is killed again."""


@dataclass
class Ledger:
    """What the writers were told."""

    url: str
    acknowledged: dict[str, tuple[str, int]] = field(default_factory=dict)
    in_doubt: set[str] = field(default_factory=set)
    had_happened: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def write(self, writer: int) -> None:
        """Append until stopped, sending every request again, under its key, until it is acknowledged."""
        waiting = (f"{writer}-{number}" for number in count())
        key = next(waiting)
        while not self.stop.is_set():
            with suppress(psycopg.OperationalError), psycopg.connect(self.url) as connection:
                while not self.stop.is_set():
                    self.append(connection, key)
                    key = next(waiting)
            time.sleep(0.01)

    def append(self, connection: psycopg.Connection, key: str) -> None:
        chain = CHAINS[hash(key) % len(CHAINS)]
        row = connection.execute(
            "SELECT seq, repeated FROM custody_append(%s, %s, %s)", [[chain], [key], ["{}"]]
        ).fetchone()
        assert row is not None
        seq, repeated = row
        self.in_doubt.add(key)
        connection.commit()
        self.in_doubt.discard(key)
        self.had_happened += repeated
        self.acknowledged[key] = (chain, seq)


@pytest.fixture
def crashing(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of one's own, whose log writer is too lazy to save what nobody waits for."""
    with postgres.attached(tmp_path) as cluster:
        schema.upgrade(cluster.owner_url, app_role=APP_ROLE, origin=ORIGIN)
        with psycopg.connect(driver_url(cluster.superuser_url), autocommit=True) as administrator:
            administrator.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
            administrator.execute("SELECT pg_reload_conf()")
        yield cluster


def crash_under_writers(cluster: Cluster, *, crashes: int) -> Ledger:
    ledger = Ledger(driver_url(cluster.app_url))
    writers = [threading.Thread(target=ledger.write, args=(number,)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(crashes):
            enough = len(ledger.acknowledged) + BETWEEN_CRASHES
            wait_until(partial(acknowledged, ledger, enough))
            crash(cluster)
    finally:
        ledger.stop.set()
        for writer in writers:
            writer.join()
    return ledger


def acknowledged(ledger: Ledger, enough: int) -> bool:
    return len(ledger.acknowledged) >= enough


def crash(cluster: Cluster) -> None:
    """Let the server stop at once, as if the power had gone, and wait until it is back."""
    killed = server_pid(cluster)
    assert killed is not None
    os.kill(killed, signal.SIGQUIT)
    wait_until(lambda: server_pid(cluster) not in (None, killed) and answers(cluster))


def answers(cluster: Cluster) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(driver_url(cluster.app_url)):
        return True
    return False


def wait_until(claim: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not claim():
        assert time.monotonic() < until
        time.sleep(0.01)


def server_pid(cluster: Cluster) -> int | None:
    with suppress(FileNotFoundError, IndexError):
        return int((cluster.files.data / "postmaster.pid").read_text().split()[0])
    return None


def lost(cluster: Cluster, ledger: Ledger) -> set[str]:
    """Acknowledged requests whose record is not where they were told."""
    with psycopg.connect(driver_url(cluster.app_url)) as connection:
        kept = connection.execute("SELECT key, chain, seq FROM custody_record").fetchall()
    found = {key: (chain, seq) for key, chain, seq in kept}
    return {key for key, place in ledger.acknowledged.items() if found.get(key) != place}


def test_five_crashes_lose_fork_and_double_nothing(crashing: Cluster) -> None:
    ledger = crash_under_writers(crashing, crashes=5)

    with psycopg.connect(driver_url(crashing.app_url)) as connection:
        kept = rows(connection)
        keys = [key for (key,) in connection.execute("SELECT key FROM custody_record")]
    assert len(ledger.acknowledged) >= 5 * BETWEEN_CRASHES
    assert lost(crashing, ledger) == set()
    assert faults(kept) == set()
    assert len(keys) == len(set(keys))
    assert set(keys) - ledger.acknowledged.keys() <= ledger.in_doubt


def test_the_same_crashes_lose_what_was_not_made_durable(crashing: Cluster) -> None:
    with psycopg.connect(driver_url(crashing.superuser_url)) as administrator:
        administrator.execute(sql.SQL("ALTER ROLE {} SET synchronous_commit = off").format(sql.Identifier(APP_ROLE)))

    ledger = crash_under_writers(crashing, crashes=2)

    assert lost(crashing, ledger)
