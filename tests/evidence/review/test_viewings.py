"""No byte of evidence is sent that was not counted in a viewing, whose beginning is in the chain of custody."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlalchemy.exc import ProgrammingError

from auth.models import RoleAssignment
from evidence.access import reach
from evidence.custody import history
from evidence.custody.history import Entry
from evidence.database import unit_of_work
from evidence.engines.postgres import Cluster
from evidence.errors import GoneError
from evidence.ids import new_id
from evidence.main import create_app
from evidence.review import viewings
from evidence.room import Room
from tests.support.clock import FixedClock
from tests.support.database import Database, database_from, driver_url
from tests.support.people import Person, a_person, signed_in
from tests.support.received import an_item_with
from tests.support.rooms import room_for
from tests.support.uploading import footage_like

BODY = footage_like(3_000_000)
SECRET = b"what nobody may read meanwhile"
WHY = {"reason": "trial preparation"}


@pytest.fixture(scope="module")
def clock() -> FixedClock:
    """One clock for the module: it only ever goes on."""
    return FixedClock(datetime(2026, 3, 2, 12, 0, tzinfo=UTC))


@pytest.fixture(scope="module")
def room(
    cluster: Cluster, template: str, tmp_path_factory: pytest.TempPathFactory, clock: FixedClock
) -> Iterator[Room]:
    home = tmp_path_factory.mktemp("home")
    with database_from(cluster, template) as database, room_for(database, home, clock=clock) as room:
        yield room


@pytest.fixture(scope="module")
def client(room: Room) -> Iterator[TestClient]:
    with TestClient(create_app(room)) as client:
        yield client


@pytest.fixture(scope="module")
def people(room: Room) -> dict[str, Person]:
    return {"officer": a_person(room, "officer"), "technician": a_person(room, "evidence_tech")}


@pytest.fixture
def officer(room: Room, people: dict[str, Person]) -> Person:
    """The officer, just signed in."""
    return signed_in(room, people["officer"].principal)


@pytest.fixture
def technician(room: Room, people: dict[str, Person]) -> Person:
    return signed_in(room, people["technician"].principal)


@pytest.fixture
def item(room: Room, officer: Person) -> str:
    """A recording of the officer's, each test's own."""
    return str(an_item_with(room, officer.principal, new_id().bytes + BODY[16:]))


def begun(client: TestClient, by: Person, item: str, *, of: str = "viewings", **body: Any) -> dict[str, Any]:
    answer = client.post(f"/api/v1/items/{item}/{of}", json=body or None, headers=by.headers)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def chain(room: Room, item: str) -> list[Entry]:
    with unit_of_work(room.sessions) as session:
        return [each for each in history.whole(session, f"item/{item}") if each.body["act"].startswith("viewing.")]


def test_an_officer_watches_their_recording_and_the_chain_says_so_before_and_after(
    room: Room, client: TestClient, officer: Person, item: str
) -> None:
    viewing = begun(client, officer, item)
    (intent,) = chain(room, item)
    answer = client.get(viewing["footage"], headers=officer.headers)
    ended = client.post(f"/api/v1/viewings/{viewing['id']}/end", headers=officer.headers).json()

    assert answer.content[16:] == BODY[16:]
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    assert answer.headers["content-disposition"] == "inline"
    assert ended["size"] == len(BODY)
    _, completion = chain(room, item)
    assert intent.body["facts"] == {"viewing": viewing["id"], "manner": "watch"}
    assert intent.body["actor"]["id"] == str(officer.principal.id)
    assert intent.body["obj"][0]["sha256"] == sha256(answer.content).hexdigest()
    assert completion.body["facts"] == {"viewing": viewing["id"], "manner": "watch", "size": len(BODY)}


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=1048570-1048589", 1_048_570, 1_048_590),
        ("bytes=2999990-", 2_999_990, 3_000_000),
        ("bytes=-7", 2_999_993, 3_000_000),
        ("bytes=2999999-9999999", 2_999_999, 3_000_000),
        ("bytes=-9999999", 0, 3_000_000),
    ],
)
def test_a_player_reads_ranges_and_all_of_them_are_one_viewing(
    room: Room, client: TestClient, officer: Person, item: str, asked: str, start: int, end: int
) -> None:
    viewing = begun(client, officer, item)

    for _ in range(2):
        answer = client.get(viewing["footage"], headers={**officer.headers, "Range": asked})
        assert answer.content[16:] == BODY[start:end][16:]
        assert len(answer.content) == end - start
        if end - start < len(BODY):
            assert answer.status_code == 206
            assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(BODY)}"

    assert len(chain(room, item)) == 1
    assert client.post(f"/api/v1/viewings/{viewing['id']}/end", headers=officer.headers).json()["size"] == 2 * (
        end - start
    )


@pytest.mark.parametrize("asked", ["bytes=3000000-", "bytes=9999999999-", "bytes=-0"])
def test_a_range_outside_is_refused(client: TestClient, officer: Person, item: str, asked: str) -> None:
    viewing = begun(client, officer, item)

    answer = client.get(viewing["footage"], headers={**officer.headers, "Range": asked})

    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */3000000")


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=-", "items=0-1", "bytes=0-1,5-6", "bytes=a-b"])
def test_what_is_no_single_range_is_answered_whole(client: TestClient, officer: Person, item: str, asked: str) -> None:
    viewing = begun(client, officer, item)

    answer = client.get(viewing["footage"], headers={**officer.headers, "Range": asked})

    assert (answer.status_code, len(answer.content)) == (200, len(BODY))


def test_a_stale_copy_is_not_gone_on_with(client: TestClient, officer: Person, item: str) -> None:
    viewing = begun(client, officer, item)
    ask = {**officer.headers, "Range": "bytes=0-9"}
    etag = client.get(viewing["footage"], headers=ask).headers["etag"]

    assert client.get(viewing["footage"], headers={**ask, "If-Range": etag}).status_code == 206
    assert client.get(viewing["footage"], headers={**ask, "If-Range": '"other"'}).status_code == 200


def test_a_copy_needs_a_reason_and_a_fresh_sign_in_and_goes_on_without(
    room: Room, client: TestClient, clock: FixedClock, officer: Person, technician: Person, item: str
) -> None:
    address = f"/api/v1/items/{item}/downloads"
    assert client.post(address, headers=technician.headers).status_code == 422
    assert client.post(address, json=WHY, headers=officer.headers).status_code == 403

    viewing = begun(client, technician, item, of="downloads", **WHY)
    clock.advance(timedelta(minutes=20))
    refused = client.post(address, json=WHY, headers=technician.headers)
    answer = client.get(viewing["footage"], headers=technician.headers)

    assert (refused.status_code, answer.status_code, len(answer.content)) == (403, 200, len(BODY))
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-type"] == "application/octet-stream"
    (intent,) = chain(room, item)
    assert {each.name: each.value for each in intent.disclosures}["reason"] == WHY["reason"]


def test_a_technician_says_why_before_watching(room: Room, client: TestClient, technician: Person, item: str) -> None:
    refused = client.post(f"/api/v1/items/{item}/viewings", headers=technician.headers)
    assert refused.status_code == 403
    assert "a reason is required" in refused.json()["detail"]
    assert chain(room, item) == []
    begun(client, technician, item, **WHY)


def test_who_may_not_know_of_it_or_did_not_begin_it_reads_nothing(
    room: Room, client: TestClient, officer: Person, item: str
) -> None:
    other = a_person(room, "officer")
    viewing = begun(client, officer, item)

    assert client.post(f"/api/v1/items/{item}/viewings", headers=other.headers).status_code == 404
    assert client.get(viewing["footage"], headers=other.headers).status_code == 404
    assert client.post(f"/api/v1/viewings/{viewing['id']}/end", headers=other.headers).status_code == 404
    assert client.get(viewing["footage"]).status_code == 401


def test_who_loses_their_role_loses_the_next_range(room: Room, client: TestClient, clock: FixedClock) -> None:
    officer = a_person(room, "officer")
    viewing = begun(client, officer, str(an_item_with(room, officer.principal, b"a short one")))
    assert client.get(viewing["footage"], headers=officer.headers).status_code == 200
    with unit_of_work(room.sessions) as session:
        session.execute(
            update(RoleAssignment)
            .where(RoleAssignment.account_id == officer.principal.id)
            .values(ended_at=clock() - timedelta(seconds=1))
        )

    assert client.get(viewing["footage"], headers=officer.headers).status_code == 403


def test_a_viewing_that_is_over_is_read_no_more(client: TestClient, officer: Person, item: str) -> None:
    viewing = begun(client, officer, item)
    for _ in range(2):  # a second end changes nothing
        assert client.post(f"/api/v1/viewings/{viewing['id']}/end", headers=officer.headers).status_code == 200

    assert client.get(viewing["footage"], headers=officer.headers).status_code == 410


def test_a_viewing_nobody_reads_from_is_ended_with_what_was_sent(
    room: Room, client: TestClient, clock: FixedClock, officer: Person, item: str
) -> None:
    viewing = begun(client, officer, item)
    client.get(viewing["footage"], headers={**officer.headers, "Range": "bytes=0-99"})
    assert viewings.end_idle(room.sessions, at=clock()) == 0
    clock.advance(viewings.IDLE + timedelta(seconds=1))

    assert client.get(viewing["footage"], headers=officer.headers).status_code in (401, 410)
    assert viewings.end_idle(room.sessions, at=clock()) > 0
    assert viewings.end_idle(room.sessions, at=clock()) == 0
    completion = chain(room, item)[-1].body
    assert (completion["facts"]["size"], completion["actor"]["type"]) == (100, "system")


def test_a_viewing_ended_in_the_middle_sends_no_more(room: Room, officer: Person) -> None:
    large = footage_like(viewings.COUNTED * 2)
    item = an_item_with(room, officer.principal, large)
    with unit_of_work(room.sessions) as session:
        seen = reach.item(session, officer.principal, "evidence.stream", str(item), at=room.clock())
        viewing = viewings.begin(
            session, seen, "watch", reason=None, by=officer.principal, at=room.clock(), request_id="r", source=None
        )
    with unit_of_work(room.sessions) as session:
        opened = viewings.footage(session, room.vault, officer.principal, viewing.id, at=room.clock())
    blocks = viewings.read(room.sessions, room.clock, opened, start=0, length=len(large))
    got = next(blocks)
    with unit_of_work(room.sessions) as session:
        viewings.end(session, viewing.id, by=officer.principal, at=room.clock(), request_id="e")
    while len(got) < viewings.COUNTED:
        got += next(blocks)

    with pytest.raises(GoneError):
        next(blocks)
    assert chain(room, str(item))[-1].body["facts"]["size"] == len(got)


def test_without_the_database_no_byte_is_sent(database: Database, tmp_path: Path) -> None:
    """The way to custody is down: nothing begins, and what began sends nothing that cannot be counted."""
    with (
        room_for(database, tmp_path / "home") as room,
        TestClient(create_app(room)) as client,
    ):
        officer = a_person(room, "officer")
        item = str(an_item_with(room, officer.principal, SECRET))
        viewing = begun(client, officer, item)
        with psycopg.connect(driver_url(database.superuser_url), autocommit=True) as administrator:
            administrator.execute("REVOKE UPDATE (size, last_read_at, ended_at) ON viewing FROM evidence_app")
        with unit_of_work(room.sessions) as session:
            opened = viewings.footage(session, room.vault, officer.principal, UUID(viewing["id"]), at=room.clock())
        with pytest.raises(ProgrammingError, match="permission denied"):
            next(viewings.read(room.sessions, room.clock, opened, start=0, length=1))
        with psycopg.connect(driver_url(database.superuser_url), dbname="postgres", autocommit=True) as administrator:
            administrator.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false")
            administrator.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s",
                [database.name],
            )
        away = [
            client.post(f"/api/v1/items/{item}/viewings", headers=officer.headers),
            client.get(viewing["footage"], headers=officer.headers),
        ]

    assert [answer.status_code for answer in away] == [503, 503]
    assert all(SECRET not in answer.content for answer in away)
