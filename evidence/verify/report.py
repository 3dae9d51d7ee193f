"""The verdict in plain words, for a judge, a juror, an attorney."""

from collections.abc import Iterator

from evidence.proof import acts, canonical, package
from evidence.verify import words
from evidence.verify.verdict import KEPT, MEANINGS, Entry, Finding, ItemReport, Verdict
from evidence.verify.words import plain

_OUTCOMES = {
    "verified": "VERIFIED: everything that is signed in this package is as it was recorded.",
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
  - It cannot show a rewriting in which everybody with a key took part. The end marks of the histories are
    unwitnessed: they are signed by one export key, and are only as honest as whoever holds it.
    A receipt that somebody else kept can prove a record that was dropped (--receipt FILE).
  - bag-info.txt is signed by nobody and proves nothing.
  - It stands on the trust file. Make sure that it came to you another way than the package."""


def write(verdict: Verdict) -> str:
    """Return the verdict as text, ending in a newline."""
    return "\n".join(lines(verdict)) + "\n"


def lines(verdict: Verdict) -> Iterator[str]:
    """Yield the verdict line by line, so that a long history need not be held twice."""
    yield _headline(verdict)
    yield ""
    called = f"Package {verdict.package or 'without a readable index'}"
    yield f"{called} of {verdict.origin}" if verdict.stranger is None else f"{called}, says it is of {verdict.stranger}"
    if verdict.made_at is not None:
        yield f"made at {verdict.made_at}, {_count(len(verdict.items), 'evidence item')}, {verdict.files} files"
    for item in verdict.items:
        yield ""
        yield from _item(item, verdict.findings)
    if verdict.stranger is None:
        yield ""
        yield from _withheld(verdict)
    if verdict.remarks:
        yield ""
        yield "Receipts that were given beside the package"
        for remark in verdict.remarks:
            yield f"  - {plain(remark)}"
    if verdict.findings:
        yield ""
        yield f"Findings: {len(verdict.findings)}"
        numbers = {item.item: item.number for item in verdict.items}
        for number, finding in enumerate(verdict.findings, 1):
            yield ""
            yield f"{number}. {finding.code}: {MEANINGS.get(finding.code, 'found by an additional check')}"
            yield f"   place    {plain(finding.place)}"
            if finding.item is not None:
                evidence = numbers.get(finding.item)
                yield f"   item     {finding.item if evidence is None else f'{plain(evidence)} ({finding.item})'}"
            if finding.seq is not None:
                yield f"   record   {finding.seq}"
            yield f"   found    {plain(finding.message)}"
    if verdict.keys:
        yield ""
        yield f"Trust file of {verdict.origin}; compare its keys with the agency's by another way, such as a telephone"
        for key in verdict.keys:
            yield f"  {key}"
    yield ""
    yield _LIMITS


def _headline(verdict: Verdict) -> str:
    """Say no more than the findings do: another's trust file, or a forged receipt, is no altered package."""
    if verdict.stranger is not None and all(finding.code == "L02" for finding in verdict.findings):
        return (
            f"NOT CHECKED AGAINST ITS MAKER: the trust file is of {verdict.origin}, the package says it is of "
            f"{verdict.stranger}.\nNothing is said of the package itself. Get the trust file of its maker."
        )
    if verdict.findings and all(each.path.startswith(KEPT) and each.code != "R01" for each in verdict.findings):
        return "BROKEN: a receipt that was given cannot be relied on. Against the package itself nothing was found."
    return _OUTCOMES[verdict.outcome]


def _item(item: ItemReport, findings: list[Finding]) -> Iterator[str]:
    size = "" if item.size is None else f" ({item.size} bytes)"
    records, fields = package.records_path(item.item), package.disclosures_path(item.item)
    yield f"Item {plain(item.number)} ({item.item})"
    if item.filename is not None:
        yield f'  file       "{plain(item.filename)}"'
    yield f"  original   {_ORIGINALS[item.original]}{size}{_see(item, findings, 'O')}"
    if item.sha256 is not None:
        yield f"  SHA-256    {item.sha256}, by the record of its reception"
    altered = _see(item, findings, "C", path=records)
    vouched = next((number for number, each in enumerate(findings, 1) if _is_about_heads(each)), None)
    if altered:
        yield f"  history    ALTERED{altered}"
    elif vouched is not None:
        yield f"  history    NOT VOUCHED FOR, see finding {vouched}"
    else:
        contradicted = _see(item, findings, "TR")
        doubt = f", NOT ALL AS IT MUST BE{contradicted}" if contradicted else ""
        yield f"  history    {_count(item.records, 'custody record')}{doubt}"
        yield f"  received   {item.received_at or 'not on record'}"
        yield f"  exported   {item.exported_at or 'not on record'}"
    if item.manifests or _see(item, findings, "M"):
        yield f"  manifests  {item.manifests} signed by a dock{_see(item, findings, 'M')}"
    yield f"  receipts   {item.receipts}{_see(item, findings, 'RKL')}"
    wrong = _see(item, findings, "D", path=fields)
    if wrong:
        yield f"  fields     ALTERED or left out{wrong}"
    elif altered:
        yield "  fields     not judged, because the history is altered"
    else:
        yield f"  fields     {item.disclosed} disclosed, {item.withheld} withheld"
    for entry in item.history:
        yield from _entry(entry)
    if item.declared is False:
        yield "  declared: none"
        yield "             whoever sent it named no digest beforehand; what is proven begins with its arrival here"
    if item.unknown_acts:
        yield f"  note       {_count(item.unknown_acts, 'record')} of an act that this verifier does not know"


def _entry(entry: Entry) -> Iterator[str]:
    body = canonical.decode(entry.body)
    known = acts.ACTS.get(body["act"])
    sentence = f"An act that this verifier does not know: {plain(body['act'])}." if known is None else known.sentence
    yield f"  record {entry.seq}, {entry.at}: {sentence}"
    for line in words.tell(body, entry.fields, entry.withheld):
        yield f"      {words.harmless(line)}"


def _see(item: ItemReport, findings: list[Finding], kinds: str, *, path: str = "") -> str:
    """Name the first finding of these kinds about an item, or about one of its files."""
    for number, each in enumerate(findings, 1):
        if (each.item == item.item and each.code[0] in kinds) or each.path == path:
            return f", see finding {number}"
    return ""


def _is_about_heads(finding: Finding) -> bool:
    return finding.path == package.HEADS and finding.code[0] in "CKLP"


def _withheld(verdict: Verdict) -> Iterator[str]:
    fields = sum(item.withheld for item in verdict.items)
    if not fields and not verdict.withheld_objects:
        yield "Nothing is withheld."
        return
    yield f"Withheld: {_count(fields, 'field')} and {_count(verdict.withheld_objects, 'original')}."
    yield f'Reason given: "{plain(verdict.reason)}"' if verdict.reason else "Reason given: none"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
