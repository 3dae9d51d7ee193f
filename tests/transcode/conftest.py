"""What the tests of transcode share: limits, and a place for files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from transcode.settings import TranscodeSettings

Kept = Callable[[str, bytes], Path]


@pytest.fixture
def limits() -> TranscodeSettings:
    # Wall time is generous: these tests are about what is read, and machines may be slow.
    return TranscodeSettings(wall_seconds=120)


@pytest.fixture
def keep(tmp_path: Path) -> Kept:
    """Write bytes under a name and say where."""

    def write(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write
