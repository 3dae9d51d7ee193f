"""How fast custody appends, against raw INSERTs of the same rows committed on the same server.

    python -m bench.custody

Every client is a process with a connection of its own, so that Python's lock is not measured; each
transaction is BEGIN, one statement, COMMIT, for the yardstick and for us.  The clients take short
turns between yardstick and ours, all at the same time, and each figure is the median over the rounds.
"""

import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from evidence import custody
from evidence.custody import ledger
from evidence.database import connect, sessions, unit_of_work
from evidence.engines import postgres, schema
from evidence.engines.cluster import APP_ROLE
from evidence.engines.postgres import Cluster
from evidence.proof import record
from tests.support.custody import faults, rows, signed_in
from tests.support.database import ORIGIN, driver_url

ROUNDS = 24
SECONDS = 0.3
"""How long yardstick and ours go in one round: short, so that both meet the same machine."""

BULK = 100
"""Events in one transaction."""

RAW_TABLE = """
CREATE TABLE bench_record (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chain text NOT NULL, seq bigint NOT NULL, h bytea NOT NULL, raw bytea NOT NULL, key text NOT NULL,
    UNIQUE (chain, seq), UNIQUE (chain, key)
)
"""

Turn = Callable[[], int]
"""One transaction; returns how many events it entered."""

Client = Callable[[str], AbstractContextManager[Turn]]
"""Opens what one client needs at this address, and gives its turn."""


def a_body() -> str:
    """The body of an ordinary event, some 500 bytes."""
    return ledger.draft(signed_in()).body


@contextmanager
def raw_insert(url: str) -> Iterator[Turn]:
    """The yardstick: the same bytes, as a row of the same table with the same indexes, nothing computed."""
    raw = record.CustodyRecord(
        ORIGIN, f"item/{uuid4()}", 1, bytes(32), "2026-03-02T12:00:00.000000Z", a_body().encode()
    ).write()
    chain = f"item/{uuid4()}"
    with psycopg.connect(driver_url(url)) as connection:
        number = 0

        def turn() -> int:
            nonlocal number
            number += 1
            connection.execute(
                "INSERT INTO bench_record (chain, seq, h, raw, key) VALUES (%s, %s, %s, %s, %s) RETURNING id",
                [chain, number, bytes(32), raw, uuid4().hex],
            ).fetchone()
            connection.commit()
            return 1

        yield turn


@contextmanager
def append_by_driver(url: str, *, chain: str | None = None, events: int = 1) -> Iterator[Turn]:
    """Ours by the driver: the statement that appends, to a chain of the client's own unless one is given."""
    body = a_body()
    own = chain or f"item/{uuid4()}"
    with psycopg.connect(driver_url(url)) as connection:

        def turn() -> int:
            keys = [uuid4().hex for _ in range(events)]
            asked = {"chains": [own] * events, "keys": keys, "bodies": [body] * events}
            connection.execute(
                ledger.APPEND, {name: ledger.array_of(texts) for name, texts in asked.items()}
            ).fetchall()
            connection.commit()
            return events

        yield turn


@contextmanager
def record_by_session(url: str, *, act: bool = False) -> Iterator[Turn]:
    """Ours as a use case does it: a unit of work, `custody.record`, two disclosures salted and kept.

    With `act` the unit of work has a statement of its own, the least there is, and so is more than one.
    """
    engine = connect(url)
    make_session = sessions(engine)
    account = uuid4()

    def turn() -> int:
        with unit_of_work(make_session) as session:
            if act:
                session.connection().exec_driver_sql("SELECT 1")
            custody.record(session, signed_in(account))
        return 1

    yield turn
    engine.dispose()


def compare(name: str, ours: Client, url: str, *, clients: int, target: float | None) -> dict[str, Any]:
    """Let so many clients take turns between yardstick and ours, and return a row of the table."""
    fork = multiprocessing.get_context("fork")
    ready, counted = fork.Barrier(clients), fork.SimpleQueue()
    processes = [fork.Process(target=_work, args=(ours, url, ready, counted)) for _ in range(clients)]
    for process in processes:
        process.start()
    of_clients: list[list[tuple[float, float]]] = [counted.get() for _ in processes]
    for process in processes:
        process.join()
    rounds = [tuple(map(sum, zip(*of_round, strict=True))) for of_round in zip(*of_clients, strict=True)]
    yardstick = statistics.median(yardstick for yardstick, _ in rounds)
    return {
        "name": name,
        "value": round(statistics.median(rate for _, rate in rounds)),
        "unit": "events/s",
        "ratio": round(statistics.median(rate / yardstick for yardstick, rate in rounds), 2),
        "yardstick": f"raw INSERT commits, {clients} clients: {round(yardstick)}/s",
        "target": target,
    }


def _work(ours: Client, url: str, ready: Barrier, counted: Any) -> None:
    """Be one client; report events a second of yardstick and ours in every round."""
    with raw_insert(url) as yardstick_turn, ours(url) as our_turn:
        for _ in range(10):  # prepared statements, warm caches
            yardstick_turn()
            our_turn()
        counted.put([(_rate(yardstick_turn, ready), _rate(our_turn, ready)) for _ in range(ROUNDS)])


def _rate(turn: Turn, ready: Barrier) -> float:
    ready.wait()
    begun, done = time.monotonic(), 0
    while time.monotonic() < begun + SECONDS:
        done += turn()
    return done / (time.monotonic() - begun)


@contextmanager
def _cluster() -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory() as home, postgres.attached(Path(home)) as cluster:
        schema.upgrade(cluster.owner_url, app_role=APP_ROLE, origin=ORIGIN)
        with psycopg.connect(driver_url(cluster.owner_url)) as connection:
            connection.execute(RAW_TABLE)
            connection.execute(f"GRANT SELECT, INSERT ON bench_record TO {APP_ROLE}")
        yield cluster


def run() -> list[dict[str, Any]]:
    """Measure the four rows on appending of the table of targets, and an act with its record; some two minutes."""
    with _cluster() as cluster:
        url = cluster.app_url
        hot = partial(append_by_driver, chain=f"item/{uuid4()}")
        found = [
            *(
                compare(
                    f"append by the driver, distinct items, {clients} clients",
                    append_by_driver,
                    url,
                    clients=clients,
                    target=0.50,
                )
                for clients in (8, 32)
            ),
            *(
                compare(
                    f"append through a session, distinct chains, {clients} clients",
                    record_by_session,
                    url,
                    clients=clients,
                    target=0.30,
                )
                for clients in (8, 32)
            ),
            compare(
                "append through a session after another statement, 8 clients",
                partial(record_by_session, act=True),
                url,
                clients=8,
                target=None,
            ),
            compare("append to one hot item, 8 clients", hot, url, clients=8, target=0.10),
            compare(
                f"bulk append, {BULK} events a transaction, 1 client",
                partial(append_by_driver, events=BULK),
                url,
                clients=1,
                target=4.0,
            ),
        ]
        with psycopg.connect(driver_url(url)) as connection:
            wrong = faults(rows(connection))
        found.append(
            {
                "name": "forks, gaps and other faults in all of these chains",
                "value": len(wrong),
                "unit": "kinds of fault",
                "ratio": None,
                "yardstick": ", ".join(sorted(wrong)) or "none",
                "target": 0,
            }
        )
    return found


if __name__ == "__main__":
    json.dump(run(), sys.stdout, indent=2)
    print()
