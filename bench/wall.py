"""What row-level security costs: the same readings with it and with the policies switched off, in turns.

    python -m bench.wall [items]

Half of the items are the asking agency's, half another's; a hundred of those belong to a case that
is referred to the office.  Each reading is a unit of work: BEGIN, one statement, COMMIT.  "For the
system" is the statement that uploads make before every append.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from auth.principals import Principal
from evidence.access import scope
from evidence.database import execute_alone, unit_of_work
from evidence.engines import postgres
from evidence.ingest.models import Upload
from evidence.items import search
from evidence.items.models import EvidenceItem
from evidence.room import Room
from tests.support.database import database_from, driver_url, migrated_template
from tests.support.rooms import room_for
from tests.support.walled import World, a_world, without_wall

ITEMS = 100_000
ROUNDS = 5
TURNS = 60
"""Readings in one round: short, so that both meet the same machine."""

MANY = """
    INSERT INTO evidence_item (id, agency_id, number, received_at, received_from_kind, received_from_id, declared,
        filename, content_type, size, sha256, chunks_sha256, original_object_id, chunks_object_id, officer_badge)
    SELECT gen_random_uuid(), CASE n %% 2 WHEN 0 THEN %(ours)s ELSE %(theirs)s END::uuid, 'N-' || n, now(),
        'account', %(by)s, 'none', 'clip.mp4', 'video/mp4', 1, sha256(n::text::bytea), sha256(''),
        original_object_id, chunks_object_id, 'B-' || n %% 500
    FROM evidence_item, generate_series(1, %(items)s) n WHERE id = %(like)s
"""
REFERRED = """
    INSERT INTO exhibit (id, case_id, item_id, number, linked_at)
    SELECT gen_random_uuid(), %(case)s, id, 100 + row_number() OVER (), now()
    FROM (SELECT id FROM evidence_item WHERE agency_id = %(ours)s AND id <> %(like)s AND number LIKE 'N-%%' LIMIT 100) x
"""

Turn = Callable[[], object]


def fill(url: str, world: World, items: int) -> None:
    """Put many items on the books, of two agencies."""
    ours, theirs = world.technician.principal, world.stranger.principal
    values: dict[str, Any] = {"ours": ours.agency_id, "theirs": theirs.agency_id, "by": ours.id, "items": items}
    with psycopg.connect(driver_url(url), autocommit=True) as owner:
        owner.execute(MANY, values | {"like": world.loose})
        owner.execute(REFERRED, {"case": world.case, "ours": ours.agency_id, "like": world.loose})
        owner.execute("VACUUM ANALYZE")


def readings(room: Room, world: World) -> dict[str, Turn]:
    """Name each reading, and say what one turn of it is."""
    at = room.clock()

    def page(by: Principal) -> Turn:
        def turn(session: Session) -> int:
            return len(search.page(session, scope.visible_items(by, at=at), after=None, limit=50))

        return lambda: _in_a_unit(room, by, turn)

    def point(by: Principal, item: UUID) -> Turn:
        asked = scope.visible_items(by, at=at).where(EvidenceItem.id == item)
        return lambda: _in_a_unit(room, by, lambda session: session.scalars(asked).one())

    def plain(by: Principal, item: UUID) -> Turn:
        asked = select(EvidenceItem.id).where(EvidenceItem.id == item)
        return lambda: _in_a_unit(room, by, lambda session: session.execute(asked).one())

    upload = select(Upload.id, Upload.durable_offset).where(Upload.id == UUID(world.upload.rpartition("/")[2]))
    return {
        "point read, no other condition": plain(world.technician.principal, world.loose),
        "point read, technician": point(world.technician.principal, world.loose),
        "page of 50, technician": page(world.technician.principal),
        "page of 50, officer": page(world.officer),
        "point read, attorney": point(world.attorney, world.plain),
        "page of 50, attorney": page(world.attorney),
        "upload found for the system": lambda: execute_alone(room.sessions, upload),
    }


def _in_a_unit(room: Room, by: Principal, turn: Callable[[Session], object]) -> object:
    with unit_of_work(room.sessions, by=by) as session:
        return turn(session)


def microseconds(turn: Turn, backend: int) -> float:
    """Return what one turn costs in processor time, ours and the server process's: it is the same on a busy machine."""

    def spent() -> float:
        return time.process_time() * 1e6 + int(Path(f"/proc/{backend}/schedstat").read_text().split()[0]) / 1e3

    for _ in range(8):  # statements prepared, caches warm
        turn()
    before = spent()
    for _ in range(TURNS):
        turn()
    return (spent() - before) / TURNS


def run(items: int = ITEMS) -> list[dict[str, Any]]:
    """Measure every reading, with and without; about two minutes."""
    with (
        tempfile.TemporaryDirectory() as home,
        postgres.attached(Path(home) / "cluster") as cluster,
        migrated_template(cluster) as template,
        database_from(cluster, template) as database,
        room_for(database, Path(home) / "room") as room,
        a_world(room) as world,
    ):
        fill(database.owner_url, world, items)
        turns = readings(room, world)
        # One after the other: all of them have the same connection.
        [(backend,)] = execute_alone(room.sessions, select(func.pg_backend_pid()))
        measured: dict[str, list[tuple[float, float]]] = {name: [] for name in turns}
        for _ in range(ROUNDS):
            walled = {name: microseconds(turn, backend) for name, turn in turns.items()}
            with without_wall(database):
                for name, turn in turns.items():
                    measured[name].append((walled[name], microseconds(turn, backend)))
        room.engine.dispose()
        return [
            {
                "name": f"{name}, {items:,} items",
                "value": round(statistics.median(walled for walled, _ in pairs)),
                "unit": "us of processor",
                "ratio": round(statistics.median(walled / bare for walled, bare in pairs), 2),
                "yardstick": f"without policies: {round(statistics.median(bare for _, bare in pairs))} us",
                "target": None,
            }
            for name, pairs in measured.items()
        ]


if __name__ == "__main__":
    json.dump(run(*(int(each) for each in sys.argv[1:])), sys.stdout, indent=2)
    print()
