"""Cheat: a record is sealed, rightly linked and signed, with a time before that of the record it follows."""

from dataclasses import replace

import pytest

from evidence.proof import chain, package, record
from evidence.proof.heads import Head
from evidence.verify.checks import check_chains
from tests.tamper.catching import RECORDS, STOP, caught, examine, records, told, with_records
from tests.vectors import make

CHAIN = package.item_chain(STOP)


def at(*minutes: int) -> list[bytes]:
    """Seal the bodies of the first item anew, each at the given minute."""
    bodies = [record.parse(raw).body for raw in records()]
    instants = [f"2026-03-01T11:{minute:02d}:00.000000Z" for minute in minutes]
    return list(chain.link(make.ORIGIN, CHAIN, zip(instants, bodies, strict=True)))


def packed(sealed: list[bytes]) -> make.Files:
    first, second = make.items()
    return make.pack([replace(first, records=tuple(sealed), receipts={}), second])


def breaks(sealed: list[bytes], end: Head) -> list[tuple[str, int]]:
    return [(each.code, each.seq) for each in chain.find_breaks(sealed, origin=make.ORIGIN, chain=CHAIN, head=end)]


@pytest.mark.parametrize(
    ("minutes", "seq"), [((5, 4, 5, 5, 6), 2), ((1, 2, 3, 4, 0), 5), ((1, 2, 9, 4, 5), 4), ((9, 1, 2, 3, 4), 2)]
)
def test_the_record_that_says_it_is_older_is_named(minutes: tuple[int, ...], seq: int) -> None:
    finding = caught(packed(at(*minutes)), by=check_chains, control=packed(at(1, 1, 2, 3, 3)))

    assert told(finding) == ("T04", STOP, seq, f"{RECORDS}, record {seq}")


def test_every_step_back_is_named() -> None:
    sealed = at(9, 8, 9, 7, 7)

    assert breaks(sealed, make.head_of(sealed)) == [("T04", 2), ("T04", 4)]


def test_no_more_than_a_hundred_steps_back_are_named() -> None:
    body = record.parse(records()[0]).body
    instants = [f"2026-03-01T11:{59 - number // 5:02d}:00.000000Z" for number in range(0, 295, 2)]
    long = [(instant, body) for early in instants for instant in (early, "2026-03-01T12:00:00.000000Z")]
    sealed = list(chain.link(make.ORIGIN, CHAIN, long))

    assert len(breaks(sealed, make.head_of(sealed))) == chain.MOST_BREAKS


def test_an_altered_time_is_an_altered_record_and_no_second_finding() -> None:
    one = records()
    one[2] = one[2].replace(b"T10:", b"T09:", 1)

    assert [told(each)[:3] for each in examine(with_records(one)).findings] == [("C02", STOP, 3)]


def test_the_fields_of_such_a_history_are_still_judged() -> None:
    """No link is broken, so what the records say can be relied on, but for their time."""
    files = packed(at(5, 4, 5, 5, 6))
    altered = make.relist({**files, package.disclosures_path(STOP): package.write_disclosures([])})

    assert {each.code for each in examine(altered).findings} == {"T04", "D02"}
