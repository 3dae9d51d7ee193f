"""Memory stays small whatever the package: a long history, a long original, many files."""

import subprocess
import sys
import zipfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from evidence.proof import canonical, chain, heads, package
from evidence.verify import verify
from evidence.verify.bundle import MOST_FILES
from tests.vectors import make

ROOT = Path(__file__).parents[3]
LIMIT = 64 << 20

PEAK = """
import re, sys
from pathlib import Path
{work}
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""
"""Not getrusage: a process is born with the peak of its parent."""

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc (Linux)")

VERIFY = """
from evidence.proof.trust import parse
from evidence.verify import verify
trust = parse(Path("tests/vectors/trust.json").read_bytes())
assert verify(Path(sys.argv[1]), trust).outcome == "verified"
"""

TELL = """
from evidence.proof.trust import parse
from evidence.verify import report, verify
trust = parse(Path("tests/vectors/trust.json").read_bytes())
told = report.lines(verify(Path(sys.argv[1]), trust, histories=True))
assert sum(line.startswith("      fact ") for line in told) == 60_000
"""


def peak(work: str, place: Path) -> int:
    """Return the most memory, in bytes, that a process of its own took for the work."""
    script = [sys.executable, "-c", PEAK.format(work=work), str(place)]
    return int(subprocess.run(script, cwd=ROOT, capture_output=True, check=True, timeout=300).stdout) * 1024


@pytest.fixture(scope="module")
def long_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip with 60,000 records (29 MB), as many disclosures, and an original of 200 MiB."""
    salted = [make.salted("reason", number) for number in range(60_000)]
    size = 200 << 20
    chunks = make.chunk_list(bytes(size))
    received = make.body("item.received", obj=[make.original_object(bytes(size))], facts={"upload": "1"}, sd=salted[:1])
    mould = canonical.encode(make.body("hold.placed", facts={"hold": "1"}, sd=[make.salted("x", 1)]))
    before, after = mould.split(make.salted("x", 1).digest.encode())
    bodies = [canonical.encode(received), *(before + each.digest.encode() + after for each in salted[1:])]
    records = tuple(chain.link(make.ORIGIN, package.item_chain(make.STOP), ((make.NOON, body) for body in bodies)))
    item = make.Item(make.STOP, "1", records, tuple(each.text for each in salted), bytes(size), chunks)
    file = tmp_path_factory.mktemp("long") / "package.zip"
    file.write_bytes(make.zipped(make.pack([item], without=package.Withheld())))
    return file


def test_a_long_history_and_a_long_original_take_little_memory(long_package: Path) -> None:
    assert peak(VERIFY, long_package) <= LIMIT


def test_a_history_that_is_told_takes_little_more_than_its_records(long_package: Path) -> None:
    """They are kept as they are written, and put into words one by one."""
    assert peak(TELL, long_package) <= LIMIT + (16 << 20)


def test_the_measure_sees_a_reader_that_keeps_a_file_whole(long_package: Path) -> None:
    """Negative control."""
    assert peak("kept = Path(sys.argv[1]).read_bytes()", long_package) > LIMIT


@pytest.fixture(scope="module")
def wide_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip with as many files as are read, every one of them named by the index."""
    count = MOST_FILES - len(make.pack([], signed_heads=[]))
    more = {f"data/attachments/{number:05d}/attachment-{number:05d}.txt": b"%d" % number for number in range(count)}
    index = make.index_of([], package.Withheld())
    named = tuple(package.PackedFile(path, sha256(raw).digest(), len(raw)) for path, raw in more.items())
    written = replace(index, files=(*index.files, *named)).write()
    signed = heads.Heads(make.ORIGIN, make.NOON, sha256(written).digest(), ()).write()
    files = {
        package.INDEX: written,
        package.HEADS: make.key("export").sign(signed).encode(),
        package.README: make.README,
        **more,
    }
    file = tmp_path_factory.mktemp("wide") / "package.zip"
    file.write_bytes(make.zipped(make.relist(files)))
    return file


def test_as_many_files_as_are_read_take_little_memory(wide_package: Path) -> None:
    assert peak(VERIFY, wide_package) <= LIMIT


def test_one_file_more_is_not_read(wide_package: Path, tmp_path: Path) -> None:
    file = tmp_path / "package.zip"
    file.write_bytes(wide_package.read_bytes())
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("one more", b"")

    assert [finding.code for finding in verify(file, make.trust_root()).findings] == ["P01"]
