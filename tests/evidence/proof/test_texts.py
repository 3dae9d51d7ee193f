"""Receipts, heads and trust files: read back as written, and refused otherwise."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.proof import FormatError, heads, note, receipt, trust
from evidence.proof.heads import Head, Heads
from evidence.proof.receipt import Receipt
from tests.vectors import make

VECTORS = Path(__file__).parents[2] / "vectors"

digests = st.binary(min_size=32, max_size=32)
chains = st.uuids().map(lambda name: f"item/{name}")
seqs = st.integers(1, 10**15)


@given(chains, seqs, digests, st.integers(0, 10**8))
def test_reading_a_receipt_undoes_writing_it(chain: str, seq: int, leaf: bytes, delay: int) -> None:
    made = Receipt(make.ORIGIN, chain, seq, leaf, make.NOON, delay)

    assert receipt.parse(made.write()) == made


def test_the_golden_receipt_is_read() -> None:
    signed = note.parse_bytes((VECTORS / "receipt.txt").read_bytes())

    assert note.open_note(signed, [make.key("receipt").trusted.verifier_key]).verified
    assert receipt.parse(signed.text).chain == f"item/{make.STOP}"


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": "A"},
        {"chain": "x"},
        {"seq": 0},
        {"leaf": b""},
        {"at": "now"},
        {"merge_delay": -1},
        {"merge_delay": 10**9},
    ],
)
def test_what_is_no_receipt_is_neither_written_nor_read(changes: dict[str, object]) -> None:
    good = Receipt(make.ORIGIN, f"item/{make.STOP}", 1, bytes(32), make.NOON, 0)
    assert receipt.parse(good.write()) == good

    with pytest.raises(FormatError):
        replace(good, **changes).write()  # type: ignore[arg-type]


def test_a_receipt_of_a_day_that_never_was_is_refused() -> None:
    good = Receipt(make.ORIGIN, f"item/{make.STOP}", 1, bytes(32), make.NOON, 0)

    with pytest.raises(FormatError):
        receipt.parse(good.write().replace("2026-03-01", "2026-02-31"))


@given(st.dictionaries(chains, st.tuples(seqs, digests), max_size=5), digests)
def test_reading_heads_undoes_writing_them(ends: dict[str, tuple[int, bytes]], package: bytes) -> None:
    made = tuple(Head(chain, seq, digest) for chain, (seq, digest) in ends.items())

    read = heads.parse(Heads(make.ORIGIN, make.NOON, package, made).write())

    assert read == Heads(make.ORIGIN, make.NOON, package, tuple(sorted(made, key=lambda head: head.chain)))


def test_the_golden_heads_are_read() -> None:
    signed = note.parse_bytes((VECTORS / "heads.txt").read_bytes())

    assert note.open_note(signed, [make.key("export").trusted.verifier_key]).verified
    assert len(heads.parse(signed.text).heads) == 2


HEAD_A, HEAD_B = Head("_heads", 1, bytes(32)), Head("_keys", 2, bytes(32))
GOOD_HEADS = Heads(make.ORIGIN, make.NOON, bytes(32), (HEAD_A, HEAD_B)).write()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("custody.heads.v1", "custody.heads.v2"),
        ("chains 2", "chains 3"),
        ("chains 2", "chains 02"),
        ("_keys 2", "_keys 0"),
        ("_keys 2", "_heads 2"),
        ("_heads 1", "_refused 1"),
        ("_keys 2 ", "_keys  2 "),
        ("2026-03-01", "2026-02-31"),
    ],
)
def test_heads_that_break_the_format_are_refused(old: str, new: str) -> None:
    assert heads.parse(GOOD_HEADS).heads == (HEAD_A, HEAD_B)
    assert old in GOOD_HEADS

    with pytest.raises(FormatError):
        heads.parse(GOOD_HEADS.replace(old, new))


def test_the_golden_trust_file_is_read_and_written() -> None:
    raw = (VECTORS / "trust.json").read_bytes()

    assert trust.parse(raw).write() == raw
    assert trust.parse(raw) == make.trust_root()


def test_a_trust_file_may_be_indented_and_hold_more() -> None:
    members = json.loads(make.trust_root().write())

    assert trust.parse(json.dumps({**members, "policy": {}}, indent=4).encode()) == make.trust_root()


def test_a_witness_has_a_name_of_its_own_and_a_retired_key_an_end() -> None:
    key = replace(make.trust_root().keys[0], name="court.example", role="witness", valid_until=make.NOON)

    (read,) = trust.parse(trust.Trust(make.ORIGIN, (key,)).write()).keys

    assert read == key
    assert (read.covers(key.valid_from), read.covers(make.NOON), read.covers("2025")) == (True, False, False)
    assert make.trust_root().keys[0].covers(make.NOON)


def changed(**members: object) -> bytes:
    return json.dumps({**json.loads(make.trust_root().write()), **members}).encode()


def changed_key(**members: object) -> bytes:
    keys = json.loads(make.trust_root().write())["keys"]
    return changed(keys=[{**keys[0], **members}])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b"[]",
        b"{}",
        b" " * (2 << 20),
        b'{"format":"evidence.trust.v1","format":"evidence.trust.v1"}',
        changed(format="evidence.trust.v2"),
        changed(origin="A"),
        changed(origin=7),
        changed(keys=[]),
        changed(keys={}),
        changed(keys=[7]),
        changed(keys=json.loads(make.trust_root().write())["keys"][:1] * 2),
        changed_key(role="judge"),
        changed_key(role=None),
        changed_key(role="export"),
        changed_key(name="two words"),
        changed_key(algorithm="none"),
        changed_key(public="00"),
        changed_key(id="00000000"),
        changed_key(**{"from": "yesterday"}),
        changed_key(until="tomorrow"),
    ],
)
def test_a_trust_file_that_is_wrong_anywhere_is_refused_whole(raw: bytes) -> None:
    with pytest.raises(FormatError):
        trust.parse(raw)


def test_a_witness_whose_name_is_no_text_is_refused() -> None:
    key = json.loads(make.trust_root().write())["keys"][0]

    with pytest.raises(FormatError, match="UTF-8"):
        trust.parse(changed(keys=[{**key, "role": "witness", "name": "\ud800x"}]))
