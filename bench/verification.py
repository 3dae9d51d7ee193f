"""How fast a history of 1,000,000 records is verified offline, and in how much memory.

    python -m bench.verification [RECORDS]

One chain of ordinary records (some 650 bytes, each with two salted fields) lies in a package folder.
The work is done in processes of its own, one core, so that memory is that of the work alone; rates
are per second of that core's time, so that others at work on the machine weigh less.  Each figure
stands against a yardstick over the very same bytes, turn about, and is the median of three rounds.
"""

import json
import multiprocessing
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from evidence.proof import canonical, chain, disclosure, heads, package, record
from evidence.verify import verify
from evidence.verify.history import History, Ledger
from tests.vectors import make

RECORDS = 1_000_000
ROUNDS = 3
NAME = package.item_chain(make.STOP)
BLOCK = 1 << 20

Row = dict[str, Any]


def bodies(count: int) -> Iterator[bytes]:
    """Yield ordinary bodies, each with a nonce and a request of its own."""
    salted = [disclosure.make("reason", "discovery", bytes(16)), disclosure.make("source", "192.0.2.7", bytes(16))]
    mould = canonical.encode(make.body("item.exported", sd=salted, facts={"export": make.PACKAGE_ID}))
    nonce = canonical.decode(mould)["n"].encode()
    before, after = mould.split(nonce)
    for number in range(count):
        yield b"%b%032x%b" % (before, number, after)


def write(folder: Path, count: int) -> None:
    """Write a package folder with one item of so many records; the two fields of each are declared as withheld."""
    path = folder / package.records_path(make.STOP)
    path.parent.mkdir(parents=True)
    raw = b""
    with path.open("wb") as file:
        for raw in chain.link(make.ORIGIN, NAME, ((make.instant(0), body) for body in bodies(count))):
            file.write(raw + b"\n")
    withheld = canonical.decode(record.parse(raw).body)["sd"]
    item = make.Item(make.STOP, "1", ())
    end = heads.Head(NAME, count, record.leaf_hash(raw))
    files = make.pack([item], without=package.Withheld(tuple(withheld), (), "bench"), signed_heads=[end])
    files.pop(package.records_path(make.STOP))
    with path.open("rb") as file:
        digest = _digest(file_blocks(path))
    files[package.MANIFEST] = b"".join(
        line.replace(line[:64], digest.hex().encode()) if line.endswith(b"records.txt\n") else line
        for line in files[package.MANIFEST].splitlines(keepends=True)
    )
    tags = (package.BAGIT, package.BAG_INFO, package.MANIFEST)
    files[package.TAG_MANIFEST] = package.write_manifest({tag: sha256(files[tag]).digest() for tag in tags})
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text)
    (folder.parent / "head").write_bytes(end.hash)


def _digest(blocks: Iterator[bytes]) -> bytes:
    whole = sha256()
    for block in blocks:
        whole.update(block)
    return whole.digest()


def file_blocks(path: Path) -> Iterator[bytes]:
    """Yield a file in blocks."""
    with path.open("rb") as file:
        yield from iter(partial(file.read, BLOCK), b"")


def walk(folder: Path, count: int, *, inspect: chain.Inspect | None) -> None:
    """Framing, chain and leaf hashes of every record; with `inspect`, every body as well."""
    end = heads.Head(NAME, count, (folder.parent / "head").read_bytes())
    records = chain.split(file_blocks(folder / package.records_path(make.STOP)))
    assert not list(chain.find_breaks(records, origin=make.ORIGIN, chain=NAME, head=end, inspect=inspect))


def frames(folder: Path, count: int) -> None:
    """Framing, chain and leaf only."""
    walk(folder, count, inspect=None)


def full(folder: Path, count: int) -> None:
    """The whole check of every body: canonical form, no key twice, acts, salted fields."""
    withheld = frozenset(canonical.decode(next(bodies(1)))["sd"])
    walk(folder, count, inspect=History(ledger=Ledger(iter(()), withheld)).inspect)


def hashing(folder: Path, count: int) -> None:
    """Yardstick: split the same bytes into lines of records and hash each with hashlib."""
    seen = 0
    for raw in chain.split(file_blocks(folder / package.records_path(make.STOP))):
        sha256(raw).digest()
        seen += 1
    assert seen == count


def loading(folder: Path, count: int) -> None:
    """Yardstick: json.loads of the same bodies, nothing checked."""
    for raw in chain.split(file_blocks(folder / package.records_path(make.STOP))):
        json.loads(raw[raw.rindex(b"\n") + 1 :])


def package_whole(folder: Path, count: int) -> None:
    """`evidence verify` of the whole package: signatures, chain, bodies, disclosures, manifests."""
    verdict = verify(folder, make.trust_root())
    assert verdict.outcome == "verified"
    assert verdict.items[0].records == count


Work = Callable[[Path, int], None]


def in_a_process(work: Work, folder: Path, count: int) -> tuple[float, int]:
    """Do the work in a fresh process; return records a second of CPU time and the peak of its memory in bytes."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_measured, args=(work, folder, count, there))
    process.start()
    rate, memory = here.recv()
    process.join()
    return rate, memory


def _measured(work: Work, folder: Path, count: int, answer: Any) -> None:
    began = time.process_time()
    work(folder, count)
    rate = count / (time.process_time() - began)
    answer.send((rate, _peak()))


def _peak() -> int:
    # Linux lets a process be born with its parent's peak in getrusage; /proc knows its own.
    status = Path("/proc/self/status")
    own = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(own[1]) * 1024 if own else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run(count: int = RECORDS) -> list[Row]:
    """Measure and return one row a figure."""
    rows: list[Row] = []
    pairs: list[tuple[str, Work, str, Work, str]] = [
        ("framing, chain and leaf", frames, "hashlib over the same records", hashing, ">= 250,000/s"),
        ("with the full body check", full, "json.loads of the same bodies", loading, ">= 80,000/s"),
        ("whole package", package_whole, "json.loads of the same bodies", loading, ">= 80,000/s"),
    ]
    peak = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "package"
        write(folder, count)
        for title, ours, yardstick, theirs, target in pairs:
            rates, ratios = [], []
            for _ in range(ROUNDS):
                beside, _memory = in_a_process(theirs, folder, count)
                rate, memory = in_a_process(ours, folder, count)
                rates.append(rate)
                ratios.append(rate / beside)
                peak = max(peak, memory)
            rows.append(
                {
                    "name": f"verify {count:,} records: {title}",
                    "value": round(statistics.median(rates)),
                    "unit": "records/s of one core",
                    "ratio": round(statistics.median(ratios), 3),
                    "yardstick": yardstick,
                    "target": target,
                }
            )
    rows.append(
        {
            "name": f"verify {count:,} records: memory",
            "value": round(peak / (1 << 20), 1),
            "unit": "MiB",
            "ratio": round(peak / (64 << 20), 3),
            "yardstick": "64 MiB",
            "target": "<= 64 MiB",
        }
    )
    return rows


if __name__ == "__main__":
    for row in run(int(sys.argv[1]) if len(sys.argv) > 1 else RECORDS):
        print(json.dumps(row))
