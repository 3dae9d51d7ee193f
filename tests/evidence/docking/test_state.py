"""What a dock remembers survives, and a file that changed is another file."""

import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from evidence.docking import folder
from evidence.docking.folder import FoundFile
from evidence.docking.state import SentFile, Stage, UploadState


@pytest.fixture
def file(tmp_path: Path) -> FoundFile:
    path = tmp_path / "card" / "a.mp4"
    path.parent.mkdir()
    path.write_bytes(b"footage")
    return folder.one(path)


def row_of(file: FoundFile, stage: Stage = "hashed", sha256: str = "aa") -> SentFile:
    return SentFile(path=file.path, size=file.size, mtime_ns=file.mtime_ns, sha256=sha256, stage=stage, mark=file.mark)


def test_a_row_is_there_for_the_next_process(tmp_path: Path, file: FoundFile) -> None:
    with UploadState(tmp_path / "dock" / "uploads.sqlite") as state:
        kept = state.put(replace(row_of(file, "received"), receipt="signed", item="i"), at="2026-11-22T12:00:00+00:00")

    with UploadState(tmp_path / "dock" / "uploads.sqlite") as state:
        assert state.of(file) == kept
        assert state.all() == [kept]
    assert (tmp_path / "dock" / "uploads.sqlite").stat().st_mode & 0o077 == 0


def test_a_file_that_changed_is_not_known(tmp_path: Path, file: FoundFile) -> None:
    with UploadState(tmp_path / "uploads.sqlite") as state:
        state.put(row_of(file, "received"), at="1")
        os.utime(file.path, ns=(file.mtime_ns, file.mtime_ns + 1))

        assert state.of(file) is not None
        assert state.of(folder.one(file.path)) is None


def test_the_furthest_stage_counts(tmp_path: Path, file: FoundFile) -> None:
    with UploadState(tmp_path / "uploads.sqlite") as state:
        state.put(row_of(file, "sending", sha256="aa"), at="1")
        state.put(row_of(file, "received", sha256="bb"), at="2")

        found = state.of(file)

    assert found is not None
    assert found.stage == "received"


def test_names_that_are_no_text_are_kept_as_they_are(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff'; DROP TABLE sent_file; --.mp4"))
    path.write_bytes(b"footage")
    file = folder.one(path)

    with UploadState(tmp_path / "uploads.sqlite") as state:
        state.put(row_of(file), at="1")

        assert [row.path for row in state.all()] == [path]


def test_another_file_of_the_same_name_size_and_time_is_not_known(tmp_path: Path, file: FoundFile) -> None:
    with UploadState(tmp_path / "uploads.sqlite") as state:
        kept = state.put(row_of(file, "received"), at="1")
        file.path.unlink()
        file.path.write_bytes(b"another")
        os.utime(file.path, ns=(file.mtime_ns, file.mtime_ns))
        other = folder.one(file.path)

        assert (other.size, other.mtime_ns) == (file.size, file.mtime_ns)
        assert state.of(other) is None
        assert state.like(other) == [kept]


def test_where_the_file_system_keeps_no_fine_times_nothing_is_known_by_them(tmp_path: Path, file: FoundFile) -> None:
    """On FAT device, inode and ctime can all be the same for other bytes."""
    coarse = replace(file, ctime_ns=1_600_000_000_000_000_000)
    with UploadState(tmp_path / "uploads.sqlite") as state:
        kept = state.put(row_of(coarse, "received"), at="1")

        assert state.of(coarse) is None
        assert state.like(coarse) == [kept]


def test_a_state_of_before_there_were_marks_is_kept_and_its_files_are_not_known(
    tmp_path: Path, file: FoundFile
) -> None:
    path = tmp_path / "uploads.sqlite"
    with UploadState(path) as state:
        kept = state.put(replace(row_of(file, "received"), mark=None), at="1")
    with closing(sqlite3.connect(path)) as database:
        database.execute("ALTER TABLE sent_file DROP COLUMN mark")

    with UploadState(path) as state:
        assert state.all() == [kept]
        assert state.of(file) is None
        assert state.like(file) == [kept]
