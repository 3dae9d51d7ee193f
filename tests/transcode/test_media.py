"""MediaInfo as JSON: writing and parsing undo each other, and nothing else is taken."""

import json
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcode import media
from transcode.media import LARGEST, AudioStream, MediaInfo, OtherStream, VideoStream

texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=media.LONGEST_TEXT)
wholes = st.integers(0, LARGEST)
rates = st.builds(Fraction, st.integers(0, 10**17), st.integers(1, 10**17))
videos = st.builds(
    VideoStream,
    index=wholes,
    codec=texts,
    profile=st.none() | texts,
    pixel_format=st.none() | texts,
    width=wholes,
    height=wholes,
    rotation=wholes,
    rate=st.none() | rates,
    variable_rate=st.booleans(),
    frames=st.none() | wholes,
)
audios = st.builds(
    AudioStream, index=wholes, codec=texts, sample_rate=wholes, channels=wholes, language=st.none() | texts
)
others = st.builds(OtherStream, index=wholes, kind=texts, codec=st.none() | texts)
infos = st.builds(
    MediaInfo,
    container=texts,
    duration=st.none() | st.builds(lambda length: timedelta(microseconds=length), wholes),
    streams=st.lists(videos | audios | others, max_size=4).map(tuple),
    made_at=st.none() | texts,
    timecode=st.none() | texts,
    problems=st.lists(st.sampled_from(sorted(media.PROBLEMS)), max_size=3).map(tuple),
)

ONE = MediaInfo(
    "mov",
    timedelta(seconds=1),
    (
        VideoStream(0, "h264", None, "yuv420p", 640, 360, 90, Fraction(25), False, 25),
        AudioStream(1, "aac", 48_000, 1, None),
        OtherStream(2, "data", None),
    ),
    None,
    None,
    (),
)


@given(infos)
def test_parsing_undoes_writing(info: MediaInfo) -> None:
    assert media.parse(json.loads(json.dumps(media.write(info)))) == info


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (("container",), None),
        (("container",), "mov\n"),
        (("container",), "x" * 65),
        (("duration_us",), 1.5),
        (("duration_us",), -1),
        (("duration_us",), LARGEST + 1),
        (("streams",), {}),
        (("streams",), [{"type": "other", "index": 0, "kind": "data", "codec": None}] * 33),
        (("streams", 0), []),
        (("streams", 0, "type"), "picture"),
        (("streams", 0, "width"), True),
        (("streams", 0, "rate"), "25/0"),
        (("streams", 0, "variable_rate"), 1),
        (("problems",), ["it is fine"]),
        (("made_at",), "\N{RIGHT-TO-LEFT OVERRIDE}"),
    ],
)
def test_nothing_else_is_taken(place: tuple[str | int, ...], wrong: object) -> None:
    value = json.loads(json.dumps(media.write(ONE)))
    inside = value
    for step in place[:-1]:
        inside = inside[step]
    assert media.parse(value) == ONE
    inside[place[-1]] = wrong

    with pytest.raises(ValueError):
        media.parse(value)


def test_finds_picture_and_sound() -> None:
    assert ONE.video is ONE.streams[0]
    assert ONE.audio is ONE.streams[1]
    assert MediaInfo("wav", None, (), None, None, ("no_streams",)).video is None
