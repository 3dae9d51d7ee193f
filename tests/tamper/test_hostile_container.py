"""Cheat: a zip or folder made to harm or to mislead whoever opens it."""

import io
import os
import stat
import struct
import subprocess
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from evidence.proof import package
from evidence.verify import CHECKS, Verdict, bundle, verify
from evidence.verify.checks import check_container, check_lists
from tests.tamper.catching import ORIGINAL, RECORDS, STOP, told
from tests.vectors import make

BASE = package.base_folder(make.PACKAGE_ID) + "/"

Change = Callable[[zipfile.ZipFile], None]


def entry(name: str, *, kind: int = stat.S_IFREG, mode: int = 0o644) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo("x", (2026, 3, 1, 12, 0, 0))
    made.filename = name  # past the library's own tidying of names
    made.create_system = 3
    made.external_attr = (kind | mode) << 16
    return made


def rewritten(
    change: Change, *, compress: frozenset[str] = frozenset(), leave_out: frozenset[str] = frozenset()
) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, raw in make.pack().items():
            if path in leave_out:
                continue
            info = entry(BASE + path)
            info.compress_type = zipfile.ZIP_DEFLATED if path in compress else zipfile.ZIP_STORED
            archive.writestr(info, raw)
        change(archive)
    return out.getvalue()


def examine_zip(raw: bytes, folder: Path, *, without: object = None) -> Verdict:
    file = folder / "package.zip"
    file.write_bytes(raw)
    return verify(file, make.trust_root(), checks=[check for check in CHECKS if check is not without])


def nothing(_archive: zipfile.ZipFile) -> None:
    """Leave the zip as it is: the control."""


def adding(name: str, raw: bytes = b"x", *, kind: int = stat.S_IFREG) -> Change:
    return lambda archive: archive.writestr(entry(name, kind=kind), raw)


def test_the_zip_as_it_should_be_verifies(tmp_path: Path) -> None:
    assert examine_zip(rewritten(nothing), tmp_path).outcome == "verified"
    everything_but = frozenset(make.pack()) - {ORIGINAL}
    assert examine_zip(rewritten(nothing, compress=everything_but), tmp_path).outcome == "verified"


@pytest.mark.parametrize(
    ("name", "kind", "word"),
    [
        ("/etc/cron.d/evil", stat.S_IFREG, "absolute"),
        ("C:/evil", stat.S_IFREG, "absolute"),
        (BASE + "../evil", stat.S_IFREG, "leaves its folder"),
        ("..", stat.S_IFREG, "leaves its folder"),
        (BASE + "data/./evil", stat.S_IFREG, "leaves its folder"),
        (BASE + "data//evil", stat.S_IFREG, "leaves its folder"),
        (BASE + "data\\evil", stat.S_IFREG, "backslash"),
        (BASE + "data/e\x07vil", stat.S_IFREG, "control"),
        (BASE + "data/e\u0301vil", stat.S_IFREG, "normal form"),
        (BASE + "data/" + "x" * 2000, stat.S_IFREG, "longer"),
        (BASE + "data/evil", stat.S_IFLNK, "symbolic link"),
        (BASE + "data/evil", stat.S_IFIFO, "no plain file"),
        ("evil", stat.S_IFREG, "outside the folder"),
        ("another/evil", stat.S_IFREG, "outside the folder"),
    ],
)
def test_an_unsafe_entry_is_named(name: str, kind: int, word: str, tmp_path: Path) -> None:
    raw = rewritten(adding(name, kind=kind))

    (finding,) = examine_zip(raw, tmp_path).findings

    assert finding.code == "P01"
    assert word in finding.message
    assert finding.place.isascii()
    assert examine_zip(raw, tmp_path, without=check_container).outcome == "verified"


def test_a_folder_entry_with_an_unsafe_name_is_named(tmp_path: Path) -> None:
    (finding,) = examine_zip(rewritten(adding("../up/", b"")), tmp_path).findings

    assert told(finding)[::3] == ("P01", "../up/")


def test_a_folder_entry_with_a_safe_name_is_fine(tmp_path: Path) -> None:
    assert examine_zip(rewritten(adding(BASE + "data/", b"")), tmp_path).outcome == "verified"


DOS_FOLDER, DOS_LABEL = 0x10, 0x08
IN_DATA = BASE + "data/extra/"


def second_name(of: str) -> bytes:
    field = struct.pack("<BI", 1, zlib.crc32(of.encode())) + (BASE + "data/a recording").encode()
    return struct.pack("<HH", 0x7075, len(field)) + field


def with_folder(
    name: str = IN_DATA,
    stored: bytes = b"",
    *,
    attributes: int = stat.S_IFDIR << 16 | DOS_FOLDER,
    flags: int = 0,
    method: int = 0,
    size: int = 0,
    extra: bytes = b"",
    disk: int = 0,
    behind: bytes = b"",
) -> bytes:
    """Return the zip with one more entry: a folder, or what calls itself one."""
    raw, path = rewritten(nothing), name.encode()
    end = len(raw) - 22
    count, length, at = struct.unpack_from("<HII", raw, end + 10)
    told = struct.pack("<HHHHIIIH", flags, method, 0, 0x5B21, zlib.crc32(stored), len(stored), size, len(path))
    local = b"PK\x03\x04" + struct.pack("<H", 20) + told + bytes(2) + path + stored + behind
    fields = struct.pack("<HHHHII", len(extra), 0, disk, 0, attributes, at)
    listed = b"PK\x01\x02" + struct.pack("<HH", 0x0314, 20) + told + fields + path + extra
    closing = struct.pack("<HHHHIIH", 0, 0, count + 1, count + 1, length + len(listed), at + len(local), 0)
    return raw[:at] + local + raw[at:end] + listed + b"PK\x05\x06" + closing


ORDINARY_FOLDERS = {
    "as zip writes it": with_folder(),
    "without attributes": with_folder(attributes=0),
    "of a system that knows no modes": with_folder(attributes=DOS_FOLDER),
    "the base": with_folder(BASE),
    "one that files lie in": with_folder(BASE + "data/items/"),
    "one that is called nearly as a file": with_folder(BASE + "data/package.json2/"),
    "one that is called as the beginning of a file": with_folder(BASE + "data/pack/"),
    "with a time stamp": with_folder(extra=struct.pack("<HH", 0x5455, 1) + b"\0"),
    "with what a stream puts behind it": with_folder(flags=8, behind=b"PK\x07\x08" + bytes(12)),
    "a disk number for which there is a field": with_folder(disk=0xFFFF, extra=struct.pack("<HHI", 1, 4, 0)),
}


@pytest.mark.parametrize("what", ORDINARY_FOLDERS)
def test_an_ordinary_empty_folder_verifies(what: str, tmp_path: Path) -> None:
    """Programs that pack a folder again name its folders too; they hold nothing, and tell nothing."""
    assert examine_zip(ORDINARY_FOLDERS[what], tmp_path).outcome == "verified"


WRONG_FOLDERS: dict[str, tuple[bytes, str, str]] = {
    "hidden bytes": (with_folder(stored=b"HIDDEN" * 150), IN_DATA, "holds bytes"),
    "hidden bytes of a size": (with_folder(stored=b"HIDDEN" * 150, size=900), IN_DATA, "holds bytes"),
    "compressed": (with_folder(stored=b"\3\0", method=8), IN_DATA, "holds bytes"),
    "compressed in another way": (with_folder(method=99), IN_DATA, "holds bytes"),
    "a link": (with_folder(stored=b"/etc", attributes=stat.S_IFLNK << 16), IN_DATA, "symbolic link"),
    "an empty link": (with_folder(attributes=stat.S_IFLNK << 16), IN_DATA, "symbolic link"),
    "a pipe": (with_folder(attributes=stat.S_IFIFO << 16), IN_DATA, "no plain file"),
    "a label": (with_folder(attributes=DOS_LABEL), IN_DATA, "no plain file"),
    "encrypted": (with_folder(flags=1), IN_DATA, "encrypted"),
    "a second name": (with_folder(extra=second_name(IN_DATA)), IN_DATA, "second name"),
    "another disk": (with_folder(disk=5), IN_DATA, "another disk"),
    "another disk in a field": (with_folder(disk=0xFFFF, extra=struct.pack("<HHI", 1, 4, 5)), IN_DATA, "another disk"),
    "an empty part": (with_folder(BASE + "data//"), BASE + "data//", "empty part"),
    "called as a file": (with_folder(f"{BASE}{package.INDEX}/"), f"{BASE}{package.INDEX}/", "name of a file"),
    "called as an original": (with_folder(f"{BASE}{ORIGINAL}/"), f"{BASE}{ORIGINAL}/", "name of a file"),
    "below a file": (with_folder(f"{BASE}{ORIGINAL}/x/y/"), f"{BASE}{ORIGINAL}/x/y/", "below one"),
    "a twin of a file": (with_folder(BASE + "DATA/package.json/"), BASE + "DATA/package.json/", "name of a file"),
    "outside": (with_folder("elsewhere/"), "elsewhere/", "outside the folder"),
    "outside, by its beginning": (with_folder(BASE[:-1] + "2/"), BASE[:-1] + "2/", "outside the folder"),
}


@pytest.mark.parametrize("what", WRONG_FOLDERS)
def test_a_folder_that_is_more_than_an_empty_folder_is_named(what: str, tmp_path: Path) -> None:
    raw, name, word = WRONG_FOLDERS[what]

    (finding,) = examine_zip(raw, tmp_path).findings

    assert told(finding) == ("P01", None, None, name.removeprefix(BASE))
    assert word in finding.message
    assert examine_zip(raw, tmp_path, without=check_container).outcome == "verified"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_folder_that_stands_twice_is_named(tmp_path: Path) -> None:
    def twice(archive: zipfile.ZipFile) -> None:
        for _ in range(3):
            archive.writestr(entry(IN_DATA, kind=stat.S_IFDIR), b"")

    (finding,) = examine_zip(rewritten(twice), tmp_path).findings

    assert told(finding) == ("P01", None, None, "data/extra/")
    assert "twice" in finding.message


def test_folders_that_lie_where_files_do_are_found_behind_a_file_below_a_file() -> None:
    files = ["a", "a/b", "a b", "\u00e9/C"]
    wrong = ["a/", "A/b/c/", "a/d/", "\u00c9/c/"]

    found = bundle._in_place_of_files([*wrong, "a!/", "a c/", "\u00e9/"], files)

    assert sorted(found) == sorted(wrong)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_is_named_and_neither_is_believed(tmp_path: Path) -> None:
    def thrice(archive: zipfile.ZipFile) -> None:
        for _ in range(2):
            archive.writestr(entry(BASE + RECORDS), b"another history\n")

    verdict = examine_zip(rewritten(thrice), tmp_path)

    assert [told(each) for each in verdict.findings] == [("P01", None, None, RECORDS)]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "path",
    [
        package.HEADS,
        package.INDEX,
        package.disclosures_path(STOP),
        package.chunks_path(STOP),
        package.receipt_path(STOP, 1),
        package.README,
        ORIGINAL,
    ],
)
def test_any_file_that_stands_twice_is_the_only_finding(path: str, tmp_path: Path) -> None:
    verdict = examine_zip(rewritten(adding(BASE + path)), tmp_path)

    assert [told(each) for each in verdict.findings] == [("P01", None, None, path)]


def test_a_name_that_differs_only_by_case_is_named(tmp_path: Path) -> None:
    twin = BASE + RECORDS.upper().replace("DATA/", "data/", 1)

    (finding,) = examine_zip(rewritten(adding(twin)), tmp_path).findings

    assert told(finding) == ("P01", None, None, twin.removeprefix(BASE))
    assert "case" in finding.message


def test_twins_of_which_neither_belongs_are_named_each_once(tmp_path: Path) -> None:
    def twins(archive: zipfile.ZipFile) -> None:
        archive.writestr(entry(BASE + "data/a"), b"")
        archive.writestr(entry(BASE + "data/A"), b"")

    places = [each.place for each in examine_zip(rewritten(twins), tmp_path).findings]

    assert sorted(places) == ["data/A", "data/a"]


def test_a_compressed_original_is_named(tmp_path: Path) -> None:
    (finding,) = examine_zip(rewritten(nothing, compress=frozenset({ORIGINAL})), tmp_path).findings

    assert told(finding) == ("P01", None, None, ORIGINAL)
    assert "compressed" in finding.message


def test_a_package_that_was_packed_anew_is_told_what_to_do_and_that_is_right(tmp_path: Path) -> None:
    raw = rewritten(nothing, compress=frozenset(make.pack()))

    (finding,) = examine_zip(raw, tmp_path).findings

    assert told(finding) == ("P01", None, None, ORIGINAL)
    for words in ("packing a package anew", "Ask for the package again", "unpack this one and check the folder"):
        assert words in finding.message
    zipfile.ZipFile(tmp_path / "package.zip").extractall(tmp_path / "folder")
    assert verify(tmp_path / "folder", make.trust_root()).outcome == "verified"


def test_a_bomb_is_named_and_not_read(tmp_path: Path) -> None:
    def bomb(archive: zipfile.ZipFile) -> None:
        info = entry(BASE + "data/bomb")
        info.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(info, bytes(50 << 20))

    verdict = examine_zip(rewritten(bomb), tmp_path)

    assert [told(each) for each in verdict.findings] == [("P01", None, None, "data/bomb")]
    assert "bomb" in verdict.findings[0].message


def test_a_way_of_compressing_that_packages_do_not_use_is_named(tmp_path: Path) -> None:
    def other(archive: zipfile.ZipFile) -> None:
        info = entry(BASE + "data/other")
        info.compress_type = zipfile.ZIP_BZIP2
        archive.writestr(info, b"x")

    (finding,) = examine_zip(rewritten(other), tmp_path).findings

    assert told(finding)[::3] == ("P01", "data/other")


def directory_entry(raw: bytes, path: str) -> int:
    """Return where the central directory's entry for a path begins."""
    at = raw.find(b"PK\x01\x02")
    while raw[at + 46 :][: len(BASE + path)] != (BASE + path).encode():
        at = raw.find(b"PK\x01\x02", at + 1)
    return at


def patched(raw: bytes, at: int, value: bytes) -> bytes:
    return raw[:at] + value + raw[at + len(value) :]


def test_an_encrypted_entry_is_named(tmp_path: Path) -> None:
    raw = rewritten(nothing)

    raw = patched(raw, directory_entry(raw, ORIGINAL) + 8, struct.pack("<H", 1))

    assert [told(each)[::3] for each in examine_zip(raw, tmp_path).findings] == [("P01", ORIGINAL)]


@pytest.mark.parametrize(("number", "unsafe"), [(0x7075, True), (0x5455, False)])
def test_a_second_name_in_an_extra_field_is_named(number: int, *, unsafe: bool, tmp_path: Path) -> None:
    """Info-ZIP would unpack the entry under the other name. A time stamp in such a field is harmless."""

    def renamed(archive: zipfile.ZipFile) -> None:
        info = entry(BASE + package.README)
        info.extra = struct.pack("<HH", 0x5455, 5) + b"\x01up\0\0" + struct.pack("<HH", number, 5) + b"\x01up\0\0"
        archive.writestr(info, make.README)

    verdict = examine_zip(rewritten(renamed, leave_out=frozenset({package.README})), tmp_path)

    assert [told(each)[::3] for each in verdict.findings] == ([("P01", package.README)] if unsafe else [])


@pytest.mark.parametrize(
    ("offset", "value", "word"),
    [
        (34, struct.pack("<H", 5), "another disk"),
        (34, struct.pack("<H", 0xFFFF), "another disk"),
        (38, struct.pack("<I", DOS_FOLDER), "marked as a folder"),
        (38, struct.pack("<I", stat.S_IFREG << 16 | DOS_FOLDER), "marked as a folder"),
        (38, struct.pack("<I", DOS_LABEL), "no plain file"),
    ],
)
def test_an_original_that_some_programs_would_not_unpack_is_named(
    offset: int, value: bytes, word: str, tmp_path: Path
) -> None:
    raw = rewritten(nothing)

    raw = patched(raw, directory_entry(raw, ORIGINAL) + offset, value)

    (finding,) = examine_zip(raw, tmp_path).findings
    assert told(finding)[::3] == ("P01", ORIGINAL)
    assert word in finding.message


def test_a_file_that_only_says_when_it_was_archived_is_fine(tmp_path: Path) -> None:
    """The control: read-only, hidden, of the system, archived; programs unpack such files like any other."""
    raw = rewritten(nothing)

    raw = patched(raw, directory_entry(raw, ORIGINAL) + 38, struct.pack("<I", stat.S_IFREG << 16 | 0x27))

    assert examine_zip(raw, tmp_path).outcome == "verified"


def test_sizes_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    raw = rewritten(nothing)

    raw = patched(raw, directory_entry(raw, ORIGINAL) + 24, struct.pack("<I", 4095))

    assert [told(each)[::3] for each in examine_zip(raw, tmp_path).findings] == [("P01", ORIGINAL)]


def test_two_names_for_the_same_bytes_are_named(tmp_path: Path) -> None:
    raw = rewritten(nothing)
    readme = directory_entry(raw, package.README)

    raw = patched(raw, readme + 20, struct.pack("<II", 9000, 9000))

    assert [told(each)[::3] for each in examine_zip(raw, tmp_path).findings] == [("P01", package.README)]


@pytest.mark.parametrize("what", ["name", "magic"])
def test_a_directory_that_points_elsewhere_is_named(what: str, tmp_path: Path) -> None:
    raw = rewritten(nothing)
    at = raw.find((BASE + ORIGINAL).encode())
    assert at < directory_entry(raw, ORIGINAL)

    raw = patched(raw, at if what == "name" else at - 30, b"X")

    assert [told(each)[::3] for each in examine_zip(raw, tmp_path).findings] == [("P01", ORIGINAL)]


def test_one_byte_altered_inside_the_zip_is_named_by_its_chunk_not_by_the_zips_checksum(tmp_path: Path) -> None:
    raw = rewritten(nothing)
    at = raw.find(make.FOOTAGE)

    (finding,) = examine_zip(patched(raw, at + 100, bytes([raw[at + 100] ^ 1])), tmp_path).findings

    assert told(finding) == ("O01", STOP, None, ORIGINAL)
    assert "chunk 0" in finding.message


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (RECORDS, RECORDS),
        (package.disclosures_path(STOP), package.disclosures_path(STOP)),
        (package.receipt_path(STOP, 1), package.receipt_path(STOP, 1)),
        (package.README, package.README),
        (package.INDEX, package.INDEX),
        (package.MANIFEST, package.MANIFEST),
    ],
)
def test_damaged_compressed_bytes_are_named(path: str, place: str, tmp_path: Path) -> None:
    raw = rewritten(nothing, compress=frozenset({path}))
    at = raw.find((BASE + path).encode()) + len(BASE + path)

    codes = {told(each)[::3] for each in examine_zip(patched(raw, at, b"\xff" * 20), tmp_path).findings}

    assert ("P01", place) in codes


def test_damaged_heads_are_named(tmp_path: Path) -> None:
    raw = rewritten(nothing, compress=frozenset({package.HEADS}))
    at = raw.find((BASE + package.HEADS).encode()) + len(BASE + package.HEADS)

    (finding,) = examine_zip(patched(raw, at, b"\xff" * 20), tmp_path).findings

    assert told(finding)[::3] == ("C08", package.HEADS)


@pytest.mark.parametrize("announced", [10_000, 100])
def test_a_compressed_file_of_another_size_than_announced_is_named(announced: int, tmp_path: Path) -> None:
    raw = rewritten(nothing, compress=frozenset({RECORDS}))

    raw = patched(raw, directory_entry(raw, RECORDS) + 24, struct.pack("<I", announced))

    assert [told(each)[::3] for each in examine_zip(raw, tmp_path).findings] == [("P01", RECORDS)]


def test_too_many_files_are_one_finding_and_nothing_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MOST_FILES", 10)

    verdict = examine_zip(rewritten(nothing), tmp_path)

    assert [told(each) for each in verdict.findings] == [("P01", None, None, "package.zip")]
    assert verdict.outcome == "broken"


def unpacked(folder: Path) -> Path:
    for path, raw in make.pack().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(raw)
    return folder


def test_too_many_files_in_a_folder_are_one_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MOST_FILES", 10)

    verdict = verify(unpacked(tmp_path / "p"), make.trust_root())

    assert [told(each) for each in verdict.findings] == [("P01", None, None, "p")]


@pytest.mark.parametrize("target", ["/etc/passwd", "/etc", "nowhere"])
def test_a_link_in_a_folder_is_named_and_not_followed(target: str, tmp_path: Path) -> None:
    folder = unpacked(tmp_path)
    (folder / "data" / "link").symlink_to(target)

    (finding,) = verify(folder, make.trust_root()).findings

    assert told(finding) == ("P01", None, None, "data/link")
    assert "link" in finding.message


def test_a_link_in_place_of_an_original_is_named_and_not_followed(tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "p")
    (folder / ORIGINAL).rename(tmp_path / "elsewhere")
    (folder / ORIGINAL).symlink_to(tmp_path / "elsewhere")

    assert [told(each)[::3] for each in verify(folder, make.trust_root()).findings] == [("P01", ORIGINAL)]


def test_a_pipe_in_a_folder_is_named_and_not_waited_for(tmp_path: Path) -> None:
    folder = unpacked(tmp_path)
    os.mkfifo(folder / "data" / "pipe")

    assert [told(each)[::3] for each in verify(folder, make.trust_root()).findings] == [("P01", "data/pipe")]


def test_an_unsafe_name_in_a_folder_is_named(tmp_path: Path) -> None:
    folder = unpacked(tmp_path)
    (folder / "data" / "a\\b").write_bytes(b"")

    (finding,) = verify(folder, make.trust_root()).findings

    assert told(finding)[0] == "P01"
    assert "backslash" in finding.message


def test_the_control_for_every_test_here_would_fail_if_lists_were_all_that_is_checked(tmp_path: Path) -> None:
    """Negative control: the lists alone let a link through that nobody listed, because it is never a file."""
    folder = unpacked(tmp_path)
    (folder / "data" / "link").symlink_to("/etc/passwd")

    assert verify(folder, make.trust_root(), checks=[check_lists]).outcome == "verified"


@pytest.mark.parametrize("what", ["lengthened", "hidden", "hidden far", "endless"])
def test_compressed_bytes_that_do_not_end_where_they_must_are_named(what: str, tmp_path: Path) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    stored = packer.compress(make.README)
    stored += packer.flush(zlib.Z_SYNC_FLUSH) if what == "endless" else packer.flush()
    if what == "hidden far":
        stored = stored.ljust(bundle.BLOCK, b"x") + b"HIDDEN"
    hidden = {"lengthened": b"\0", "hidden": b"HIDDEN"}.get(what, b"")

    verdict = examine_zip(with_readme(stored + hidden), tmp_path)

    assert [told(each)[::3] for each in verdict.findings] == [("P01", package.README)]


def test_compressed_bytes_of_which_the_end_fills_a_block_by_itself_are_fine(tmp_path: Path) -> None:
    """The control. The end mark may be all that a block of stored bytes holds."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    stored = packer.compress(make.README) + packer.flush(zlib.Z_SYNC_FLUSH)
    stored += b"\0\0\0\xff\xff" * ((bundle.BLOCK - len(stored)) // 5)
    stored += b"\0\0\0\xff\xff" + packer.flush()
    assert len(stored) > bundle.BLOCK

    assert examine_zip(with_readme(stored), tmp_path).outcome == "verified"


def with_readme(stored: bytes) -> bytes:
    """Return the zip with these compressed bytes for its README, announced at the README's true size."""

    def change(archive: zipfile.ZipFile) -> None:
        archive.writestr(entry(BASE + package.README), stored)

    raw = rewritten(change, leave_out=frozenset({package.README}))
    in_directory = directory_entry(raw, package.README)
    (local,) = struct.unpack_from("<I", raw, in_directory + 42)
    for at in (in_directory + 10, local + 8):
        raw = patched(raw, at, struct.pack("<H", zipfile.ZIP_DEFLATED))
    for at in (in_directory + 24, local + 22):
        raw = patched(raw, at, struct.pack("<I", len(make.README)))
    for at in (in_directory + 16, local + 14):
        raw = patched(raw, at, struct.pack("<I", zlib.crc32(make.README)))
    return raw


@pytest.mark.parametrize("depth", [0, 400, 1200])
def test_folders_nested_without_end_are_named(depth: int, tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "p")
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)

    try:
        findings = verify(folder, make.trust_root()).findings
    finally:  # pytest cannot remove what is nested as deep as this, and ends with an error
        subprocess.run(["rm", "-rf", folder], check=True)

    assert [(each.code, each.place[:4]) for each in findings] == ([("P01", "d/d/")] if depth > 1000 else [])


def with_end(raw: bytes, *, count: int | None = None, size: int = 0, at: int = 0, more: bytes = b"") -> bytes:
    """Return the zip with more bytes in its directory and another end record: numbers are what is added."""
    end = len(raw) - 22
    told, length, place = struct.unpack_from("<HII", raw, end + 10)
    told = told if count is None else count
    fields = struct.pack("<HHHHIIH", 0, 0, told, told, length + len(more) + size, place + at, 0)
    return raw[:end] + more + b"PK\x05\x06" + fields


def with_end64(raw: bytes, *, locator: int = 0, short: int = 0xFFFFFFFF, at: int = 0) -> bytes:
    end = len(raw) - 22
    count, length, place = struct.unpack_from("<HII", raw, end + 10)
    record = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, length, place + at)
    pointer = b"PK\x06\x07" + struct.pack("<IQI", 0, end + locator, 1)
    closing = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, short, 0xFFFFFFFF, 0)
    return raw[:end] + record + pointer + closing


def moved(raw: bytes) -> bytes:
    """Put bytes before the first file, and say so everywhere."""
    out = bytearray(b"JUNK" + raw)
    at = out.find(b"PK\x01\x02")
    struct.pack_into("<I", out, len(out) - 6, at)
    while at >= 0:
        struct.pack_into("<I", out, at + 42, struct.unpack_from("<I", out, at + 42)[0] + 4)
        at = out.find(b"PK\x01\x02", at + 1)
    return bytes(out)


def commented(archive: zipfile.ZipFile) -> None:
    archive.infolist()[0].comment = b"true footage elsewhere"


MORE = b"PK\x01\x02" + bytes(42)

AMBIGUOUS: dict[str, Callable[[bytes], bytes]] = {
    "bytes before": lambda raw: b"JUNK" + raw,
    "bytes before that are reckoned with": moved,
    "bytes behind": lambda raw: raw + b"tail",
    "a comment": lambda raw: raw[:-2] + b"\5\0hello",
    "a file's comment": lambda _raw: rewritten(commented),
    "a directory elsewhere": lambda raw: with_end(raw, at=1000),
    "no directory": lambda raw: with_end(raw, more=b"x" * 50),
    "a piece of a directory": lambda raw: with_end(raw, more=b"PK\x01\x02"),
    "a name beyond the directory": lambda raw: with_end(raw, more=MORE[:28] + b"\xff\0" + MORE[30:]),
    "a count that is too small": lambda raw: with_end(raw, count=1),
    "a zip64 record elsewhere": lambda raw: with_end64(raw, locator=-1),
    "a zip64 record beyond any file": lambda raw: with_end64(raw, locator=1 << 62),
    "two end records": lambda raw: with_end64(raw, short=7),
    "a zip64 directory beyond any file": lambda raw: with_end64(raw, at=1 << 62),
}


@pytest.mark.parametrize("what", AMBIGUOUS)
def test_a_zip_that_programs_would_read_differently_is_one_finding(what: str, tmp_path: Path) -> None:
    raw = rewritten(nothing)
    for control in (raw, with_end(raw), with_end64(raw)):
        assert examine_zip(control, tmp_path).outcome == "verified"

    (finding,) = examine_zip(AMBIGUOUS[what](raw), tmp_path).findings

    assert told(finding) == ("P01", None, None, "package.zip")
    assert "ambiguous" in finding.message


IN_END = len(rewritten(nothing)) - 22
IN_END64 = {"end": IN_END + 76, "record": IN_END, "locator": IN_END + 56}
"""Where the records at the end of a zip begin that has all three."""

DISKS = [
    ("end", 4, 7),
    ("end", 6, 7),
    ("end", 8, 0),
    ("end", 8, 1),
    ("record", 16, 7),
    ("record", 20, 7),
    ("record", 24, 0),
    ("record", 24, 1),
    ("record", 32, 1),
    ("locator", 4, 7),
    ("locator", 16, 2),
]


@pytest.mark.parametrize(("where", "offset", "value"), DISKS)
def test_an_end_record_that_knows_of_other_disks_is_one_finding(
    where: str, offset: int, value: int, tmp_path: Path
) -> None:
    form = "<H" if where == "end" else "<I"
    wide = with_end64(rewritten(nothing))
    variants = [patched(wide, IN_END64[where] + offset, struct.pack(form, value))]
    if where == "end":
        variants.append(patched(rewritten(nothing), IN_END + offset, struct.pack(form, value)))

    for raw in variants:
        (finding,) = examine_zip(raw, tmp_path).findings

        assert told(finding) == ("P01", None, None, "package.zip")
        assert "ambiguous" in finding.message


def test_only_a_zip64_record_may_say_what_the_end_record_leaves_to_it(tmp_path: Path) -> None:
    no_room = b"\xff" * 6
    wide = patched(with_end64(rewritten(nothing)), IN_END64["end"] + 4, no_room)

    assert examine_zip(wide, tmp_path).outcome == "verified"
    assert examine_zip(patched(rewritten(nothing), IN_END + 4, no_room), tmp_path).outcome == "broken"


def test_files_are_counted_whatever_the_end_record_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MOST_FILES", 10)

    (finding,) = examine_zip(with_end(rewritten(nothing), count=1), tmp_path).findings

    assert "more than 10 files" in finding.message


def test_an_end_record_alone_that_was_cut_off_is_no_zip(tmp_path: Path) -> None:
    with pytest.raises(bundle.UnreadableError, match="whole zip"):
        examine_zip(b"PK\x05\x06\0\0", tmp_path)


def test_many_small_bombs_are_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bombs(archive: zipfile.ZipFile) -> None:
        for number in range(3):
            info = entry(f"{BASE}data/{number}")
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, bytes(1 << 20))

    monkeypatch.setattr(bundle, "MOST_GROWTH", 2 << 20)

    (finding,) = examine_zip(rewritten(bombs), tmp_path).findings

    assert "bomb" in finding.message
    assert finding.place == "package.zip"


@pytest.mark.parametrize(("offset", "value"), [(6, b"\x02"), (8, b"\x08"), (14, b"\1\2\3\4"), (22, b"\xff" * 4)])
def test_a_file_whose_own_header_contradicts_the_directory_is_named(offset: int, value: bytes, tmp_path: Path) -> None:
    raw = rewritten(nothing)
    local = raw.find((BASE + package.README).encode()) - 30

    (finding,) = examine_zip(patched(raw, local + offset, value), tmp_path).findings

    assert told(finding)[::3] == ("P01", package.README)
    assert "ambiguous" in finding.message


class Unseekable(io.BytesIO):
    """A stream as the room's own writer has it: what follows a file's bytes says how many they were."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_args: int) -> int:
        raise io.UnsupportedOperation

    def tell(self) -> int:
        raise io.UnsupportedOperation


@pytest.mark.parametrize("large", [True, False])
def test_a_zip_that_was_streamed_verifies_unless_what_follows_a_file_is_altered(large: bool, tmp_path: Path) -> None:
    out = Unseekable()
    with zipfile.ZipFile(out, "w") as archive:
        for path, content in make.pack().items():
            with archive.open(entry(BASE + path), "w", force_zip64=large) as file:
                file.write(content)
    raw = out.getvalue()
    assert examine_zip(raw, tmp_path).outcome == "verified"

    at = raw.find(b"PK\x07\x08", raw.find((BASE + package.README).encode()))
    (finding,) = examine_zip(patched(raw, at + 4, b"\1\2\3\4"), tmp_path).findings

    assert told(finding)[::3] == ("P01", package.README)


@pytest.mark.parametrize("gap", [4, 400])
def test_bytes_between_two_files_are_named(gap: int, tmp_path: Path) -> None:
    raw = rewritten(nothing)
    directory = raw.find(b"PK\x01\x02")
    raw = raw[:directory] + bytes(gap) + raw[directory:]
    raw = patched(raw, len(raw) - 6, struct.pack("<I", directory + gap))

    (finding,) = examine_zip(raw, tmp_path).findings

    assert finding.code == "P01"
    assert "ambiguous" in finding.message


def test_a_second_name_before_the_bytes_alone_is_named(tmp_path: Path) -> None:
    def change(archive: zipfile.ZipFile) -> None:
        info = entry(BASE + package.README)
        info.extra = struct.pack("<HH", 0x7075, 5) + b"\x01up\0\0"
        archive.writestr(info, make.README)
        info.extra = b""

    (finding,) = examine_zip(rewritten(change, leave_out=frozenset({package.README})), tmp_path).findings

    assert told(finding)[::3] == ("P01", package.README)
