"""Damage to the zip itself, at random and by name: always a verdict or "nothing was verified", never a crash."""

import io
import random
import struct
import tracemalloc
import zipfile
import zlib
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from evidence.proof import package
from evidence.verify import CHECKS, Finding, UnreadableError, verify
from evidence.verify import __main__ as command
from evidence.verify.bundle import DamagedError, open_bundle
from evidence.verify.examination import Examination
from tests.tamper.test_hostile_container import with_end64
from tests.vectors import make

GOLDEN = (Path(make.__file__).parent / "package_small.zip").read_bytes()
MUTANTS = 400
EMPTY = b"PK\x05\x06" + bytes(18)
STATUS = {"verified": 0, "unreadable": 2, "broken": 7, "incomplete": 8}


def outcome(raw: bytes, file: Path) -> str:
    """Verify without the boundary of the command line, so that a crash is a crash here."""
    file.write_bytes(raw)
    try:
        return verify(file, make.trust_root()).outcome
    except UnreadableError:
        return "unreadable"


def status(raw: bytes, folder: Path) -> int:
    file, trust = folder / "p.zip", folder / "trust.json"
    file.write_bytes(raw)
    trust.write_bytes(make.trust_root().write())
    return command.main([str(file), "--trust", str(trust)])


def files_in(raw: bytes, file: Path) -> dict[str, bytes]:
    file.write_bytes(raw)
    with ExitStack() as stack:
        seen = open_bundle(file, stack)
        return {path: b"".join(seen.read(path)) for path in seen.sizes}


def entries(raw: bytes) -> list[int]:
    """Return where each entry of the central directory begins."""
    found, at = [], raw.find(b"PK\x01\x02")
    while at >= 0:
        found.append(at)
        at = raw.find(b"PK\x01\x02", at + 1)
    return found


def damaged(raw: bytes, chance: random.Random) -> bytes:
    """Return the zip with one to five flips, a cut, an insertion, or another number in a field of a header."""
    way = chance.choice(["flip", "flip in the directory", "field", "local field", "end", "cut", "insert", "remove"])
    directory = entries(raw)
    at = chance.randrange(len(raw))
    if way == "cut":
        return raw[:at] if chance.random() < 0.5 else raw[at:]
    if way == "insert":
        return raw[:at] + chance.randbytes(chance.randrange(1, 40)) + raw[at:]
    if way == "remove":
        return raw[:at] + raw[at + chance.randrange(1, 40) :]
    out = bytearray(raw) + bytes(4)
    if way.startswith("flip"):
        first = directory[0] if way != "flip" else 0
        for _ in range(chance.choice([1, 1, 2, 5])):
            out[chance.randrange(first, len(raw))] = chance.randrange(256)
        return bytes(out[: len(raw)])
    entry = chance.choice(directory)
    offsets: tuple[int, ...]
    if way == "end":
        begin, offsets = raw.rindex(b"PK\x05\x06"), (4, 6, 8, 10, 12, 16, 20)
    elif way == "field":
        begin, offsets = entry, (6, 8, 10, 16, 20, 24, 28, 30, 32, 34, 36, 38, 42)
    else:
        begin, offsets = struct.unpack_from("<I", raw, entry + 42)[0], (4, 6, 8, 14, 18, 22, 26, 28)
    form = chance.choice(["<H", "<I"])
    most = 0xFFFF if form == "<H" else 0xFFFFFFFF
    struct.pack_into(form, out, begin + chance.choice(offsets), chance.choice([0, 1, most, chance.randint(0, most)]))
    return bytes(out[: len(raw)])


def test_any_damage_ends_in_a_verdict_and_only_the_same_bytes_verify(tmp_path: Path) -> None:
    """What verifies after damage holds the very same files: bytes that mean nothing (stamps) were hit."""
    chance = random.Random(20261122)
    file = tmp_path / "p.zip"
    whole = files_in(GOLDEN, file)
    seen: Counter[str] = Counter()
    for _number in range(MUTANTS):
        mutant = damaged(GOLDEN, chance)
        said = outcome(mutant, file)
        seen[said] += 1
        if said == "verified":
            assert files_in(mutant, file) == whole
    assert set(seen) == {"verified", "broken", "unreadable"}
    assert seen["broken"] > MUTANTS // 10, "most damage must get past the door, or little is tried"


def test_a_reader_that_trusts_the_directory_would_fail_that_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: without the guard around places in the file, some mutant crashes."""
    monkeypatch.setattr("evidence.verify.bundle._NO_SUCH_PLACE", ())
    monkeypatch.setattr("evidence.verify.bundle._find_directory", lambda _stream: 1 << 70)

    with pytest.raises((OSError, OverflowError, ValueError), match=r"offset-sized|Invalid argument|too large"):
        outcome(with_zip64_offset(1 << 63), tmp_path / "p.zip")


def with_field(offset: int, form: str, value: int, *, entry: int = -1) -> bytes:
    out = bytearray(GOLDEN)
    struct.pack_into(form, out, entries(GOLDEN)[entry] + offset, value)
    return bytes(out)


def with_zip64_offset(value: int) -> bytes:
    """Return the zip whose last file is, says a field of 64 bits, at another place."""
    at, end = entries(GOLDEN)[-1], GOLDEN.rindex(b"PK\x05\x06")
    field = struct.pack("<HHQ", 1, 8, value)
    last = bytearray(GOLDEN[at:end] + field)
    struct.pack_into("<H", last, 30, len(field))
    struct.pack_into("<I", last, 42, 0xFFFFFFFF)
    closing = bytearray(GOLDEN[end:])
    struct.pack_into("<I", closing, 12, end + len(field) - entries(GOLDEN)[0])
    return GOLDEN[:at] + bytes(last) + bytes(closing)


NAMED = {
    "a zip without files": (EMPTY, 2),
    "the first byte lost": (GOLDEN[1:], 7),
    "a file with two names": (GOLDEN.replace(b"README", b"READMe", 1), 7),
    "a file announced longer than it is": (with_field(24, "<I", 54, entry=0), 7),
    "a file that ends nowhere": (with_field(20, "<I", 0x7FFFFFFF), 7),
    "a place where no file is": (with_field(42, "<I", 7, entry=-1), 7),
    "a place beyond any file": (with_zip64_offset((1 << 64) - 100), 7),
    "a place beyond any seeking": (with_zip64_offset(1 << 63), 7),
    "a zip64 directory beyond any file": (
        GOLDEN[: GOLDEN.rindex(b"PK\x05\x06")]
        + b"PK\x06\x07"
        + struct.pack("<IQI", 0, (1 << 64) - 1, 1)
        + b"PK\x05\x06"
        + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0),
        7,
    ),
}


@pytest.mark.parametrize("named", NAMED)
def test_each_of_these_once_ended_in_a_crash(named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw, expected = NAMED[named]

    assert STATUS[outcome(raw, tmp_path / "p.zip")] == expected
    assert status(raw, tmp_path) == expected
    said = capsys.readouterr()
    assert ("Nothing was verified" in said.err) == (expected == 2)
    assert ("P01" in said.out or "O01" in said.out) == (expected == 7)


END = GOLDEN.rindex(b"PK\x05\x06")
LAST = entries(GOLDEN)[-1]
ZIP64 = with_end64(GOLDEN)


@pytest.mark.parametrize(
    "cut",
    [
        *(GOLDEN[:-lost] for lost in range(1, 22)),
        *(ZIP64[:-lost] for lost in (1, 2, 18)),
        GOLDEN[:-2] + b"\7\0comment"[:-1],
    ],
)
def test_a_zip_that_ends_inside_its_end_record_is_cut_off_and_accused_of_nothing(
    cut: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(cut, tmp_path) == 2

    said = capsys.readouterr()
    assert said.out == ""
    assert "cut off" in said.err
    assert "behind" not in said.err


def test_a_cut_zip_that_holds_a_whole_zip_is_cut_off(tmp_path: Path) -> None:
    """The end of the zip inside is not the end of the one around it."""
    inner = make.zipped({"a": b""}, base="")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(package.BAGIT, package.BAGIT_TEXT)
        archive.writestr("data/inner.zip", inner)
        archive.writestr("data/inner64.zip", with_end64(inner))

    assert status(out.getvalue()[:-1], tmp_path) == 2


BEHIND = {
    "a byte": b"\0",
    "the begin of an end record": b"PK\x05\x06\0\0",
    "an end record that announces a comment": b"PK\x05\x06" + bytes(16) + b"\xff\xff",
    "the end of the zip again, cut off": GOLDEN[LAST:-3],
    "the directory again, with an end record that announces a comment": GOLDEN[LAST:-2] + b"\xff\xff",
}


@pytest.mark.parametrize("what", BEHIND)
@pytest.mark.parametrize("whole", [GOLDEN, ZIP64], ids=["zip", "zip64"])
def test_bytes_that_do_lie_behind_the_end_are_still_altered(
    whole: bytes, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(whole, tmp_path) == 0
    assert status(whole + BEHIND[what], tmp_path) == 7
    assert "bytes lie behind its end" in capsys.readouterr().out


def test_an_end_record_of_nothing_is_not_taken_for_a_cut_one(tmp_path: Path) -> None:
    """It stands where no directory ends, so nothing says that this was a zip's end."""
    for raw in (b"PK\x06\x07PK\x05\x06" + bytes(16), b"PK\x05\x06" * 6, GOLDEN[: END - 1] + GOLDEN[END:-1]):
        assert status(raw, tmp_path) == 7


def test_a_check_that_reads_what_cannot_be_read_ends_in_a_finding(tmp_path: Path) -> None:
    def check_reads(_seen: Examination) -> list[Finding]:
        raise DamagedError("1 bytes where 54 were announced")

    file = tmp_path / "p.zip"
    file.write_bytes(GOLDEN)

    (finding,) = verify(file, make.trust_root(), checks=(*CHECKS, check_reads)).findings

    assert (finding.code, finding.path) == ("P01", package.INDEX)
    assert "check_reads" in finding.message


def test_what_grows_past_the_announced_size_is_never_inflated_whole(tmp_path: Path) -> None:
    """One byte more than announced is enough to know; the rest may be a bomb."""
    size, announced = 64 << 20, 200_000
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    stored = packer.compress(bytes(size)) + packer.flush()
    file = tmp_path / "p.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(package.BAGIT, bytes(size), compresslevel=9)
    raw = bytearray(file.read_bytes())
    assert stored in raw
    struct.pack_into("<I", raw, entries(bytes(raw))[0] + 24, announced)
    struct.pack_into("<I", raw, 22, announced)
    file.write_bytes(raw)

    tracemalloc.start()
    with ExitStack() as stack, pytest.raises(DamagedError, match="announced"):
        open_bundle(file, stack).digest(package.BAGIT)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 8 << 20
