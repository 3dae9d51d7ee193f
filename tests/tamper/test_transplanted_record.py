"""Cheat: records of another item, or of another installation, are passed off as this item's."""

import pytest

from evidence.proof import package, record
from evidence.verify.checks import check_chains
from tests.tamper.catching import INTERVIEW, STOP, caught, edited, records, told, with_records
from tests.vectors import make

FOREIGN = "evidence.elsewhere/0001"


def foreign_bodies(count: int) -> list[make.Body]:
    return [make.body("hold.placed", facts={"hold": str(number)}) for number in range(count)]


@pytest.mark.parametrize("number", [1, 3, 5])
def test_one_foreign_record_is_named(number: int) -> None:
    changed = records()
    changed[number - 1] = make.link(package.item_chain(INTERVIEW), foreign_bodies(5))[number - 1]

    assert told(caught(with_records(changed), by=check_chains))[:3] == ("C06", STOP, number)


def test_an_inserted_foreign_record_is_named() -> None:
    changed = records()
    changed.insert(2, records(INTERVIEW)[1])

    assert told(caught(with_records(changed), by=check_chains))[:3] == ("C06", STOP, 3)


@pytest.mark.parametrize("count", [2, 5, 9])
def test_the_whole_history_of_another_item_is_one_finding(count: int) -> None:
    foreign = make.link(package.item_chain(INTERVIEW), foreign_bodies(count))

    assert told(caught(with_records(foreign), by=check_chains))[:3] == ("C06", STOP, 1)


def test_a_history_of_another_installation_is_one_finding() -> None:
    foreign = make.link(package.item_chain(STOP), foreign_bodies(5), origin=FOREIGN)

    finding = caught(with_records(foreign), by=check_chains)

    assert told(finding)[:3] == ("C06", STOP, 1)
    assert FOREIGN in finding.message


def test_a_history_under_a_new_name_has_the_wrong_beginning() -> None:
    foreign = make.link(package.item_chain(INTERVIEW), foreign_bodies(5))
    renamed = [edited(raw, INTERVIEW.encode(), STOP.encode()) for raw in foreign]

    assert told(caught(with_records(renamed), by=check_chains))[:3] == ("C06", STOP, 1)


def test_an_altered_beginning_is_named() -> None:
    changed = records()
    genesis = record.genesis(make.ORIGIN, package.item_chain(STOP)).hex().encode()
    changed[0] = edited(changed[0], genesis, b"0" * 64)

    assert told(caught(with_records(changed), by=check_chains))[:3] == ("C06", STOP, 1)
