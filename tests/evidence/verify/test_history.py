"""Records and disclosures meet in one pass, in bounded memory, whatever their order."""

import json
from collections.abc import Iterator
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.proof import FormatError, disclosure, package
from evidence.verify import history
from evidence.verify.history import Ledger, read_disclosures


def made(count: int) -> list[disclosure.Disclosure]:
    return [disclosure.make("n", number, sha256(b"%d" % number).digest()[:16]) for number in range(count)]


@given(st.lists(st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True), max_size=6), st.integers(1, 40))
def test_reading_a_list_in_pieces_undoes_writing_it(texts: list[str], size: int) -> None:
    raw = package.write_disclosures(texts)

    assert list(read_disclosures([raw[at : at + size] for at in range(0, len(raw), size)])) == texts


@given(st.binary(max_size=60))
def test_whatever_is_read_as_a_list_was_written_so(raw: bytes) -> None:
    try:
        texts = list(read_disclosures([raw]))
    except FormatError:
        return
    assert package.write_disclosures(texts) == raw


def test_a_disclosure_without_end_is_refused_before_it_fills_the_memory() -> None:
    def endless() -> Iterator[bytes]:
        yield b'{"disclosures":["'
        while True:
            yield b"A" * (1 << 20)

    with pytest.raises(FormatError, match="longer"):
        list(read_disclosures(endless()))


def test_disclosures_in_order_are_never_remembered() -> None:
    salted = made(1000)
    ledger = Ledger((each.text for each in salted), frozenset())

    for seq, each in enumerate(salted, 1):
        ledger.expect(seq, [each.digest])
        assert len(ledger._early) + len(ledger._awaited) == 0
    ledger.close()

    assert (ledger.disclosed, ledger.stray_count, ledger.missing_count) == (1000, 0, 0)


@given(st.permutations(range(6)), st.sets(st.integers(0, 5)), st.sets(st.integers(0, 5)))
def test_every_digest_is_counted_once(order: list[int], shown: set[int], withheld: set[int]) -> None:
    salted = made(6)
    ledger = Ledger(
        (salted[number].text for number in order if number in shown),
        frozenset(salted[number].digest for number in withheld),
    )
    for seq in range(3):
        ledger.expect(seq, [each.digest for each in salted[2 * seq : 2 * seq + 2]])
    ledger.close()

    assert ledger.disclosed == len(shown - withheld)
    assert ledger.withheld == len(withheld)
    assert ledger.stray_count == len(shown & withheld)
    assert ledger.missing_count == len(set(range(6)) - shown - withheld)


def test_no_more_than_a_hundred_are_named() -> None:
    salted = made(300)
    ledger = Ledger((each.text for each in salted[:150]), frozenset())
    for seq, each in enumerate(salted[150:], 1):
        ledger.expect(seq, [each.digest])
    ledger.close()

    assert (len(ledger.strays), ledger.stray_count) == (history.MOST_NAMED, 150)
    assert (len(ledger.missing), ledger.missing_count) == (history.MOST_NAMED, 150)


def test_too_many_out_of_order_are_named_instead_of_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_EARLY", 2)
    salted = made(4)
    ledger = Ledger((each.text for each in reversed(salted)), frozenset())
    for seq, each in enumerate(salted, 1):
        ledger.expect(seq, [each.digest])
    ledger.close()

    assert list(ledger.strays) == [3]
    assert "order" in ledger.strays[3]


def test_what_a_body_says_in_another_shape_is_passed_over() -> None:
    seen = history.History()
    body = {"act": "item.received", "obj": [7, {"role": "original", "sha256": 7}], "att": {"kind": "declared"}}

    assert seen.inspect(1, json.dumps(body, sort_keys=True, separators=(",", ":")).encode(), b"", b"") is None
    assert seen.received is None
    assert seen.declared is False


def test_a_reception_without_size_or_chunks_is_read_for_its_digest() -> None:
    seen = history.History()
    body = {"act": "item.received", "obj": [{"role": "original", "sha256": "00" * 32, "size": "big"}]}

    assert seen.inspect(1, json.dumps(body, sort_keys=True, separators=(",", ":")).encode(), b"", b"") is None
    assert seen.received == history.Received(bytes(32), None, None)
