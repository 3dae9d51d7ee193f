"""What had arrived of an upload is damaged in our own store before it is whole: quarantined, never left hanging."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from evidence.ingest.sweep import sweep
from evidence.room import Room
from tests.support.application import application_over
from tests.support.people import a_dock
from tests.support.uploading import Sender, footage_like

BODY = footage_like(3_000_000)
FIRST = 2_500_000


def flip_a_byte(staged: Path) -> None:
    (pieces,) = (path for path in staged.rglob("*") if path.is_file() and path.stat().st_size > 1_000_000)
    altered = bytearray(pieces.read_bytes())
    altered[100] ^= 1
    pieces.write_bytes(altered)


def cut_it_short(staged: Path) -> None:
    (pieces,) = (path for path in staged.rglob("*") if path.is_file() and path.stat().st_size > 1_000_000)
    pieces.write_bytes(pieces.read_bytes()[:1000])


def take_it_away(staged: Path) -> None:
    shutil.rmtree(staged)
    staged.mkdir()


def leave_it(_staged: Path) -> None:
    """The control."""


@pytest.mark.parametrize("damage", [flip_a_byte, cut_it_short, take_it_away])
def test_an_upload_damaged_in_our_store_goes_to_quarantine(room: Room, damage: Callable[[Path], None]) -> None:
    sender, where = half_sent(room)
    damage(room.settings.objects_path / "staging")

    with TestClient(application_over(room)) as client:
        again = Sender(client, sender.by)
        answer = again.append(where, BODY[FIRST:], at=FIRST)
        shown = again.show(where)

    assert answer.status_code == 422
    assert "new upload" in answer.json()["next_step"]
    assert shown["state"] == "quarantined"
    left = list(room.vault.store.staged())
    sweep(room)
    assert list(room.vault.store.staged()) == left, "what is left is kept"


def test_the_same_upload_undamaged_is_received(room: Room) -> None:
    sender, where = half_sent(room)
    leave_it(room.settings.objects_path / "staging")

    with TestClient(application_over(room)) as client:
        again = Sender(client, sender.by)
        answer = again.append(where, BODY[FIRST:], at=FIRST)

    assert answer.status_code == 204


def half_sent(room: Room) -> tuple[Sender, str]:
    """Send the first part to a server that then stops."""
    with TestClient(application_over(room)) as client:
        sender = Sender(client, a_dock(room))
        where = sender.opened(BODY)
        assert sender.append(where, BODY[:FIRST], at=0).status_code == 204
    return sender, where
