"""ES256 in plain Python agrees with the library that docks sign with, and takes one spelling of a signature."""

import secrets
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from evidence.proof.es256 import verify_es256
from tests.support.forging import ORDER, es256


def public_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    numbers = key.public_key().public_numbers()
    return numbers.x.to_bytes(32) + numbers.y.to_bytes(32)


@pytest.mark.parametrize(
    "secret",
    [1, 2, 3, ORDER - 1, ORDER - 2, *(int.from_bytes(sha256(each).digest()) % ORDER for each in (b"a", b"b", b"c"))],
)
def test_what_a_key_signed_is_good_under_it_and_no_bit_of_it_can_change(secret: int) -> None:
    key = ec.derive_private_key(secret, ec.SECP256R1())
    message = secrets.token_bytes(60)
    signature, public = es256(key, message), public_of(key)

    assert verify_es256(public, message, signature)
    assert not verify_es256(public, message + b"!", signature)
    for place in (0, 31, 32, 40, 63):
        changed = bytearray(signature)
        changed[place] ^= 1
        assert not verify_es256(public, message, bytes(changed))
    assert not verify_es256(public_of(ec.generate_private_key(ec.SECP256R1())), message, signature)


def test_numbers_out_of_range_and_points_off_the_curve_are_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    message, public = b"footage", public_of(key)
    good = es256(key, message)
    r, s = good[:32], int.from_bytes(good[32:])
    field = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
    off = bytes([public[0] ^ 1]) + public[1:]

    assert verify_es256(public, message, good)
    signatures = {
        "nothing": b"",
        "the other s": r + (ORDER - s).to_bytes(32),
        "r of nought": bytes(32) + good[32:],
        "s of nought": r + bytes(32),
        "all nought": bytes(64),
        "r beyond the order": ORDER.to_bytes(32) + good[32:],
        "longer": good + b"\0",
    }
    assert [name for name, each in signatures.items() if verify_es256(public, message, each)] == []
    for bad in (b"", bytes(64), off, field.to_bytes(32) + public[32:], public + b"\0"):
        assert not verify_es256(bad, message, good)
