"""Opening a zip or folder: the unusual, the damaged and the hostile, below what tests/tamper tries."""

import struct
from contextlib import ExitStack
from pathlib import Path

import pytest

from evidence.proof import package
from evidence.verify import bundle, verify
from evidence.verify.bundle import DamagedError, UnreadableError, open_bundle
from tests.tamper.catching import ORIGINAL
from tests.vectors import make


def opened(raw: bytes, folder: Path) -> bundle.Bundle:
    file = folder / "package.zip"
    file.write_bytes(raw)
    with ExitStack() as stack:
        return open_bundle(file, stack)


def test_a_folder_that_holds_the_base_folder_is_a_package(tmp_path: Path) -> None:
    for path, raw in make.pack().items():
        file = tmp_path / package.base_folder(make.PACKAGE_ID) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(raw)

    assert verify(tmp_path, make.trust_root()).outcome == "verified"


def test_a_zip_after_other_bytes_is_ambiguous(tmp_path: Path) -> None:
    assert opened(b"some program" + make.zipped(make.pack()), tmp_path).hopeless
    assert not opened(make.zipped(make.pack()), tmp_path).hopeless


def test_a_zip64_with_a_modest_directory_is_read(tmp_path: Path) -> None:
    raw = make.zipped(make.pack())
    end = raw.rfind(b"PK\x05\x06")
    count, size, at = struct.unpack_from("<HII", raw, end + 10)
    end64 = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, size, at)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, end, 1)
    closing = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)

    assert set(opened(raw[:end] + end64 + locator + closing, tmp_path).sizes) == set(make.pack())

    many = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 1 << 40, 1 << 40, size, at)
    assert opened(raw[:end] + many + locator + closing, tmp_path).hopeless


def test_a_zip64_locator_that_points_nowhere_is_no_zip(tmp_path: Path) -> None:
    raw = make.zipped(make.pack())
    end = raw.rfind(b"PK\x05\x06")
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, len(raw) + 1000, 1)
    closing = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)

    assert opened(raw[:end] + locator + closing, tmp_path).hopeless


def test_a_directory_that_is_none_is_hopeless(tmp_path: Path) -> None:
    raw = make.zipped(make.pack())

    assert opened(raw.replace(b"PK\x01\x02", b"PK\x01\x03"), tmp_path).hopeless


def test_a_file_that_may_not_be_read_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_arguments: object, **_more: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)

    with pytest.raises(UnreadableError, match="Permission denied"), ExitStack() as stack:
        open_bundle(tmp_path / "package.zip", stack)


def test_a_file_that_the_disk_cannot_give_is_damaged(tmp_path: Path) -> None:
    """/proc/self/mem is a plain file that cannot be read at its start."""
    with pytest.raises(DamagedError, match="disk"):
        list(bundle._read_file(Path("/proc/self/mem"), 10))


def test_a_zip_that_ends_inside_a_file_is_damaged(tmp_path: Path) -> None:
    whole = make.zipped(make.pack())
    file = tmp_path / "package.zip"
    file.write_bytes(whole)
    with ExitStack() as stack:
        seen = open_bundle(file, stack)
        with file.open("r+b") as cut:
            cut.truncate(whole.index(package.BAGIT_TEXT) + 10)

        with pytest.raises(DamagedError, match="ends inside"):
            seen.digest(package.BAGIT)
        with pytest.raises(DamagedError, match="ends inside"):
            seen.digest(ORIGINAL)


def test_a_folder_whose_file_shrank_while_it_was_read_is_damaged(tmp_path: Path) -> None:
    (tmp_path / package.BAGIT).write_bytes(package.BAGIT_TEXT)
    with ExitStack() as stack:
        seen = open_bundle(tmp_path, stack)
        (tmp_path / package.BAGIT).write_bytes(b"")

        with pytest.raises(DamagedError, match="0 bytes where"):
            seen.digest(package.BAGIT)


def test_a_file_is_read_once_for_its_digest(tmp_path: Path) -> None:
    (tmp_path / package.BAGIT).write_bytes(package.BAGIT_TEXT)
    with ExitStack() as stack:
        seen = open_bundle(tmp_path, stack)
        first = seen.digest(package.BAGIT)
        (tmp_path / package.BAGIT).unlink()

        assert seen.digest(package.BAGIT) == first


def test_a_place_before_the_first_byte_is_damage_and_no_crash(tmp_path: Path) -> None:
    """A zip that lost its first byte puts its first entry at minus one."""
    file = tmp_path / "package.zip"
    file.write_bytes(make.zipped(make.pack())[1:])

    assert verify(file, make.trust_root()).outcome == "broken"
