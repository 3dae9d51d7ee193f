"""Children end, whatever they do, and nothing of theirs is kept beyond the bounds."""

import fcntl
import os
import sys
from pathlib import Path

import pytest

from tests.support.waiting import until
from transcode import children
from transcode.errors import ChildError


def run(code: str, folder: Path, *, wall_seconds: float = 120, feed: tuple[bytes, ...] = ()) -> children.Ended:
    command = [sys.executable, "-I", "-c", code]
    return children.run(command, folder=folder, wall_seconds=wall_seconds, output_limit=1000, feed=feed)


def is_locked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def test_says_what_the_child_said(tmp_path: Path) -> None:
    ended = run("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)", tmp_path)

    assert (ended.code, ended.output, ended.last_words, ended.well) == (3, b"out\n", "err\n", False)


def test_feeds_more_than_a_pipe_holds(tmp_path: Path) -> None:
    ended = run("import sys; print(len(sys.stdin.buffer.read()))", tmp_path, feed=(b"x" * 300_000,) * 3)

    assert (ended.well, ended.output) == (True, b"900000\n")


def test_a_child_that_does_not_want_to_be_fed_is_no_failure(tmp_path: Path) -> None:
    assert run("import os; os.close(0)", tmp_path, feed=(b"x" * 300_000,)).well


def test_complaints_never_block_the_child(tmp_path: Path) -> None:
    ended = run("import sys; sys.stderr.write('x' * 2_000_000 + 'end')", tmp_path)

    assert ended.well
    assert len(ended.last_words) == children.LAST_WORDS
    assert ended.last_words.endswith("xend")


def test_too_much_output_ends_the_child(tmp_path: Path) -> None:
    ended = run("while True: print('x' * 1000)", tmp_path)

    assert (ended.well, ended.too_much_output, ended.out_of_time) == (False, True, False)
    assert len(ended.output) == 1000


@pytest.mark.parametrize("after", ["", "os.close(1); os.close(2)\n"])
def test_the_clock_ends_the_child_and_all_its_own(tmp_path: Path, after: str) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    code = (
        "import fcntl, os, time\n"
        "ours, theirs = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    file = open('lock')\n"
        "    fcntl.flock(file, fcntl.LOCK_EX)\n"
        "    os.write(theirs, b'x')\n"
        "    time.sleep(600)\n"
        "os.read(ours, 1)\n"
        f"print('locked', flush=True)\n{after}time.sleep(600)"
    )

    ended = run(code, tmp_path, wall_seconds=6)

    assert (ended.well, ended.out_of_time, ended.output) == (False, True, b"locked\n")
    until(lambda: not is_locked(lock), what="the end of the grandchild")


def test_nothing_of_our_environment_is_inherited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVIDENCE_S3_SECRET_KEY", "secret")

    ended = run("import os; print(os.getcwd(), sorted(os.environ))", tmp_path)

    assert os.environ["EVIDENCE_S3_SECRET_KEY"] == "secret"
    assert ended.output.decode().startswith(str(tmp_path))
    assert b"EVIDENCE" not in ended.output


def test_what_cannot_be_started_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ChildError, match="not-there"):
        children.run([str(tmp_path / "not-there")], folder=tmp_path, wall_seconds=1)
