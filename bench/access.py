"""What a decision costs, what a token with a decision costs, a page of a long list, and reading an item over HTTP.

    python -m bench.access

The yardstick of the decision is a look into a dictionary of as many entries; that of the token is its check alone;
that of the page is the same page where there are 10,000 items; that of reading an item is a route of FastAPI that
does nothing.  All but the last are in processor time, of the page also the database's: it is the same on a busy
machine.  The page is the database's and the rules' part of it, behind the second wall, as the route asks for it.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from socket import socket
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import func, select

from auth import units
from auth.models import Account, Agency
from auth.principals import Principal
from bench.bare import SIZE
from bench.ingest import receiving
from bench.wall import microseconds
from evidence import access
from evidence.access import reach, scope
from evidence.cases import assignments, opening, referrals
from evidence.database import execute_alone, unit_of_work
from evidence.engines import postgres
from evidence.engines.postgres import Cluster
from evidence.items import search
from evidence.room import Room
from tests.evidence.access.worlds import ACTIONS, NOW, REASONS, drawn
from tests.support.builders import an_item_on_the_books
from tests.support.database import Database, database_from, driver_url, migrated_template
from tests.support.people import a_person
from tests.support.rooms import room_for

ROUNDS = 15
WARM, READS = 30, 200
FEW, MANY = 10_000, 1_000_000
OWN = 500
"""Items of the officer who asks, among all of them: spread evenly."""


def run() -> list[dict[str, Any]]:
    """Measure; some five minutes, most of them for making a million items."""
    with tempfile.TemporaryDirectory() as folder, postgres.attached(Path(folder)) as cluster:
        return [deciding(), *paging(cluster, Path(folder)), *watching(Path(folder) / "watching")]


def deciding() -> dict[str, Any]:
    """Measure decisions on worlds and actions drawn at random."""
    choose = Random(1)
    worlds = [drawn(choose) for _ in range(2000)]
    asked = [
        (world.principal(), action, world.thing(action), REASONS[world.reason], world.approved)
        for world, action in zip(worlds, [choose.choice(ACTIONS) for _ in worlds], strict=True)
    ]
    table = {(who, what): True for who, what, *_ in asked}

    def decide() -> None:
        for who, what, thing, reason, approved in asked:
            access.allow(who, what, thing, at=NOW, reason=reason, approved=approved)

    def look_up() -> None:
        for who, what, *_ in asked:
            table[who, what]

    ours, yardstick = _seconds(decide) / len(asked), _seconds(look_up) / len(asked)
    return {
        "name": "one decision",
        "value": ours * 1e6,
        "unit": "us of processor",
        "ratio": ours / yardstick,
        "yardstick": f"a look into a dictionary by principal and action ({yardstick * 1e6:.2f} us)",
        "target": "5 us",
    }


def paging(cluster: Cluster, folder: Path) -> Iterator[dict[str, Any]]:
    """Measure a token with a decision, and the first page of 50 among few and among many, for three roles."""
    found: dict[int, dict[str, float]] = {}
    with migrated_template(cluster) as template:
        for count in (FEW, MANY):
            with database_from(cluster, template) as database, room_for(database, folder / str(count)) as room:
                officer = a_person(room, "officer", badge="4711")
                people = {"an officer": officer.principal, **_fill(room, database, count)}
                [(backend,)] = execute_alone(room.sessions, select(func.pg_backend_pid()))
                found[count] = {
                    name: microseconds(partial(_page, room, principal), backend) for name, principal in people.items()
                }
                print(f"-- {count:,} items\n{_plan(room, officer.principal)}")
                if count == FEW:
                    yield _token(room, officer.headers["Authorization"].partition(" ")[2])
    for name, many in found[MANY].items():
        few = found[FEW][name]
        yield {
            "name": f"a page of 50 for {name} among {MANY:,} items",
            "value": many / 1000,
            "unit": "ms of processor",
            "ratio": many / few,
            "yardstick": f"the same among {FEW:,} ({few / 1000:.2f} ms)",
            "target": "at most 3 times",
        }


def _token(room: Room, token: str) -> dict[str, Any]:
    """Measure the check of a token and a decision on top, without the database's answer who that is."""
    world = drawn(Random(2))
    who, what, thing = world.principal(), ACTIONS[5], world.thing(ACTIONS[5])

    def check() -> None:
        for _ in range(200):
            room.tokens.verifier.verify(token, at=room.clock())

    def check_and_decide() -> None:
        for _ in range(200):
            room.tokens.verifier.verify(token, at=room.clock())
            access.allow(who, what, thing, at=NOW, reason="why")

    ours, yardstick = _seconds(check_and_decide) / 200, _seconds(check) / 200
    return {
        "name": "a token and a decision",
        "value": ours * 1000,
        "unit": "ms of processor",
        "ratio": ours / yardstick,
        "yardstick": f"the token alone ({yardstick * 1000:.3f} ms)",
        "target": "0.25 ms",
    }


def _page(room: Room, principal: Principal) -> None:
    with unit_of_work(room.sessions, by=principal) as session:
        now = room.clock()
        items = search.page(session, scope.visible_items(principal, at=now), after=None, limit=50)
        things = reach.things(session, items, at=now)
        shown = [access.allow(principal, "evidence.list", things[each.id], at=now) for each in items]
        assert len(shown) == 50


def _plan(room: Room, principal: Principal) -> str:
    with unit_of_work(room.sessions, by=principal) as session:
        statement = scope.visible_items(principal, at=room.clock()).order_by("id").limit(50)
        compiled = statement.compile(session.connection(), compile_kwargs={"literal_binds": True})
        explain = f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {compiled}".replace("%", "%%")
        rows = session.connection().exec_driver_sql(explain)
        return "\n".join(row[0] for row in rows)


def _fill(room: Room, database: Database, count: int) -> dict[str, Principal]:
    """Have so many items, copied from one that was registered; return who sees them by their unit or by a case.

    Every so many are the officer's, one in fifty is of the supervisor's unit, and OWN belong to a referred case.
    """
    other, technician = (a_person(room, role).principal for role in ("officer", "evidence_tech"))
    supervisor = a_person(room, "supervisor").principal
    attorney = a_person(room, "prosecutor", agency="City Attorney of Riverbend").principal
    by: dict[str, Any] = {"by": technician, "at": room.clock(), "request_id": "bench"}
    with unit_of_work(room.sessions) as session:
        first = an_item_on_the_books(session, room, other, officer_badge="0815").id
        unit = units.found(session, room.recorder, "Precinct 1", **by)
        units.join(session, room.recorder, unit, session.get_one(Account, supervisor.id), supervises=True, **by)
        case = opening.open_for(
            session, technician, number="26-1", title="State v. Marsh", at=by["at"], request_id=by["request_id"]
        )
        referrals.make(session, case, session.get_one(Agency, attorney.agency_id), due_on=None, **by)
        lead = session.get_one(Account, attorney.id)
        assignments.make(session, case, lead, capacity="lead", **(by | {"by": attorney}))
    _copy(database, first, count, unit=unit.id, case=case.id)
    return {"a supervisor": supervisor, "a prosecutor": attorney}


def _copy(database: Database, first: UUID, count: int, *, unit: UUID, case: UUID) -> None:
    with psycopg.connect(driver_url(database.superuser_url), autocommit=True) as connection:
        columns = [
            row[0]
            for row in connection.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = 'evidence_item'"
            )
        ]
        made = {
            "id": "gen_random_uuid()",
            "number": "'B-' || n",
            "sha256": "sha256(n::text::bytea)",
            "officer_badge": f"CASE WHEN mod(n, {count // OWN}) = 0 THEN '4711' ELSE 'b' || mod(n, 400) END",
            "received_from_id": "gen_random_uuid()",
            "incident": "'26-' || n",
            "unit_id": f"CASE WHEN mod(n, 50) = 0 THEN '{unit}'::uuid END",
        }
        listed = ", ".join(columns)
        values = ", ".join(made.get(name, f"e.{name}") for name in columns)
        connection.execute(
            f"INSERT INTO evidence_item ({listed}) SELECT {values} FROM evidence_item e, "
            f"generate_series(1, {count}) n WHERE e.id = %s",
            [first],
        )
        connection.execute(
            "INSERT INTO exhibit (id, case_id, item_id, number, linked_at) "
            "SELECT gen_random_uuid(), %s, id, row_number() OVER (), now() "
            "FROM (SELECT id FROM evidence_item ORDER BY sha256 LIMIT %s) linked",
            [case, OWN],
        )
        connection.execute("VACUUM ANALYZE")


def watching(folder: Path) -> Iterator[dict[str, Any]]:
    """Measure reading an item over HTTP, its intent committed in the chain of custody first, beside a bare route.

    One read is what a player does at the least: begin a viewing, then have the bytes, each a request of its own.
    The bare route gives as many bytes, from a server of the same kind, in turns with ours over one kept connection.
    """
    with receiving(folder) as receiver, _bare(folder / "bare.log") as bare:
        file = folder / "footage"
        file.write_bytes(bytes(SIZE))
        receiver.send(file, receiver.open(SIZE, sha256(file.read_bytes()).hexdigest()))
        ours = HTTPConnection("127.0.0.1", receiver.server.port)
        [item] = json.loads(_ask(ours, "GET", "/api/v1/items", receiver.headers))["items"]
        begun: list[str] = []

        def begin() -> None:
            begun.append(
                json.loads(_ask(ours, "POST", f"/api/v1/items/{item['id']}/viewings", receiver.headers))["footage"]
            )

        def have() -> None:
            assert len(_ask(ours, "GET", begun.pop(), receiver.headers)) == SIZE

        def plain() -> None:
            assert len(_ask(bare, "GET", "/healthz", {})) == SIZE

        turns = {begin: [0.0], have: [0.0], plain: [0.0]}
        for _ in range(WARM + READS):
            for turn, taken in turns.items():
                began = time.perf_counter()
                turn()
                taken.append(time.perf_counter() - began)
        beginning, having, yardstick = (statistics.median(taken[-READS:]) for taken in turns.values())
    for name, seconds, target in (
        ("an item read: viewing entered in its chain, then the bytes", beginning + having, "at least 0.10"),
        ("of that: viewing begun and committed", beginning, None),
        ("of that: the bytes", having, None),
    ):
        yield {
            "name": name,
            "value": seconds * 1000,
            "unit": "ms",
            "ratio": yardstick / seconds,
            "yardstick": f"a bare route of FastAPI that answers {SIZE >> 10} KiB ({yardstick * 1000:.2f} ms)",
            "target": target,
        }


@contextmanager
def _bare(log: Path) -> Iterator[HTTPConnection]:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    quietly = ["--port", str(port), "--log-level", "warning", "--no-access-log"]
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "bench.bare:app", *quietly], stdout=out, stderr=out
        )
    try:
        connection = HTTPConnection("127.0.0.1", port)
        deadline = time.monotonic() + 60
        while True:
            try:
                _ask(connection, "GET", "/healthz", {})
                break
            except ConnectionError:
                connection.close()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
        yield connection
    finally:
        process.kill()
        process.wait()


def _ask(connection: HTTPConnection, method: str, path: str, headers: Mapping[str, str]) -> bytes:
    connection.request(method, path, headers=dict(headers))
    answer = connection.getresponse()
    said = answer.read()
    assert answer.status < 300, said
    return said


def _seconds(act: Callable[[], None]) -> float:
    act()
    rounds = []
    for _ in range(ROUNDS):
        began = time.thread_time()
        act()
        rounds.append(time.thread_time() - began)
    return statistics.median(rounds)


if __name__ == "__main__":
    for row in run():
        print(row)
