"""Codes are those of the RFCs, and good for their moment and one step either way."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from auth import totp
from tests.conftest import NOON
from tests.support.authenticator import Authenticator

RFC_4226 = b"12345678901234567890"
HOTP = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]
"""RFC 4226, appendix D: counters 0 to 9."""

SECRETS = {"sha1": RFC_4226, "sha256": b"12345678901234567890123456789012", "sha512": (RFC_4226 * 4)[:64]}
TOTP = {
    59: ("94287082", "46119246", "90693936"),
    1111111109: ("07081804", "68084774", "25091201"),
    1111111111: ("14050471", "67062674", "99943326"),
    1234567890: ("89005924", "91819424", "93441116"),
    2000000000: ("69279037", "90698825", "38618901"),
    20000000000: ("65353130", "77737706", "47863826"),
}
"""RFC 6238, appendix B: second -> the codes by SHA-1, SHA-256, SHA-512."""


@pytest.mark.parametrize(("counter", "expected"), list(enumerate(HOTP)))
def test_the_vectors_of_rfc_4226(counter: int, expected: str) -> None:
    assert totp.code(RFC_4226, counter) == expected


@pytest.mark.parametrize("second", TOTP)
def test_the_vectors_of_rfc_6238(second: int) -> None:
    step = totp.step_at(datetime.fromtimestamp(second, UTC))

    made = [totp.code(SECRETS[name], step, digits=8, algorithm=name) for name in ("sha1", "sha256", "sha512")]

    assert made == list(TOTP[second])


@pytest.mark.parametrize(
    ("seconds", "good"), [(-61, False), (-60, False), (-30, True), (0, True), (29, True), (30, True), (60, False)]
)
def test_a_code_is_good_for_its_step_and_one_either_way(seconds: int, good: bool) -> None:
    secret = totp.new_secret()
    shown = Authenticator(totp.in_base32(secret)).code(at=NOON + timedelta(seconds=seconds))

    step = totp.matching_step(secret, shown, at=NOON)

    assert (step is not None) is good
    assert step in (None, totp.step_at(NOON + timedelta(seconds=seconds)))


@pytest.mark.parametrize(
    "typed", ["", "12345", "1234567", "abcdef", "１２３４５６", "\0", "\ud800", "-12345", "9" * 5000]
)
def test_what_is_no_code_matches_nothing(typed: str) -> None:
    assert totp.matching_step(RFC_4226, typed, at=NOON) is None


def test_a_code_may_be_typed_in_two_groups() -> None:
    shown = totp.code(RFC_4226, totp.step_at(NOON))

    assert totp.matching_step(RFC_4226, f"{shown[:3]} {shown[3:]}", at=NOON) == totp.step_at(NOON)


def test_an_authenticator_reads_what_it_needs() -> None:
    secret = totp.new_secret()

    address = urlsplit(totp.uri(secret, issuer="evidence.example/a b", account="r+a@police.example"))

    assert (address.scheme, address.netloc, address.path) == (
        "otpauth",
        "totp",
        "/evidence.example%2Fa%20b:r%2Ba%40police.example",
    )
    assert parse_qs(address.query) == {"secret": [totp.in_base32(secret)], "issuer": ["evidence.example/a b"]}
    assert totp.from_base32(totp.in_base32(secret)) == secret
    assert len(secret) == 20
