"""Cheat: a record is quietly taken out of the middle, or the beginning, of a history."""

import pytest

from evidence.verify.checks import check_chains
from tests.tamper.catching import RECORDS, STOP, caught, records, told, with_records


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_missing_record_is_named(number: int) -> None:
    whole = records()
    dropped = whole[: number - 1] + whole[number:]

    finding = caught(with_records(dropped), by=check_chains)

    assert told(finding) == ("C03", STOP, number, f"{RECORDS}, record {number}")


def test_several_missing_records_are_one_finding() -> None:
    whole = records()

    finding = caught(with_records([whole[0], whole[4]]), by=check_chains)

    assert told(finding)[:3] == ("C03", STOP, 2)
    assert "3 records" in finding.message
