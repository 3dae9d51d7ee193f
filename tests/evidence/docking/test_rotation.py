"""A dock that is killed while it changes its key goes on: with the old key or the new one, never with neither."""

import json
from pathlib import Path

import httpx2
import pytest

from evidence.cli.exits import ExitCode
from evidence.clock import system_clock
from evidence.docking import rotation
from evidence.docking.identity import NEXT_KEY, Dock, DockKey, DockToken
from evidence.errors import RefusedError
from tests.support.installation import Installation


def enrolled(room: Installation, name: str) -> Path:
    room.run("dock", "enrol", name)
    return room.config / "docks" / name


def signs_in(folder: Path) -> bool:
    try:
        DockToken(Dock.read(folder), DockKey.load(folder), clock=system_clock).sign_in()
    except RefusedError:
        return False
    return True


def test_a_dock_changes_its_key_and_sends_on(room: Installation, card: Path) -> None:
    folder = enrolled(room, "west-1")
    before = DockKey.load(folder).fingerprint
    (card / "a.mp4").write_bytes(b"after the change")

    said = room.run("dock", "rotate", "--dock", "west-1", "--json").summary["result"]

    assert said["fingerprint"] == DockKey.load(folder).fingerprint != before
    assert Dock.read(folder).fingerprint == said["fingerprint"]
    assert not (folder / NEXT_KEY).exists()
    assert room.run("dock", "upload", card, "--still", "0", "--dock", "west-1", "--json").of_kind("verified")


@pytest.mark.parametrize("told", [False, True], ids=["before the server heard", "after the server took it"])
def test_a_change_that_was_broken_off_is_ended_by_the_same_command(room: Installation, told: bool) -> None:
    folder = enrolled(room, f"south-{told}")
    coming = DockKey.load_or_create(folder, name=NEXT_KEY)
    if told:
        rotation._tell(Dock.read(folder), DockKey.load(folder), coming, clock=system_clock)
    assert signs_in(folder) is not told, "the old key is over as soon as the server took the new one"

    room.run("dock", "rotate", "--dock", f"south-{told}")

    assert DockKey.load(folder).fingerprint == coming.fingerprint
    assert signs_in(folder)


def test_a_dock_that_was_retired_changes_nothing(room: Installation) -> None:
    folder = enrolled(room, "north-1")
    dock = Dock.read(folder)
    before = DockKey.load(folder).fingerprint
    retire(room, dock.id)

    refused = room.run("dock", "rotate", "--dock", "north-1", "--json", expect=[ExitCode.REFUSED])

    assert refused.of_kind("problem")
    assert DockKey.load(folder).fingerprint == before


def retire(room: Installation, dock_id: str) -> None:
    profile = json.loads((room.config / "profiles" / "default.json").read_text())
    answer = httpx2.post(
        f"{room.url}/api/v1/docks/{dock_id}/retire",
        json={"reason": "lost"},
        headers={"Authorization": f"Bearer {profile['token']}"},
    )
    assert answer.status_code == 200, answer.text
