"""A disclosure is proven by its digest and read back as made."""

import json
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.proof import FormatError, disclosure
from tests.evidence.proof.test_canonical import keys, values

GOLDEN = json.loads((Path(__file__).parents[2] / "vectors" / "disclosures.json").read_text())


@given(keys, values, st.binary(min_size=16, max_size=16))
def test_reading_undoes_making(name: str, value: object, salt: bytes) -> None:
    made = disclosure.make(name, value, salt)

    assert disclosure.parse(made.text) == made


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["name"])
def test_golden_disclosures_have_their_digests(case: dict[str, object]) -> None:
    read = disclosure.parse(str(case["text"]))

    assert (read.name, read.value, read.digest) == (case["name"], case["value"], case["digest"])


def test_the_digest_of_the_example_in_rfc_9901() -> None:
    text = "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0"

    assert disclosure.digest(text) == "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0"


def test_another_salt_is_another_digest() -> None:
    assert disclosure.make("a", 1, bytes(16)).digest != disclosure.make("a", 1, b"\1" * 16).digest


@pytest.mark.parametrize(("name", "salt"), [("a", bytes(15)), ("a", bytes(17)), ("", bytes(16)), ("A", bytes(16))])
def test_a_bad_name_or_salt_is_not_made(name: str, salt: bytes) -> None:
    with pytest.raises(FormatError):
        disclosure.make(name, 1, salt)


def encoded(parts: object) -> str:

    return urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).rstrip(b"=").decode()


SALT = "A" * 22


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A",
        "AAAAA",
        "AA==",
        "A+/A",
        "é",
        "WzFe",
        encoded([SALT, "a", 1])[:-1] + "x",
        encoded({}),
        encoded([SALT, "a"]),
        encoded([SALT, "a", 1, 2]),
        encoded([SALT[:-1], "a", 1]),
        encoded([1, "a", 1]),
        encoded([SALT, "A", 1]),
        encoded([SALT, 1, 1]),
        encoded([SALT, "a", 1.5]),
    ],
)
def test_what_is_no_disclosure_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        disclosure.parse(text)


def test_stray_bits_at_the_end_are_a_second_spelling() -> None:
    text = next(x for n in range(9) if len(x := disclosure.make("a", "x" * n, bytes(16)).text) % 4 == 2)
    last = text[-1]

    assert disclosure.parse(text).text == text
    with pytest.raises(FormatError, match="stray"):
        disclosure.parse(text[:-1] + chr(ord(last) + 1))


@pytest.mark.parametrize("value", [None, 7, "", "A" * 42, "A" * 44, "=" * 43])
def test_what_is_no_digest_is_refused(value: object) -> None:
    with pytest.raises(FormatError):
        disclosure.require_digest(value)
