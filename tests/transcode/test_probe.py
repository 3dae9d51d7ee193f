"""What a file is: recordings of several kinds, damaged ones, and files that are none."""

from datetime import timedelta
from fractions import Fraction
from hashlib import sha256

import pytest

from tests.support.footage import derived, recording
from tests.transcode.conftest import Kept
from transcode import probe_child
from transcode.errors import ChildError
from transcode.media import PROBLEMS, AudioStream, VideoStream
from transcode.probe import NO_RECORDING, probe, tool
from transcode.settings import TranscodeSettings


@pytest.mark.parametrize(("suffix", "container"), [(".mp4", "mov"), (".mov", "mov"), (".mkv", "matroska")])
def test_reads_a_recording(keep: Kept, limits: TranscodeSettings, suffix: str, container: str) -> None:
    found = probe(keep("x", recording(suffix)), limits)

    assert found.outcome == "read"
    assert found.note is None
    media = found.media
    assert media is not None
    assert media.container == container
    assert media.duration is not None
    assert abs(media.duration - timedelta(seconds=2)) < timedelta(milliseconds=50)
    assert media.made_at == "2026-11-22T21:14:05.000000Z"
    assert media.problems == ()
    picture, sound = media.video, media.audio
    assert picture is not None
    assert (picture.codec, picture.width, picture.height, picture.rotation) == ("h264", 320, 180, 0)
    assert (picture.rate, picture.variable_rate) == (Fraction(25), False)
    assert sound is not None
    assert (sound.codec, sound.sample_rate, sound.channels) == ("aac", 48_000, 1)


def test_reads_a_recording_of_sound_alone(keep: Kept, limits: TranscodeSettings) -> None:
    found = probe(keep("x", derived(".flac", "-vn")), limits).media

    assert found is not None
    assert found.container == "flac"
    assert [type(stream) for stream in found.streams] == [AudioStream]


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_tells_how_far_the_picture_is_to_be_turned(keep: Kept, limits: TranscodeSettings, turned: int) -> None:
    rotated = derived(".mp4", "-c", "copy", before=("-display_rotation", str(turned)))

    found = probe(keep("x", rotated), limits).media

    assert found is not None
    assert found.video is not None
    assert found.video.rotation == turned


def test_tells_a_variable_frame_rate(keep: Kept, limits: TranscodeSettings) -> None:
    uneven = derived(".mp4", "-vf", r"select=mod(n\,3)", "-fps_mode", "vfr")

    found = probe(keep("x", uneven), limits).media

    assert found is not None
    assert found.video is not None
    assert found.video.variable_rate


@pytest.mark.parametrize(
    ("codec", "suffix"), [("libx265", ".mp4"), ("mpeg2video", ".ts"), ("mjpeg", ".avi"), ("mpeg2video", ".mxf")]
)
def test_reads_other_codecs_and_containers(keep: Kept, limits: TranscodeSettings, codec: str, suffix: str) -> None:
    found = probe(keep("x", derived(suffix, "-an", "-c:v", codec)), limits)

    assert found.outcome == "read"
    assert found.note is None
    assert found.media is not None
    assert isinstance(found.media.streams[0], VideoStream)


def test_says_that_the_index_is_missing(keep: Kept, limits: TranscodeSettings) -> None:
    whole = recording()
    index = whole.index(b"moov") - 4

    found = probe(keep("x.mp4", whole[:index]), limits)

    assert (found.outcome, found.media) == ("damaged", None)
    assert found.note is not None
    assert "kept as it is" in found.note


def test_says_that_the_end_is_missing(keep: Kept, limits: TranscodeSettings) -> None:
    whole = derived(".mp4", "-c", "copy", "-movflags", "faststart")

    found = probe(keep("x.mp4", whole[: len(whole) // 2]), limits)

    assert found.outcome == "read"
    assert found.media is not None
    assert found.media.problems == ("ends_early",)
    assert found.note == PROBLEMS["ends_early"]


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"Statement of the witness", b"\x89PNG\r\n\x1a\n" + bytes(64), bytes(1 << 20), b"RIFFxxxxWEBP"],
)
def test_what_is_no_recording_is_not_even_read(keep: Kept, limits: TranscodeSettings, content: bytes) -> None:
    found = probe(keep("clip.mp4", content), limits)

    assert (found.outcome, found.media, found.note) == ("no_recording", None, NO_RECORDING)
    assert found.sandbox is None


def test_the_name_of_a_file_means_nothing(keep: Kept, limits: TranscodeSettings) -> None:
    names = ("-i", "concat:a|b", "http:x.mp4", "%s%n.mov", 'it\'s "quoted" \N{RIGHT-TO-LEFT OVERRIDE}4pm.exe')
    for name in names:
        assert probe(keep(name, recording()), limits).outcome == "read", name


def test_names_the_tool_with_the_digest_of_its_libraries() -> None:
    assert tool().name == "PyAV"
    assert len(tool().sha256) == 32
    assert tool().sha256 != sha256().digest(), "no library was found"


def test_a_child_that_does_not_start_is_an_error(
    keep: Kept, limits: TranscodeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transcode.probe._START", "raise SystemExit(3)")

    with pytest.raises(ChildError):
        probe(keep("x", recording()), limits)


def test_what_the_child_answers_is_not_believed(
    keep: Kept, limits: TranscodeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    walls = '{"network": "closed", "files": "closed", "calls": "closed"}'
    for answer in ("[]", '{"media": {"container": "mov"}}', '{"reason": "because"}', "[" * 100_000, "x" * (1 << 19)):
        says = f"print({walls!r}); print({answer[:1]!r} * {len(answer)})" if len(answer) > 1000 else None
        monkeypatch.setattr("transcode.probe._START", says or f"print({walls!r}); print({answer!r})")

        found = probe(keep("x", recording()), limits)

        assert (found.outcome, found.media) == ("broken", None), answer[:40]


def test_text_from_a_file_is_cut_to_a_short_plain_line() -> None:
    assert probe_child._text("caf\u00e9\n\x1b[31m" + "x" * 100) == "caf[31m" + "x" * 57
    assert probe_child._text("\u202e") is None
