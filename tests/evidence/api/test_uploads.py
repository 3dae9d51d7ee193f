"""Uploads over HTTP, as any client of tus 1.0 sees them."""

import base64
import hashlib
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import cast

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response

from auth.principals import Role
from evidence.engines.postgres import Cluster
from evidence.ids import new_id
from evidence.ingest.intake import Intake
from evidence.ingest.streaming import Blocks
from evidence.main import create_app
from evidence.room import Room
from tests.support.arrivals import begun
from tests.support.database import database_from
from tests.support.people import a_dock, a_person
from tests.support.rooms import room_for
from tests.support.uploading import TUS, UPLOADS, Sender, footage_like, require_receipt, stored_original

MIB = 1 << 20


@pytest.fixture(scope="module")
def room(cluster: Cluster, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """One installation for all tests here; each has an agency of its own in it."""
    with (
        database_from(cluster, template) as database,
        room_for(database, tmp_path_factory.mktemp("room") / "home") as room,
    ):
        yield room


@pytest.fixture(scope="module")
def client(room: Room) -> Iterator[TestClient]:
    with TestClient(create_app(room)) as client:
        yield client


@pytest.fixture
def agency() -> str:
    return f"Police Department {new_id()}"


@pytest.fixture
def officer(room: Room, client: TestClient, agency: str) -> Sender:
    return Sender(client, a_person(room, "officer", agency=agency, badge="4711").headers)


@pytest.fixture
def dock(room: Room, client: TestClient, agency: str) -> Sender:
    return Sender(client, a_dock(room, agency=agency))


def encoded(algorithm: str, body: bytes) -> str:
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, body).digest()).decode()}"


def problem(answer: Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


def test_bodies_that_find_no_memory_to_share_arrive_all_the_same(
    room: Room, client: TestClient, officer: Sender
) -> None:
    blocks: Blocks = cast("FastAPI", client.app).state.intake.blocks
    taken = []
    while (block := blocks.another()) is not None:
        taken.append(block)
    footage = footage_like(3 * MIB + 17, seed=64)
    where = officer.opened(footage)

    answer = officer.append(where, footage, at=0)
    for block in taken:
        blocks.give_back(block)

    assert taken
    assert answer.status_code == 204
    assert stored_original(room, where) == footage


def test_whoever_begins_to_send_waits_at_the_entrance_and_whoever_asks_does_not(
    client: TestClient, officer: Sender
) -> None:
    intake: Intake = cast("FastAPI", client.app).state.intake
    assert client.portal is not None
    footage = footage_like(1000, seed=65)
    where = officer.opened(footage)
    entered = 0
    while not intake.entrance.locked():
        client.portal.call(intake.entrance.acquire)
        entered += 1

    with ThreadPoolExecutor(1) as threads:
        sending = threads.submit(officer.append, where, footage, at=0)
        time.sleep(0.3)
        asked = officer.show(where)["state"]
        waited = not sending.done()
        for _ in range(entered):
            client.portal.call(intake.entrance.release)
        answer = sending.result(30)

    assert (entered, asked, waited) == (2, "open", True)
    assert answer.status_code == 204


def test_whoever_is_turned_away_leaves_the_entrance_free(client: TestClient, officer: Sender) -> None:
    footage = footage_like(1000, seed=66)
    where = officer.opened(footage)
    stranger = Sender(client, {"Authorization": "Bearer of nothing"})

    turned_away = [stranger.append(where, footage, at=0).status_code for _ in range(5)]
    wrong = [officer.append(where, footage, at=500).status_code for _ in range(5)]

    assert set(turned_away) == {401}
    assert all(each >= 400 for each in wrong)
    assert officer.append(where, footage, at=0).status_code == 204


def test_an_upload_is_received_with_a_receipt(room: Room, officer: Sender) -> None:
    footage = footage_like(9 * MIB + 17)
    where = officer.opened(footage)

    first = officer.append(where, footage[:3_000_000], at=0)
    last = officer.append(where, footage[3_000_000:], at=3_000_000)

    assert (first.status_code, first.headers["Upload-Offset"]) == (204, "3000000")
    assert "Link" not in first.headers
    assert (last.status_code, last.headers["Upload-Offset"]) == (204, str(len(footage)))
    assert last.headers["Link"] == f'<{where}/receipt>; rel="receipt"'
    require_receipt(room, where, officer.receipt(where).text)
    assert stored_original(room, where) == footage
    assert officer.show(where)["item"] == last.headers["Evidence-Item"]


def test_what_is_spoken_is_said(client: TestClient) -> None:
    answer = client.options(UPLOADS)

    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Extension"] == "creation,creation-with-upload,checksum,expiration,termination"
    assert answer.headers["Tus-Checksum-Algorithm"] == "sha256,sha1,md5"
    assert int(answer.headers["Tus-Max-Size"]) == 1 << 40


def test_every_answer_says_which_tus_this_is(client: TestClient, officer: Sender) -> None:
    where = officer.opened(b"footage")

    for answer in (officer.head(where), officer.append(where, b"x", at=3), client.head(where, headers=TUS)):
        assert answer.headers["Tus-Resumable"] == "1.0.0", answer.status_code


@pytest.mark.parametrize("said", [{}, {"Tus-Resumable": "0.2.2"}])
def test_another_tus_is_not_spoken(client: TestClient, officer: Sender, said: dict[str, str]) -> None:
    answer = client.post(UPLOADS, headers={**officer.headers, **said, "Upload-Length": "7"})

    assert problem(answer) == (412, "other-version")


def test_an_empty_recording_is_received_in_the_creating_request(room: Room, officer: Sender) -> None:
    answer = officer.open(0, filename="empty.mp4", sha256=sha256(b"").hexdigest())

    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, "0")
    where = answer.headers["Location"]
    require_receipt(room, where, officer.receipt(where).text)
    assert stored_original(room, where) == b""


def test_an_empty_recording_is_never_said_to_be_whole_before_it_is_received(room: Room, agency: str) -> None:
    """Its server died in the creating request, between the two commits."""
    person = a_person(room, "officer", agency=agency)
    with TestClient(create_app(room)) as client:
        officer = Sender(client, person.headers)
        where = f"{UPLOADS}/{begun(client.app.state.intake, person.principal, b'')}"  # type: ignore[attr-defined]

        answer = officer.head(where)

        assert (answer.status_code, answer.headers["Upload-Offset"]) == (200, "0")
        assert "receipt" in answer.headers["Link"]
        assert officer.show(where)["state"] == "received"


def test_the_first_bytes_may_come_along(client: TestClient, room: Room, officer: Sender) -> None:
    footage = footage_like(3 * MIB)
    headers = {**TUS, **officer.headers, "Upload-Length": str(len(footage))}

    answer = client.post(
        UPLOADS, content=footage[:MIB], headers={**headers, "Content-Type": "application/offset+octet-stream"}
    )

    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, str(MIB))
    last = officer.append(answer.headers["Location"], footage[MIB:], at=MIB)
    assert last.status_code == 204
    assert stored_original(room, answer.headers["Location"]) == footage


def test_the_offset_is_where_to_go_on(officer: Sender) -> None:
    footage = footage_like(2 * MIB)
    where = officer.opened(footage, filename="stop.mp4", anything="else")
    officer.append(where, footage[:1234], at=0)

    answer = officer.head(where)

    assert (answer.status_code, answer.headers["Upload-Offset"]) == (200, "1234")
    assert answer.headers["Upload-Length"] == str(len(footage))
    assert "anything ZWxzZQ==" in answer.headers["Upload-Metadata"]
    assert answer.headers["Upload-Expires"].endswith("GMT")
    assert answer.headers["Cache-Control"] == "no-store"


def test_bytes_at_another_offset_are_not_taken(officer: Sender) -> None:
    where = officer.opened(b"footage")
    officer.append(where, b"foo", at=0)

    assert problem(officer.append(where, b"tage", at=2)) == (409, "offset-conflict")
    assert officer.head(where).headers["Upload-Offset"] == "3"


def test_an_empty_piece_changes_nothing(officer: Sender) -> None:
    where = officer.opened(b"footage")
    officer.append(where, b"foo", at=0)

    answer = officer.append(where, b"", at=3)

    assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, "3")


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5"])
def test_a_piece_with_its_checksum_is_taken(room: Room, officer: Sender, algorithm: str) -> None:
    footage = footage_like(2 * MIB + 5)
    where = officer.opened(footage)

    first = officer.append(where, footage[:MIB], at=0, **{"Upload-Checksum": encoded(algorithm, footage[:MIB])})
    last = officer.append(where, footage[MIB:], at=MIB, **{"Upload-Checksum": encoded(algorithm, footage[MIB:])})

    assert (first.status_code, last.status_code) == (204, 204)
    assert stored_original(room, where) == footage


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5"])
def test_of_a_piece_that_arrived_damaged_nothing_is_kept(room: Room, officer: Sender, algorithm: str) -> None:
    footage = footage_like(70 * MIB)
    where = officer.opened(footage)
    officer.append(where, footage[:1000], at=0)
    damaged = footage[1000:-1] + b"?"

    answer = officer.append(where, damaged, at=1000, **{"Upload-Checksum": encoded(algorithm, footage[1000:])})

    assert problem(answer) == (460, "checksum-mismatch")
    assert officer.head(where).headers["Upload-Offset"] == "1000"
    officer.append(where, footage[1000:], at=1000)
    assert stored_original(room, where) == footage


@pytest.mark.parametrize("said", ["crc32 AAAA", "sha256", "sha256 !", ""])
def test_a_checksum_that_cannot_be_read_is_refused(officer: Sender, said: str) -> None:
    where = officer.opened(b"footage")

    answer = officer.append(where, b"footage", at=0, **{"Upload-Checksum": said})

    assert problem(answer) == (400, "invalid")


def test_what_is_not_as_declared_goes_to_quarantine(room: Room, officer: Sender) -> None:
    where = officer.opened(b"footage", sha256=sha256(b"other footage").hexdigest())

    answer = officer.append(where, b"footage", at=0)

    assert problem(answer) == (422, "quarantined")
    assert answer.json()["quarantine_entry"] == where.rpartition("/")[2]
    assert answer.json()["declared_sha256"] == sha256(b"other footage").hexdigest()
    assert answer.json()["found_sha256"] == sha256(b"footage").hexdigest()
    shown = officer.show(where)
    assert (shown["state"], shown["item"]) == ("quarantined", None)
    assert sha256(b"other footage").hexdigest() in str(shown["explanation"])
    assert officer.head(where).status_code == 422
    assert problem(officer.receipt(where)) == (409, "conflict")


def test_the_same_bytes_twice_are_one_item(room: Room, officer: Sender, dock: Sender) -> None:
    first, second = officer.sent(b"footage"), dock.sent(b"footage")

    assert officer.show(first)["item"] == dock.show(second)["item"]
    one, two = officer.receipt(first).text, dock.receipt(second).text
    assert (require_receipt(room, first, one).seq, require_receipt(room, second, two).seq) == (1, 3)


def test_the_same_bytes_of_another_agency_are_another_item(room: Room, officer: Sender) -> None:
    elsewhere = Sender(officer.client, a_person(room, "officer", agency="Lakeside Police Department").headers)

    first, second = officer.sent(b"footage"), elsewhere.sent(b"footage")

    assert officer.show(first)["item"] != elsewhere.show(second)["item"]


def test_a_dock_has_to_declare_a_digest(officer: Sender, dock: Sender) -> None:
    assert problem(dock.open(7, filename="stop.mp4")) == (400, "invalid")
    assert officer.open(7, filename="stop.mp4").status_code == 201


@pytest.mark.parametrize("said", ["", "filename c3RvcC5tcDQ=", "relativePath bnVsbA==,is_confidential", " "])
def test_what_is_announced_may_be_anything(client: TestClient, officer: Sender, said: str) -> None:
    headers = {**TUS, **officer.headers, "Upload-Length": "7", "Upload-Metadata": said}

    answer = client.post(UPLOADS, headers=headers)

    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"Upload-Length": "-1"}, 400),
        ({"Upload-Length": "ten"}, 400),
        ({"Upload-Length": "1" * 30}, 400),
        ({}, 400),
        ({"Upload-Defer-Length": "1"}, 400),
        ({"Upload-Length": "7", "Upload-Concat": "partial"}, 400),
        ({"Upload-Length": str((1 << 40) + 1)}, 413),
        ({"Upload-Length": "7", "Upload-Metadata": "filename !!"}, 400),
        ({"Upload-Length": "7", "Upload-Metadata": "a QQ==,a QQ=="}, 400),
        ({"Upload-Length": "7", "Upload-Metadata": "sha256 QUJD"}, 400),
        ({"Upload-Length": "7", "Upload-Metadata": "a " + "A" * 20_000}, 400),
    ],
)
def test_an_upload_that_cannot_be_is_refused(
    client: TestClient, officer: Sender, said: dict[str, str], status: int
) -> None:
    answer = client.post(UPLOADS, headers={**TUS, **officer.headers, **said})

    assert answer.status_code == status
    assert answer.json()["next_step"]


def test_more_bytes_than_announced_are_not_taken(officer: Sender) -> None:
    where = officer.opened(b"footage")

    assert problem(officer.append(where, b"footage and more", at=0)) == (413, "too-large")
    assert officer.head(where).headers["Upload-Offset"] == "0"


def test_more_bytes_than_announced_in_a_stream_of_unknown_length_are_not_taken(officer: Sender) -> None:
    where = officer.opened(b"footage")
    headers = {**TUS, **officer.headers, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}

    answer = officer.client.patch(where, content=iter([b"footage", b" and more"]), headers=headers)

    assert problem(answer) == (413, "too-large")
    assert officer.show(where)["state"] == "open"


def test_bytes_of_another_kind_are_not_taken(client: TestClient, officer: Sender) -> None:
    where = officer.opened(b"footage")

    answer = client.patch(where, content=b"footage", headers={**TUS, **officer.headers, "Upload-Offset": "0"})

    assert problem(answer) == (415, "other-content")


def test_an_unfinished_upload_can_be_terminated(room: Room, officer: Sender) -> None:
    staged = len(list(room.vault.store.staged()))
    where = officer.opened(b"footage")
    officer.append(where, b"foo", at=0)

    assert officer.terminate(where).status_code == 204

    assert officer.head(where).status_code == 410
    assert problem(officer.append(where, b"tage", at=3)) == (410, "gone")
    assert officer.terminate(where).status_code == 410
    assert len(list(room.vault.store.staged())) == staged


def test_a_received_upload_is_not_terminated(room: Room, officer: Sender) -> None:
    where = officer.sent(b"footage")

    assert problem(officer.terminate(where)) == (409, "conflict")
    assert stored_original(room, where) == b"footage"


def test_another_one_s_upload_and_none_at_all_look_the_same(
    room: Room, officer: Sender, dock: Sender, agency: str
) -> None:
    where = officer.opened(b"footage")
    nowhere = f"{UPLOADS}/01a2016c-4bfe-7b0c-950a-56a8e2221ae7"
    strangers = [
        Sender(officer.client, a_person(room, "officer", agency=agency).headers),
        Sender(officer.client, a_person(room, "officer", agency="Lakeside Police Department").headers),
        dock,
    ]

    def answers(sender: Sender, of: str) -> list[object]:
        found = [
            sender.head(of),
            sender.append(of, b"footage", at=0),
            sender.terminate(of),
            sender.client.get(of, headers=sender.headers, auth=sender.auth),
            sender.receipt(of),
        ]
        return [(each.status_code, {**each.json(), "request_id": ""} if each.content else None) for each in found]

    for stranger in strangers:
        assert answers(stranger, where) == answers(stranger, nowhere)
        assert [each[0] for each in answers(stranger, where)] == [404] * 5  # type: ignore[index]
    assert officer.append(where, b"footage", at=0).status_code == 204


@pytest.mark.parametrize("role", ["auditor", "defence", "agency_admin", "records_clerk"])
def test_who_brings_nothing_in_opens_no_upload(room: Room, client: TestClient, role: Role) -> None:
    sender = Sender(client, a_person(room, role).headers)

    assert problem(sender.open(7, filename="stop.mp4")) == (403, "refused")


def test_nobody_uploads_without_signing_in(client: TestClient, officer: Sender) -> None:
    where = officer.opened(b"footage")
    nobody = Sender(client, {})

    assert nobody.open(7).status_code == 401
    assert nobody.head(where).status_code == 401
    assert nobody.append(where, b"footage", at=0).status_code == 401
    assert nobody.terminate(where).status_code == 401


HOSTILE = {
    "traversal": "../../../../etc/passwd",
    "absolute": "/etc/passwd",
    "nul": "stop.mp4\0.exe",
    "right-to-left": "stop\u202e4pm.exe",
    "4 kB": "n" * 4096,
    "newline": "stop\r\nX-Injected: 1.mp4",
    "surrogate": "stop\udcff.mp4",
    "option": "-i",
    "device": "CON",
    "markup": "<script>alert(1)</script>.mp4",
    "playlist": "playlist.mp4",
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_name_is_kept_and_names_nothing(room: Room, client: TestClient, officer: Sender, name: str) -> None:
    body = b"#EXTM3U\n#EXTINF:10,\nhttp://203.0.113.1/secret.ts\n" + name.encode("utf-8", "surrogateescape")
    announced = base64.b64encode(name.encode("utf-8", "surrogateescape")).decode()
    headers = {**TUS, **officer.headers, "Upload-Length": str(len(body)), "Upload-Metadata": f"filename {announced}"}

    opened = client.post(UPLOADS, headers=headers)
    where = opened.headers["Location"]
    answer = officer.append(where, body, at=0)

    assert answer.status_code == 204, answer.text
    assert stored_original(room, where) == body
    assert officer.head(where).headers["Upload-Metadata"] == f"filename {announced}"
    kept = [str(path.relative_to(room.settings.objects_path)) for path in room.settings.objects_path.rglob("*")]
    assert all(re.fullmatch(r"(objects|locks|staging)(/[a-z0-9./%F~-]+)?", path) for path in kept)
    assert not any(word in path for word in ("passwd", "stop", "nnnn", "script") for path in kept)
    number = answer.headers["Evidence-Item"]
    shown = client.get(f"/api/v1/items/{number}", headers=officer.headers).json()["content"]["filename"]
    assert shown.isprintable()
