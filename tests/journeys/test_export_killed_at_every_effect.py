"""R-1 for exports: killed at every external effect, no byte has gone out without a committed intent."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from auth.principals import Principal
from evidence.custody import history, keys
from evidence.database import Acting, Sessions, unit_of_work
from evidence.disclosure import exports
from evidence.disclosure.exports import Export
from evidence.room import Room, open_room
from evidence.settings import Settings
from evidence.verify import verify
from tests.support.application import application_over
from tests.support.crash import Effects, Say, Scenario, effects_of, in_a_child
from tests.support.custody import faults, rows
from tests.support.database import Database, driver_url
from tests.support.people import a_dock, a_person
from tests.support.rooms import room_for, settings_for
from tests.support.uploading import Sender, footage_like


class World:
    """One installation with one received item, and a technician who exports it."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.settings: Settings = settings_for(database, folder / "home")
        with room_for(database, folder / "home") as room, TestClient(application_over(room)) as client:
            self.technician: Principal = a_person(room, "evidence_tech").principal
            dock = Sender(client, a_dock(room))
            self.item = UUID(str(dock.show(dock.sent(footage_like(1_200_000), camera="CAM-1"))["item"]))

    def export(self, effects: Effects, say: Say) -> None:
        """Export the item; say how many bytes went out after each piece, and that it ended."""
        with open_room(self.settings) as opened:
            room = effects.watch(opened)
            begun = exports.begin(
                room, self.technician, [str(self.item)], reason="trial", withhold=[], request_id=str(effects.die_at)
            )
            sent = 0
            for piece in exports.write(room, begun):
                sent += len(piece)
                say("sent", sent, str(begun.id))
            exports.end(room, begun, outcome="whole", sent=sent)
            say("ended", sent, str(begun.id))

    def found_by(self, said: list[list[Any]]) -> Scenario:
        """Say what is wrong after a crash, given what had gone out; then export once more and verify."""

        def scenario(_effects: Effects, say: Say) -> None:
            with open_room(self.settings) as room:
                say("wrong", [*self._wrong_on_record(room, said), *self._wrong_with_the_next(room)])

        return scenario

    def _wrong_on_record(self, room: Room, said: list[list[Any]]) -> list[str]:
        with psycopg.connect(driver_url(self.database.superuser_url)) as connection:
            wrong = [f"chain: {fault}" for fault in faults(rows(connection))]
        with unit_of_work(room.sessions) as session:
            doings = {
                (entry.body["act"], entry.body["facts"].get("export"))
                for entry in history.whole(session, f"item/{self.item}")
            }
        wrong += [
            f"{size} bytes went out and no intent is on record"
            for _what, size, export in said[-1:]
            if ("item.exported", export) not in doings
        ]
        wrong += [
            "an export that was acknowledged has no completion"
            for what, _size, export in said
            if what == "ended" and ("item.export_ended", export) not in doings
        ]
        wrong += [
            "a completion without an intent"
            for act, export in doings
            if act == "item.export_ended" and ("item.exported", export) not in doings
        ]
        return wrong

    def _wrong_with_the_next(self, room: Room) -> list[str]:
        begun = exports.begin(
            room, self.technician, [str(self.item)], reason="again", withhold=[], request_id=f"again-{id(room)}"
        )
        package = self.folder / "package.zip"
        package.write_bytes(b"".join(exports.write(room, begun)))
        exports.end(room, begun, outcome="whole", sent=package.stat().st_size)
        with unit_of_work(room.sessions) as session:
            trust = keys.trust(session, room.origin)
        return [finding.message for finding in verify(package, trust).findings]


def crash_and_look(world: World, number: int, *, breaking: Callable[[], None] = lambda: None) -> list[str]:
    """Kill an export at one effect and say what is wrong afterwards."""

    def scenario(effects: Effects, say: Say) -> None:
        breaking()
        world.export(effects, say)

    told = in_a_child(scenario, die_at=number)
    if not told.killed:
        return [told.failure or "it was not killed"]
    found = in_a_child(world.found_by(told.said))
    return [found.failure] if found.failure else list(found.said[0][1])


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return World(database, tmp_path)


def test_no_byte_of_an_export_goes_out_without_its_intent(world: World) -> None:
    points = effects_of(world.export)

    wrong = {
        (number, name): found for number, name in enumerate(points, start=1) if (found := crash_and_look(world, number))
    }

    print(f"R-1: {len(points)} effects of an export")
    assert len(points) > 20
    assert wrong == {}


def sending_before_the_intent_is_committed() -> None:
    """Break it: the intent is sealed in a transaction that is left open until the last byte is out."""
    left_open = ExitStack()
    right_end = exports.end

    @contextmanager
    def unit_left_open(make_session: Sessions, *, by: Acting | None = None) -> Iterator[Session]:
        yield left_open.enter_context(unit_of_work(make_session, by=by))

    def end(room: Room, export: Export, **named: Any) -> None:
        left_open.close()
        exports.unit_of_work = unit_of_work  # type: ignore[attr-defined]
        right_end(room, export, **named)

    exports.unit_of_work = unit_left_open  # type: ignore[attr-defined]
    exports.end = end


def test_an_exporter_that_is_careless_is_caught(world: World) -> None:
    """The negative control: the same killing finds bytes without an intent."""
    points = effects_of(world.export)

    caught = [
        found
        for number in range(1, len(points) + 1)
        if (found := crash_and_look(world, number, breaking=sending_before_the_intent_is_committed))
    ]

    assert any("no intent is on record" in each for found in caught for each in found)
