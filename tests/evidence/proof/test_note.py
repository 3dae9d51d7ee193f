"""Signed notes agree with Go's implementation, case by case, and with our golden ones."""

import json
from base64 import b64decode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from evidence.proof import FormatError, note
from tests.vectors import make

VECTORS = Path(__file__).parents[2] / "vectors"
OPEN = json.loads((VECTORS / "signed-note" / "open.json").read_text())
SIGN = json.loads((VECTORS / "signed-note" / "sign.json").read_text())
BAD_KEYS = json.loads((VECTORS / "signed-note" / "vkey_bad.json").read_text())
GOOD_KEY = SIGN[0]["vkey"]


@pytest.mark.parametrize("case", OPEN, ids=lambda case: case["name"])
def test_notes_open_as_in_go(case: dict[str, object]) -> None:
    raw = b64decode(str(case["note_b64"]))
    keys = [note.parse_key(key) for key in case["vkeys"]]  # type: ignore[attr-defined]

    if case["want_error"] is not None:
        with pytest.raises(FormatError):
            note.open_note(note.parse_bytes(raw), keys)
        return
    opened = note.open_note(note.parse_bytes(raw), keys)

    assert [each.name for each in opened.verified] == case["want_verified"]
    assert [each.name for each in opened.unverified] == case["want_unverified"]


def test_a_note_is_put_together_as_in_go() -> None:
    case = SIGN[0]
    key = note.parse_key(case["vkey"])
    seed = b64decode(case["skey"].split("+", 4)[4])[1:]
    made = Ed25519PrivateKey.from_private_bytes(seed).sign(case["text"].encode())

    assert note.write(case["text"], [note.Signature(key.name, key.key_id, made)]) == case["want"]


@pytest.mark.parametrize("text", BAD_KEYS)
def test_bad_keys_are_refused_as_in_go(text: str) -> None:
    with pytest.raises(FormatError):
        note.parse_key(text)


def test_no_part_and_no_neighbor_of_a_good_key_is_a_key() -> None:
    assert note.write_key(note.parse_key(GOOD_KEY)) == GOOD_KEY
    parts = [GOOD_KEY[at:end] for at in range(len(GOOD_KEY)) for end in range(at, len(GOOD_KEY) + 1)]
    neighbors = [GOOD_KEY[:at] + chr(ord(GOOD_KEY[at]) + 1) + GOOD_KEY[at + 1 :] for at in range(len(GOOD_KEY))]

    for text in parts + neighbors:
        if text == GOOD_KEY:
            continue
        with pytest.raises(FormatError):
            note.parse_key(text)


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).map(lambda text: text + "\n")
names = st.text("abcdefghijklmnop./0123456789", min_size=1, max_size=20)
signatures = st.builds(note.Signature, names, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=70))


@given(texts, st.lists(signatures, min_size=1, max_size=5))
def test_reading_undoes_writing(text: str, made: list[note.Signature]) -> None:
    assert note.parse(note.write(text, made)) == note.Note(text, tuple(made))


def test_a_text_may_hold_empty_lines() -> None:
    signed = make.key("export").sign("one\n\ntwo\n")

    assert note.parse(signed).text == "one\n\ntwo\n"


SIGNATURE = note.Signature("name", b"1234", b"5678")


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("", [SIGNATURE]),
        ("no newline", [SIGNATURE]),
        ("text\n", []),
        ("tab\t\n", [SIGNATURE]),
        ("\ud800\n", [SIGNATURE]),
        ("text\n", [note.Signature("two words", b"1234", b"5678")]),
        ("text\n", [note.Signature("pl+us", b"1234", b"5678")]),
        ("text\n", [note.Signature("", b"1234", b"5678")]),
        ("text\n", [note.Signature("no\u00a0break", b"1234", b"5678")]),
        ("text\n", [note.Signature("name", b"1234", b"")]),
        ("text\n", [SIGNATURE] * 101),
        ("x" * note.LARGEST_NOTE + "\n", [SIGNATURE]),
    ],
)
def test_what_is_no_note_is_not_written(text: str, made: list[note.Signature]) -> None:
    with pytest.raises(FormatError):
        note.write(text, made)


@pytest.mark.parametrize(
    "below", ["— name MTIzNDU2Nzg", "— name MTIzNDU2Nz==\n", "— name MTIzNDU2Nzh=\n", "-- name AA==\n"]
)
def test_a_line_that_is_no_signature_is_refused(below: str) -> None:
    with pytest.raises(FormatError):
        note.parse("text\n\n" + below)


def test_a_name_no_key_may_have_is_no_key() -> None:
    with pytest.raises(FormatError):
        note.write_key(note.VerifierKey("two words", bytes(32)))
