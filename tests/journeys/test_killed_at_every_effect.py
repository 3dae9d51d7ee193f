"""R-1: the server is killed at every external effect of an upload; nothing acknowledged is lost, nothing doubled."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence.clock import system_clock
from evidence.database import unit_of_work
from evidence.ingest.models import Upload
from evidence.ingest.sweep import sweep
from evidence.ingest.writing import Writer
from evidence.items import register
from evidence.items.models import EvidenceItem
from evidence.proof import canonical, record
from evidence.room import Room, open_room
from evidence.settings import Settings
from evidence.storage.arriving import ArrivingObject
from evidence.storage.models import StoredObject
from tests.support.application import application_over
from tests.support.crash import Effects, Outcome, Say, Scenario, effects_of, in_a_child
from tests.support.custody import faults, rows
from tests.support.database import Database, driver_url
from tests.support.people import a_person
from tests.support.rooms import room_for, settings_for
from tests.support.uploading import Sender, footage_like, require_receipt, stored_original

SIZE = 1_300_000
FIRST = 1_100_000


class World:
    """One installation, an officer, and the checks of what is found there after a crash."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.settings: Settings = settings_for(database, folder / "home")
        with room_for(database, folder / "home") as room:
            self.headers = a_person(room, "officer", badge="4711").headers

    def upload(self, body: bytes) -> Scenario:
        """Open, append twice, be received; say each thing the client was told."""

        def scenario(effects: Effects, say: Say) -> None:
            with self.sender(effects) as (_, officer):
                where = officer.opened(body)
                say("opened", where)
                first = officer.append(where, body[:FIRST], at=0)
                say("offset", int(first.headers["Upload-Offset"]))
                last = officer.append(where, body[FIRST:], at=FIRST)
                assert last.status_code == 204, last.text
                say("received", last.headers["Evidence-Item"])

        return scenario

    def recover(self, body: bytes, told: Outcome) -> Scenario:
        """Start again, let the client go on, sweep once; say what is wrong."""

        def scenario(effects: Effects, say: Say) -> None:
            self.let_fences_lapse()
            with self.sender(effects) as (room, officer):
                where = resumed(officer, body, told)
                wrong = [*client_finds(room, officer, where, body, told)]
                sweep(room)
                wrong += anybody_finds(room, self.database)
                far = replace(room, clock=_later)
                sweep(far)
                wrong += [f"left {state}" for state in _unfinished(room)]
                say("wrong", wrong)

        return scenario

    @contextmanager
    def sender(self, effects: Effects) -> Iterator[tuple[Room, Sender]]:
        with open_room(self.settings) as opened:
            room = effects.watch(opened)
            with TestClient(application_over(room)) as client:
                yield room, Sender(client, self.headers)

    def let_fences_lapse(self) -> None:
        """Stand in for the seconds after which the fences of a dead server fall."""
        with psycopg.connect(driver_url(self.database.superuser_url)) as connection:
            connection.execute("UPDATE upload SET writer_until = clock_timestamp() - interval '1 second'")


def resumed(officer: Sender, body: bytes, told: Outcome) -> str:
    """Go on as a client does that knows only what it was told; return the address of the upload."""
    opened = [each[1] for each in told.said if each[0] == "opened"]
    if not opened:
        return officer.sent(body)
    where = str(opened[0])
    head = officer.head(where)
    assert head.status_code == 200, f"the upload does not go on: {head.status_code} {officer.show(where)}"
    offset = int(head.headers["Upload-Offset"])
    promised = max([each[1] for each in told.said if each[0] == "offset"], default=0)
    assert offset >= promised, f"offset {offset} after {promised} was acknowledged"
    if offset < len(body):
        answer = officer.append(where, body[offset:], at=offset)
        assert answer.status_code == 204, answer.text
    return where


def client_finds(room: Room, officer: Sender, where: str, body: bytes, told: Outcome) -> Iterator[str]:
    shown = officer.show(where)
    if shown["state"] != "received":
        yield f"the upload is {shown['state']}"
        return
    require_receipt(room, where, officer.receipt(where).text)
    if stored_original(room, where) != body:
        yield "other bytes are stored"
    if any(each[0] == "received" and each[1] != shown["item"] for each in told.said):
        yield "the item acknowledged is another one"


def anybody_finds(room: Room, database: Database) -> Iterator[str]:
    """What must hold of the whole installation, whoever looks."""
    with psycopg.connect(driver_url(database.superuser_url)) as connection:
        kept = rows(connection)
        jobs = connection.execute("SELECT args->>'item_id', count(*) FROM procrastinate_jobs GROUP BY 1").fetchall()
    with unit_of_work(room.sessions) as session:
        items = list(session.scalars(select(EvidenceItem)))
        uploads = list(session.scalars(select(Upload)))
        objects = list(session.scalars(select(StoredObject)))
    yield from (f"chain: {fault}" for fault in faults(kept))
    acts: dict[str, list[str]] = defaultdict(list)
    for chain, _, _, raw in kept:
        acts[chain].append(canonical.decode(record.parse(raw).body)["act"])
    for item in items:
        of_item = acts[f"item/{item.id}"]
        received = Counter(of_item)
        arrivals = [each for each in uploads if each.item_id == item.id]
        if of_item[:1] != ["item.received"] or received["item.received"] != 1:
            yield f"an item begins with {of_item}"
        if len(arrivals) != 1 + received["item.received_again"]:
            yield f"{len(arrivals)} arrivals and {dict(received)} are recorded"
    if Counter(dict(jobs)) != Counter({str(item.id): 1 for item in items}):
        yield "an item has no job or more than one"
    if list(room.vault.store.staged()):
        yield "something is still staged"
    stands = {each.key for each in objects if each.id in _standing(items)}
    if (there := _stored(room)) != stands:
        yield f"{len(there - stands)} orphans, {len(stands - there)} lost"


def _standing(items: list[EvidenceItem]) -> set[Any]:
    return {each for item in items for each in (item.original_object_id, item.chunks_object_id)}


def _stored(room: Room) -> set[str]:
    folder = room.settings.objects_path / "objects"
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def _unfinished(room: Room) -> list[str]:
    with unit_of_work(room.sessions) as session:
        return list(session.scalars(select(Upload.state).where(Upload.state.in_(("open", "sealing")))))


def _later() -> datetime:
    return system_clock() + timedelta(days=30)


def crash_and_recover(
    world: World, number: int, *, seed: int, breaking: Callable[[], None] = lambda: None
) -> list[str]:
    """Kill an upload at one effect and say what is wrong afterwards."""
    body = footage_like(SIZE, seed=seed)

    def broken(scenario: Scenario) -> Scenario:
        def run(effects: Effects, say: Say) -> None:
            breaking()
            scenario(effects, say)

        return run

    told = in_a_child(broken(world.upload(body)), die_at=number)
    if not told.killed:
        return [told.failure] if told.failure else []
    found = in_a_child(broken(world.recover(body, told)))
    return [found.failure] if found.failure else list(found.said[0][1])


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return World(database, tmp_path)


def test_an_upload_killed_at_any_effect_is_received_once(world: World, record_property: Callable[..., None]) -> None:
    points = effects_of(world.upload(footage_like(SIZE)))
    began = time.monotonic()

    wrong = {
        (number, name): found
        for number, name in enumerate(points, start=1)
        if (found := crash_and_recover(world, number, seed=number))
    }

    record_property("points", len(points))
    print(f"R-1: {len(points)} effects of an upload, {(time.monotonic() - began) / len(points):.2f} s each")
    assert wrong == {}


def counting_before_it_is_durable() -> None:
    """Break it: the offset goes into the database before the bytes go to the disk."""
    right = Writer.checkpoint

    def careless(writer: Writer) -> int:
        arriving = writer._arriving
        writer._arriving = cast("ArrivingObject", _Counted(arriving))
        try:
            offset = right(writer)
        finally:
            writer._arriving = arriving
        arriving.checkpoint()
        return offset

    Writer.checkpoint = careless  # type: ignore[method-assign, assignment]


class _Counted:
    """An arriving object whose checkpoint says "durable" and writes nothing."""

    def __init__(self, arriving: ArrivingObject) -> None:
        self.offset = arriving.offset

    def checkpoint(self) -> int:
        return self.offset


def entering_the_item_before_its_record() -> None:
    """Break it: the item is committed in a transaction of its own, its custody record in the next."""
    right = register.register

    def careless(session: Session, **named: Any) -> EvidenceItem:
        item = right(session, **named)
        session.commit()
        return item

    register.register = careless


@pytest.mark.parametrize("breaking", [counting_before_it_is_durable, entering_the_item_before_its_record])
def test_a_server_that_is_careless_is_caught(world: World, breaking: Callable[[], None]) -> None:
    """The negative control: the same killing and the same checks find what is wrong with these."""
    points = effects_of(world.upload(footage_like(SIZE)))

    # From the end: what these break shows late.
    caught = next(
        (
            found
            for number in range(len(points), 0, -1)
            if (found := crash_and_recover(world, number, seed=number, breaking=breaking))
        ),
        [],
    )

    assert caught
