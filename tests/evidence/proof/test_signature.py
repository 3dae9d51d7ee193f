"""Ed25519 in plain Python agrees with Wycheproof and with a library, and is strict where they may differ."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.proof.signature import verify_ed25519

VECTORS = Path(__file__).parents[2] / "vectors" / "wycheproof-ed25519" / "ed25519_test.json"
GROUPS = json.loads(VECTORS.read_text())["testGroups"]
CASES = [(group["publicKey"]["pk"], case) for group in GROUPS for case in group["tests"]]

ORDER = 2**252 + 27742317777372353535851937790883648493
P = 2**255 - 19


def test_every_case_of_wycheproof_agrees() -> None:
    disagreeing = [
        case["tcId"]
        for public, case in CASES
        if verify_ed25519(bytes.fromhex(public), bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
        != (case["result"] == "valid")
    ]

    assert len(CASES) == 151
    assert disagreeing == []


@settings(max_examples=20)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100), st.integers(0, 511))
def test_what_a_library_signs_holds_and_one_bit_off_does_not(seed: bytes, message: bytes, bit: int) -> None:
    secret = Ed25519PrivateKey.from_private_bytes(seed)
    public, made = secret.public_key().public_bytes_raw(), secret.sign(message)
    off = bytearray(made)
    off[bit // 8] ^= 1 << bit % 8

    assert verify_ed25519(public, message, made)
    assert not verify_ed25519(public, message, bytes(off))
    assert not verify_ed25519(public, message + b"x", made)


@pytest.mark.parametrize(("key_size", "size"), [(31, 64), (33, 64), (32, 63), (32, 65)])
def test_other_lengths_are_no_signature(key_size: int, size: int) -> None:
    assert not verify_ed25519(bytes(key_size), b"", bytes(size))


IDENTITY = (1).to_bytes(32, "little")


@pytest.mark.parametrize(
    "public",
    [
        IDENTITY,
        (P - 1).to_bytes(32, "little"),
        bytes(32),
        (1 << 255).to_bytes(32, "little"),
        (1 | 1 << 255).to_bytes(32, "little"),
        (P + 1).to_bytes(32, "little"),
        (2).to_bytes(32, "little"),
    ],
    ids=["identity", "order two", "order four", "its negative", "minus nought", "not canonical", "no point"],
)
def test_a_key_under_which_anything_would_hold_is_refused(public: bytes) -> None:
    """With the identity as key, R the identity and S nought satisfy the equation for every message."""
    assert not verify_ed25519(public, b"any message", IDENTITY + bytes(32))


def test_s_beyond_the_group_order_is_a_second_spelling() -> None:
    secret = Ed25519PrivateKey.from_private_bytes(bytes(32))
    made = secret.sign(b"")
    again = made[:32] + (int.from_bytes(made[32:], "little") + ORDER).to_bytes(32, "little")

    assert verify_ed25519(secret.public_key().public_bytes_raw(), b"", made)
    assert not verify_ed25519(secret.public_key().public_bytes_raw(), b"", again)
