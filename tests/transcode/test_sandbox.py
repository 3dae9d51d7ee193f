"""Every wall of the sandbox, alone: what it refuses, and that without it the same deed succeeds."""

import sys
from pathlib import Path

import pytest

from tests.support.hostile import canary
from transcode import children, sandbox
from transcode.children import Ended
from transcode.probe import sandbox_state
from transcode.sandbox import CLOSED
from transcode.settings import TranscodeSettings

ROOT = str(Path(sandbox.__file__).parent.parent)
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the walls are Linux's")

LIMITS = "sandbox.limit(memory=400_000_000, cpu_seconds=1)"
NETWORK = "assert sandbox.leave_the_network() == 'closed'"
FILES = "assert sandbox.allow_only(__import__('sys').argv[2], code=[]) == 'closed'"
CALLS = "assert sandbox.refuse_calls() == 'closed'"


def in_a_child(deed: str, folder: Path, *, wall: str, allowed: Path | None = None) -> Ended:
    code = f"import sys; sys.path.append(sys.argv[1]); from transcode import sandbox\nimport os, socket\n{wall}\n{deed}"
    command = [sys.executable, "-I", "-c", code, ROOT, str(allowed or folder)]
    return children.run(command, folder=folder, wall_seconds=120)


@pytest.mark.parametrize("wall", [NETWORK, CALLS])
def test_nobody_is_called(tmp_path: Path, wall: str) -> None:
    with canary() as listening:
        port = int(listening.url.split(":")[2].split("/")[0])
        deed = f"socket.create_connection(('127.0.0.1', {port}), timeout=60).close()"

        refused = in_a_child(deed, tmp_path, wall=wall)
        assert (refused.well, listening.hits) == (False, 0)

        without = in_a_child(deed, tmp_path, wall="pass")
        assert (without.well, listening.hits) == (True, 1), without.last_words


@pytest.mark.parametrize(
    "deed",
    [
        "open('other').read()",
        "os.listdir('.')",
        "open('new', 'w')",
        "os.remove('other')",
        "os.rename('other', 'moved')",
        "os.truncate('allowed', 0)",
    ],
)
def test_no_other_file_is_reached(tmp_path: Path, deed: str) -> None:
    for name in ("allowed", "other"):
        (tmp_path / name).write_text("evidence")
    everything = {path.name: path.read_text() for path in tmp_path.iterdir()}
    allowed = tmp_path / "allowed"

    refused = in_a_child(f"open('allowed').read()\n{deed}", tmp_path, wall=FILES, allowed=allowed)
    assert not refused.well
    assert "PermissionError" in refused.last_words
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == everything

    assert in_a_child(deed, tmp_path, wall="pass").well


@pytest.mark.parametrize(
    "deed",
    ["os.execv('/bin/true', ['true'])", "os.kill(os.getppid(), 0)", "os.posix_spawn('/bin/true', ['true'], {})"],
)
def test_no_other_program_is_started_or_touched(tmp_path: Path, deed: str) -> None:
    refused = in_a_child(deed, tmp_path, wall=CALLS)
    assert "PermissionError" in refused.last_words

    assert in_a_child(deed, tmp_path, wall="pass").well


@pytest.mark.parametrize(
    ("deed", "sign"),
    [
        ("bytearray(600_000_000)", "MemoryError"),
        ("open('new', 'wb', buffering=0).write(b'x')", "File too large"),
        ("opened = [open('/dev/null') for _ in range(100)]", "Too many open files"),
    ],
)
def test_limits_are_kept(tmp_path: Path, deed: str, sign: str) -> None:
    refused = in_a_child(deed, tmp_path, wall=LIMITS)
    assert not refused.well
    assert sign in refused.last_words

    assert in_a_child(deed, tmp_path, wall="pass").well


def test_processor_time_is_limited(tmp_path: Path) -> None:
    busy = "import time\nwhile time.process_time() < 4: pass"

    assert not in_a_child(busy, tmp_path, wall=LIMITS).well
    assert in_a_child(busy, tmp_path, wall="pass").well


def test_says_which_walls_stand(limits: TranscodeSettings) -> None:
    state = sandbox_state(limits)

    assert state.sound, "a reader that can reach the network must not read footage"
    for wall in (state.network, state.files, state.calls):
        assert wall == CLOSED or wall.startswith(("refused by the kernel", "no list of calls"))
