"""Synthetic footage with a burned-in clock, for the demo and the tests.

A moving picture and a tone by ffmpeg; over it a strip with the camera's name and the running
wall clock, drawn here letter by letter, because ffmpeg's own text needs a font file that a bare
machine lacks.  The same arguments give the same bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

from transcode import ffmpeg, graph
from transcode.ffmpeg import Engine

START: Final = datetime(2026, 11, 22, 21, 14, 5, tzinfo=UTC)
"""When a synthetic recording begins, unless told."""

_PAPER, _INK = 16, 235
_LETTER_WIDTH, _LETTER_HEIGHT = 5, 7

# Each letter is seven rows of five points, the leftmost point the highest of five bits.
_LETTERS: Final = {
    " ": (0, 0, 0, 0, 0, 0, 0),
    "-": (0, 0, 0, 31, 0, 0, 0),
    ":": (0, 4, 4, 0, 4, 4, 0),
    ".": (0, 0, 0, 0, 0, 12, 12),
    "0": (14, 17, 19, 21, 25, 17, 14),
    "1": (4, 12, 4, 4, 4, 4, 14),
    "2": (14, 17, 1, 2, 4, 8, 31),
    "3": (31, 2, 4, 2, 1, 17, 14),
    "4": (2, 6, 10, 18, 31, 2, 2),
    "5": (31, 16, 30, 1, 1, 17, 14),
    "6": (6, 8, 16, 30, 17, 17, 14),
    "7": (31, 1, 2, 4, 8, 8, 8),
    "8": (14, 17, 17, 14, 17, 17, 14),
    "9": (14, 17, 17, 15, 1, 2, 12),
    "A": (14, 17, 17, 31, 17, 17, 17),
    "B": (30, 17, 17, 30, 17, 17, 30),
    "C": (14, 17, 16, 16, 16, 17, 14),
    "D": (28, 18, 17, 17, 17, 18, 28),
    "E": (31, 16, 16, 30, 16, 16, 31),
    "F": (31, 16, 16, 30, 16, 16, 16),
    "G": (14, 17, 16, 23, 17, 17, 15),
    "H": (17, 17, 17, 31, 17, 17, 17),
    "I": (14, 4, 4, 4, 4, 4, 14),
    "J": (7, 2, 2, 2, 2, 18, 12),
    "K": (17, 18, 20, 24, 20, 18, 17),
    "L": (16, 16, 16, 16, 16, 16, 31),
    "M": (17, 27, 21, 21, 17, 17, 17),
    "N": (17, 17, 25, 21, 19, 17, 17),
    "O": (14, 17, 17, 17, 17, 17, 14),
    "P": (30, 17, 17, 30, 16, 16, 16),
    "Q": (14, 17, 17, 17, 21, 18, 13),
    "R": (30, 17, 17, 30, 20, 18, 17),
    "S": (15, 16, 16, 14, 1, 1, 30),
    "T": (31, 4, 4, 4, 4, 4, 4),
    "U": (17, 17, 17, 17, 17, 17, 14),
    "V": (17, 17, 17, 17, 17, 10, 4),
    "W": (17, 17, 17, 21, 21, 21, 10),
    "X": (17, 17, 10, 4, 10, 17, 17),
    "Y": (17, 17, 17, 10, 4, 4, 4),
    "Z": (31, 1, 2, 4, 8, 16, 31),
}


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a synthetic recording is. Sizes in pixels (even), `rate` in pictures a second."""

    width: int = 640
    height: int = 360
    rate: int = 25


def synthetic(
    path: Path,
    *,
    engine: Engine,
    camera: str = "CAM-1",
    at: datetime = START,
    seconds: int = 5,
    shape: Shape | None = None,
) -> Path:
    """Make a recording of so many whole seconds at the path (.mp4, .mov or .mkv) and return the path.

    Name of the camera and wall clock (UTC) are burned in. KeyError for another ending of the path.
    """
    shape = shape or Shape()
    scale = _scale(shape, _line(camera, at))
    arguments = graph.synthetic(
        graph.SyntheticPlan(
            seconds=seconds,
            width=shape.width,
            height=shape.height,
            rate=shape.rate,
            hue=_differs_by(camera, 360),
            tone=300 + _differs_by(camera, 500),
            strip_height=_strip_height(scale),
            made_at=f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            muxer={".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}[path.suffix],
        ),
        f"file:{path.absolute()}",
    )
    lines = (_line(camera, at + timedelta(seconds=second)) for second in range(seconds))
    strips = (_strip(line, width=shape.width, scale=scale) for line in lines)
    ffmpeg.run(engine, arguments, folder=path.parent, wall_seconds=60 + 10 * seconds, feed=strips)
    return path


def _line(camera: str, at: datetime) -> str:
    return f"{camera.upper()}  {at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def _scale(shape: Shape, line: str) -> int:
    """Return how many pixels wide a point of a letter may be for the line to fit."""
    return max(1, shape.width // ((len(line) + 2) * (_LETTER_WIDTH + 1)))


def _strip_height(scale: int) -> int:
    # Even, because pictures with half the color cannot be laid over one another at odd heights.
    return (_LETTER_HEIGHT + 4) * scale + (_LETTER_HEIGHT + 4) * scale % 2


def _strip(line: str, *, width: int, scale: int) -> bytes:
    """Draw the line of text as one grey picture of this width, row by row."""
    blank = bytes([_PAPER]) * width
    above = blank * (2 * scale)
    rows = b"".join(bytes(_row(line, row, width, scale)) * scale for row in range(_LETTER_HEIGHT))
    below = blank * (_strip_height(scale) - (_LETTER_HEIGHT + 2) * scale)
    return above + rows + below


def _row(line: str, row: int, width: int, scale: int) -> Iterator[int]:
    points = [_PAPER] * (_LETTER_WIDTH + 1)
    for letter in line:
        bits = _LETTERS.get(letter, _LETTERS["-"])[row]
        points += [_INK if bits >> (_LETTER_WIDTH - 1 - column) & 1 else _PAPER for column in range(_LETTER_WIDTH)]
        points.append(_PAPER)
    pixels = [point for point in points for _ in range(scale)][:width]
    yield from pixels
    yield from [_PAPER] * (width - len(pixels))


def _differs_by(camera: str, span: int) -> int:
    """Return a number below the span that belongs to this camera, so that recordings can be told apart."""
    return int.from_bytes(sha256(camera.encode()).digest()[:4], "big") % span
