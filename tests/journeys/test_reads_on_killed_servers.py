"""Clients read footage while the server is killed: no byte reaches anybody of which the chain does not know."""

from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from threading import Event, Lock
from uuid import UUID

import httpx2
import pytest

from evidence.custody import history
from evidence.database import unit_of_work
from evidence.engines.postgres import Cluster
from evidence.review import viewings
from evidence.review.models import Viewing
from evidence.room import Room
from tests.support.database import database_from
from tests.support.people import Person, a_person
from tests.support.received import an_item_with
from tests.support.rooms import room_for
from tests.support.server import Server, serving
from tests.support.uploading import footage_like

READS = 500
KILLS = 6
READERS = 4
SIZE = 16_000_000
"""More than the network takes in before its reader does."""

LATER = timedelta(hours=1)


@pytest.fixture(scope="module")
def room(cluster: Cluster, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    home = tmp_path_factory.mktemp("reads") / "home"
    with database_from(cluster, template) as database, room_for(database, home) as room:
        yield room


@dataclass
class Readers:
    """Clients that begin viewings, read ranges of them and sometimes end them; what they got is counted as it comes."""

    url: str
    officer: Person
    item: UUID
    received: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Bytes by viewing."""
    bodies: int = 0
    torn: int = 0
    refused: list[str] = field(default_factory=list)
    hold: Event = field(default_factory=Event)
    """While set, whoever reads next reads all and stops after the first block until `killed`."""
    held: Event = field(default_factory=Event)
    killed: Event = field(default_factory=Event)
    enough: Event = field(default_factory=Event)
    _guard: Lock = field(default_factory=Lock)

    def read_on(self, seed: int) -> None:
        """Read until there is enough, whatever happens to the server."""
        choose = Random(seed)
        with httpx2.Client(base_url=self.url, headers=self.officer.headers, timeout=60) as client:
            while not self.enough.is_set():
                try:
                    self._watch(client, choose)
                except httpx2.TransportError:
                    # Nobody answers until the next server does.
                    self.enough.wait(0.05)

    def _watch(self, client: httpx2.Client, choose: Random) -> None:
        begun = client.post(f"/api/v1/items/{self.item}/viewings")
        if begun.status_code != 201:
            self.refused.append(begun.text)
            return
        viewing = begun.json()
        for _ in range(choose.randint(1, 6)):
            start, length = choose.randrange(SIZE), choose.choice([1, 70_000, 700_000])
            self._read(client, viewing, *((0, SIZE) if self.hold.is_set() else (start, length)))
        if choose.random() < 0.5:
            client.post(f"/api/v1/viewings/{viewing['id']}/end")

    def _read(self, client: httpx2.Client, viewing: dict[str, str], start: int, length: int) -> None:
        asked = {"Range": f"bytes={start}-{start + length - 1}"}
        with client.stream("GET", viewing["footage"], headers=asked) as answer:
            if answer.status_code not in (200, 206):
                self.refused.append(f"{answer.status_code}")
                return
            got = 0
            try:
                for block in answer.iter_raw():
                    got += len(block)
                    self._count(viewing["id"], len(block), first=got == len(block))
                    if length == SIZE:
                        self.held.set()
                        self.killed.wait(60)
            except httpx2.TransportError:
                self.torn += got > 0
                raise

    def _count(self, viewing: str, size: int, *, first: bool) -> None:
        with self._guard:
            self.received[viewing] += size
            self.bodies += first


def test_every_byte_that_reached_a_client_was_counted_in_a_viewing_that_the_chain_knew_of(
    room: Room, tmp_path: Path
) -> None:
    officer = a_person(room, "officer")
    item = an_item_with(room, officer.principal, footage_like(SIZE))
    with serving(room.settings, tmp_path / "log") as server:
        readers = Readers(server.url, officer, item)

        kill_while_they_read(server, readers, kills=KILLS, reads=READS)

    assert readers.bodies >= READS
    assert readers.torn > 0, "no kill met a body on its way"
    assert readers.refused == []
    assert overlooked(room, item, readers.received) == {}
    begun, ended = chain(room, item)
    assert begun - ended.keys(), "a viewing that a kill has left without an end reads: outcome unknown"

    with unit_of_work(room.sessions) as session:
        last = max(each.last_read_at for each in session.query(Viewing))
    viewings.end_idle(room.sessions, at=last + LATER)

    begun, ended = chain(room, item)
    assert begun == ended.keys()
    assert all(ended[viewing] >= size for viewing, size in readers.received.items())


def test_a_server_that_counts_afterwards_is_caught(room: Room, tmp_path: Path) -> None:
    officer = a_person(room, "officer")
    item = an_item_with(room, officer.principal, footage_like(SIZE, seed=2))
    with serving(room.settings, tmp_path / "log", module="tests.support.careless_server") as server:
        readers = Readers(server.url, officer, item)

        kill_while_they_read(server, readers, kills=2, reads=20)

    assert readers.torn > 0
    assert overlooked(room, item, readers.received)


def kill_while_they_read(server: Server, readers: Readers, *, kills: int, reads: int) -> None:
    """Kill the server so often, spread over so many reads: at any time, and every other time in the midst of a body."""
    choose = Random(kills)
    with ThreadPoolExecutor(READERS) as pool:
        done = [pool.submit(readers.read_on, seed) for seed in range(READERS)]
        try:
            for number in range(1, kills + 1):
                while readers.bodies < reads * number // kills:
                    readers.enough.wait(0.01)
                if number % 2:
                    readers.killed.clear()
                    readers.held.clear()
                    readers.hold.set()
                    assert readers.held.wait(60)
                readers.enough.wait(choose.random() / 10)
                server.kill()
                readers.hold.clear()
                readers.killed.set()
                server.start()
        finally:
            readers.enough.set()
            readers.killed.set()
        for each in done:
            each.result()


def chain(room: Room, item: UUID) -> tuple[set[str], dict[str, int]]:
    """Return the viewings begun and, for those ended, how many bytes, as the item's chain of custody has them."""
    with unit_of_work(room.sessions) as session:
        said = [(each.body["act"], each.body["facts"]) for each in history.whole(session, f"item/{item}")]
    begun = {facts["viewing"] for act, facts in said if act == "viewing.begun"}
    return begun, {facts["viewing"]: facts["size"] for act, facts in said if act == "viewing.ended"}


def overlooked(room: Room, item: UUID, received: dict[str, int]) -> dict[str, int]:
    """Return the viewings of which more arrived than is on record, with that many bytes."""
    begun, _ = chain(room, item)
    with unit_of_work(room.sessions) as session:
        recorded = {
            viewing: session.get_one(Viewing, UUID(viewing)).size if viewing in begun else 0 for viewing in received
        }
    return {viewing: size for viewing, size in received.items() if size > recorded[viewing]}
