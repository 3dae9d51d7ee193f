"""Opening a zip or folder: the unusual, the damaged and the hostile, below what tests/tamper tries."""

import io
import os
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
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


def unpacked(folder: Path) -> Path:
    for path, raw in make.pack().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(raw)
    return folder


def test_a_folder_that_cannot_be_listed_is_named_and_nothing_is_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anything might lie in it."""
    folder = unpacked(tmp_path / "p")
    (folder / "data" / "closed").mkdir()
    assert verify(folder, make.trust_root()).outcome == "verified"
    monkeypatch.setattr(os, "scandir", refusing(folder / "data" / "closed"))

    with pytest.raises(UnreadableError, match=r"/data/closed cannot be read: Permission denied"):
        verify(folder, make.trust_root())


def refusing(closed: Path) -> Callable[..., object]:
    scandir = os.scandir

    def scan(path: str) -> object:
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    return scan


@contextmanager
def as_nobody() -> Iterator[None]:
    """Work without the rights of root, to whom no file is closed; who is not root need do nothing for that."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize(("mode", "named"), [(0o000, "data/closed"), (0o444, "data/closed/inside")])
def test_who_may_not_enter_a_folder_verifies_nothing(mode: int, named: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = unpacked(Path(name) / "p")
        closed = folder / "data" / "closed"
        closed.mkdir()
        (closed / "inside").write_bytes(b"x")
        Path(name).chmod(0o755)
        closed.chmod(mode)
        try:
            with as_nobody(), pytest.raises(UnreadableError, match=f"{named} cannot be read: Permission denied"):
                verify(folder, make.trust_root())
        finally:
            closed.chmod(0o755)


def test_a_pipe_is_no_package_and_is_not_waited_for(tmp_path: Path) -> None:
    pipe, trust = tmp_path / "pipe", tmp_path / "trust.json"
    os.mkfifo(pipe)
    trust.write_bytes(make.trust_root().write())

    ended = subprocess.run(
        [sys.executable, "-m", "evidence.verify", pipe, "--trust", trust],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 2
    assert "pipe is neither a file nor a folder" in ended.stderr


def test_a_device_is_no_package() -> None:
    with pytest.raises(UnreadableError, match="neither a file nor a folder"):
        verify(Path("/dev/null"), make.trust_root())


@pytest.mark.parametrize("base", ["", "package-1"])
def test_too_many_files_break_a_package_and_make_none(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "MOST_FILES", 10)
    for number in range(11):
        (tmp_path / f"{number:02d}").write_bytes(b"")

    with pytest.raises(UnreadableError, match="no package of this evidence room"):
        verify(tmp_path, make.trust_root())

    # Ten files are seen before this one.
    (tmp_path / base).mkdir(exist_ok=True)
    (tmp_path / base / package.BAGIT).write_bytes(package.BAGIT_TEXT)
    (finding,) = verify(tmp_path, make.trust_root()).findings
    assert finding.code == "P01"
    assert "more than 10 files" in finding.message


def test_as_many_bags_as_are_read_take_little_time(tmp_path: Path) -> None:
    """Every one of the folders might be the package's; each was once counted among all the others."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(bundle.MOST_FILES - 1):
            archive.writestr(f"{number:05d}/{package.BAGIT}", b"")
    paths = dict.fromkeys(zipfile.ZipFile(out).namelist(), 0)

    begun = time.process_time()
    base = bundle._base(paths)

    assert time.process_time() - begun < 1
    assert base == "00000/"
    assert opened(out.getvalue(), tmp_path).sizes == {package.BAGIT: 0}
