"""Which ffmpeg is used, and that what it cannot do is said."""

from pathlib import Path

import pytest

from tests.support.footage import engine
from transcode import ffmpeg
from transcode.errors import NoEngineError, RenderError
from transcode.settings import TranscodeSettings


def a_program(path: Path, says: str) -> Path:
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def test_the_engine_is_known_by_version_and_digest() -> None:
    assert len(engine().sha256) == 32
    assert engine().version[:1] in "n123456789"


def test_the_settings_choose(tmp_path: Path) -> None:
    named = a_program(tmp_path / "ffmpeg", "ffmpeg version 9.1.2-site Copyright (c)")

    assert ffmpeg.find(TranscodeSettings(ffmpeg=named)).version == "9.1.2-site"


@pytest.mark.parametrize("says", ["ffmpeg version 4.4.1 Copyright", "ffmpeg version 5.1.8", "hello", ""])
def test_old_and_unknown_programs_are_refused(tmp_path: Path, says: str) -> None:
    with pytest.raises(NoEngineError):
        ffmpeg.find(TranscodeSettings(ffmpeg=a_program(tmp_path / "ffmpeg", says)))


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoEngineError, match="EVIDENCE_TRANSCODE__FFMPEG"):
        ffmpeg.find(TranscodeSettings(ffmpeg=tmp_path / "nothing"))


def test_a_failed_run_says_why(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match="No such file"):
        ffmpeg.run(engine(), ["-i", "file:nothing.mp4", "out.mp4"], folder=tmp_path, wall_seconds=60)


def test_a_run_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    forever = ["-f", "lavfi", "-i", "testsrc2", "-f", "null", "-"]

    with pytest.raises(RenderError, match="stopped after"):
        ffmpeg.run(engine(), forever, folder=tmp_path, wall_seconds=1)
