"""Cheat: somebody with the export key drops or replaces a record and signs new heads. A receipt tells."""

from dataclasses import replace

from evidence.proof import package
from evidence.verify.checks import check_receipts
from tests.tamper.catching import INTERVIEW, STOP, caught, examine, records, told
from tests.vectors import make


def shortened() -> make.Item:
    """The first item with its last two records dropped, and a receipt that somebody kept."""
    first = make.items()[0]
    kept = first.records[:3]
    return replace(first, records=kept, disclosures=first.disclosures[:2], receipts={4: make.receipt_for(records()[3])})


def test_a_receipt_for_a_dropped_record_is_named() -> None:
    finding = caught(make.pack([shortened()]), by=check_receipts)

    assert told(finding) == ("R01", STOP, 4, package.receipt_path(STOP, 4))
    assert "dropped" in finding.message


def test_a_receipt_for_a_replaced_record_is_named() -> None:
    other = make.link(package.item_chain(STOP), [make.body("hold.placed", facts={"hold": "1"})])
    item = make.Item(STOP, "1", tuple(other), receipts={1: make.receipt_for(records()[0])})

    finding = caught(make.pack([item]), by=check_receipts)

    assert told(finding) == ("R01", STOP, 1, package.receipt_path(STOP, 1))
    assert "replaced" in finding.message


def test_a_receipt_of_another_item_is_named() -> None:
    path = package.receipt_path(STOP, 1)
    files = make.relist({**make.pack(), path: make.receipt_for(records(INTERVIEW)[0])})

    assert told(caught(files, by=check_receipts)) == ("R01", STOP, 1, path)


def test_a_rightly_signed_text_that_is_no_receipt_is_named() -> None:
    path = package.receipt_path(STOP, 1)
    files = make.relist({**make.pack(), path: make.key("receipt").sign("thank you\n").encode()})

    assert told(caught(files, by=check_receipts)) == ("R01", STOP, None, path)


def test_what_follows_from_a_cut_off_end_is_not_named_again() -> None:
    """Against the heads the dropped records are found already; the receipt for one adds nothing."""
    first, second = make.items()
    packed = make.pack([replace(first, receipts={4: make.receipt_for(records()[3])}), second])
    assert examine(packed).outcome == "verified"

    cut = make.relist({**packed, package.records_path(STOP): package.write_records(records()[:3])})

    assert [each.code for each in examine(cut).findings] == ["C07"]
