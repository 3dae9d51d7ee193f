"""Chains hold for any contents; any change is found where it is; reading in pieces changes nothing."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.proof import canonical, chain, record
from evidence.proof.heads import Head

GOLDEN = json.loads((Path(__file__).parents[2] / "vectors" / "chain.json").read_text())

ORIGIN, ITEM = GOLDEN["origin"], GOLDEN["chain"]
AT = "2026-03-01T10:00:00.000000Z"

bodies = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=10), min_size=1, max_size=12).map(
    lambda texts: [(AT, canonical.encode({"n": text})) for text in texts]
)


def sealed(contents: list[tuple[str, bytes]]) -> list[bytes]:
    return list(chain.link(ORIGIN, ITEM, contents))


def numbered(count: int) -> list[bytes]:
    return sealed([(AT, canonical.encode({"n": str(number)})) for number in range(count)])


def breaks(records: list[bytes], end: Head | None) -> list[tuple[str, int]]:
    return [(each.code, each.seq) for each in chain.find_breaks(records, origin=ORIGIN, chain=ITEM, head=end)]


def end_of(records: list[bytes]) -> Head:
    return Head(ITEM, len(records), record.leaf_hash(records[-1]))


def test_the_golden_chain_holds() -> None:
    records = [each["raw"].encode() for each in GOLDEN["records"]]

    assert [record.leaf_hash(raw).hex() for raw in records] == [each["leaf"] for each in GOLDEN["records"]]
    assert breaks(records, end_of(records)) == []


@given(bodies)
def test_a_chain_holds_for_any_contents(contents: list[tuple[str, bytes]]) -> None:
    records = sealed(contents)

    assert breaks(records, end_of(records)) == []


@given(bodies, st.data())
def test_any_other_order_or_choice_of_records_is_found(contents: list[tuple[str, bytes]], data: st.DataObject) -> None:
    records = sealed(contents)
    other = data.draw(st.lists(st.sampled_from(records), max_size=14))

    found = breaks(other, end_of(records))

    assert (found == []) == (other == records)


@given(bodies, st.integers(1, 70))
def test_a_file_read_in_pieces_gives_the_same_records(contents: list[tuple[str, bytes]], size: int) -> None:
    records = sealed(contents)
    whole = b"".join(raw + b"\n" for raw in records)

    assert list(chain.split([whole[at : at + size] for at in range(0, len(whole), size)])) == records


@given(st.binary(max_size=300), st.integers(0, 400))
def test_any_bytes_put_between_records_are_found(junk: bytes, at: int) -> None:
    records = numbered(3)
    whole = b"".join(raw + b"\n" for raw in records)
    changed = whole[: at % len(whole)] + junk + whole[at % len(whole) :]

    found = breaks(list(chain.split([changed])), end_of(records))

    assert (found == []) == (changed == whole)


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_an_empty_line_before_the_first_record_is_found(size: int) -> None:
    records = numbered(3)
    whole = b"\n" + b"".join(raw + b"\n" for raw in records)

    pieces = list(chain.split([whole[at : at + size] for at in range(0, len(whole), size)]))

    assert pieces == [b"", *records]
    assert ("C01", 1) in breaks(pieces, end_of(records))


def test_a_file_without_any_record_is_one_piece_that_is_none() -> None:
    assert list(chain.split([b"no ", b"record"])) == [b"no record"]
    assert list(chain.split([])) == []
    assert breaks([b"no record"], None) == [("C01", 1)]


def test_without_a_head_the_last_record_is_vouched_for_by_nothing() -> None:
    records = numbered(4)
    altered = [*records[:3], records[3].replace(b'"3"', b'"9"')]

    assert breaks(altered, None) == []
    assert breaks(altered, end_of(records)) == [("C02", 4)]
    assert breaks(records[:3], None) == []


def test_numbers_beyond_what_is_remembered_are_still_out_of_order() -> None:
    records = numbered(2500)

    assert breaks(records[::-1], end_of(records)) == [("C04", 2500)]


def test_a_long_run_of_altered_records_is_one_finding() -> None:
    records = numbered(2500)
    altered = [raw.replace(b'{"n":"', b'{"n":"x') if 100 <= at < 2200 else raw for at, raw in enumerate(records)]

    assert breaks(altered, end_of(records)) == [("C02", 101)]


def test_several_damaged_version_lines_in_a_row_stand_for_as_many_records() -> None:
    whole = b"".join(raw + b"\n" for raw in numbered(6))
    parts = whole.split(b"custody.v1")
    damaged = (
        b"custody.v1".join(parts[:3])
        + b"custodX.v1"
        + b"custodX.v1".join(parts[3:5])
        + b"custody.v1".join([b"", *parts[5:]])
    )

    found = breaks(list(chain.split([damaged])), end_of(numbered(6)))

    assert found == [("C01", 3)]


def test_days_at_the_end_of_a_month_take_the_long_way_and_hold() -> None:
    records = sealed([("2026-03-31T10:00:00.000000Z", b'{"n":"0"}')] * 3)

    assert breaks(records, end_of(records)) == []


@pytest.mark.parametrize("wrong", [1, 2, 3])
def test_a_body_the_reader_refuses_is_named_with_its_record(wrong: int) -> None:
    records = numbered(3)

    found = list(
        chain.find_breaks(
            records,
            origin=ORIGIN,
            chain=ITEM,
            head=end_of(records),
            inspect=lambda seq, _body, _leaf, _at: "no" if seq == wrong else None,
        )
    )

    assert [(each.code, each.seq, each.position) for each in found] == [("C01", wrong, wrong)]


def test_every_record_is_shown_with_its_leaf_and_body() -> None:
    records = numbered(3)
    shown: list[tuple[int, bytes, bytes, bytes]] = []

    list(
        chain.find_breaks(
            records,
            origin=ORIGIN,
            chain=ITEM,
            head=None,
            inspect=lambda seq, body, leaf, at: shown.append((seq, body, leaf, at)),
        )
    )

    assert shown == [
        (seq, record.parse(raw).body, record.leaf_hash(raw), AT.encode()) for seq, raw in enumerate(records, 1)
    ]
