"""An upload is interrupted in every way a network knows, and goes on, on a real server."""

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import httpx2
import pytest

from evidence.database import unit_of_work
from evidence.engines.postgres import Cluster
from evidence.ids import new_id
from evidence.ingest.models import Upload
from evidence.room import Room
from evidence.storage.models import StoredObject
from tests.support.database import database_from
from tests.support.people import a_person
from tests.support.rooms import room_for
from tests.support.server import Server, serving
from tests.support.uploading import Sender, footage_like, require_receipt, stored_original
from tests.support.waiting import until

BODY = footage_like(20_000_000, seed=17)


@pytest.fixture(scope="module")
def room(cluster: Cluster, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    home = tmp_path_factory.mktemp("interrupted") / "home"
    with database_from(cluster, template) as database, room_for(database, home) as room:
        yield room


@pytest.fixture(scope="module")
def server(room: Room, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(room.settings, tmp_path_factory.mktemp("server") / "log") as server:
        yield server


@pytest.fixture
def officer(room: Room, server: Server) -> Iterator[Sender]:
    headers = a_person(room, "officer", agency=f"Police Department {new_id()}").headers
    with httpx2.Client(base_url=server.url, timeout=120) as client:
        yield Sender(client, headers)


class HalfRequest:
    """A PATCH whose client says how much it will send, sends a part of it, and then stands still."""

    def __init__(self, officer: Sender, where: str, *, at: int, announced: int, sent: bytes) -> None:
        place = urlsplit(str(officer.client.base_url))
        assert place.hostname is not None
        assert place.port is not None
        self.connection = socket.create_connection((place.hostname, place.port))
        head = {
            "Host": f"{place.hostname}:{place.port}",
            "Tus-Resumable": "1.0.0",
            "Upload-Offset": str(at),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(announced),
            **officer.headers,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        self.connection.sendall(f"PATCH {where} HTTP/1.1\r\n{lines}\r\n".encode() + sent)

    def die(self) -> None:
        """Vanish, as a client whose power was cut: the network tells the server."""
        self.connection.close()


def went_on(officer: Sender, where: str, *, body: bytes = BODY) -> int:
    """Ask for the offset until it is said, send the rest, and return the offset."""
    until(lambda: officer.head(where).status_code == 200, what="the offset")
    offset = int(officer.head(where).headers["Upload-Offset"])
    answer = officer.append(where, body[offset:], at=offset)
    assert answer.status_code == 204, answer.text
    return offset


def test_what_arrived_before_the_client_died_is_kept(room: Room, officer: Sender) -> None:
    body = BODY + b"client died"
    where = officer.opened(body)
    request = HalfRequest(officer, where, at=0, announced=len(body), sent=body[:7_654_321])
    request.die()

    until(lambda: int(str(officer.show(where)["durable_offset"])) == 7_654_321, what="what arrived")

    assert went_on(officer, where, body=body) == 7_654_321
    assert stored_original(room, where) == body


def test_a_client_that_comes_back_need_not_wait_for_its_dead_connection(room: Room, officer: Sender) -> None:
    """The old connection is half-open: the server will not hear for minutes that its client is gone."""
    body = BODY + b"half-open"
    where = officer.opened(body)
    request = HalfRequest(officer, where, at=0, announced=len(body), sent=body[:5_000_000])

    # What is on its way to the server may still be arriving when the offset is first asked for.
    offset = went_on(officer, where, body=body)

    assert 0 <= offset <= 5_000_000
    assert stored_original(room, where) == body
    request.die()


def test_a_client_may_come_back_by_way_of_another_server(room: Room, officer: Sender, tmp_path: Path) -> None:
    body = BODY + b"another server"
    where = officer.opened(body)
    request = HalfRequest(officer, where, at=0, announced=len(body), sent=body[:5_000_000])
    with serving(room.settings, tmp_path / "log") as second, httpx2.Client(base_url=second.url, timeout=120) as client:
        elsewhere = Sender(client, officer.headers)

        went_on(elsewhere, where, body=body)

        require_receipt(room, where, elsewhere.receipt(where).text)
    assert stored_original(room, where) == body
    request.die()


def test_the_server_is_killed_in_the_middle_of_a_request(room: Room, server: Server, officer: Sender) -> None:
    body = BODY + b"killed"
    where = officer.opened(body)
    assert officer.append(where, body[:2_345_678], at=0).status_code == 204
    request = HalfRequest(officer, where, at=2_345_678, announced=len(body) - 2_345_678, sent=body[2_345_678:9_000_000])

    server.kill()
    server.start()

    assert went_on(officer, where, body=body) >= 2_345_678
    require_receipt(room, where, officer.receipt(where).text)
    assert stored_original(room, where) == body
    request.die()


def test_the_server_is_killed_while_it_seals(room: Room, server: Server, officer: Sender) -> None:
    """All bytes are sent and nobody waits for the answer; the next server, asked or not, brings it to its end."""
    body = BODY + b"sealing"
    where = officer.opened(body)
    request = HalfRequest(officer, where, at=0, announced=len(body), sent=body)
    until(lambda: officer.show(where)["state"] != "open", what="the last byte")
    server.kill()
    server.start()

    until(lambda: officer.head(where).status_code == 200, what="the upload's end")

    head = officer.head(where)
    assert (head.headers["Upload-Offset"], "Link" in head.headers) == (str(len(body)), True)
    require_receipt(room, where, officer.receipt(where).text)
    assert stored_original(room, where) == body
    request.die()


def test_a_server_that_is_told_to_stop_keeps_what_arrived(room: Room, server: Server, officer: Sender) -> None:
    """The client is still there and sends nothing more; the server does not wait for it for ever."""
    body = BODY + b"stopped"
    where = officer.opened(body)
    request = HalfRequest(officer, where, at=0, announced=len(body), sent=body[:4_000_000])
    until(lambda: is_being_written(room, where), what="the writer")

    server.stop()
    server.start()

    assert went_on(officer, where, body=body) > 0
    assert stored_original(room, where) == body
    request.die()


def is_being_written(room: Room, where: str) -> bool:
    """Say whether the first piece of an upload has come to the store."""
    with unit_of_work(room.sessions) as session:
        upload = session.get_one(Upload, UUID(where.rpartition("/")[2]))
        if upload.staging_token is None:
            return False
        key = session.get_one(StoredObject, upload.object_id).key
    try:
        return bool(room.vault.store.read_staged(key, upload.staging_token, 0, 4096))
    except KeyError:
        return False
