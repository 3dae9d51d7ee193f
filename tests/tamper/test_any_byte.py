"""Cheat or damage: any byte of any file, or of the zip itself, is altered, dropped or doubled."""

import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.proof import package
from evidence.verify import UnreadableError, verify
from tests.vectors import make

GOOD = make.pack()
SIGNED_BY_NOBODY = {package.BAG_INFO, package.MANIFEST, package.TAG_MANIFEST, package.BAGIT}
ZIP = make.zipped(GOOD)


def outcome(raw: bytes) -> str:
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "package.zip"
        file.write_bytes(raw)
        with suppress(UnreadableError):
            return verify(file, make.trust_root()).outcome
    return "unreadable"


def changed(raw: bytes, at: int, change: int) -> bytes:
    at %= len(raw)
    if change == 0:
        return raw[:at] + raw[at + 1 :]
    if change == 1:
        return raw[: at + 1] + raw[at:]
    return raw[:at] + bytes([raw[at] ^ change & 0xFF or raw[at] ^ 1]) + raw[at + 1 :]


def test_nothing_altered_verifies() -> None:
    assert outcome(ZIP) == outcome(make.zipped(make.relist(GOOD))) == "verified"


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(sorted(set(GOOD) - SIGNED_BY_NOBODY)), st.integers(0, 1 << 20), st.integers(0, 255))
def test_no_change_of_any_file_passes_though_every_list_is_written_anew(path: str, at: int, change: int) -> None:
    altered = changed(GOOD[path], at, change)
    if altered == GOOD[path]:  # a byte dropped from or added to a run of its like changes nothing
        return

    assert outcome(make.zipped(make.relist({**GOOD, path: altered}))) == "broken"


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(GOOD)), st.integers(0, 1 << 20), st.integers(0, 255))
def test_no_change_of_any_file_passes_while_the_lists_stay(path: str, at: int, change: int) -> None:
    altered = changed(GOOD[path], at, change)
    if altered == GOOD[path] or path == package.TAG_MANIFEST:
        return

    assert outcome(make.zipped({**GOOD, path: altered})) == "broken"


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(ZIP) - 1), st.integers(0, 255))
def test_no_change_of_the_zip_shows_other_files_or_ends_in_anything_but_a_verdict(at: int, change: int) -> None:
    """A zip has bytes that mean nothing (stamps, checksums, attributes), so it may still verify: then by its files."""
    assert outcome(changed(ZIP, at, change)) in ("verified", "broken", "unreadable")
