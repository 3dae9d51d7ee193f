"""What is announced of an upload is kept exactly, shown safely, and believed in nothing."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.errors import InvalidError
from evidence.ingest import manifests
from evidence.ingest.manifests import Manifest

KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=","), min_size=1, max_size=20)


@given(st.dictionaries(KEYS.filter(lambda key: key != "sha256"), st.text(st.characters(codec="utf-8")), max_size=6))
def test_what_is_written_is_read(said: dict[str, str]) -> None:
    assert Manifest.read(manifests.write(said)).said == said


def test_every_key_is_kept_and_the_known_ones_are_understood() -> None:
    digest = "ab" * 32
    said = {
        "filename": "stop.mp4",
        "sha256": digest,
        "camera": "BWC-0042",
        "officer": "4711",
        "incident": "26-0017",
        "content_type": "video/mp4",
        "recorded_at": "2026-03-02T13:00:00+01:00",
        "gps": "on",
    }

    manifest = Manifest.read(manifests.write(said))

    assert manifest.said == said
    assert manifest.sha256 == bytes.fromhex(digest)
    assert manifest.recorded_at == datetime(2026, 3, 2, 12, tzinfo=UTC)
    described = manifest.describe()
    assert (described.filename, described.content_type) == ("stop.mp4", "video/mp4")
    assert (described.camera_serial, described.officer_badge, described.incident) == ("BWC-0042", "4711", "26-0017")


def test_the_words_of_other_clients_are_understood() -> None:
    manifest = Manifest.read(manifests.write({"name": "stop.mp4", "type": "video/mp4"}))

    assert (manifest.filename, manifest.content_type) == ("stop.mp4", "video/mp4")


@pytest.mark.parametrize("announced", ["", " ", ",", "is_confidential", "filename ,other"])
def test_next_to_nothing_may_be_announced(announced: str) -> None:
    described = Manifest.read(announced).describe()

    assert (described.filename, described.content_type) == ("unnamed", "application/octet-stream")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("filename !!!", "base64"),
        ("filename YQ", "base64"),
        ("a QQ==,a QQ==", "twice"),
        ("sha256 " + base64.b64encode(b"AB" * 32).decode(), "lower-case"),
        ("sha256 " + base64.b64encode(b"ab" * 31).decode(), "64"),
        ("sha256", "64"),
        ("näme QQ==", "ASCII"),
        ("a " + "A" * manifests.LONGEST_ANNOUNCEMENT, "at most"),
    ],
)
def test_what_cannot_be_read_is_refused(said: str, why: str) -> None:
    with pytest.raises(InvalidError, match=why):
        Manifest.read(said)


@pytest.mark.parametrize(
    "said", ["yesterday", "2026-03-02T12:00:00", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+23:59"]
)
def test_a_camera_clock_that_says_no_instant_is_not_guessed_at(said: str) -> None:
    manifest = Manifest.read(manifests.write({"recorded_at": said}))

    assert manifest.recorded_at is None
    assert manifest.said["recorded_at"] == said


@pytest.mark.parametrize("name", ["a\0b", "a\nb", "a\u202eb", "a\x1bb", "a\u2028b", "a\u00a0b"])
def test_a_name_is_shown_without_what_cannot_be_seen(name: str) -> None:
    manifest = Manifest.read(manifests.write({"filename": name}))

    assert manifest.describe().filename == "a\ufffdb"
    assert manifest.filename == name


def test_a_name_in_another_encoding_is_shown_by_its_bytes() -> None:
    manifest = Manifest.read("filename " + base64.b64encode(b"caf\xe9.mp4").decode())

    assert manifest.describe().filename == r"caf\xe9.mp4"


def test_long_fields_are_shown_in_part_and_kept_whole() -> None:
    manifest = Manifest.read(manifests.write({"officer": "7" * 4096}))

    assert len(manifest.describe().officer_badge or "") == manifests.LONGEST_FIELD
    assert len(manifest.officer or "") == 4096
