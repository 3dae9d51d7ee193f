"""What a dock may do over HTTP: bring recordings it signed for, into its own uploads, and nothing else."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from threading import Barrier, Event
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from httpx2 import Response

from evidence.custody import history
from evidence.database import unit_of_work
from evidence.docking.identity import DockKey
from evidence.engines.postgres import Cluster
from evidence.ids import new_id
from evidence.ingest import manifests
from evidence.main import create_app
from evidence.proof import manifest
from evidence.room import Room
from tests.support.arrivals import acts
from tests.support.database import database_from
from tests.support.forging import b64, dock_statement, sign
from tests.support.people import Person, Shown, a_dock, a_person
from tests.support.rooms import room_for
from tests.support.uploading import TUS, UPLOADS, Sender, footage_like, require_receipt, signed

BODY = b"footage of a stop"
SAID = {"filename": "stop.mp4", "sha256": sha256(BODY).hexdigest(), "camera": "CAM-0417", "officer": "Q-4711"}


@pytest.fixture(scope="module")
def room(cluster: Cluster, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    home = tmp_path_factory.mktemp("room") / "home"
    with database_from(cluster, template) as database, room_for(database, home) as room:
        yield room


@pytest.fixture(scope="module")
def client(room: Room) -> Iterator[TestClient]:
    with TestClient(create_app(room)) as client:
        yield client


@pytest.fixture
def agency() -> str:
    return f"Police Department {new_id()}"


@pytest.fixture
def dock(room: Room, agency: str) -> Person:
    return a_dock(room, agency=agency)


def opened(
    client: TestClient, by: Person, text: str | None, size: int = len(BODY), said: dict[str, str] | None = None
) -> Response:
    headers = {**TUS, **by.headers, "Upload-Length": str(size), "Upload-Metadata": manifests.write(said or SAID)}
    if text is not None:
        headers["Upload-Manifest"] = text
    answer: Response = client.post(UPLOADS, headers=headers, auth=by.auth)
    return answer


def item_of(sender: Sender, where: str) -> UUID:
    return UUID(str(sender.show(where)["item"]))


def test_what_a_dock_signed_begins_the_chain_of_the_item(room: Room, client: TestClient, dock: Person) -> None:
    sender = Sender(client, dock)
    where = sender.sent(BODY, camera="CAM-0417", officer="Q-4711")
    item = item_of(sender, where)

    with unit_of_work(room.sessions) as session:
        first, second, *_ = history.whole(session, f"item/{item}")
    assert (first.body["act"], second.body["act"]) == ("item.announced", "item.received")
    assert first.body["actor"]["id"] == first.body["facts"]["dock"] == str(dock.principal.id)
    (text,) = (each.value for each in first.disclosures if each.name == "manifest")
    read = manifest.parse(text)
    assert read.is_by(bytes.fromhex(first.body["facts"]["public"]))
    assert (read.manifest.sha256, read.manifest.said["officer"]) == (sha256(BODY).digest(), "Q-4711")
    assert b"Q-4711" not in first.raw, "a badge is in no body"
    assert require_receipt(room, where, sender.receipt(where).text).seq == 2, "the receipt is for the reception"


def test_every_arrival_by_a_dock_is_announced_and_the_item_stays_one(
    room: Room, client: TestClient, agency: str, dock: Person
) -> None:
    one, two = Sender(client, dock), Sender(client, a_dock(room, "dock-2", agency=agency))
    officer = Sender(client, a_person(room, "officer", agency=agency).headers)

    items = {item_of(each, each.sent(BODY)) for each in (one, two, officer)}

    assert len(items) == 1
    assert acts(room, f"item/{items.pop()}") == [
        "item.announced",
        "item.received",
        "item.announced",
        "item.received_again",
        "item.received_again",
    ]


def test_a_person_signs_no_manifest_and_needs_none(room: Room, client: TestClient, agency: str, dock: Person) -> None:
    officer = a_person(room, "officer", agency=agency)

    assert opened(client, officer, None).status_code == 201
    assert opened(client, officer, signed(dock, len(BODY), SAID)).status_code == 422


def wrong_manifests(room: Room, dock: Person, agency: str) -> dict[str, str | None]:
    other = a_dock(room, "dock-other", agency=agency)
    assert dock.key is not None
    assert other.key is not None
    good = signed(dock, len(BODY), SAID)
    theirs = DockKey(other.key).manifest(str(dock.principal.id), len(BODY), SAID, at=room.clock())
    return {
        "none": None,
        "empty": "",
        "no manifest": "a.b.c",
        "signed by another dock": theirs,
        "another dock's": signed(other, len(BODY), SAID),
        "of another dock by our key": DockKey(dock.key).manifest(
            str(other.principal.id), len(BODY), SAID, at=room.clock()
        ),
        "of another size": signed(dock, len(BODY) + 1, SAID),
        "of other bytes": signed(dock, len(BODY), SAID | {"sha256": "0" * 64}),
        "of another name": signed(dock, len(BODY), SAID | {"filename": "other.mp4"}),
        "of another camera": signed(dock, len(BODY), SAID | {"camera": "CAM-0418"}),
        "of another officer": signed(dock, len(BODY), SAID | {"officer": "Q-4712"}),
        "silent about the officer": signed(dock, len(BODY), {k: v for k, v in SAID.items() if k != "officer"}),
        "saying more than is announced": signed(dock, len(BODY), SAID | {"incident": "26-1"}),
        "cut off": good[:-4],
        "a sign-in statement": dock_statement(dock.principal.id, dock.key, audience="x", at=room.clock()),
        "too long": "x" * 20_000,
    }


def test_an_upload_of_a_dock_without_a_good_manifest_is_refused(
    room: Room, client: TestClient, agency: str, dock: Person
) -> None:
    answers = {name: opened(client, dock, text) for name, text in wrong_manifests(room, dock, agency).items()}

    assert {name: answer.status_code for name, answer in answers.items() if answer.status_code != 422} == {}
    assert {answer.json()["type"] for answer in answers.values()} == {"urn:evidence-room:problem:manifest"}
    assert all("Upload-Manifest" in a.json()["next_step"] or "Sign" in a.json()["next_step"] for a in answers.values())
    assert "upload.opened" not in acts(room, f"dock/{dock.principal.id}")
    assert opened(client, dock, signed(dock, len(BODY), SAID)).status_code == 201, "and a good one is taken"


def test_bytes_that_are_not_those_that_were_signed_for_are_in_quarantine(client: TestClient, dock: Person) -> None:
    sender = Sender(client, dock)
    where = opened(client, dock, signed(dock, len(BODY), SAID)).headers["Location"]

    answer = sender.append(where, BODY[::-1], at=0)

    assert answer.status_code == 422
    assert sender.show(where)["state"] == "quarantined"


def replaced_key(client: TestClient, room: Room, dock: Person) -> Person:
    assert dock.key is not None
    new, path = ec.generate_private_key(ec.SECP256R1()), f"/api/v1/docks/{dock.principal.id}/key"
    key = DockKey(new)
    statement = dock_statement(
        dock.principal.id,
        dock.key,
        audience=room.settings.url + path,
        at=room.clock(),
        header={"alg": "ES256", "typ": "dock-key+jwt"},
        jwk=key.public_jwk(),
    )
    named = {"statement": b64(sha256(statement.encode()).digest())}
    asked = {"statement": statement, "answer": sign({"alg": "ES256", "typ": "dock-key-answer+jwt"}, named, new)}
    answer = client.post(path, json=asked)
    assert answer.status_code == 200, answer.text
    assert answer.json()["fingerprint"] == key.fingerprint
    assert client.post(path, json=asked).status_code == 401, "once"
    token = room.tokens.issue(dock.principal, at=room.clock(), bound_to=key.fingerprint).text
    return Person(dock.principal, {}, Shown(room, token, new), new)


def test_a_dock_with_a_new_key_goes_on_and_its_old_key_is_over(room: Room, client: TestClient, dock: Person) -> None:
    where = Sender(client, dock).opened(BODY)
    before = dock.principal

    renewed = replaced_key(client, room, dock)

    assert Sender(client, dock).head(where).status_code == 401
    assert opened(client, renewed, signed(dock, len(BODY), SAID)).status_code == 422, "a manifest by the old key"
    sender = Sender(client, renewed)
    assert sender.append(where, BODY, at=0).status_code == 204
    with unit_of_work(room.sessions) as session:
        announced, *_ = history.whole(session, f"item/{item_of(sender, where)}")
    assert dock.key is not None
    assert announced.body["facts"]["fingerprint"] == DockKey(dock.key).fingerprint, "the key that signed, not today's"
    assert acts(room, f"dock/{before.id}")[:3] == ["dock.enrolled", "upload.opened", "dock.key_replaced"]


def test_no_request_that_begins_after_a_dock_was_retired_is_let_in(
    room: Room, client: TestClient, agency: str, dock: Person
) -> None:
    """T-A5: under load, 0 late accepts. Before the retirement every request is let in, so the load is real."""
    keeper = a_person(room, "evidence_tech", agency=agency)
    where = Sender(client, dock).opened(BODY)
    retired, begun = Event(), Barrier(5)
    early: list[int] = []
    late: list[int] = []

    def ask() -> None:
        sender = Sender(client, dock)
        begun.wait()
        for _ in range(400):
            is_late = retired.is_set()  # asked before the request begins
            status = sender.head(where).status_code
            (late if is_late else early).append(status)
            if len(late) > 60:
                return

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        begun.wait()
        while len(early) < 20:
            pass
        path = f"/api/v1/docks/{dock.principal.id}/retire"
        assert client.post(path, json={"reason": "stolen"}, headers=keeper.headers).status_code == 200
        retired.set()
        for each in asking:
            each.result()

    assert early[:20] == [200] * 20
    assert len(late) > 60
    assert set(late) == {401}


WRITE_ONLY = {
    ("GET", "/api/v1/me"),
    ("GET", "/api/v1/banner"),
    ("GET", "/api/v1/sign-in"),
    ("POST", "/api/v1/sign-in/renewal"),
    ("POST", "/api/v1/tokens"),
    ("POST", "/api/v1/docks"),
    ("POST", "/api/v1/docks/{dock_id}/key"),
    ("GET", "/api/v1/trust"),
    ("OPTIONS", "/api/v1/uploads"),
    ("POST", "/api/v1/uploads"),
    ("POST", "/api/v1/uploads/"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/openapi.json"),
    ("HEAD", "/openapi.json"),
}
"""What is not about anything that is there already; the rest must answer a dock with nothing."""


def test_a_dock_reads_and_changes_nothing_but_its_own_uploads(
    room: Room, client: TestClient, agency: str, dock: Person
) -> None:
    """Over the route table: everything there is in its own agency, asked for by name with a dock's token."""
    officer, other = Sender(client, a_person(room, "officer", agency=agency)), a_dock(room, "d2", agency=agency)
    theirs = officer.sent(footage_like(100))
    brought = item_of(Sender(client, dock), Sender(client, dock).sent(BODY))
    named = {
        "upload_id": Sender(client, other).opened(b"other bytes").rpartition("/")[2],
        "item": str(item_of(officer, theirs)),
        "dock_id": str(dock.principal.id),
        "account_id": str(officer.by.principal.id) if isinstance(officer.by, Person) else "",
    }

    answers: dict[tuple[str, str], int] = {}
    for route in iter_route_contexts(client.app.routes):  # type: ignore[attr-defined]
        for method in sorted(getattr(route, "methods", None) or set()):
            if (method, str(route.path)) in WRITE_ONLY:
                continue
            for item in (named["item"], str(brought)):
                path = str(route.path).replace(":path}", "}").format_map(_Named({**named, "item": item}))
                answers[method, path] = ask_anything(client, method, path, dock)

    assert len(answers) > 25
    assert {asked: status for asked, status in answers.items() if status not in (403, 404, 405, 422)} == {}
    unreadable = [asked for asked, status in answers.items() if status == 422]
    assert all(method in ("POST", "PUT", "PATCH") for method, _ in unreadable), unreadable


class _Named(dict[str, str]):
    def __missing__(self, _name: str) -> str:
        return str(new_id())


def ask_anything(client: TestClient, method: str, path: str, by: Person) -> int:
    headers = {**TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    body: dict[str, Any] = {"content": b"other bytes"} if "/uploads" in path else {"json": {"reason": "curious"}}
    if "/uploads" not in path:
        headers = {}
    return int(client.request(method, path, headers=headers, auth=by.auth, **body).status_code)
