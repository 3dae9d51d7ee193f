"""Cheat or damage: what stands among the records is no record, or its body is not in its one spelling."""

import pytest

from evidence.proof import FormatError, acts, canonical, chain, heads, package, record
from evidence.verify.checks import check_chains
from tests.tamper.catching import RECORDS, STOP, caught, edited, examine, records, told, with_records
from tests.vectors import make


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"custody.v1\n", b"custody.v2\n"),
        (b"\n3\n", b"\n03\n"),
        (b"Z\n", b"\n"),
        (b"2026-03-01", b"2026-02-30"),
        (b'{"act"', b'{ "act"'),
        (b'"clk":{', b'"act":"item.probed","clk":{'),
        (b'"hold.placed"', b'"hold.place\\u0064"'),
        (b"1500", b"1500.0"),
        (b"1500", b"9007199254740993"),
        (b'"error_us"', b'"Error_us"'),
        (b"hold.placed", b"hold.place\xff"),
        (b'"hold.placed"', b"7"),
        (b'"sd":["', b'"sd":[0,"'),
        (b'"sd":["', b'"sd":"","sda":["'),
        (b'{"act"', b'{\n"act"'),
    ],
)
def test_a_record_outside_the_format_is_named(old: bytes, new: bytes) -> None:
    changed = records()
    changed[2] = edited(changed[2], old, new)

    finding = caught(with_records(changed), by=check_chains)

    assert finding.code == "C01"
    assert (finding.item, finding.seq) == (STOP, 3)
    assert finding.place.startswith(f"{RECORDS}, record ")


@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_record_of_more_than_32_kib_is_named(number: int) -> None:
    changed = records()
    changed[number - 1] = edited(changed[number - 1], b'"request:', b'"request:' + b"x" * record.LARGEST_RECORD)

    assert told(caught(with_records(changed), by=check_chains))[:3] == ("C01", STOP, number)


def test_a_line_without_end_is_named_and_not_kept_in_memory() -> None:
    files = make.pack()
    files[RECORDS] += b"x" * 3_000_000

    assert told(caught(make.relist(files), by=check_chains))[:3] == ("C01", STOP, 6)


def test_a_file_cut_off_inside_a_record_is_named() -> None:
    files = make.pack()
    files[RECORDS] = files[RECORDS][:-40]

    assert told(caught(make.relist(files), by=check_chains))[:3] == ("C01", STOP, 5)


def test_a_last_record_without_its_newline_is_named() -> None:
    files = make.pack()
    files[RECORDS] = files[RECORDS][:-1]

    assert told(caught(make.relist(files), by=check_chains))[:3] == ("C01", STOP, 5)


@pytest.mark.parametrize("place", [0, 2, 5])
def test_words_between_records_are_named(place: int) -> None:
    changed = records()
    changed.insert(place, b"nothing to see here")

    finding = caught(with_records(changed), by=check_chains)

    assert (finding.code, finding.item) == ("C01", STOP)


def test_a_body_sealed_outside_the_profile_is_named_though_the_chain_holds() -> None:
    broken = b'{"act":"item.exported", "n":"00"}'
    sealed = list(chain.link(make.ORIGIN, package.item_chain(STOP), [(make.NOON, broken)] * 2))
    item = make.Item(STOP, "1", tuple(sealed))

    verdict = examine(make.pack([item]))

    assert [told(each)[:3] for each in verdict.findings] == [("C01", STOP, 1), ("C01", STOP, 2)]


def test_an_act_this_verifier_does_not_know_is_no_finding_but_is_counted() -> None:
    later = make.body("item.copied_to_paper", facts={"pages": 3})
    with pytest.raises(FormatError):
        acts.check(package.item_chain(STOP), later)
    sealed = [(make.NOON, canonical.encode(later))]
    item = make.Item(STOP, "1", tuple(chain.link(make.ORIGIN, package.item_chain(STOP), sealed)))

    verdict = examine(make.pack([item]))

    assert verdict.outcome == "verified"
    assert verdict.items[0].unknown_acts == 1


def test_no_more_than_a_hundred_breaks_of_one_chain_are_named() -> None:
    sealed = [(make.NOON, canonical.encode(make.body("hold.placed", facts={"hold": str(n)}))) for n in range(400)]
    whole = list(chain.link(make.ORIGIN, package.item_chain(STOP), sealed))
    end = heads.Head(package.item_chain(STOP), 400, record.leaf_hash(whole[-1]))
    every_other = make.Item(STOP, "1", tuple(whole[::2]))

    verdict = examine(make.pack([every_other], signed_heads=[end]))

    assert {each.code for each in verdict.findings} == {"C03"}
    assert len(verdict.findings) == chain.MOST_BREAKS
