"""The offline verifier, for a court, the defense or anybody: is this package what was recorded?

It needs a package (a zip or the folder it was unpacked to) and a trust file that came another way.
It asks nobody and changes nothing.  The standard library and evidence.proof are all it stands on,
so the whole of it can be read, and runs from one file on any Python.

    bundle        open a zip or folder safely
    examination   read each part of it once
    checks        the numbered checks; each can be left out, and stronger ones added
    verdict       findings and verdict; `report` puts them into words, `words` what records say
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from evidence.proof import package
from evidence.proof.trust import Trust
from evidence.verify.bundle import DamagedError, UnreadableError, open_bundle
from evidence.verify.checks import CHECKS, Check, check_container
from evidence.verify.examination import Examination
from evidence.verify.verdict import Finding, Verdict

__all__ = ["CHECKS", "Check", "Finding", "UnreadableError", "Verdict", "verify"]

Event = dict[str, object]
"""One line of what a verification tells while it runs: kind plan, progress, verified or problem."""

MOST_FINDINGS = 1000
"""How many findings of one check are named; a thousand tell no less than a million."""

_PROGRESS_EVERY = 64 << 20


def verify(
    path: Path,
    trust: Trust,
    *,
    checks: Sequence[Check] = CHECKS,
    tell: Callable[[Event], None] = lambda _event: None,
    receipts: Sequence[tuple[str, bytes]] = (),
    histories: bool = False,
) -> Verdict:
    """Hold the package at a path against the keys of the trust file and say what was found.

    Stronger checks (witnesses, time-stamps) are handed in as `checks=(*CHECKS, another)`.  `tell` is
    called with events while the work goes on.  `receipts` are receipts that somebody else kept, by name;
    with `histories` each record is told, and memory grows with them.  Raises UnreadableError when there is no package.
    """
    with ExitStack() as stack:
        bundle = open_bundle(path, stack)
        total = sum(bundle.sizes.values())
        done = told = 0

        def count(size: int) -> None:
            nonlocal done, told
            done += size
            if done - told >= _PROGRESS_EVERY:
                told = done
                tell({"kind": "progress", "done": done, "of": total})

        bundle.on_read = count
        seen = Examination(bundle, trust, receipts, histories)
        verdict = _begin(seen)
        tell(
            {"kind": "plan", "package": verdict.package, "items": len(seen.items), "files": verdict.files, "of": total}
        )
        for check in (check_container,) if bundle.hopeless else checks:
            for number, finding in enumerate(_findings(check, seen)):
                enough = number == MOST_FINDINGS
                if enough:
                    message = f"there is more of the same; {MOST_FINDINGS} findings of one check are named"
                    finding = Finding(finding.code, finding.path, message)
                seen.explained.add(finding.path)
                verdict.findings.append(finding)
                tell({"kind": "problem", **finding.members()})
                if enough:
                    break
        verdict.remarks = seen.remarks
        verdict.items = list(seen.reports.values())
        for report in verdict.items:
            if not any(finding.item == report.item for finding in verdict.findings):
                tell({"kind": "verified", **report.members()})
    return verdict


def _findings(check: Check, seen: Examination) -> Iterator[Finding]:
    """Run one check. Bytes that cannot be read are a finding, also where the check did not reckon with them."""
    try:
        yield from check(seen)
    except DamagedError as wrong:
        yield Finding("P01", package.INDEX, f"a part of the package cannot be read ({check.__name__}): {wrong}")


def _begin(seen: Examination) -> Verdict:
    verdict = Verdict(origin=seen.trust.origin, files=len(seen.bundle.sizes), stranger=seen.stranger)
    verdict.keys = [f"{key.role} {key.key_id.hex()}, public key {key.public.hex()}" for key in seen.trust.keys]
    if seen.index is not None:
        verdict.package, verdict.made_at = seen.index.id, seen.index.made_at
        verdict.reason = seen.index.withheld.reason
        verdict.withheld_objects = len(seen.index.withheld.objects)
    return verdict
