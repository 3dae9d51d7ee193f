"""Uploads over HTTP, as any client of tus 1.0 sees them."""

import base64
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from evidence.ingest import manifests
from evidence.main import create_app
from evidence.room import Room
from tests.support.database import Database
from tests.support.people import Person, a_person
from tests.support.rooms import room_for

TUS = {"Tus-Resumable": "1.0.0"}
OFFSET_STREAM = {**TUS, "Content-Type": "application/offset+octet-stream"}


@pytest.fixture
def room(database: Database, tmp_path: Path) -> Iterator[Room]:
    with room_for(database, tmp_path / "home") as room:
        yield room


@pytest.fixture
def client(room: Room) -> Iterator[TestClient]:
    with TestClient(create_app(room)) as client:
        yield client


@pytest.fixture
def officer(room: Room) -> Person:
    return a_person(room, "officer", badge="4711")


def opened(client: TestClient, by: Person, *, size: int, **said: str) -> str:
    headers = {**TUS, **by.headers, "Upload-Length": str(size), "Upload-Metadata": manifests.write(said)}
    answer = client.post("/api/v1/uploads", headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"]


def appended(client: TestClient, by: Person, where: str, body: bytes, *, at: int, **more: str) -> Response:
    headers = {**OFFSET_STREAM, **by.headers, "Upload-Offset": str(at), **more}
    return client.patch(where, content=body, headers=headers)


def test_an_upload_is_received_with_a_receipt(client: TestClient, officer: Person) -> None:
    footage = bytes(range(256)) * 40_000
    where = opened(client, officer, size=len(footage), filename="stop.mp4", sha256=sha256(footage).hexdigest())

    first = appended(client, officer, where, footage[:3_000_000], at=0)
    last = appended(client, officer, where, footage[3_000_000:], at=3_000_000)

    assert (first.status_code, first.headers["Upload-Offset"]) == (204, "3000000")
    assert (last.status_code, last.headers["Upload-Offset"]) == (204, str(len(footage)))
    receipt = client.get(f"{where}/receipt", headers=officer.headers)
    assert last.headers["Link"] == f'<{where}/receipt>; rel="receipt"'
    assert receipt.text.startswith("custody.receipt.v1\n")
