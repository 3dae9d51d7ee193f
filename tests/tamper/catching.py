"""Put a cheat's package before the verifier, in every shape a package can have.

`caught` is what nearly every test here asks: the package as it should be verifies; the changed one
has exactly one finding, the same as a zip and as a folder; and a verifier without the check that
made the finding would have let the change pass, so the check is needed.
"""

import tempfile
from collections.abc import Collection
from functools import cache
from pathlib import Path

from evidence.proof import package
from evidence.proof.trust import Trust
from evidence.verify import CHECKS, Check, Finding, Verdict, verify
from tests.vectors import make

STOP, INTERVIEW = make.STOP, make.INTERVIEW
RECORDS = package.records_path(STOP)
ORIGINAL = package.original_path(STOP, "stop.mp4")

Told = tuple[str, str | None, int | None, str]
"""Code, item, record and place of a finding."""


def told(finding: Finding) -> Told:
    return finding.code, finding.item, finding.seq, finding.place


def examine(files: make.Files, *, trust: Trust | None = None, without: Collection[Check] = ()) -> Verdict:
    """Verify files as a zip with a base folder, without one, and as a folder; all three must say the same."""
    checks = [check for check in CHECKS if check not in without]
    verdicts = []
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for number, base in enumerate(("package-1/", "")):
            file = place / f"{number}.zip"
            file.write_bytes(make.zipped(files, base=base))
            verdicts.append(verify(file, trust or make.trust_root(), checks=checks))
        unpacked = place / "unpacked"
        for path, raw in files.items():
            (unpacked / path).parent.mkdir(parents=True, exist_ok=True)
            (unpacked / path).write_bytes(raw)
        verdicts.append(verify(unpacked, trust or make.trust_root(), checks=checks))
    first = verdicts[0]
    assert [each.findings for each in verdicts] == [first.findings] * len(verdicts)
    assert [each.items for each in verdicts] == [first.items] * len(verdicts)
    return first


def caught(files: make.Files, *, by: Check | Collection[Check], control: make.Files | None = None) -> Finding:
    """Return the one finding about a changed package, after trying it with and without the check."""
    assert (_untouched() if control is None else examine(control)).outcome == "verified"

    verdict = examine(files)

    assert [told(each) for each in verdict.findings[1:]] == [], "one change, one finding"
    assert verdict.outcome == "broken"
    needed = by if isinstance(by, Collection) else (by,)
    assert examine(files, without=needed).outcome == "verified", "without the check it would have passed"
    return verdict.findings[0]


@cache
def _untouched() -> Verdict:
    return examine(make.pack())


def with_records(records: list[bytes], *, item: str = STOP) -> make.Files:
    """Put other records into the small package and write its lists anew; the heads stay as they were signed."""
    return make.relist({**make.pack(), package.records_path(item): package.write_records(records)})


def records(item: str = STOP) -> list[bytes]:
    return list(next(each for each in make.items() if each.id == item).records)


def edited(raw: bytes, old: bytes, new: bytes) -> bytes:
    assert raw.count(old) >= 1
    return raw.replace(old, new, 1)
