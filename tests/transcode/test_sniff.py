"""First bytes decide, and only for what is on the list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.footage import derived, recording
from transcode.sniff import DEMUXERS, ENOUGH, demuxer_for


@pytest.mark.parametrize(
    ("suffix", "arguments", "demuxer"),
    [
        (".mp4", (), "mov"),
        (".mov", (), "mov"),
        (".3gp", ("-an", "-c:v", "libx264"), "mov"),
        (".mkv", (), "matroska"),
        (".webm", ("-c:v", "libvpx", "-an"), "matroska"),
        (".avi", (), "avi"),
        (".ts", (), "mpegts"),
        (".m2ts", (), "mpegts"),
        (".mpg", ("-c:v", "mpeg2video"), "mpeg"),
        (".wmv", ("-c:v", "wmv2"), "asf"),
        (".mxf", ("-c:v", "mpeg2video", "-an"), "mxf"),
        (".wav", ("-vn",), "wav"),
        (".flac", ("-vn",), "flac"),
        (".mp3", ("-vn",), "mp3"),
        (".mp3", ("-vn", "-id3v2_version", "0", "-write_xing", "0"), "mp3"),
        (".aac", ("-vn",), "aac"),
        (".ogg", ("-vn", "-c:a", "libopus"), "ogg"),
        (".h264", ("-an",), "h264"),
        (".hevc", ("-an", "-c:v", "libx265"), "hevc"),
    ],
)
def test_knows_every_container_by_its_beginning(suffix: str, arguments: tuple[str, ...], demuxer: str) -> None:
    assert demuxer_for(derived(suffix, *arguments)[:ENOUGH]) == demuxer


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"#EXTM3U\n",
        b"ffconcat version 1.0\n",
        b"<?xml version='1.0'?><MPD/>",
        b"<svg/>",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1",
        b"\xff\xd8\xff\xe0 a picture",
        b"\xff\xff\xff\xff",
        b"\x89PNG\r\n\x1a\n",
        b"PK\x03\x04",
        b"%PDF-1.7",
        b"RIFF\0\0\0\0WEBPVP8 ",
        b"\x00\x00\x01\xb3",
        b"GGGG",
    ],
)
def test_knows_nothing_else(beginning: bytes) -> None:
    assert demuxer_for(beginning) is None


@given(st.binary(max_size=600))
def test_answers_from_the_list_whatever_comes(beginning: bytes) -> None:
    assert demuxer_for(beginning) in {*DEMUXERS, None}


def test_less_than_all_is_enough() -> None:
    assert demuxer_for(recording()[:16]) == "mov"
