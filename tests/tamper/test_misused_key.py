"""Cheat: a text is signed by a key that may not sign it, by no known key, or not at all."""

from dataclasses import replace

import pytest

from evidence.proof import note, package
from evidence.proof.trust import Trust
from evidence.verify import Check
from evidence.verify.checks import check_heads, check_receipts
from tests.tamper.catching import STOP, caught, examine, records, told
from tests.vectors import make

RECEIPT = package.receipt_path(STOP, 1)


def test_a_receipt_by_the_export_key_is_named() -> None:
    files = make.relist({**make.pack(), RECEIPT: make.receipt_for(records()[0], by=make.key("export"))})

    finding = caught(files, by=check_receipts)

    assert told(finding) == ("K01", STOP, None, RECEIPT)
    assert "may sign as export, not as receipt" in finding.message


def test_heads_by_the_receipt_key_are_named() -> None:
    assert told(caught(make.pack(by=make.key("receipt")), by=check_heads)) == ("K01", None, None, package.HEADS)


def test_heads_signed_by_both_keys_are_fine() -> None:
    files = make.pack()
    text = note.parse_bytes(files[package.HEADS]).text
    both = [note.parse(make.key(role).sign(text)).signatures[0] for role in ("receipt", "export")]
    files[package.HEADS] = note.write(text, both).encode()

    assert examine(make.relist(files)).outcome == "verified"


@pytest.mark.parametrize(
    ("path", "check", "item"), [(package.HEADS, check_heads, None), (RECEIPT, check_receipts, STOP)]
)
def test_a_key_that_the_trust_file_does_not_hold_is_named(path: str, check: Check, item: str | None) -> None:
    role = "export" if path == package.HEADS else "receipt"
    stranger = make.Key(make.key(role).name, role, make.key("log").secret)
    text = note.parse_bytes(make.pack()[path]).text
    files = make.relist({**make.pack(), path: stranger.sign(text).encode()})

    finding = caught(files, by=check)

    assert told(finding) == ("K03", item, None, path)


@pytest.mark.parametrize("path", [package.HEADS, RECEIPT])
def test_an_altered_text_under_a_signature_is_named(path: str) -> None:
    files = make.pack()
    files[path] = files[path].replace(b"at 2026-03-01T1", b"at 2026-03-01T0")

    finding = caught(make.relist(files), by=check_heads if path == package.HEADS else check_receipts)

    assert (finding.code, finding.place) == ("K03", path)


@pytest.mark.parametrize("raw", [b"", b"no note", b"\xff", b"text\n\nno signature\n"])
@pytest.mark.parametrize("path", [package.HEADS, RECEIPT])
def test_what_is_no_signed_note_is_named(path: str, raw: bytes) -> None:
    files = make.relist({**make.pack(), path: raw})

    finding = caught(files, by=check_heads if path == package.HEADS else check_receipts)

    assert (finding.code, finding.place) == ("K03", path)


def test_a_key_outside_its_time_is_named() -> None:
    expired = Trust(
        make.ORIGIN,
        tuple(
            replace(key, valid_until="2026-02-01T00:00:00.000000Z") if key.role == "export" else key
            for key in make.trust_root().keys
        ),
    )

    verdict = examine(make.pack(), trust=expired)

    assert [told(each) for each in verdict.findings] == [("K02", None, None, package.HEADS)]


def test_a_receipt_of_absurd_size_is_named() -> None:
    files = make.relist({**make.pack(), RECEIPT: b"x" * (2 << 20)})

    assert told(caught(files, by=check_receipts)) == ("P01", STOP, None, RECEIPT)
