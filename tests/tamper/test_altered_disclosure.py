"""Cheat: a disclosed field says something else than what was recorded."""

import json

import pytest

from evidence.proof import disclosure, package
from evidence.verify.checks import check_disclosures
from tests.tamper.catching import STOP, caught, examine, told
from tests.vectors import make

PLACE = package.disclosures_path(STOP)


def shown() -> list[str]:
    return list(json.loads(make.pack()[PLACE])["disclosures"])


def with_texts(texts: list[str]) -> make.Files:
    return make.relist({**make.pack(), PLACE: package.write_disclosures(texts)})


@pytest.mark.parametrize("number", [1, 2, 3])
def test_another_value_is_named_with_its_place(number: int) -> None:
    texts = shown()
    texts[number - 1] = disclosure.make("filename", "other.mp4", bytes(16)).text

    finding = caught(with_texts(texts), by=check_disclosures)

    assert told(finding) == ("D01", STOP, None, f"{PLACE}, disclosure {number}")


@pytest.mark.parametrize("place", [0, 1, 3])
def test_an_added_disclosure_is_named(place: int) -> None:
    texts = shown()
    texts.insert(place, disclosure.make("name", "J. Doe", bytes(16)).text)

    assert told(caught(with_texts(texts), by=check_disclosures))[3] == f"{PLACE}, disclosure {place + 1}"


def test_a_disclosure_given_twice_is_named() -> None:
    texts = shown()

    assert told(caught(with_texts([*texts, texts[0]]), by=check_disclosures))[3] == f"{PLACE}, disclosure 4"


def test_a_disclosure_of_another_item_is_named() -> None:
    foreign = next(text for item in make.items() if item.id != STOP for text in item.disclosures)

    assert told(caught(with_texts([*shown(), foreign]), by=check_disclosures))[:2] == ("D01", STOP)


def test_a_text_that_is_no_disclosure_is_named() -> None:
    assert told(caught(with_texts([*shown(), "AAAA"]), by=check_disclosures))[3] == f"{PLACE}, disclosure 4"


def test_what_is_declared_as_withheld_must_not_be_here() -> None:
    hidden = make.salted("reason", "welfare check").text

    finding = caught(with_texts([*shown(), hidden]), by=check_disclosures)

    assert finding.code == "D01"
    assert "withheld" in finding.message


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b'{"disclosures": []}',
        b'{"disclosures":["AAAA"}',
        b'{"disclosures":["AA AA"]}',
        b'{"disclosures":["AAAA",]}',
        b'{"disclosures":[7]}',
        b'{"disclosures":["AAAA"]}\n',
        b'{"disclosures":["' + b"A" * 3_000_000 + b'"]}',
    ],
)
def test_a_list_that_cannot_be_read_is_named(raw: bytes) -> None:
    finding = caught(make.relist({**make.pack(), PLACE: raw}), by=check_disclosures)

    assert told(finding)[:3] == ("D01", STOP, None)
    assert finding.place.startswith(PLACE)


def test_disclosures_in_another_order_are_fine() -> None:
    assert examine(with_texts(shown()[::-1])).outcome == "verified"
