"""What goes out, for whom, and what custody says of it."""

import io
import json
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import bagit
import pytest
from starlette.testclient import TestClient

from evidence.custody import history
from evidence.database import unit_of_work
from evidence.disclosure import exports
from evidence.errors import IntegrityError
from evidence.proof import disclosure, heads, note, package, record
from evidence.room import Room
from evidence.storage.models import StoredObject
from tests.support.people import Person, a_dock, a_person
from tests.support.uploading import Sender

FOOTAGE = b"not much of a film " * 70_000
"""A little more than one frame of encryption."""


def received(client: TestClient, by: Person, body: bytes, **said: str) -> UUID:
    sender = Sender(client, by)
    return UUID(str(sender.show(sender.sent(body, **said))["item"]))


@pytest.fixture
def dock(room: Room) -> Person:
    return a_dock(room)


@pytest.fixture
def technician(room: Room) -> Person:
    return a_person(room, "evidence_tech")


@pytest.fixture
def item(client: TestClient, dock: Person) -> UUID:
    return received(client, dock, FOOTAGE, filename="CAM-0417.mp4", camera="CAM-0417", officer="4711")


def asked(*items: UUID | str, **more: Any) -> dict[str, Any]:
    return {"items": [str(item) for item in items], "reason": "Discovery, case 26-118204"} | more


def export(client: TestClient, by: Person, *items: UUID | str, **more: Any) -> dict[str, bytes]:
    """Ask for a package and return its files by path."""
    answer = client.post("/api/v1/exports", json=asked(*items, **more), headers=by.headers)
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as bag:
        return {name.partition("/")[2]: bag.read(name) for name in bag.namelist()}


def acts(room: Room, item: UUID) -> list[str]:
    with unit_of_work(room.sessions) as session:
        return [entry.body["act"] for entry in history.whole(session, f"item/{item}")]


def disclosed(files: dict[str, bytes], item: UUID) -> set[str]:
    texts = json.loads(files[package.disclosures_path(str(item))])["disclosures"]
    return {disclosure.parse(text).name for text in texts}


def test_a_package_holds_the_original_bit_for_bit(client: TestClient, technician: Person, item: UUID) -> None:
    files = export(client, technician, item)

    assert files[package.original_path(str(item), "CAM-0417.mp4")] == FOOTAGE
    assert package.parse_chunks(files[package.chunks_path(str(item))]) == [sha256(FOOTAGE).digest()]


def test_a_package_is_a_bag_that_another_program_accepts(
    client: TestClient, technician: Person, item: UUID, tmp_path: Path
) -> None:
    answer = client.post("/api/v1/exports", json=asked(item), headers=technician.headers)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as bag:
        bag.extractall(tmp_path)
    (folder,) = tmp_path.glob("package-*")

    assert bagit.Bag(str(folder)).validate()
    next(folder.rglob("original/*")).write_bytes(b"something else")
    with pytest.raises(bagit.BagValidationError):
        bagit.Bag(str(folder)).validate()


def test_an_original_is_stored_so_that_it_can_be_sliced_out(client: TestClient, technician: Person, item: UUID) -> None:
    answer = client.post("/api/v1/exports", json=asked(item), headers=technician.headers)

    with zipfile.ZipFile(io.BytesIO(answer.content)) as bag:
        originals = [entry for entry in bag.infolist() if "/original/" in entry.filename]

    assert [entry.compress_type for entry in originals] == [zipfile.ZIP_STORED]
    assert FOOTAGE in answer.content


def test_the_heads_pin_the_end_of_the_chain_and_the_index(
    client: TestClient, technician: Person, item: UUID, room: Room
) -> None:
    files = export(client, technician, item)

    opened = note.open_note(note.parse(files[package.HEADS].decode()), [room.signing.verifier_key("export")])
    told = heads.parse(opened.text)
    records = files[package.records_path(str(item))].split(b"\ncustody.v1\n")
    last = b"custody.v1\n" + records[-1].rstrip(b"\n")

    assert told.package == sha256(files[package.INDEX]).digest()
    assert [(head.chain, head.seq) for head in told.heads] == [(f"item/{item}", len(records))]
    assert told.heads[0].hash == record.leaf_hash(last)


def test_an_export_is_on_record_before_and_after(
    client: TestClient, technician: Person, item: UUID, room: Room
) -> None:
    files = export(client, technician, item)

    assert acts(room, item) == ["item.announced", "item.received", "item.exported", "item.export_ended"]
    assert files[package.records_path(str(item))].count(b'"act":"item.export') == 1, "the package ends with its intent"
    with unit_of_work(room.sessions) as session:
        *_, ended = history.whole(session, f"item/{item}")
        assert ended.body["facts"]["outcome"] == "whole"
        assert ended.body["facts"]["size"] > len(FOOTAGE)


def test_no_byte_goes_out_when_the_intent_cannot_be_recorded(
    client: TestClient, technician: Person, item: UUID, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise RuntimeError("custody is down")

    monkeypatch.setattr("evidence.custody.ledger.append", fail)
    answer = TestClient(client.app, raise_server_exceptions=False).post(
        "/api/v1/exports", json=asked(item), headers=technician.headers
    )

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert b"custody is down" not in answer.content
    monkeypatch.undo()
    assert acts(room, item) == ["item.announced", "item.received"]


def test_a_field_that_is_withheld_is_declared_and_the_rest_goes(
    client: TestClient, technician: Person, item: UUID
) -> None:
    everything = export(client, technician, item)
    less = export(client, technician, item, withhold=["officer_badge"])

    assert "officer_badge" in disclosed(everything, item)
    assert "officer_badge" not in disclosed(less, item)
    assert "camera_serial" in disclosed(less, item)
    assert "manifest" in disclosed(everything, item)
    assert "manifest" not in disclosed(less, item), "the dock signed the badge with the rest, and it says it too"
    index = package.parse(less[package.INDEX])
    assert len(index.withheld.disclosures) == 2
    assert index.withheld.reason is not None
    assert "officer_badge" in index.withheld.reason
    assert package.parse(everything[package.INDEX]).withheld == package.Withheld()


def test_an_auditor_gets_the_chain_without_footage_or_description(client: TestClient, room: Room, item: UUID) -> None:
    files = export(client, a_person(room, "auditor"), item)

    assert not [path for path in files if "/original/" in path]
    assert disclosed(files, item) == set()
    index = package.parse(files[package.INDEX])
    assert index.withheld.objects == (sha256(FOOTAGE).digest(),)
    assert index.items[0].original is None


@pytest.mark.parametrize("role", ["officer", "agency_admin", "system_admin", "prosecutor"])
def test_others_get_nothing_and_the_refusal_is_on_their_record(
    client: TestClient, room: Room, item: UUID, role: Any
) -> None:
    person = a_person(room, role, badge="4711")

    answer = client.post("/api/v1/exports", json=asked(item), headers=person.headers)

    assert answer.status_code in (403, 404)
    assert acts(room, item) == ["item.announced", "item.received"]
    with unit_of_work(room.sessions) as session:
        doings = [entry.body for entry in history.whole(session, f"account/{person.principal.id}")]
    if answer.status_code == 403:
        assert [body["facts"] for body in doings if body["act"] == "access.refused"] == [{"action": "custody.export"}]


def test_one_item_that_may_not_go_out_holds_back_all(
    client: TestClient, room: Room, technician: Person, item: UUID
) -> None:
    elsewhere = a_dock(room, agency="Millbrook Police Department")
    foreign = received(client, elsewhere, b"theirs")

    answer = client.post("/api/v1/exports", json=asked(item, foreign), headers=technician.headers)

    assert answer.status_code == 404
    assert acts(room, item) == ["item.announced", "item.received"]


def test_a_reason_is_required(client: TestClient, technician: Person, item: UUID) -> None:
    for reason in ("", None):
        body = {"items": [str(item)], "reason": reason}
        assert client.post("/api/v1/exports", json=body, headers=technician.headers).status_code == 422


def test_an_item_asked_for_twice_goes_once(client: TestClient, technician: Person, item: UUID) -> None:
    files = export(client, technician, item, item)

    assert len(package.parse(files[package.INDEX]).items) == 1


def drain(pieces: Iterator[bytes], into: io.BytesIO) -> None:
    for piece in pieces:
        into.write(piece)


def test_an_original_that_is_not_what_was_recorded_breaks_the_package_off(room: Room, item: UUID) -> None:
    technician = a_person(room, "evidence_tech").principal
    export = exports.begin(room, technician, [str(item)], reason="trial", withhold=[], request_id="r-1")
    export.items[0].item.sha256 = bytes(32)
    written = io.BytesIO()

    with pytest.raises(IntegrityError, match="not what was recorded"):
        drain(exports.write(room, export), written)

    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(written)


def test_a_stored_original_that_was_tampered_with_breaks_the_package_off_and_is_recorded_so(
    client: TestClient, room: Room, technician: Person, item: UUID
) -> None:
    with unit_of_work(room.sessions) as session:
        keys = [row.key for row in session.query(StoredObject) if row.key.startswith("original/")]
    (path,) = [room.settings.objects_path.rglob(key.rpartition("/")[2] + "*") for key in keys]
    stored = max(path, key=lambda file: file.stat().st_size)
    stored.chmod(0o600)
    body = bytearray(stored.read_bytes())
    body[len(body) // 2] ^= 1
    stored.write_bytes(body)

    answer = client.post("/api/v1/exports", json=asked(item), headers=technician.headers)

    assert not zipfile.is_zipfile(io.BytesIO(answer.content))
    assert acts(room, item) == ["item.announced", "item.received", "item.exported", "item.export_ended"]
    with unit_of_work(room.sessions) as session:
        *_, ended = history.whole(session, f"item/{item}")
        assert ended.body["facts"]["outcome"] == "original damaged"
        assert ended.body["facts"]["export"] == answer.headers["Evidence-Export"]


def test_a_name_that_withholds_nothing_is_refused(
    client: TestClient, technician: Person, item: UUID, room: Room
) -> None:
    answer = client.post("/api/v1/exports", json=asked(item, withhold=["officer"]), headers=technician.headers)

    assert answer.status_code == 400
    assert "officer_badge" in answer.json()["next_step"]
    assert acts(room, item) == ["item.announced", "item.received"]


def test_a_name_that_is_withheld_leaves_by_no_other_way(client: TestClient, technician: Person, item: UUID) -> None:
    number = client.get(f"/api/v1/items/{item}", headers=technician.headers).json()["number"]

    files = export(client, technician, item, withhold=["filename", "number"])

    assert files[package.original_path(str(item), exports.NEUTRAL_NAME)] == FOOTAGE
    for path, text in files.items():
        assert "CAM-0417.mp4" not in path
        assert path.endswith(exports.NEUTRAL_NAME) or not (b"CAM-0417.mp4" in text or number.encode() in text), path
