"""Probing: what an original is gets onto the item and into its chain of custody, once."""

import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from procrastinate.exceptions import JobAborted
from sqlalchemy.orm import Session

from evidence import custody
from evidence.database import unit_of_work
from evidence.errors import NotFoundError
from evidence.ids import ItemId, new_id
from evidence.ingest import jobs
from evidence.items.models import EvidenceItem
from evidence.room import Room
from evidence.storage.frames import FrameError
from evidence.storage.models import StoredObject
from tests.support.footage import recording
from tests.support.people import a_dock
from tests.support.received import an_item_with, probings_of
from transcode import media
from transcode.probe import NO_RECORDING, Probe, probe, tool


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def item_id(room: Room) -> ItemId:
    return an_item_with(room, a_dock(room).principal, recording())


def the_item(room: Room, item_id: ItemId) -> EvidenceItem:
    with unit_of_work(room.sessions) as session:
        return session.get_one(EvidenceItem, item_id)


def test_what_a_recording_is_goes_onto_the_item_and_into_custody(room: Room, item_id: ItemId, scratch: Path) -> None:
    jobs.probe_original(room, item_id, scratch=scratch)

    item = the_item(room, item_id)
    assert item.media_note is None
    found = media.parse(item.media)
    assert found.video is not None
    (entry,) = probings_of(room, item_id)
    assert entry.body["actor"]["type"] == "system"
    assert entry.body["tool"] == {"name": "PyAV", "version": tool().version, "sha256": tool().sha256.hex()}
    assert entry.body["obj"][0]["sha256"] == item.sha256.hex()
    assert entry.body["facts"]["outcome"] == "read"
    assert entry.body["facts"]["streams"] == len(found.streams)
    assert {disclosure.name: disclosure.value for disclosure in entry.disclosures}["media"] == item.media


@pytest.mark.parametrize(
    ("content", "outcome"),
    [(b"Statement of the witness", "no_recording"), (b"", "no_recording"), (recording()[:3000], "damaged")],
)
def test_what_is_no_recording_stays_evidence_and_is_flagged(
    room: Room, scratch: Path, content: bytes, outcome: str
) -> None:
    item_id = an_item_with(room, a_dock(room).principal, content, filename="clip.mp4")

    jobs.probe_original(room, item_id, scratch=scratch)

    item = the_item(room, item_id)
    assert item.media is None
    assert item.media_note is not None
    assert (item.media_note == NO_RECORDING) == (outcome == "no_recording")
    (entry,) = probings_of(room, item_id)
    assert entry.body["facts"] == {"outcome": outcome}
    with unit_of_work(room.sessions) as session:
        assert b"".join(room.vault.read(session, item.original_object_id)) == content


def test_probing_again_and_at_the_same_time_makes_one_record(room: Room, item_id: ItemId, scratch: Path) -> None:
    with ThreadPoolExecutor(4) as together:
        list(together.map(lambda _: jobs.probe_original(room, item_id, scratch=scratch), range(4)))
    jobs.probe_original(room, item_id, scratch=scratch)

    assert len(probings_of(room, item_id)) == 1


def test_the_count_above_would_see_a_second_record(room: Room, item_id: ItemId, scratch: Path) -> None:
    """The control: a probe that does not look first, and whose record names the attempt."""

    def careless(session: Session, item_id: ItemId, found: Probe, attempt: int) -> None:
        item = session.get_one(EvidenceItem, item_id)
        event = jobs._event(item, found)
        custody.record(session, replace(event, request_id=f"probe:{item_id}:{attempt}"))

    for attempt in range(2):
        path = scratch / str(attempt)
        path.write_bytes(recording())
        with unit_of_work(room.sessions) as session:
            careless(session, item_id, probe(path, room.settings.transcode), attempt)

    assert len(probings_of(room, item_id)) == 2


def test_nobody_else_can_read_the_plaintext_and_it_goes_away(
    room: Room, item_id: ItemId, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Path] = []

    def watching(path: Path, *arguments: Any) -> Probe:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert path.parent.parent == scratch
        seen.append(path)
        return probe(path, *arguments)

    monkeypatch.setattr(jobs, "probe", watching)

    jobs.probe_original(room, item_id, scratch=scratch)

    assert seen
    assert list(scratch.iterdir()) == []


def test_a_failure_leaves_neither_plaintext_nor_record(
    room: Room, item_id: ItemId, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> Probe:
        raise OSError("the child could not be started")

    monkeypatch.setattr(jobs, "probe", failing)

    with pytest.raises(OSError, match="could not be started"):
        jobs.probe_original(room, item_id, scratch=scratch)

    assert list(scratch.iterdir()) == []
    assert the_item(room, item_id).media is None
    assert probings_of(room, item_id) == []


def test_a_damaged_object_is_no_answer(room: Room, item_id: ItemId, scratch: Path) -> None:
    with unit_of_work(room.sessions) as session:
        key = session.get_one(StoredObject, the_item(room, item_id).original_object_id).key
    (stored,) = [path for path in room.settings.objects_path.rglob("*") if path.is_file() and key.endswith(path.name)]
    damaged = bytearray(stored.read_bytes())
    damaged[100] ^= 1
    stored.chmod(0o600)
    stored.write_bytes(damaged)

    with pytest.raises(FrameError):
        jobs.probe_original(room, item_id, scratch=scratch)

    assert list(scratch.iterdir()) == []
    assert probings_of(room, item_id) == []


def test_a_worker_that_has_to_stop_lets_go(room: Room, item_id: ItemId, scratch: Path) -> None:
    with pytest.raises(JobAborted):
        jobs.probe_original(room, item_id, scratch=scratch, must_stop=lambda: True)

    assert list(scratch.iterdir()) == []


def test_an_original_whose_key_was_destroyed_is_left_alone(room: Room, item_id: ItemId, scratch: Path) -> None:
    with unit_of_work(room.sessions) as session:
        room.vault.destroy_key(session, the_item(room, item_id).original_object_id, at=room.clock())

    jobs.probe_original(room, item_id, scratch=scratch)

    assert probings_of(room, item_id) == []


def test_an_item_that_is_not_there_is_an_error(room: Room, scratch: Path) -> None:
    with pytest.raises(NotFoundError):
        jobs.probe_original(room, ItemId(new_id()), scratch=scratch)
