"""Which container a file is, by its first bytes and by us, never by its name and never by ffmpeg.

ffmpeg guesses among three hundred formats, and some of them are lists of addresses to fetch: a
playlist called `clip.mp4` was fetched for real.  So the reader is told which one demuxer to use,
from this short list, and a file that begins like none of these is not read at all.
"""

import re
from typing import Final

ENOUGH: Final = 65_536 + 1_024
"""Bytes from the beginning of a file that are enough to know it. (MXF allows a run-in of 64 KiB.)"""

DEMUXERS: Final = frozenset(
    {"mov", "matroska", "avi", "mpegts", "mpeg", "asf", "mxf", "wav", "flac", "mp3", "aac", "ogg", "h264", "hevc"}
)
"""Every demuxer that may ever be used on footage. None of them opens a second file."""

_ATOMS = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"moof", b"sidx"})
_BEGINNINGS = (
    (b"\x1aE\xdf\xa3", "matroska"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c", "asf"),
    (b"fLaC", "flac"),
    (b"OggS", "ogg"),
    (b"ID3", "mp3"),
    (b"\x00\x00\x01\xba", "mpeg"),
)
_MXF_PARTITION = b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02"
_TS_PACKET = 188
_M2TS_PACKET = 192
_START_CODE = re.compile(rb"\x00{2,3}\x01(.)", re.DOTALL)
_H264_FIRST_UNITS = frozenset({1, 5, 6, 7, 9})
_HEVC_FIRST_UNITS = frozenset({32, 33, 35, 39})


def demuxer_for(beginning: bytes) -> str | None:
    """Return the demuxer for a file that begins so, or None if it is no recording we know."""
    for signature, name in _BEGINNINGS:
        if beginning.startswith(signature):
            return name
    if beginning[4:8] in _ATOMS:
        return "mov"
    if beginning.startswith(b"RIFF"):
        return {b"AVI ": "avi", b"WAVE": "wav"}.get(beginning[8:12])
    if _MXF_PARTITION in beginning[:ENOUGH]:
        return "mxf"
    if _has_sync_bytes(beginning, _TS_PACKET, 0) or _has_sync_bytes(beginning, _M2TS_PACKET, 4):
        return "mpegts"
    return _sound_frames(beginning) or _raw_video(beginning)


def _has_sync_bytes(beginning: bytes, packet: int, offset: int) -> bool:
    marks = beginning[offset : offset + 4 * packet + 1 : packet]
    return len(marks) >= 3 and set(marks) == {0x47}


def _sound_frames(beginning: bytes) -> str | None:
    """Know MPEG audio and ADTS by the header of their first frame, of which no field may be reserved."""
    if len(beginning) < 4 or beginning[0] != 0xFF:
        return None
    if beginning[1] & 0xF6 == 0xF0:
        return "aac" if beginning[2] >> 2 & 0xF < 13 else None
    is_sync = beginning[1] & 0xE0 == 0xE0
    layer, version = beginning[1] >> 1 & 3, beginning[1] >> 3 & 3
    rate, sampling = beginning[2] >> 4, beginning[2] >> 2 & 3
    return "mp3" if is_sync and layer and version != 1 and 0 < rate < 15 and sampling < 3 else None


def _raw_video(beginning: bytes) -> str | None:
    """Know a bare H.264 or HEVC stream by its first two units."""
    codes = [found[1][0] for found in _START_CODE.finditer(beginning[:4096])]
    if not _START_CODE.match(beginning) or len(codes) < 2:
        return None
    if codes[0] >> 7 == 0 and codes[0] >> 1 in _HEVC_FIRST_UNITS and codes[0] & 1 == 0:
        return "hevc"
    if codes[0] >> 7 == 0 and codes[0] & 0x1F in _H264_FIRST_UNITS:
        return "h264"
    return None
