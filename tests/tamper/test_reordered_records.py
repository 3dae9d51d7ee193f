"""Cheat: records are put in another order, with or without new numbers."""

import pytest

from evidence.proof import record
from evidence.verify.checks import check_chains
from tests.tamper.catching import STOP, caught, edited, records, told, with_records


@pytest.mark.parametrize("first", [1, 2, 3, 4])
def test_two_records_that_changed_places_are_named(first: int) -> None:
    changed = records()
    changed[first - 1], changed[first] = changed[first], changed[first - 1]

    finding = caught(with_records(changed), by=check_chains)

    assert told(finding)[:3] == ("C04", STOP, first + 1)
    assert finding.place.endswith(f"record {first}")


def test_a_history_told_backwards_is_one_finding() -> None:
    assert told(caught(with_records(records()[::-1]), by=check_chains))[:3] == ("C04", STOP, 5)


def test_a_record_moved_to_the_end_is_one_finding() -> None:
    whole = records()

    finding = caught(with_records([*whole[:1], *whole[2:], whole[1]]), by=check_chains)

    assert told(finding)[:3] == ("C04", STOP, 3)


@pytest.mark.parametrize("first", [2, 3])
def test_records_that_changed_places_under_new_numbers_are_named(first: int) -> None:
    changed = records()
    changed[first - 1], changed[first] = (
        edited(changed[first], b"\n%d\n" % (first + 1), b"\n%d\n" % first),
        edited(changed[first - 1], b"\n%d\n" % first, b"\n%d\n" % (first + 1)),
    )

    assert told(caught(with_records(changed), by=check_chains))[:3] == ("C04", STOP, first)


@pytest.mark.parametrize("number", [2, 3, 5])
def test_an_altered_predecessor_is_named(number: int) -> None:
    changed = records()
    prev = record.parse(changed[number - 1]).prev.hex().encode()
    changed[number - 1] = edited(changed[number - 1], prev, b"0" * 64)

    assert told(caught(with_records(changed), by=check_chains))[:3] == ("C04", STOP, number)


def test_a_record_moved_and_another_dropped_are_two_findings() -> None:
    from tests.tamper.catching import examine

    whole = records()
    verdict = examine(with_records([whole[0], whole[4], whole[2]]))

    assert sorted(told(each)[:3] for each in verdict.findings) == [("C03", STOP, 2), ("C04", STOP, 5)]
