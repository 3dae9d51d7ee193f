"""Plaintext of a worker goes away at its end, and after its death with whoever comes next."""

import os
import signal
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from evidence.jobs import scratch

LIVES = """
import sys, time
from pathlib import Path
from evidence.jobs import scratch
with scratch.folder(Path(sys.argv[1])) as folder:
    (folder / "plaintext").write_text("evidence")
    print("ready", flush=True)
    time.sleep(600)
"""


def left_in(root: Path) -> set[str]:
    return {path.name for path in root.iterdir()} - {"guard"}


def test_nobody_else_may_enter_and_nothing_stays(tmp_path: Path) -> None:
    root = tmp_path / "scratch"

    with scratch.folder(root) as folder:
        assert stat.S_IMODE(root.stat().st_mode) == stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "plaintext").write_text("evidence")

    assert left_in(root) == set()


def test_it_goes_away_after_an_error_too(tmp_path: Path) -> None:
    with suppress(ZeroDivisionError), scratch.folder(tmp_path) as folder:
        (folder / "plaintext").write_text("evidence")
        raise ZeroDivisionError

    assert left_in(tmp_path) == set()


def test_what_the_dead_left_is_removed_and_what_the_living_have_is_not(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", LIVES, str(tmp_path)], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        with scratch.folder(tmp_path):
            assert len(list(tmp_path.rglob("plaintext"))) == 1, "it lives"
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
    assert len(list(tmp_path.rglob("plaintext"))) == 1, "the control: its death alone removes nothing"

    with scratch.folder(tmp_path):
        assert list(tmp_path.rglob("plaintext")) == []
