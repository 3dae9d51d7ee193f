"""Whatever is sent is answered in words: nothing here may end in a 500, and nothing may leak."""

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from evidence.custody import history
from evidence.database import unit_of_work
from evidence.ingest.manifests import Manifest, write
from evidence.room import Room
from tests.support.people import Person, a_person
from tests.support.uploading import TUS, UPLOADS, Sender


@pytest.fixture
def technician(room: Room) -> Person:
    return a_person(room, "evidence_tech")


@pytest.fixture
def item(client: TestClient, technician: Person) -> str:
    sender = Sender(client, technician.headers)
    return str(sender.show(sender.sent(b"a statement", content_type="Victim Jane Doe, 5 Elm St"))["item"])


def require_problem(answer: Any, *statuses: int) -> None:
    assert answer.status_code in statuses, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]
    assert "Traceback" not in answer.text
    assert "sqlalchemy" not in answer.text.lower()


@pytest.mark.parametrize("named", ["%00", "a%00b", "%ED%A0%80", "%0A", "%E2%80%AE", "x" * 64, "9" * 40])
def test_a_name_no_item_can_have_is_not_found(client: TestClient, technician: Person, named: str) -> None:
    for address in (f"/api/v1/items/{named}", f"/api/v1/items/{named}/custody"):
        require_problem(client.get(address, headers=technician.headers), 404)


@pytest.mark.parametrize("after", ["9" * 30, "-1", "1e3", "", "%00"])
def test_a_page_that_cannot_be_is_refused(client: TestClient, technician: Person, item: str, after: str) -> None:
    require_problem(client.get(f"/api/v1/items/{item}/custody?after={after}", headers=technician.headers), 422)


@pytest.mark.parametrize("cursor", ["x", "%00", "=" * 20, "A" * 22 + "B"])
def test_a_cursor_that_is_not_ours_is_refused(client: TestClient, technician: Person, cursor: str) -> None:
    require_problem(client.get(f"/api/v1/items?cursor={cursor}", headers=technician.headers), 400)


@pytest.mark.parametrize(
    "asked",
    [
        {"items": ["\u0000"], "reason": "x"},
        {"items": ["\ud800"], "reason": "x"},
        {"items": ["ITEM"], "reason": "x", "withhold": ["\ud800"]},
        {"items": ["ITEM"], "reason": "\ud800"},
        {"items": [], "reason": "x"},
        {"items": ["ITEM"], "reason": {}},
        ["ITEM"],
    ],
)
def test_an_export_of_the_impossible_is_refused_and_leaves_no_record(
    client: TestClient, technician: Person, item: str, room: Room, asked: Any
) -> None:
    body = json.dumps(asked).replace("ITEM", item)

    answer = client.post(
        "/api/v1/exports", content=body, headers=technician.headers | {"Content-Type": "application/json"}
    )

    require_problem(answer, 400, 404, 422)
    with unit_of_work(room.sessions) as session:
        assert [entry.body["act"] for entry in history.whole(session, f"item/{item}")] == ["item.received"]


@pytest.mark.parametrize("checksum", [b"sha256 \xe9", b"sha256", b"sha256 !!!!", b"crc32 AAAA", b"\xff"])
def test_a_checksum_that_cannot_be_read_is_refused(client: TestClient, technician: Person, checksum: bytes) -> None:
    said = {**TUS, **technician.headers, "Upload-Length": "3"}
    headers = {name.encode(): value.encode() for name, value in said.items()} | {b"Upload-Checksum": checksum}

    require_problem(client.post(UPLOADS, headers=headers), 400)


def test_an_upload_that_fails_with_its_first_bytes_says_where_it_is(client: TestClient, technician: Person) -> None:
    headers = {
        **TUS,
        **technician.headers,
        "Upload-Length": "3",
        "Content-Type": "application/offset+octet-stream",
        "Upload-Checksum": "sha256 AAAA",
    }

    answer = client.post(UPLOADS, content=b"abc", headers=headers)

    require_problem(answer, 460)
    assert Sender(client, technician.headers).head(answer.headers["Location"]).headers["Upload-Offset"] == "0"


def test_free_text_never_enters_a_record_as_a_content_type(
    client: TestClient, technician: Person, item: str, room: Room
) -> None:
    with unit_of_work(room.sessions) as session:
        (received,) = history.whole(session, f"item/{item}")

    assert b"Jane" not in received.raw
    assert {cited.get("mime") for cited in received.body["obj"]} == {"application/octet-stream", "text/plain"}
    assert Manifest.read(write({"content_type": "video/mp4"})).describe().content_type == "video/mp4"


def test_a_year_of_three_digits_is_written_with_four(client: TestClient, technician: Person, room: Room) -> None:
    sender = Sender(client, technician.headers)
    item = sender.show(sender.sent(b"old", recorded_at="0033-01-01T00:00:00Z"))["item"]

    with unit_of_work(room.sessions) as session:
        (received,) = history.whole(session, f"item/{item}")
    assert received.body["occ"] == "0033-01-01T00:00:00.000000Z"


def test_a_link_never_goes_where_the_client_says_we_are(client: TestClient, technician: Person, item: str) -> None:
    answer = client.get("/api/v1/items?limit=1", headers=technician.headers | {"Host": "evil.example"})

    assert answer.headers["Link"].startswith("</api/v1/items?")


def test_a_record_nobody_of_ours_wrote_hides_no_other(
    client: TestClient, technician: Person, item: str, room: Room
) -> None:
    with room.engine.begin() as connection:
        for key, body in enumerate(("{}", '{"facts":3}', '{"act":"x","facts":{"case":"x","item":4}}')):
            forged = "SELECT custody_append(ARRAY[%s], ARRAY[%s], ARRAY[%s])"
            connection.exec_driver_sql(forged, (f"item/{item}", str(key), body))

    answer = client.get(f"/api/v1/items/{item}/custody", headers=technician.headers)

    assert [each["act"] for each in answer.json()["records"]] == ["item.received", "unreadable", "unreadable", "x"]


@pytest.mark.parametrize(
    ("method", "address", "allowed"),
    [
        ("PUT", "/api/v1/cases", "GET, POST"),
        ("DELETE", "/api/v1/accounts", "GET, POST"),
        ("PUT", "/api/v1/docks/invitations", "POST"),
        ("PUT", "/api/v1/uploads/4711", "DELETE, GET, HEAD, PATCH"),
    ],
)
def test_a_wrong_method_is_told_every_right_one(client: TestClient, method: str, address: str, allowed: str) -> None:
    answer = client.request(method, address)

    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("asked", ["items?received_from=2026", "items?recorded_to=-1", "cases?due_by=1767225600.5"])
def test_a_number_is_no_day(client: TestClient, technician: Person, asked: str) -> None:
    answer = client.get(f"/api/v1/{asked}", headers=technician.headers)

    assert answer.status_code == 422
    assert "2026-03-01" in answer.json()["detail"]
