"""Which files of a folder are sent, and what their sidecars say."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from evidence.docking import folder
from evidence.docking.folder import FoundFile
from evidence.errors import ConflictError, InvalidError

LONG_AGO = 1_600_000_000
DEEP = 1900
NOW = datetime.fromtimestamp(LONG_AGO + 1000, UTC)


def recording(path: Path, content: bytes = b"footage", *, at: float = LONG_AGO) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (at, at))
    return path


def names(files: list[FoundFile] | tuple[FoundFile, ...]) -> list[str]:
    return [each.name for each in files]


def test_files_are_listed_in_order_with_those_in_folders_below(tmp_path: Path) -> None:
    for name in ("b.mp4", "a.mp4", "card/2/c.mp4"):
        recording(tmp_path / name)

    listing = folder.scan(tmp_path)

    assert names(list(listing.files)) == ["a.mp4", "b.mp4", "card/2/c.mp4"]
    assert [each.size for each in listing.files] == [7, 7, 7]


def test_a_link_is_never_followed_out_of_the_folder(tmp_path: Path) -> None:
    secret = recording(tmp_path / "outside" / "secret.txt")
    inside = tmp_path / "card"
    recording(inside / "a.mp4")
    (inside / "file-link.mp4").symlink_to(secret)
    (inside / "folder-link").symlink_to(secret.parent)

    listing = folder.scan(inside)

    assert names(list(listing.files)) == ["a.mp4"]
    assert {each.name for each in listing.skipped} == {"file-link.mp4", "folder-link"}
    assert all("link" in each.why for each in listing.skipped)


def test_what_is_no_file_or_hidden_is_named_as_skipped(tmp_path: Path) -> None:
    recording(tmp_path / ".DS_Store")
    recording(tmp_path / ".Trashes" / "old.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")

    listing = folder.scan(tmp_path)

    assert list(listing.files) == []
    assert {each.name: each.why for each in listing.skipped} == {
        ".DS_Store": "hidden",
        ".Trashes": "hidden",
        "pipe.mp4": "neither a file nor a folder",
    }


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """A folder with a recording 1,900 folders down, and more folders than the system takes in one path."""
    depth = (4096 - len(os.fsencode(tmp_path))) // 2 + 10
    here = os.open(tmp_path, os.O_RDONLY)
    for level in range(depth):
        if level == DEEP:
            os.close(os.open("deep.mp4", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        os.mkdir("d", dir_fd=here)
        here = _moved(here, "d")
    yield tmp_path
    # By hand: what clears up after tests goes no deeper than calls can.
    for level in reversed(range(depth)):
        here = _moved(here, "..")
        os.rmdir("d", dir_fd=here)
        if level == DEEP:
            os.unlink("deep.mp4", dir_fd=here)
    os.close(here)


def _moved(here: int, name: str) -> int:
    there = os.open(name, os.O_RDONLY, dir_fd=here)
    os.close(here)
    return there


def test_folders_deeper_than_calls_can_go_are_listed_and_what_is_too_deep_is_named(deep: Path) -> None:
    recording(deep / "z.mp4")

    listing = folder.scan(deep)

    assert [each.path.name for each in listing.files] == ["deep.mp4", "z.mp4"]
    assert ["too long" in each.why for each in listing.unreadable] == [True]


def test_hostile_names_are_files_like_others(tmp_path: Path) -> None:
    raw = [b"new\nline.mp4", b"\xff\xfe.mp4", "\u202egpj.mp4".encode(), b"-rf", b"%2e%2e%2fpasswd", b"x" * 250]
    for name in raw:
        recording(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)))

    listing = folder.scan(tmp_path)

    assert sorted(os.fsencode(each.path.name) for each in listing.files) == sorted(raw)
    assert "\\xff\\xfe.mp4" in {folder.sent_name(each) for each in listing.files}


@pytest.mark.parametrize("sidecar", ["a.json", "a.mp4.json"])
def test_a_sidecar_is_read_and_not_sent(tmp_path: Path, sidecar: str) -> None:
    recording(tmp_path / "a.mp4")
    said = {"recorded_at": "2026-11-22T14:03:00-05:00", "camera": "CAM-1", "officer": "4711"}
    recording(tmp_path / sidecar, json.dumps(said).encode())

    listing = folder.scan(tmp_path)

    assert names(list(listing.files)) == ["a.mp4"]
    assert [each.name for each in listing.skipped] == [sidecar]
    assert folder.metadata(listing.files[0], {"camera": "CAM-9", "incident": "26-1"}) == said | {"incident": "26-1"}


def test_a_json_file_that_stands_alone_is_evidence_itself(tmp_path: Path) -> None:
    recording(tmp_path / "chat-log.json", b"[]")

    assert names(list(folder.scan(tmp_path).files)) == ["chat-log.json"]


@pytest.mark.parametrize(
    "content",
    [
        b"not json",
        b"[1]",
        b'{"camera": {"serial": 1}}',
        b'{"a,b": "1"}',
        b'{"camera": null}',
        b"[" * 60_000,
        b" " * 70_000,
    ],
    ids=["garbage", "list", "nested", "name", "null", "deep", "large"],
)
def test_a_sidecar_that_cannot_be_understood_is_refused_and_not_guessed(tmp_path: Path, content: bytes) -> None:
    recording(tmp_path / "a.mp4")
    recording(tmp_path / "a.json", content)
    file = folder.scan(tmp_path).files[0]

    with pytest.raises(InvalidError, match=r"a\.json cannot be understood"):
        folder.metadata(file, {})
    assert folder.metadata(file, {"camera": "CAM-9"}, sidecars=False) == {"camera": "CAM-9"}


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"camera": 5}, "`camera` must be"),
        ({"camera": True}, "`camera` must be"),
        ({"camera": ""}, "`camera` must be"),
        ({"officer": "4" * 256}, "`officer` must be"),
        ({"recorded_at": "yesterday"}, "`recorded_at` must be a date"),
        ({"recorded_at": "2026-11-22T14:03:00"}, "`recorded_at` must be a date"),
        ({"recorded_at": "0001-01-01T00:00:00+14:00"}, "`recorded_at` must be a date"),
        ({"unknown": "1"}, "`unknown` is not known here"),
        ({"camera": "\ud800"}, "`camera` holds half a character"),
        ({"\ud800": "1"}, r"`\\ud800` is not known here"),
    ],
)
def test_what_a_sidecar_says_wrongly_is_named_with_the_form_it_needs(
    tmp_path: Path, said: dict[str, object], named: str
) -> None:
    recording(tmp_path / "a.mp4")
    recording(tmp_path / "a.json", json.dumps({"incident": "26-1"} | said).encode())
    file = folder.scan(tmp_path).files[0]

    with pytest.raises(InvalidError, match=named):
        folder.metadata(file, {"camera": "CAM-9"})


def test_a_sidecar_that_says_a_thing_twice_is_refused(tmp_path: Path) -> None:
    recording(tmp_path / "a.mp4")
    recording(tmp_path / "a.json", b'{"camera": "CAM-1", "camera": "CAM-2"}')

    with pytest.raises(InvalidError, match="twice"):
        folder.metadata(folder.scan(tmp_path).files[0], {})


def test_a_sidecar_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    recording(tmp_path / "a.mp4")
    sidecar = recording(tmp_path / "a.json", b'{"camera": "CAM-1"}')
    file = folder.scan(tmp_path).files[0]
    sidecar.unlink()
    sidecar.symlink_to(recording(tmp_path / "b.txt", b'{"camera": "CAM-666"}'))

    with pytest.raises(InvalidError):
        folder.metadata(file, {})


def test_only_what_stands_still_is_sent(tmp_path: Path) -> None:
    recording(tmp_path / "old.mp4")
    growing = recording(tmp_path / "growing.mp4", at=NOW.timestamp() - 1)
    recording(tmp_path / "just-ended.mp4", at=NOW.timestamp() - 1)
    recording(tmp_path / "wrong-clock.mp4", at=NOW.timestamp() + 90_000)
    files = folder.scan(tmp_path).files
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        growing.write_bytes(b"footage and more")

    still, moving = folder.settle(files, still_for=timedelta(seconds=2), now=NOW, sleep=sleep)

    assert slept == [2.0]
    assert names(moving) == ["growing.mp4"]
    assert names(still) == ["just-ended.mp4", "old.mp4", "wrong-clock.mp4"]


def test_nobody_waits_when_all_files_are_old(tmp_path: Path) -> None:
    recording(tmp_path / "old.mp4")

    def sleep(_seconds: float) -> None:
        raise AssertionError("there was nothing to wait for")

    still, moving = folder.settle(folder.scan(tmp_path).files, still_for=timedelta(seconds=2), now=NOW, sleep=sleep)

    assert (names(still), moving) == (["old.mp4"], [])


def test_a_file_put_in_anothers_place_is_not_opened(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.mp4")
    file = folder.scan(tmp_path).files[0]
    with file.open() as stream:
        assert stream.read() == b"footage"
    path.unlink()
    recording(path, b"fabrica")

    with pytest.raises(ConflictError, match="changed"):
        file.open()
    assert not file.unchanged()


def test_a_file_named_by_a_person_may_be_a_link_but_no_folder(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.pdf")
    (tmp_path / "link.pdf").symlink_to(path)

    assert folder.one(tmp_path / "link.pdf").path == path
    with pytest.raises(InvalidError):
        folder.one(tmp_path)
