"""The numbered checks, in their order. Each is one function that yields findings and can be left out.

    1  container     names that lead astray, links, doubles, bombs                     P01
    2  heads         who signed them, in which role, when, for which installation      K01 K02 K03 L02 C07 C08
    3  index         it is the one whose digest the heads name                         P01
    4  chains        every record of every item, from the first to the signed head     C01 to C07
    5  receipts      each names a record that is there                                 R01 K01 K02 K03 L02
    6  disclosures   each belongs to a record; none is left out unsaid                 D01 D02
    7  originals     the bytes are those that were received, chunk by chunk            O01 O02
    8  items         those of the heads, no more and no fewer                          C07 D02
    9  lists         every file is listed, and every listed file is there as listed    P01
   10  kept          receipts that somebody else kept: each names a record that is there    R01 K01 K02 K03 L02
   11  manifests     what a dock signed is by its key, and of these bytes              M01

A finding is made once, at its root; what only follows from it is left out (FORMAT.md 11).
"""

from collections.abc import Callable, Iterable, Iterator

from evidence.proof import package
from evidence.proof.receipt import Receipt
from evidence.verify import lists, originals
from evidence.verify.examination import Examination
from evidence.verify.history import History, Received
from evidence.verify.verdict import KEPT, Finding

Check = Callable[[Examination], Iterable[Finding]]
"""Looks at a package under examination and says what is wrong with it. A stronger checker is one more of these."""


def check_container(seen: Examination) -> Iterator[Finding]:
    """1. Nothing in the container is unsafe to open."""
    for problem in seen.bundle.problems:
        yield Finding("P01", problem.path, problem.message)


def check_heads(seen: Examination) -> Iterator[Finding]:
    """2. The heads are signed by a key of role `export` of this installation."""
    if seen.heads_finding is not None:
        yield seen.heads_finding


def check_index(seen: Examination) -> Iterator[Finding]:
    """3. The index is the one that the heads name."""
    if seen.index_finding is not None:
        yield seen.index_finding


def check_chains(seen: Examination) -> Iterator[Finding]:
    """4. Every chain holds, from its first record to its signed head."""
    for item in seen.items:
        history = seen.history(item)
        report = seen.reports[item.item]
        report.records, report.unknown_acts = history.records, history.unknown_acts
        report.received_at, report.exported_at = history.received_at, history.exported_at
        if history.sound and history.received is not None:
            report.sha256, report.filename = history.received.sha256.hex(), history.filename
        report.history = history.told
        if item.records in seen.bundle.refused:
            continue
        if item.records in seen.damaged:
            message = f"the records cannot be read to their end: {seen.damaged[item.records]}"
            yield Finding("P01", item.records, message, item=item.item)
            continue
        for each in history.breaks:
            where = f"record {each.position}"
            yield Finding(each.code, item.records, each.message, item=item.item, seq=each.seq, where=where)


def check_receipts(seen: Examination) -> Iterator[Finding]:
    """5. Every receipt is rightly signed and names a record that is there."""
    for item in seen.items:
        history = seen.history(item)
        for opened in seen.receipts(item):
            if opened.finding is not None:
                yield opened.finding
                continue
            assert opened.receipt is not None
            seen.reports[item.item].receipts += 1
            wrong = _wrong_receipt(opened.receipt, package.item_chain(item.item), history)
            if not wrong and opened.path != package.receipt_path(item.item, opened.receipt.seq):
                wrong = f"the receipt is for record {opened.receipt.seq}, not for the one that its path names"
            if wrong:
                yield Finding("R01", opened.path, wrong, item=item.item, seq=opened.receipt.seq)


def check_disclosures(seen: Examination) -> Iterator[Finding]:
    """6. Every disclosure belongs to a record, and what is left out is declared as withheld."""
    for item in seen.items:
        history = seen.history(item)
        ledger = history.ledger
        report = seen.reports[item.item]
        report.disclosed, report.withheld = ledger.disclosed, ledger.withheld
        place = item.disclosures
        if not history.sound or seen.index_altered or place in seen.bundle.refused:
            continue
        if place in seen.damaged:
            yield Finding("P01", place, f"it cannot be read to its end: {seen.damaged[place]}", item=item.item)
            continue
        strays, excused = ledger.strays, ledger.stray_count
        if 0 in strays:
            # The list itself is damaged: what it fails to disclose, or seems to, follows from that.
            strays, excused = {0: strays[0]}, ledger.missing_count
        for number, wrong in strays.items():
            where = f"disclosure {number}" if number else ""
            name = ledger.stray_names.get(number)
            called = "a disclosed field" if name is None else f'the field "{name}"'
            message = f"{called} is not as it was recorded: {wrong}"
            yield Finding("D01", place, message, item=item.item, where=where)
        # A disclosure that was altered fails twice: its digest is in no record, and the one in the
        # record has no disclosure.  It is named once, as altered.
        for seq, count in ledger.missing.items():
            left, excused = max(0, count - excused), max(0, excused - count)
            if left:
                fields = "1 field" if left == 1 else f"{left} fields"
                message = f"{fields} of record {seq}: neither disclosed nor declared as withheld"
                yield Finding("D02", place, message, item=item.item, seq=seq)


def check_originals(seen: Examination) -> Iterator[Finding]:
    """7. Every original and its chunk list are what was received, or declared as withheld."""
    for item in seen.items:
        history = seen.history(item)
        report = seen.reports[item.item]
        report.declared = history.declared
        received = history.received if history.sound else None
        if item.original is None:
            yield from _absent_original(seen, item, history, received)
        elif seen.is_missing(item.original.path):
            message = "the original is not in the package, though its index names it"
            yield Finding("O02", item.original.path, message, item=item.item)
        elif seen.is_there(item.original.path):
            yield from originals.find_differences(seen, item, received)


def check_items(seen: Examination) -> Iterator[Finding]:
    """8. The items are exactly those of the signed heads."""
    if seen.heads is None or seen.index is None or seen.index_altered:
        return
    named = {package.item_chain(item.item): item for item in seen.items}
    signed = {head.chain for head in seen.heads.heads}
    for chain in sorted(signed - named.keys()):
        item = chain.partition("/")[2] or None
        yield Finding(
            "D02", package.HEADS, f"the signed end marks name {chain}, and the package leaves it out unsaid", item=item
        )
    for chain in sorted(named.keys() - signed):
        left_out = named[chain]
        message = "the signed end marks do not know this item, so nothing says where its history ends"
        yield Finding("C07", left_out.records, message, item=left_out.item)


def check_lists(seen: Examination) -> Iterator[Finding]:
    """9. Every file is listed, and every listed file is there and has the digest of its line."""
    for path, message in lists.find_wrong_entries(seen):
        if path not in seen.explained:
            seen.explained.add(path)
            yield Finding("P01", path, message)


def check_kept_receipts(seen: Examination) -> Iterator[Finding]:
    """10. Every receipt that was given beside the package names a record that is there."""
    items = {package.item_chain(item.item): item for item in seen.items}
    for opened in seen.kept_receipts:
        if opened.finding is not None:
            yield opened.finding
            continue
        assert opened.receipt is not None
        given, name = opened.receipt, opened.path.removeprefix(KEPT)
        item = items.get(given.chain)
        if item is None:
            seen.remarks.append(f"{name} is unrelated: it is for {given.chain}, which is not in this package")
            continue
        head, history = seen.head(item), seen.history(item)
        of_record = f"{name} is for record {given.seq} of item {item.number}"
        if head is not None and seen.heads is not None and given.seq > head.seq and given.at > seen.heads.at:
            # Made after the package was: that it is not here is no fault.
            remark = f"of {given.at}; the package says it was made earlier, at {seen.heads.at}. Ask for a newer one"
            seen.remarks.append(f"{of_record}, {remark}")
        elif wrong := _wrong_receipt(given, given.chain, history):
            yield Finding("R01", opened.path, wrong, item=item.item, seq=given.seq)
        elif history.sound:
            seen.remarks.append(f"{of_record}, and that record is here, unchanged")
        else:
            seen.remarks.append(f"{of_record}, and could not be compared, because the history is altered")


def check_manifests(seen: Examination) -> Iterator[Finding]:
    """11. What a dock signed of an item is signed by the key on record, and is of the bytes that were received."""
    for item in seen.items:
        history = seen.history(item)
        if not history.sound:
            continue
        seen.reports[item.item].manifests = history.manifests
        for seq, wrong in history.manifest_faults:
            yield Finding("M01", item.records, wrong, item=item.item, seq=seq, where=f"record {seq}")
        if history.manifests_withheld:
            count = history.manifests_withheld
            what = "a manifest that its dock signed is" if count == 1 else f"{count} manifests that docks signed are"
            seen.remarks.append(f"item {item.number}: {what} not shown, so the signature was not checked")


CHECKS: tuple[Check, ...] = (
    check_container,
    check_heads,
    check_index,
    check_chains,
    check_receipts,
    check_disclosures,
    check_originals,
    check_items,
    check_lists,
    check_kept_receipts,
    check_manifests,
)
"""Every check, in order."""


def _wrong_receipt(receipt: Receipt, chain: str, history: History) -> str | None:
    if receipt.chain != chain:
        return f"the receipt is for {receipt.chain}, not for this item"
    if not history.sound or receipt.leaf in history.leaves[receipt.seq]:
        return None
    if history.leaves[receipt.seq]:
        return f"the receipt names another record {receipt.seq} than the one that is here: it was replaced"
    return f"the receipt is for record {receipt.seq}, which is not here: it was dropped"


def _absent_original(
    seen: Examination, item: package.PackedItem, history: History, received: Received | None
) -> Iterator[Finding]:
    report = seen.reports[item.item]
    if seen.index is not None and received is not None and received.sha256 in seen.index.withheld.objects:
        report.original = "withheld"
    elif history.ended:
        report.original = "ended"
    elif received is not None and not seen.index_altered:
        message = f"the original {received.sha256.hex()} is left out, and the package does not say that it is withheld"
        yield Finding("O02", package.INDEX, message, item=item.item)
