"""Cheat: the end of a history is cut off, where no later record can contradict; only the signed heads can."""

import pytest

from evidence.proof import heads, package
from evidence.verify.checks import check_chains, check_heads, check_items, check_lists
from tests.tamper.catching import INTERVIEW, RECORDS, STOP, caught, examine, records, told, with_records
from tests.vectors import make


@pytest.mark.parametrize("left", [0, 1, 3, 4])
def test_a_cut_off_end_is_named(left: int) -> None:
    finding = caught(with_records(records()[:left]), by=check_chains)

    assert told(finding) == ("C07", STOP, left + 1, f"{RECORDS}, record {max(left, 1)}")
    assert "5" in finding.message


def test_a_record_beyond_the_signed_end_is_named() -> None:
    bodies = [make.body("hold.placed", facts={"hold": "1"})]
    shorter = make.link(package.item_chain(STOP), bodies)
    longer = make.link(package.item_chain(STOP), [*bodies, *bodies])
    item = make.Item(STOP, "1", tuple(longer))

    finding = caught(make.pack([item], signed_heads=[make.head_of(shorter)]), by=check_chains)

    assert told(finding)[:3] == ("C07", STOP, 2)


def test_a_file_of_records_that_is_gone_is_named() -> None:
    files = make.pack()
    del files[RECORDS]

    finding = caught(make.relist(files), by=(check_chains, check_lists))

    assert (finding.code, finding.item, finding.seq) == ("C07", STOP, 1)


def test_without_its_heads_nothing_verifies() -> None:
    files = make.pack()
    del files[package.HEADS]

    finding = caught(make.relist(files), by=(check_heads, check_lists))

    assert told(finding) == ("C07", None, None, package.HEADS)


def test_an_item_that_the_heads_do_not_know_is_named() -> None:
    first, second = make.items()
    files = make.pack(signed_heads=[make.head_of(list(first.records))])
    assert second.id == INTERVIEW

    finding = caught(files, by=check_items)

    assert told(finding) == ("C07", INTERVIEW, None, package.records_path(INTERVIEW))


def test_heads_that_are_rightly_signed_and_cannot_be_read_are_named() -> None:
    files = make.pack()
    files[package.HEADS] = make.key("export").sign("custody.heads.v0\nnothing\n").encode()

    finding = caught(make.relist(files), by=check_heads)

    assert told(finding) == ("C08", None, None, package.HEADS)


def test_heads_of_absurd_size_are_named() -> None:
    files = make.pack()
    files[package.HEADS] = b"x" * (2 << 20)

    assert told(examine(make.relist(files)).findings[0]) == ("C08", None, None, package.HEADS)


def test_the_heads_of_an_empty_package_are_fine() -> None:
    assert examine(make.pack([], signed_heads=[])).outcome == "verified"
    assert heads.parse(heads.Heads(make.ORIGIN, make.NOON, bytes(32), ()).write()).heads == ()
