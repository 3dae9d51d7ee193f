"""Tiny recordings for tests, rendered once a run by the real ffmpeg."""

import tempfile
from functools import cache
from pathlib import Path

from transcode import ffmpeg, footage
from transcode.ffmpeg import Engine
from transcode.footage import Shape
from transcode.settings import TranscodeSettings

SMALL = Shape(width=320, height=180)


@cache
def engine() -> Engine:
    return ffmpeg.find(TranscodeSettings())


@cache
def recording(suffix: str = ".mp4", *, camera: str = "CAM-1", seconds: int = 2) -> bytes:
    """A recording with a burned-in clock, as the bytes of a file with this ending."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"recording{suffix}"
        return footage.synthetic(path, engine=engine(), camera=camera, seconds=seconds, shape=SMALL).read_bytes()


@cache
def derived(suffix: str, *arguments: str, before: tuple[str, ...] = ()) -> bytes:
    """What ffmpeg makes of the recording with these arguments (`before` those that come before its name)."""
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "source.mp4", Path(folder) / f"made{suffix}"
        source.write_bytes(recording())
        command = [*before, "-i", f"file:{source}", *arguments, f"file:{made}"]
        ffmpeg.run(engine(), command, folder=Path(folder), wall_seconds=60)
        return made.read_bytes()
