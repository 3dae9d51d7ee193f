"""The verdict in plain words, for a judge, a juror, an attorney."""

from collections.abc import Iterator

from evidence.verify.verdict import MEANINGS, ItemReport, Verdict

_OUTCOMES = {
    "verified": "VERIFIED: everything in this package is as it was recorded.",
    "broken": "BROKEN: this package is not as it was recorded. What is wrong, and where, stands below.",
    "incomplete": "INCOMPLETE: nothing wrong was found, but a part that is required is missing.",
}

_ORIGINALS = {
    "unchanged": "unchanged since receipt",
    "changed": "NOT the bytes that were received",
    "withheld": "not in this package; the package says that it is withheld",
    "missing": "MISSING from this package",
    "ended": "no longer held; its lawful end is on record",
    "unknown": "could not be compared, because its record cannot be relied on",
}

_LIMITS = """\
What this means, and what it cannot mean
  - A matching digest means: unchanged since it was received. It never means: authentic. What happened
    before (in front of the camera, in the camera, on the way to the dock) no digest can tell.
  - It cannot show acts that were never recorded, nor statements that were false when they were made.
  - It cannot show a rewriting in which everybody with a key took part. The heads of the histories are
    unwitnessed: they are signed by one export key, and are only as honest as whoever holds it.
    A receipt that somebody else kept can prove a record that was dropped.
  - bag-info.txt is signed by nobody and proves nothing.
  - It stands on the trust file. Make sure that it came to you another way than the package."""


def write(verdict: Verdict) -> str:
    """Return the verdict as text, ending in a newline."""
    return "\n".join(_lines(verdict)) + "\n"


def _lines(verdict: Verdict) -> Iterator[str]:
    yield _OUTCOMES[verdict.outcome]
    yield ""
    yield f"Package {verdict.package or 'without a readable index'} of {verdict.origin}"
    if verdict.made_at is not None:
        yield f"made at {verdict.made_at}, {_count(len(verdict.items), 'evidence item')}, {verdict.files} files"
    for item in verdict.items:
        yield ""
        yield from _item(item)
    yield ""
    yield from _withheld(verdict)
    if verdict.findings:
        yield ""
        yield f"Findings: {len(verdict.findings)}"
        for number, finding in enumerate(verdict.findings, 1):
            yield ""
            yield f"{number}. {finding.code}: {MEANINGS.get(finding.code, 'found by an additional check')}"
            yield f"   place    {_plain(finding.place)}"
            if finding.item is not None:
                yield f"   item     {finding.item}"
            if finding.seq is not None:
                yield f"   record   {finding.seq}"
            yield f"   found    {_plain(finding.message)}"
    yield ""
    yield _LIMITS


def _item(item: ItemReport) -> Iterator[str]:
    size = "" if item.size is None else f" ({item.size} bytes)"
    yield f"Item {_plain(item.number)} ({item.item})"
    yield f"  original   {_ORIGINALS[item.original]}{size}"
    yield f"  history    {_count(item.records, 'custody record')}, {_count(item.receipts, 'receipt')}"
    yield f"  fields     {item.disclosed} disclosed, {item.withheld} withheld"
    if item.declared is False:
        yield "  declared: none"
        yield "             whoever sent it named no digest beforehand; what is proven begins with its arrival here"
    if item.unknown_acts:
        yield f"  note       {_count(item.unknown_acts, 'record')} of an act that this verifier does not know"


def _withheld(verdict: Verdict) -> Iterator[str]:
    fields = sum(item.withheld for item in verdict.items)
    if not fields and not verdict.withheld_objects:
        yield "Nothing is withheld."
        return
    yield f"Withheld: {_count(fields, 'field')} and {_count(verdict.withheld_objects, 'original')}."
    yield f"Reason given: {_plain(verdict.reason) if verdict.reason else 'none'}"


def _plain(text: str) -> str:
    """Keep a text of the package from moving the cursor or passing for ours."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:2000]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
