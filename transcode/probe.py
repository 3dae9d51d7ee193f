"""What is this file? Read in a sandboxed child, answered as MediaInfo or a plain sentence.

The parent looks at the first bytes and picks the demuxer (sniff.py); the child, behind the walls
of sandbox.py, opens the file; the parent believes nothing it answers that `media.parse` refuses.
No answer is an error: a file that cannot be read is still evidence.
"""

import json
import logging
import signal
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Final

from transcode import children, media, sniff
from transcode.children import Ended
from transcode.errors import ChildError
from transcode.media import MediaInfo
from transcode.sandbox import SandboxState
from transcode.settings import TranscodeSettings

NO_RECORDING: Final = "This file is no recording we know; it is kept as it is."

_REASONS: Final = {
    "damaged": "It begins like a recording ({demuxer}) but cannot be read: damaged, or its end was cut off. "
    "It is kept as it is.",
    "memory": "Reading it takes more memory than a recording may take; it was not read. It is kept as it is.",
    "time": "Reading it takes longer than a recording may take; it was not read to the end. It is kept as it is.",
    "broken": "The program that reads recordings broke on it; it was not read. It is kept as it is.",
}

# The child finds this package where we found it, behind everything installed; -I keeps it from its
# working folder, from PYTHONPATH and from the user's own packages.
_START: Final = "import sys; sys.path.append(sys.argv[1]); from transcode.probe_child import main; main()"
_ROOT: Final = str(Path(__file__).resolve().parent.parent)
_OUTPUT_LIMIT: Final = 1 << 18

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tool:
    """What read the file: PyAV, its version with ffmpeg's, and the SHA-256 of its libraries."""

    name: str
    version: str
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Probe:
    """The answer. Without `media` the note says why; with it the note says what is wrong, if anything is.

    `outcome` is one word of "read", "no_recording", "damaged", "memory", "time", "broken".
    """

    outcome: str
    media: MediaInfo | None
    note: str | None
    tool: Tool
    sandbox: SandboxState | None


def probe(path: Path, settings: TranscodeSettings) -> Probe:
    """Say what the file is. ChildError if the child could not even start; trying again may help then."""
    with path.open("rb") as file:
        demuxer = sniff.demuxer_for(file.read(sniff.ENOUGH))
    if demuxer is None:
        return Probe("no_recording", None, NO_RECORDING, tool(), None)
    ended = _run_child(path, demuxer, settings)
    sandbox, answer = _answers(ended)
    if sandbox is None and not ended.out_of_time:
        raise ChildError("the reader of recordings did not start")
    found = _media(answer)
    if found is None:
        why = _why_not(ended, answer)
        if why == "broken":
            _log.warning("the reader of recordings broke, exit code %d: %s", ended.code, ended.last_words[-1000:])
        return Probe(why, None, _REASONS[why].format(demuxer=demuxer), tool(), sandbox)
    note = " ".join(media.PROBLEMS[problem] for problem in found.problems) or None
    return Probe("read", found, note, tool(), sandbox)


def sandbox_state(settings: TranscodeSettings) -> SandboxState:
    """Start a child that only puts up its walls, and say which of them stand on this machine."""
    with tempfile.NamedTemporaryFile() as nothing:
        state, _ = _answers(_run_child(Path(nothing.name), None, settings))
    if state is None:
        raise ChildError("the reader of recordings did not start")
    return state


@cache
def tool() -> Tool:
    """Say what reads recordings here. Reads the libraries once, some forty megabytes."""
    distribution = metadata.distribution("av")
    digest = sha256()
    for file in sorted(distribution.files or (), key=str):
        if ".so" in file.suffixes or file.suffix in {".dylib", ".pyd", ".dll"}:
            digest.update(str(file).encode() + b"\0" + sha256(Path(file.locate()).read_bytes()).digest())
    return Tool("PyAV", distribution.version, digest.digest())


def _run_child(path: Path, demuxer: str | None, settings: TranscodeSettings) -> Ended:
    asked = {
        "path": str(path.absolute()),
        "demuxer": demuxer,
        "memory": settings.memory,
        "cpu_seconds": settings.cpu_seconds,
    }
    with tempfile.TemporaryDirectory(prefix="probe-") as folder:
        return children.run(
            [sys.executable, "-I", "-c", _START, _ROOT, json.dumps(asked)],
            folder=Path(folder),
            wall_seconds=settings.wall_seconds,
            output_limit=_OUTPUT_LIMIT,
        )


def _answers(ended: Ended) -> tuple[SandboxState | None, object]:
    """Take the child's two lines apart; what is missing or no JSON counts as not said."""
    lines: list[object] = []
    for line in ended.output.splitlines()[:2]:
        try:
            lines.append(json.loads(line))
        except (ValueError, RecursionError):
            break
    state, answer = [*lines, None, None][:2]
    match state:
        case {"network": str(network), "files": str(files), "calls": str(calls)}:
            return SandboxState(network, files, calls), answer
    return None, None


def _media(answer: object) -> MediaInfo | None:
    match answer:
        case {"media": found}:
            try:
                return media.parse(found)
            except ValueError:
                return None
    return None


def _why_not(ended: Ended, answer: object) -> str:
    match answer:
        case {"reason": str(reason)} if reason in _REASONS:
            return reason
    if ended.out_of_time or ended.code == -signal.SIGXCPU:
        return "time"
    # Killed, and not by us: that is what the system does when memory is short.
    return "memory" if ended.code == -signal.SIGKILL and not ended.too_much_output else "broken"
