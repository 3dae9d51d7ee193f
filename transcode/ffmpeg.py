"""The one place ffmpeg is started: which one, and how.

Taken in this order: the one the settings name, the wheel's (imageio-ffmpeg, always new), the
system's.  Whichever it is, it must not be older than `OLDEST`, and what it is (version and
SHA-256 of the program) goes on record with everything it makes.
"""

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import file_digest
from pathlib import Path
from typing import Final

import imageio_ffmpeg

from transcode import children
from transcode.errors import NoEngineError, RenderError
from transcode.settings import TranscodeSettings

OLDEST: Final = (5, 1, 9)
"""Debian's stable ffmpeg with its security updates. Older ones can be broken into by a file."""

_VERSION = re.compile(r"ffmpeg version (\S+)")
_NUMBERS = re.compile(r"n?(\d+)\.(\d+)(?:\.(\d+))?")


@dataclass(frozen=True, slots=True)
class Engine:
    """An ffmpeg that may be used."""

    path: Path
    version: str
    sha256: bytes


def find(settings: TranscodeSettings) -> Engine:
    """Return the ffmpeg to use, or raise NoEngineError with what to do about it."""
    return _examine(_candidate(settings))


def run(
    engine: Engine, arguments: list[str], *, folder: Path, wall_seconds: float, feed: Iterable[bytes] = ()
) -> bytes:
    """Run ffmpeg in the folder and return its standard output. RenderError when it fails."""
    command = [str(engine.path), "-nostdin", "-hide_banner", "-loglevel", "error", *arguments]
    ended = children.run(command, folder=folder, wall_seconds=wall_seconds, feed=feed)
    if ended.out_of_time:
        raise RenderError(f"ffmpeg was stopped after {wall_seconds:g} s")
    if not ended.well:
        raise RenderError(f"ffmpeg ended with {ended.code}: {ended.last_words.strip()[-500:]}")
    return ended.output


def _candidate(settings: TranscodeSettings) -> Path:
    if settings.ffmpeg is not None:
        return settings.ffmpeg
    try:
        return Path(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:  # a platform for which the wheel brings none
        pass
    if found := shutil.which("ffmpeg"):
        return Path(found)
    raise NoEngineError("there is no ffmpeg here: install one and name it in EVIDENCE_TRANSCODE__FFMPEG")


@cache
def _examine(path: Path) -> Engine:
    path = path.absolute()
    if not path.is_file():
        raise NoEngineError(f"EVIDENCE_TRANSCODE__FFMPEG names {path.name}, and there is no such file")
    said = children.run([str(path), "-version"], folder=path.parent, wall_seconds=20).output.decode("utf-8", "replace")
    version = _VERSION.match(said)
    numbers = _NUMBERS.match(version[1]) if version else None
    if version is None or numbers is None:
        raise NoEngineError(f"{path.name} does not say which version of ffmpeg it is")
    if tuple(int(number or 0) for number in numbers.groups()) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise NoEngineError(f"ffmpeg {version[1]} is too old to be safe; {oldest} or newer is needed")
    with path.open("rb") as file:
        return Engine(path, version[1], file_digest(file, "sha256").digest())
