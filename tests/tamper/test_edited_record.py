"""Cheat: a sealed record is altered, and the lists of the package are written anew."""

import pytest

from evidence.proof import canonical, chain, package, record
from evidence.verify.checks import check_chains
from tests.tamper.catching import RECORDS, STOP, caught, edited, examine, records, told, with_records
from tests.vectors import make


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_an_altered_body_is_named(number: int) -> None:
    changed = records()
    changed[number - 1] = edited(changed[number - 1], b'"password"', b'"passw0rd"')

    finding = caught(with_records(changed), by=check_chains)

    assert told(finding) == ("C02", STOP, number, f"{RECORDS}, record {number}")


@pytest.mark.parametrize("number", [1, 3, 5])
def test_an_altered_instant_is_named(number: int) -> None:
    changed = records()
    changed[number - 1] = edited(changed[number - 1], b"T10:00:", b"T09:00:")

    assert told(caught(with_records(changed), by=check_chains))[:3] == ("C02", STOP, number)


def test_three_altered_records_in_a_row_are_one_finding() -> None:
    changed = [edited(raw, b'"password"', b'"passw0rd"') if 1 <= at <= 3 else raw for at, raw in enumerate(records())]

    finding = caught(with_records(changed), by=check_chains)

    assert told(finding)[:3] == ("C02", STOP, 2)
    assert "records 2 to 4" in finding.message


def test_a_history_written_anew_behind_an_alteration_ends_in_another_record_than_the_heads_say() -> None:
    parsed = [record.parse(raw) for raw in records()]
    bodies = [(each.at, each.body) for each in parsed]
    bodies[2] = (bodies[2][0], edited(bodies[2][1], b'"password"', b'"passw0rd"'))
    rewritten = list(chain.link(make.ORIGIN, package.item_chain(STOP), bodies))

    finding = caught(with_records(rewritten), by=check_chains)

    assert told(finding)[:3] == ("C02", STOP, 5)
    assert "signed end marks" in finding.message


def test_every_byte_of_a_record_matters() -> None:
    whole = records()
    for at in range(len(whole[2])):
        flipped = whole[2][:at] + bytes([whole[2][at] ^ 1]) + whole[2][at + 1 :]

        verdict = chain.find_breaks(
            [*whole[:2], flipped, *whole[3:]],
            origin=make.ORIGIN,
            chain=package.item_chain(STOP),
            head=make.head_of(whole),
            inspect=lambda _seq, body, _leaf, _at: None if _reads(body) else "unreadable",
        )

        assert {each.seq for each in verdict} & {3, 4}, at


def _reads(body: bytes) -> bool:
    try:
        canonical.decode(body)
    except ValueError:
        return False
    return True


def test_a_second_cheat_on_another_item_is_named_as_well() -> None:
    changed = records()
    changed[1] = edited(changed[1], b'"password"', b'"passw0rd"')
    other = records(make.INTERVIEW)
    other[0] = edited(other[0], b'"password"', b'"passw0rd"')
    files = make.relist({**with_records(changed), package.records_path(make.INTERVIEW): package.write_records(other)})

    verdict = examine(files)

    assert [told(each)[:3] for each in verdict.findings] == [("C02", STOP, 2), ("C02", make.INTERVIEW, 1)]
