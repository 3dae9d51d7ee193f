"""Cheat: two records claim the same place, so that each reader can be shown another history."""

import pytest

from evidence.verify.checks import check_chains
from tests.tamper.catching import STOP, caught, edited, examine, records, told, with_records


@pytest.mark.parametrize("number", [1, 3, 5])
@pytest.mark.parametrize("after", [True, False])
def test_a_second_record_with_the_same_number_is_named(number: int, *, after: bool) -> None:
    changed = records()
    twin = edited(changed[number - 1], b'"password"', b'"passw0rd"')
    changed.insert(number if after else number - 1, twin)

    assert told(caught(with_records(changed), by=check_chains))[:3] == ("C05", STOP, number)


def test_a_record_that_stands_twice_is_named() -> None:
    changed = records()
    changed.insert(4, changed[1])

    assert told(caught(with_records(changed), by=check_chains))[:3] == ("C05", STOP, 2)


def test_a_whole_second_branch_is_one_finding() -> None:
    whole = records()
    branch = [edited(raw, b'"password"', b'"passw0rd"') for raw in whole[2:]]

    assert told(caught(with_records([*whole, *branch]), by=check_chains))[:3] == ("C05", STOP, 3)


def test_a_forged_record_in_place_of_the_right_one_beside_a_fork_is_still_found() -> None:
    changed = records()
    forged = edited(changed[4], b'"password"', b'"passw0rd"')

    verdict = examine(with_records([*changed[:4], forged, edited(forged, b"passw0rd", b"passw1rd")]))

    assert ("C05", STOP, 5) in [told(each)[:3] for each in verdict.findings]
    assert "C04" in {each.code for each in verdict.findings} or "C02" in {each.code for each in verdict.findings}
