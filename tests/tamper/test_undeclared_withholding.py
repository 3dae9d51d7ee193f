"""Cheat: a recorded field, or a whole item, is left out, and the package does not say so."""

import json
from dataclasses import replace

import pytest

from evidence.proof import package
from evidence.verify.checks import check_chains, check_disclosures, check_items, check_lists
from tests.tamper.catching import INTERVIEW, STOP, caught, examine, records, told, with_records
from tests.vectors import make

PLACE = package.disclosures_path(STOP)


@pytest.mark.parametrize(("left_out", "seq"), [(0, 1), (1, 1), (2, 5)])
def test_a_field_that_was_taken_out_is_named_with_its_record(left_out: int, seq: int) -> None:
    files = make.pack()
    texts = json.loads(files[PLACE])["disclosures"]
    del texts[left_out]

    finding = caught(make.relist({**files, PLACE: package.write_disclosures(texts)}), by=check_disclosures)

    assert told(finding) == ("D02", STOP, seq, PLACE)


def test_a_field_left_out_by_the_exporter_must_be_declared_as_withheld() -> None:
    files = make.pack(without=replace(make.withheld(), disclosures=()))

    assert told(caught(files, by=check_disclosures)) == ("D02", STOP, 3, PLACE)


def test_a_file_of_disclosures_that_is_gone_is_named_for_each_record() -> None:
    files = make.pack()
    del files[PLACE]

    verdict = examine(make.relist(files))

    assert [told(each) for each in verdict.findings] == [("D02", STOP, 1, PLACE), ("D02", STOP, 5, PLACE)]


def test_one_altered_and_one_left_out_are_two_findings() -> None:
    files = make.pack()
    texts = json.loads(files[PLACE])["disclosures"]
    altered = make.salted("filename", "other.mp4").text

    verdict = examine(make.relist({**files, PLACE: package.write_disclosures([altered, texts[1]])}))

    assert [each.code for each in verdict.findings] == ["D01", "D02"]


def test_an_item_that_was_left_out_is_named() -> None:
    first, second = make.items()
    files = make.pack([first], signed_heads=[make.head_of(list(each.records)) for each in (first, second)])

    finding = caught(files, by=check_items)

    assert told(finding) == ("D02", INTERVIEW, None, package.HEADS)


def test_what_follows_from_a_broken_history_is_not_named_again() -> None:
    """Without its record a disclosure belongs nowhere; the missing record is the finding."""
    whole = records()

    assert caught(with_records([*whole[:4]]), by=check_chains).code == "C07"


def test_a_list_of_disclosures_that_no_record_asks_for_must_still_be_there() -> None:
    silent = make.Item(STOP, "1", tuple(make.link(package.item_chain(STOP), [make.body("item.exported")])))
    files = make.pack([silent])
    del files[PLACE]

    assert told(caught(make.relist(files), by=check_lists)) == ("P01", None, None, PLACE)
