"""Whether a file was received before is said by what is in it, never by its name, size and time alone."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from evidence.cli import sending
from evidence.cli.exits import ExitCode
from evidence.cli.output import Output
from evidence.cli.sending import Planned
from evidence.docking import folder
from evidence.docking.connection import Connection
from evidence.docking.folder import FoundFile
from evidence.docking.state import SentFile, UploadState
from evidence.docking.upload import Sender
from evidence.errors import ConflictError
from evidence.proof.trust import Trust

NOBODY = "http://127.0.0.1:9"
FIRST, SECOND = b"one recording", b"other footage"


@pytest.fixture
def sender(tmp_path: Path) -> Iterator[Sender]:
    """A sender that has a state and no server: what is known is found without one."""
    with Connection(NOBODY) as connection, UploadState(tmp_path / "dock" / "uploads.sqlite") as state:
        yield Sender(
            connection=connection,
            state=state,
            trusted=Trust("evidence.example/1", ()),
            watch=_quietly,
            kept=lambda *_said: None,
            waiting=lambda *_said: None,
            clock=lambda: datetime(2026, 11, 22, tzinfo=UTC),
            patience=timedelta(0),
        )


@contextmanager
def _quietly(name: str, *, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
    assert done <= total, name
    yield lambda _more: None


def recorded(path: Path, content: bytes) -> FoundFile:
    """A recording by a camera whose clock always begins at the same time."""
    path.write_bytes(content)
    os.utime(path, (1_600_000_000, 1_600_000_000))
    return folder.one(path)


def received(sender: Sender, file: FoundFile) -> SentFile:
    row = SentFile(
        path=file.path,
        size=file.size,
        mtime_ns=file.mtime_ns,
        sha256=hashlib.sha256(file.path.read_bytes()).hexdigest(),
        stage="received",
        mark=file.mark,
    )
    return sender.state.put(row, at="1")


def as_on_fat(file: FoundFile) -> FoundFile:
    return replace(file, ctime_ns=1_600_000_000_000_000_000)


@pytest.mark.parametrize("seen", [lambda file: file, as_on_fat], ids=["fine times", "coarse times"])
def test_a_new_recording_of_the_same_name_size_and_time_is_to_be_sent(
    sender: Sender, tmp_path: Path, seen: Callable[[FoundFile], FoundFile]
) -> None:
    before = seen(recorded(tmp_path / "a.mp4", FIRST))
    received(sender, before)
    after = recorded(tmp_path / "a.mp4", SECOND)
    assert (after.size, after.mtime_ns, after.inode) == (before.size, before.mtime_ns, before.inode)

    known = sender.known(after)

    assert known is not None
    assert (known.stage, known.sha256) == ("hashed", hashlib.sha256(SECOND).hexdigest())


def test_the_same_recording_met_as_another_file_was_received_before(sender: Sender, tmp_path: Path) -> None:
    row = received(sender, recorded(tmp_path / "a.mp4", FIRST))
    (tmp_path / "a.mp4").unlink()
    again = recorded(tmp_path / "a.mp4", FIRST)

    known = sender.known(again)

    assert known == replace(row, mark=again.mark)
    sender.remember(known)
    assert sender.state.of(again) is not None, "the next run need not read it"


def test_a_file_with_its_own_mark_is_not_read_again(sender: Sender, tmp_path: Path) -> None:
    file = recorded(tmp_path / "a.mp4", FIRST)
    row = received(sender, file)
    (tmp_path / "a.mp4").chmod(0o200)
    renewed = folder.one(tmp_path / "a.mp4")

    assert sender.known(file) == row, "its mark says so, although the file has another mark by now"
    with pytest.raises(ConflictError):
        sender.known(as_on_fat(renewed))


def test_a_run_skips_the_same_recording_and_plans_to_send_the_other(
    sender: Sender, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    received(sender, recorded(tmp_path / "a.mp4", FIRST))
    received(sender, recorded(tmp_path / "b.mp4", FIRST))
    planned = [
        Planned(recorded(tmp_path / "a.mp4", FIRST), {}),
        Planned(recorded(tmp_path / "b.mp4", SECOND), {}),
    ]

    code = sending.carry_out(Output("dock upload", as_json=True), sender, planned, dry_run=True)

    steps = json.loads(capsys.readouterr().out.splitlines()[0])["steps"]
    assert code is ExitCode.OK
    assert [(Path(step["name"]).name, step["act"]) for step in steps] == [("a.mp4", "skip"), ("b.mp4", "send")]


def test_a_recording_that_cannot_be_read_again_is_one_problem_of_the_run(
    sender: Sender, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    received(sender, recorded(tmp_path / "a.mp4", FIRST))
    listed = recorded(tmp_path / "a.mp4", SECOND)
    recorded(tmp_path / "a.mp4", FIRST)
    received(sender, same := recorded(tmp_path / "b.mp4", FIRST))

    code = sending.carry_out(Output("dock upload", as_json=True), sender, [Planned(listed, {}), Planned(same, {})])

    assert code is ExitCode.SOME_FAILED
    assert "changed after it was listed" in capsys.readouterr().out
