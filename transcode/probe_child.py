"""The reader itself: runs in the sandboxed child and nowhere else.

Told by its arguments which file, which demuxer and which limits; answers with two lines of JSON
on standard output: the state of the sandbox, and then what the file is or one word why not.
Never imported by the parent: a broken decoder breaks this process only.
"""

import json
import os
import sys
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transcode import sandbox
from transcode.media import LARGEST, LONGEST_TEXT, MOST_STREAMS

if TYPE_CHECKING:
    import av.container

PACKETS_LOOKED_AT = 300
"""So many packets from the beginning tell a variable frame rate; pictures are decoded until one comes out."""

PACKETS_AT_THE_END = 20_000
"""At most so many are read from the last key frame on, to see whether the end is there."""

MOST_PIXELS = 1 << 26
"""Larger pictures are not decoded."""

_INDEXED = frozenset({"mov", "matroska", "avi"})


def main() -> None:
    """Put up the walls, then read the one file."""
    asked = json.loads(sys.argv[-1])
    sandbox.die_with_the_parent()
    network = sandbox.leave_the_network()
    sandbox.limit(memory=asked["memory"], cpu_seconds=asked["cpu_seconds"])
    import av  # the libraries are loaded inside the limits, and before files are out of reach

    av.logging.set_level(None)
    # PyAV loads some of its modules only when the first track of their kind turns up.
    files = sandbox.allow_only(asked["path"], code=[av.__path__[0], str(Path(os.__file__).parent)])
    calls = sandbox.refuse_calls()
    _say({"network": network, "files": files, "calls": calls})
    if asked["demuxer"] is None:
        return
    try:
        _say({"media": _read(asked["path"], asked["demuxer"])})
    except MemoryError:  # PyAV's own, too, which is one of libav's errors as well
        _say({"reason": "memory"})
    except (av.FFmpegError, ValueError, OverflowError):
        # Which one it was depends on which byte is wrong.
        _say({"reason": "damaged"})


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _read(path: str, demuxer: str) -> dict[str, Any]:
    import av

    options = {
        "protocol_whitelist": "file",
        "format_whitelist": demuxer,
        "max_streams": str(MOST_STREAMS),
        "max_pixels": str(MOST_PIXELS),
    }
    address = "file:" + str(Path(path).absolute())
    with av.open(address, format=demuxer, options=options, metadata_errors="replace") as container:
        streams = list(islice(container.streams, MOST_STREAMS))
        problems = [] if any(stream.type in ("video", "audio") for stream in streams) else ["no_streams"]
        sound: Any = next((stream for stream in streams if stream.type == "audio"), None)
        if sound is not None and not _decodes(container, sound):
            problems.append("audio_does_not_decode")
        picture: Any = next((stream for stream in streams if stream.type == "video"), None)
        first, variable = None, False
        if picture is not None:
            context = picture.codec_context
            if context is not None and context.width * context.height > MOST_PIXELS:
                problems.append("too_large_a_picture")
            else:
                first, variable = _look_at_pictures(container, picture)
                if first is None:
                    problems.append("video_does_not_decode")
        timed = picture or sound
        if timed is not None and demuxer in _INDEXED and _ends_early(container, timed):
            problems.append("ends_early")
        rotation = 0 if first is None else round(first.rotation) % 360
        return {
            "container": demuxer,
            "duration_us": _length(container.duration),
            "streams": [
                _describe(stream, rotation, variable) if stream is picture else _describe(stream, 0, False)
                for stream in streams
            ],
            "made_at": _text(container.metadata.get("creation_time")),
            "timecode": _text(_first_named(container, streams, "timecode")),
            "problems": problems,
        }


def _describe(stream: Any, rotation: int, variable: bool) -> dict[str, Any]:
    context = stream.codec_context
    codec = _text(context.name) if context is not None else None
    match stream.type:
        case kind if context is None:  # ffmpeg knows no decoder for it, and then not much else
            return {"type": "other", "index": stream.index, "kind": _text(kind) or "unknown", "codec": None}
        case "video":
            return {
                "type": "video",
                "index": stream.index,
                "codec": codec or "unknown",
                "profile": _text(stream.profile),
                "pixel_format": _text(context.pix_fmt),
                "width": context.width,
                "height": context.height,
                "rotation": rotation,
                "rate": _rate(stream.average_rate),
                "variable_rate": variable,
                "frames": _length(stream.frames),
            }
        case "audio":
            return {
                "type": "audio",
                "index": stream.index,
                "codec": codec or "unknown",
                "sample_rate": context.sample_rate,
                "channels": context.channels,
                "language": _text(stream.language),
            }
        case kind:
            return {"type": "other", "index": stream.index, "kind": _text(kind) or "unknown", "codec": codec}


def _look_at_pictures(container: "av.container.InputContainer", picture: Any) -> tuple[Any, bool]:
    """Decode until the first picture; tell whether pictures come at a changing rate."""
    import av

    if picture.codec_context is None:
        return None, False
    picture.codec_context.thread_count = 1
    first, times = None, []
    try:
        for packet in islice(container.demux(picture), PACKETS_LOOKED_AT):
            if packet.pts is not None:
                times.append(packet.pts)
            if first is None:
                first = _first_picture(packet)
    except MemoryError:
        raise
    except (av.FFmpegError, ValueError):
        pass  # damaged within the first seconds: what was seen so far is what there is to say
    return first, _changes(sorted(times), picture.time_base)


def _first_picture(packet: Any) -> Any:
    import av

    try:
        return next(iter(packet.decode()), None)
    except MemoryError:
        raise
    except av.FFmpegError:
        return None  # a recording may begin in the middle of a group of pictures


def _changes(times: list[int], unit: Fraction | None) -> bool:
    """Tell whether the steps between the times differ by more than rounding does."""
    # The last ones are left out: pictures shown before them may lie beyond what was read.
    steps = [after - before for before, after in pairwise(times[:-8])]
    if not steps or unit is None:
        return False
    return (max(steps) - min(steps)) * unit > Fraction(2, 1000)


def _decodes(container: "av.container.InputContainer", sound: Any) -> bool:
    import av

    if sound.codec_context is None:
        return False
    sound.codec_context.thread_count = 1
    try:
        for packet in islice(container.demux(sound), PACKETS_LOOKED_AT):
            if packet.decode():
                container.seek(0)
                return True
    except MemoryError:
        raise
    except (av.FFmpegError, ValueError):
        pass  # said by the answer
    return False


def _ends_early(container: "av.container.InputContainer", stream: Any) -> bool:
    """Go to the last key frame and read on: is the last second that the index promises there?"""
    import av

    if not stream.duration or stream.time_base is None:
        return False
    end = (stream.start_time or 0) + stream.duration
    last = None
    try:
        container.seek(end, stream=stream, backward=True)
        for packet in islice(container.demux(stream), PACKETS_AT_THE_END):
            if packet.pts is not None and packet.size:
                last = max(last or 0, packet.pts + (packet.duration or 0))
    except MemoryError:
        raise
    except (av.FFmpegError, ValueError):
        return True
    return last is None or (end - last) * stream.time_base > 1


def _first_named(container: "av.container.InputContainer", streams: list[Any], name: str) -> str | None:
    for metadata in (container.metadata, *(stream.metadata for stream in streams)):
        if name in metadata:
            return str(metadata[name])
    return None


def _length(value: int | None) -> int | None:
    """Return a length that a file claims, or None for one that is none."""
    return value if value and 0 < value <= LARGEST else None


def _rate(rate: Fraction | None) -> str | None:
    return f"{rate.numerator}/{rate.denominator}" if rate and rate > 0 else None


def _text(value: str | None) -> str | None:
    """Cut what a file says down to a short line of plain letters, or nothing."""
    plain = "".join(letter for letter in value or "" if " " <= letter <= "~")[:LONGEST_TEXT].strip()
    return plain or None
