"""A record is seven lines, read back as written, and nothing else."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.proof import FormatError, canonical, record
from evidence.proof.record import CustodyRecord

GOLDEN = json.loads((Path(__file__).parents[2] / "vectors" / "records.json").read_text())

ITEM = "item/01890a5d-ac96-774b-bcce-b302099a8057"

records = st.builds(
    CustodyRecord,
    origin=st.from_regex(record.ORIGIN, fullmatch=True),
    chain=st.uuids().map(lambda name: f"item/{name}") | st.sampled_from(["_heads", "_keys", "_refused"]),
    seq=st.integers(1, 10**16 - 1),
    prev=st.binary(min_size=32, max_size=32),
    at=st.datetimes()
    .map(lambda at: at.replace(year=2000 + at.year % 200, day=min(at.day, 28)))
    .map(lambda at: at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")),
    body=st.dictionaries(
        st.sampled_from(["n", "act", "req"]), st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
    ).map(canonical.encode),
)


def a_record(**changes: object) -> CustodyRecord:
    parts = {"origin": "a.b/1", "chain": ITEM, "seq": 1, "prev": bytes(32), "at": "2026-02-28T12:00:00.000000Z"}
    return CustodyRecord(**{**parts, "body": b"{}", **changes})  # type: ignore[arg-type]


@given(records)
def test_reading_undoes_writing(made: CustodyRecord) -> None:
    assert record.parse(made.write()) == made
    assert len(made.write().split(b"\n")) == record.LINES


@pytest.mark.parametrize("case", GOLDEN["records"], ids=lambda case: case["act"])
def test_golden_records_have_their_golden_bytes(case: dict[str, str]) -> None:
    raw = case["raw"].encode()
    parsed = record.parse(raw)

    assert parsed.write() == raw
    assert canonical.decode(parsed.body) == case["body"]
    assert record.leaf_hash(raw).hex() == case["leaf"]
    assert record.genesis(GOLDEN["origin"], case["chain"]).hex() == case["genesis"] == parsed.prev.hex()


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": ""},
        {"origin": "A"},
        {"origin": "-a"},
        {"origin": "a" * 129},
        {"origin": "a\nb"},
        {"origin": "\ud800"},
        {"chain": "item/1"},
        {"chain": ITEM.upper()},
        {"chain": "_other"},
        {"seq": 0},
        {"seq": -1},
        {"seq": 10**16},
        {"prev": bytes(31)},
        {"at": "2026-02-28T12:00:00Z"},
        {"at": "2026-02-28T12:00:00.000000+00:00"},
        {"at": "2026-02-28T24:00:00.000000Z"},
        {"at": "2026-02-28T12:00:60.000000Z"},
        {"at": "2026-02-29T12:00:00.000000Z"},
        {"at": "2026-13-01T12:00:00.000000Z"},
        {"body": b""},
        {"body": b"[]"},
        {"body": b"{}\n"},
        {"body": b'{"a":"' + b"x" * record.LARGEST_RECORD + b'"}'},
    ],
    ids=repr,
)
def test_what_breaks_the_framing_is_neither_written_nor_read(changes: dict[str, object]) -> None:
    with pytest.raises(FormatError):
        a_record(**changes).write()


def test_a_refusal_names_the_line() -> None:
    good = a_record().write()
    assert record.parse(good) == a_record()

    for old, line in ((b"custody.v1", "version"), (b"a.b/1", "origin"), (b"T12", "at"), (b"{}", "body")):
        with pytest.raises(FormatError, match=line):
            record.parse(good.replace(old, b"?"))
    with pytest.raises(FormatError, match="8 lines"):
        record.parse(good + b"\n")


def test_a_leap_day_is_a_day_in_its_year_only() -> None:
    assert record.parse(a_record(at="2028-02-29T00:00:00.000000Z").write()).seq == 1
    with pytest.raises(FormatError, match="no such day"):
        record.parse(a_record().write().replace(b"2026-02-28", b"2026-02-30"))


def test_every_chain_and_every_installation_begins_elsewhere() -> None:
    beginnings = {record.genesis(origin, chain) for origin in ("a", "b") for chain in (ITEM, "_keys")}

    assert len(beginnings) == 4


def test_an_instant_has_one_spelling() -> None:
    assert record.require_instant("2026-03-01T09:00:00.000000Z") == "2026-03-01T09:00:00.000000Z"
    with pytest.raises(FormatError):
        record.require_instant("2026-03-01 09:00:00")
