"""Argument lists for ffmpeg, compiled and never run here. The only file that imports ffmpeg-python.

No text of a person or a file ever enters a filter: what has to be written into a picture is
drawn by us (footage.py) and comes in as pictures.
"""

from dataclasses import dataclass

import ffmpeg


@dataclass(frozen=True, slots=True)
class SyntheticPlan:
    """A recording to make up: sizes in pixels, `rate` pictures a second, `hue` in degrees, `tone` in hertz.

    `strip_height` is that of the grey pictures, one for each second, that come in on standard
    input and are laid over the top of the recording.
    """

    seconds: int
    width: int
    height: int
    rate: int
    hue: int
    tone: int
    strip_height: int
    made_at: str
    muxer: str = "mp4"


def synthetic(plan: SyntheticPlan, output: str) -> list[str]:
    """Compile a moving picture with a strip laid over it and a tone; the same plan gives the same bytes."""
    moving = ffmpeg.input(f"testsrc2=size={plan.width}x{plan.height}:rate={plan.rate}", format="lavfi", t=plan.seconds)
    strips = ffmpeg.input(
        "pipe:0",
        format="rawvideo",
        pixel_format="gray",
        video_size=(plan.width, plan.strip_height),  # a text would be cut to its first two letters
        framerate=1,
    )
    tone = ffmpeg.input(f"sine=frequency={plan.tone}:sample_rate=48000", format="lavfi", t=plan.seconds)
    picture = moving.filter("hue", h=plan.hue).overlay(strips, x=0, y=0, eof_action="repeat")
    made = ffmpeg.output(
        picture,
        tone,
        output,
        format=plan.muxer,
        t=plan.seconds,
        map_metadata=-1,
        vcodec="libx264",
        preset="superfast",
        pix_fmt="yuv420p",
        g=plan.rate,
        threads=2,
        acodec="aac",
        audio_bitrate="64k",
        # Without these the encoder's version, the date and the processor get into the bytes.
        fflags="+bitexact",
        **{
            "flags:v": "+bitexact",
            "flags:a": "+bitexact",
            "x264-params": "cpu-independent=1",
            "metadata": f"creation_time={plan.made_at}",
        },
    )
    arguments: list[str] = made.overwrite_output().get_args()
    return arguments
