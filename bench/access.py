"""What a decision costs, what a token with a decision costs, and a page of a long list against a short one.

    python -m bench.access

The yardstick of the decision is a look into a dictionary of as many entries; that of the token is the bare check
of its signature; that of the page is the same page where there are 10,000 items.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import psycopg

from auth.principals import Principal
from evidence import access
from evidence.access import reach, scope
from evidence.database import reading, unit_of_work
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
FEW, MANY = 10_000, 1_000_000
OWN = 500
"""Items of the officer who asks, among all of them: spread evenly."""


def run() -> list[dict[str, Any]]:
    """Measure; some three minutes, most of them for making a million items."""
    with tempfile.TemporaryDirectory() as folder, postgres.attached(Path(folder)) as cluster:
        return [deciding(), *paging(cluster, Path(folder))]


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
        "unit": "us",
        "ratio": ours / yardstick,
        "yardstick": f"a look into a dictionary by principal and action ({yardstick * 1e6:.2f} us)",
        "target": "5 us",
    }


def paging(cluster: Cluster, folder: Path) -> list[dict[str, Any]]:
    """Measure a token with a decision, and the first page of 50 of an officer's items, among few and among many."""
    found: dict[int, tuple[float, str]] = {}
    with migrated_template(cluster) as template:
        for count in (FEW, MANY):
            with database_from(cluster, template) as database, room_for(database, folder / str(count)) as room:
                officer = a_person(room, "officer", badge="4711")
                _fill(room, database, officer.principal, count)
                seconds = _seconds(lambda: _page(room, officer.principal))  # noqa: B023  # called in this round
                found[count] = seconds, _plan(room, officer.principal)
                if count == FEW:
                    token = _token(room, officer.headers["Authorization"].partition(" ")[2])
    few, many = found[FEW][0], found[MANY][0]
    for count, (_, plan) in found.items():
        print(f"-- {count:,} items\n{plan}")
    return [
        token,
        {
            "name": f"a page of 50 for an officer among {MANY:,} items",
            "value": many * 1000,
            "unit": "ms",
            "ratio": many / few,
            "yardstick": f"the same among {FEW:,} ({few * 1000:.2f} ms)",
            "target": "at most 3 times",
        },
    ]


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
        "unit": "ms",
        "ratio": ours / yardstick,
        "yardstick": f"the token alone ({yardstick * 1000:.3f} ms)",
        "target": "0.25 ms",
    }


def _page(room: Room, principal: Principal) -> None:
    with reading(room.sessions) as session:
        now = room.clock()
        items = search.page(session, scope.visible_items(principal, at=now), after=None, limit=50)
        things = reach.things(session, items, at=now)
        shown = [access.allow(principal, "evidence.list", things[each.id], at=now) for each in items]
        assert len(shown) == 50


def _plan(room: Room, principal: Principal) -> str:
    with reading(room.sessions) as session:
        statement = scope.visible_items(principal, at=room.clock()).order_by("id").limit(50)
        compiled = statement.compile(session.connection(), compile_kwargs={"literal_binds": True})
        explain = f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {compiled}".replace("%", "%%")
        rows = session.connection().exec_driver_sql(explain)
        return "\n".join(row[0] for row in rows)


def _fill(room: Room, database: Database, officer: Principal, count: int) -> None:
    """Have so many items, every so many of them the officer's, copied from one that was registered."""
    other = a_person(room, "officer", badge="0815").principal
    with unit_of_work(room.sessions) as session:
        first = an_item_on_the_books(session, room, other, officer_badge="0815").id
    _copy(database, first, officer, count)


def _copy(database: Database, first: UUID, officer: Principal, count: int) -> None:
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
        }
        listed = ", ".join(columns)
        values = ", ".join(made.get(name, f"e.{name}") for name in columns)
        connection.execute(
            f"INSERT INTO evidence_item ({listed}) SELECT {values} FROM evidence_item e, "
            f"generate_series(1, {count}) n WHERE e.id = %s",
            [first],
        )
        connection.execute("VACUUM ANALYZE evidence_item")


def _seconds(act: Callable[[], None]) -> float:
    act()
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        act()
        rounds.append(time.perf_counter() - began)
    return statistics.median(rounds)


if __name__ == "__main__":
    for row in run():
        print(row)
