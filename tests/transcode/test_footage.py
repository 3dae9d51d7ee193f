"""Made-up recordings: the same every time, and the clock in them can be read."""

from datetime import timedelta
from pathlib import Path

import av
import pytest

from tests.support.footage import SMALL, engine
from transcode import footage
from transcode.footage import START, Shape


def shown_at(path: Path, second: float, *, strip: bytes, shape: Shape) -> int:
    """Count the points of the strip that are on the wrong side of grey in the picture at this second."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if frame.time >= second:
                plane = frame.planes[0]
                rows = bytes(plane)
                top = b"".join(rows[row * plane.line_size :][: shape.width] for row in range(len(strip) // shape.width))
                return sum((seen > 125) != (drawn > 125) for seen, drawn in zip(top, strip, strict=True))
    raise AssertionError("the recording is shorter")


def test_name_and_clock_are_burned_in_and_the_clock_runs(tmp_path: Path) -> None:
    made = footage.synthetic(tmp_path / "x.mp4", engine=engine(), camera="Unit 7", seconds=3, shape=SMALL)

    def strip(second: int, camera: str = "Unit 7") -> bytes:
        line = footage._line(camera, START + timedelta(seconds=second))
        return footage._strip(line, width=SMALL.width, scale=footage._scale(SMALL, line))

    for second in range(3):
        wrong = {number: shown_at(made, second + 0.5, strip=strip(number), shape=SMALL) for number in range(3)}
        assert min(wrong, key=wrong.__getitem__) == second, wrong
        assert wrong[second] < len(strip(second)) // 100, "the letters cannot be made out"
    assert shown_at(made, 0.5, strip=strip(0, "Unit 8"), shape=SMALL) > wrong[2]


def test_the_same_recording_has_the_same_bytes(tmp_path: Path) -> None:
    made = [
        footage.synthetic(tmp_path / name, engine=engine(), camera=camera, seconds=1, shape=SMALL).read_bytes()
        for name, camera in (("a.mp4", "CAM-1"), ("b.mp4", "CAM-1"), ("c.mp4", "CAM-2"))
    ]

    assert made[0] == made[1]
    assert made[0] != made[2]


def test_every_letter_is_seven_rows_of_five_points() -> None:
    for letter, rows in footage._LETTERS.items():
        assert len(rows) == 7, letter
        assert all(0 <= row < 32 for row in rows), letter
    assert len(set(footage._LETTERS.values())) == len(footage._LETTERS)


@pytest.mark.parametrize("shape", [Shape(), Shape(width=1920, height=1080), Shape(width=160, height=90)])
def test_the_line_fits_into_every_picture(shape: Shape) -> None:
    line = footage._line("CAM-1", START)
    scale = footage._scale(shape, line)

    strip = footage._strip(line, width=shape.width, scale=scale)

    assert len(strip) == shape.width * footage._strip_height(scale)
    if shape.width >= 320:
        assert (len(line) + 1) * 6 * scale <= shape.width
