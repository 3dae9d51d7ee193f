"""What a file of footage is: MediaInfo and its streams, as frozen values.

`write` gives plain JSON values and `parse` takes them back, believing nothing: what it parses
comes out of a process that has just read a hostile file.  Lengths of time are whole
microseconds in JSON, rates are fractions, so that no float enters a record.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import Final

PROBLEMS: Final = {
    "ends_early": "It ends before its own index says it should: the end is missing.",
    "video_does_not_decode": "Its picture track is there, but no picture could be decoded from its beginning.",
    "audio_does_not_decode": "Its sound track is there, but no sound could be decoded from its beginning.",
    "no_streams": "It has the outside of a recording, but neither picture nor sound.",
    "too_large_a_picture": "Its pictures claim to be larger than any we decode.",
}
"""Everything the probe may find wrong with a file it can read, and the sentence for people."""

LONGEST_TEXT: Final = 64
"""Text from inside a file is cut to this many characters."""

LARGEST: Final = 2**53 - 1
"""The largest whole number: JSON's readers keep no larger one exact, and custody takes none."""

MOST_STREAMS: Final = 32
"""More streams than this are not looked at."""

_PLAIN = re.compile(rf"[\x20-\x7e]{{1,{LONGEST_TEXT}}}")


@dataclass(frozen=True, slots=True)
class VideoStream:
    """One picture track. `rotation` is degrees counter-clockwise, as the display should turn it."""

    index: int
    codec: str
    profile: str | None
    pixel_format: str | None
    width: int
    height: int
    rotation: int
    rate: Fraction | None
    variable_rate: bool
    frames: int | None


@dataclass(frozen=True, slots=True)
class AudioStream:
    """One sound track. `sample_rate` is samples a second."""

    index: int
    codec: str
    sample_rate: int
    channels: int
    language: str | None


@dataclass(frozen=True, slots=True)
class OtherStream:
    """A track that is neither picture nor sound: subtitles, positions, time codes. `kind` is ffmpeg's word for it."""

    index: int
    kind: str
    codec: str | None


Stream = VideoStream | AudioStream | OtherStream


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What one file is. `made_at` and `timecode` are the camera's claims, as it wrote them."""

    container: str
    duration: timedelta | None
    streams: tuple[Stream, ...]
    made_at: str | None
    timecode: str | None
    problems: tuple[str, ...]

    @property
    def video(self) -> VideoStream | None:
        """The first picture track."""
        return next((stream for stream in self.streams if isinstance(stream, VideoStream)), None)

    @property
    def audio(self) -> AudioStream | None:
        """The first sound track."""
        return next((stream for stream in self.streams if isinstance(stream, AudioStream)), None)


def write(media: MediaInfo) -> dict[str, object]:
    """Return the media information as plain JSON values."""
    return {
        "container": media.container,
        "duration_us": None if media.duration is None else media.duration // timedelta(microseconds=1),
        "streams": [_write_stream(stream) for stream in media.streams],
        "made_at": media.made_at,
        "timecode": media.timecode,
        "problems": list(media.problems),
    }


def parse(value: object) -> MediaInfo:
    """Take back what `write` gave. ValueError for anything else."""
    fields = _mapping(value)
    duration = _whole_or_none(fields, "duration_us")
    problems = tuple(_text_of(problem) for problem in _list(fields, "problems"))
    if unknown := set(problems) - PROBLEMS.keys():
        raise ValueError(f"no such problems: {sorted(unknown)}")
    streams = _list(fields, "streams")
    if len(streams) > MOST_STREAMS:
        raise ValueError("too many streams")
    return MediaInfo(
        container=_text(fields, "container"),
        duration=None if duration is None else timedelta(microseconds=duration),
        streams=tuple(_parse_stream(stream) for stream in streams),
        made_at=_text_or_none(fields, "made_at"),
        timecode=_text_or_none(fields, "timecode"),
        problems=problems,
    )


def _write_stream(stream: Stream) -> dict[str, object]:
    match stream:
        case VideoStream():
            return {
                "type": "video",
                "index": stream.index,
                "codec": stream.codec,
                "profile": stream.profile,
                "pixel_format": stream.pixel_format,
                "width": stream.width,
                "height": stream.height,
                "rotation": stream.rotation,
                "rate": None if stream.rate is None else f"{stream.rate.numerator}/{stream.rate.denominator}",
                "variable_rate": stream.variable_rate,
                "frames": stream.frames,
            }
        case AudioStream():
            return {
                "type": "audio",
                "index": stream.index,
                "codec": stream.codec,
                "sample_rate": stream.sample_rate,
                "channels": stream.channels,
                "language": stream.language,
            }
        case OtherStream():
            return {"type": "other", "index": stream.index, "kind": stream.kind, "codec": stream.codec}


def _parse_stream(value: object) -> Stream:
    fields = _mapping(value)
    match fields.get("type"):
        case "video":
            return VideoStream(
                index=_whole(fields, "index"),
                codec=_text(fields, "codec"),
                profile=_text_or_none(fields, "profile"),
                pixel_format=_text_or_none(fields, "pixel_format"),
                width=_whole(fields, "width"),
                height=_whole(fields, "height"),
                rotation=_whole(fields, "rotation"),
                rate=_rate_or_none(fields, "rate"),
                variable_rate=_truth(fields, "variable_rate"),
                frames=_whole_or_none(fields, "frames"),
            )
        case "audio":
            return AudioStream(
                index=_whole(fields, "index"),
                codec=_text(fields, "codec"),
                sample_rate=_whole(fields, "sample_rate"),
                channels=_whole(fields, "channels"),
                language=_text_or_none(fields, "language"),
            )
        case "other":
            return OtherStream(
                index=_whole(fields, "index"), kind=_text(fields, "kind"), codec=_text_or_none(fields, "codec")
            )
        case unknown:
            raise ValueError(f"no such type of stream: {unknown!r}")


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _list(fields: Mapping[str, object], name: str) -> list[object]:
    value = fields.get(name)
    if not isinstance(value, list):
        raise ValueError(f"{name} is not a list")
    return value


def _text_of(value: object) -> str:
    if not isinstance(value, str) or not _PLAIN.fullmatch(value):
        raise ValueError("not a short plain text")
    return value


def _text(fields: Mapping[str, object], name: str) -> str:
    return _text_of(fields.get(name))


def _text_or_none(fields: Mapping[str, object], name: str) -> str | None:
    return None if fields.get(name) is None else _text(fields, name)


def _whole(fields: Mapping[str, object], name: str) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST:
        raise ValueError(f"{name} is not a whole number")
    return value


def _whole_or_none(fields: Mapping[str, object], name: str) -> int | None:
    return None if fields.get(name) is None else _whole(fields, name)


def _truth(fields: Mapping[str, object], name: str) -> bool:
    value = fields.get(name)
    if not isinstance(value, bool):
        raise ValueError(f"{name} is neither true nor false")
    return value


def _rate_or_none(fields: Mapping[str, object], name: str) -> Fraction | None:
    text = _text_or_none(fields, name)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}/[1-9][0-9]{0,17}", text):
        raise ValueError(f"{name} is not a fraction")
    return Fraction(text)
