"""A file is written whole or not at all, and takes no other's place."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from evidence.cli import app
from evidence.cli.exits import ExitCode
from evidence.cli.files import OccupiedError, write_once, write_whole


def no_hard_links(_path: Path, _target: Path) -> None:
    raise PermissionError(1, "Operation not permitted")


@pytest.fixture(params=[True, False], ids=["hard links", "no hard links"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, on a file system that knows hard links or, as cards do, none."""
    if not request.param:
        monkeypatch.setattr(Path, "hardlink_to", no_hard_links)
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def broken_off() -> Iterator[bytes]:
    yield b"the first half"
    raise KeyboardInterrupt


def test_a_file_is_written_with_the_rights_that_others_get_here(folder: Path) -> None:
    before = os.umask(0o027)
    try:
        assert write_whole(folder / "a.zip", [b"one", b"two"]) == 6
    finally:
        os.umask(before)

    assert (folder / "a.zip").read_bytes() == b"onetwo"
    assert (folder / "a.zip").stat().st_mode & 0o777 == 0o640
    assert names(folder) == ["a.zip"]


def test_what_lies_beside_is_neither_followed_nor_written_over(folder: Path) -> None:
    (folder / "keepme").write_bytes(b"kept")
    (folder / "a.zip.part").symlink_to("keepme")
    (folder / "b.zip.part").write_bytes(b"kept")

    write_whole(folder / "a.zip", [b"new"])
    write_whole(folder / "b.zip", [b"new"])

    assert (folder / "keepme").read_bytes() == (folder / "b.zip.part").read_bytes() == b"kept"
    assert not (folder / "a.zip").is_symlink()
    assert names(folder) == ["a.zip", "a.zip.part", "b.zip", "b.zip.part", "keepme"]


@pytest.mark.parametrize("name", ["x" * 255, "\U0001f4fc" * 63, os.fsdecode(b"\xff" * 255)])
def test_the_longest_name_leaves_room_for_its_part(folder: Path, name: str) -> None:
    write_whole(folder / name, [b"new"])

    assert names(folder) == [name]


def test_what_breaks_off_leaves_nothing(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_whole(folder / "a.zip", broken_off())

    assert names(folder) == []


def test_what_is_refused_leaves_nothing(folder: Path) -> None:
    def refuse(part: Path) -> None:
        assert part.read_bytes() == b"new"
        raise ValueError

    with pytest.raises(ValueError):
        write_whole(folder / "a.zip", [b"new"], check=refuse)

    assert names(folder) == []


def test_what_cannot_be_renamed_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_part: Path, _path: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "hardlink_to", no_hard_links)
    monkeypatch.setattr(Path, "replace", fail)

    for replace in (False, True):
        with pytest.raises(OSError, match="Input/output"):
            write_whole(folder / "a.zip", [b"new"], replace=replace)

    assert names(folder) == []


def test_a_file_that_came_meanwhile_stays(folder: Path) -> None:
    def meanwhile(_part: Path) -> None:
        (folder / "a.zip").write_bytes(b"another's")

    with pytest.raises(OccupiedError, match="there already"):
        write_whole(folder / "a.zip", [b"new"], check=meanwhile)

    assert (folder / "a.zip").read_bytes() == b"another's"
    assert names(folder) == ["a.zip"]


def test_a_link_that_leads_nowhere_has_its_name_all_the_same(folder: Path) -> None:
    (folder / "a.zip").symlink_to("none")

    for replace in (False, True):
        with pytest.raises(OccupiedError):
            write_whole(folder / "a.zip", [b"new"], replace=replace)

    assert names(folder) == ["a.zip"]


def test_a_file_gives_way_where_that_is_asked_for_and_nothing_else_does(folder: Path) -> None:
    (folder / "file").write_bytes(b"old")
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()

    write_whole(folder / "file", [b"new"], replace=True)
    for name in ("pipe", "folder"):
        with pytest.raises(OccupiedError):
            write_whole(folder / name, [b"new"], replace=True)

    assert (folder / "file").read_bytes() == b"new"
    assert (folder / "pipe").is_fifo()
    assert names(folder) == ["file", "folder", "pipe"]


def test_a_folder_that_is_not_there_is_told_by_the_name_that_was_given(folder: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        write_whole(folder / "none" / "a.zip", [b"new"])

    assert caught.value.filename == str(folder / "none" / "a.zip")


def test_what_is_there_once_is_compared(folder: Path) -> None:
    assert write_once(folder / "a", b"new")
    written = (folder / "a").stat().st_ino
    assert write_once(folder / "a", b"new")

    assert (folder / "a").stat().st_ino == written, "it is not written again"
    for other in (b"ne", b"new!", b"old"):
        assert not write_once(folder / "a", other)


def test_of_a_file_that_is_there_no_more_is_read_than_is_compared(folder: Path) -> None:
    with (folder / "a").open("wb") as stream:
        stream.truncate(1 << 40)

    assert not write_once(folder / "a", b"\0")


@pytest.mark.parametrize("name", ["/dev/full", "/dev/zero", "pipe", "folder", "/"])
def test_what_is_no_file_is_not_read(folder: Path, name: str) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()

    with pytest.raises(OccupiedError, match="no file") as caught:
        write_once(folder / name, b"new")

    assert caught.value.next_step


def test_the_document_of_the_interface_is_not_put_in_the_place_of_a_pipe(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(folder / "pipe")

    assert app.run(["openapi", "--out", str(folder / "pipe")]) == ExitCode.USAGE

    assert "there already" in capsys.readouterr().err
    assert (folder / "pipe").is_fifo()
