"""ES256 verification (ECDSA on P-256 with SHA-256, RFC 7518 3.4) in plain Python, for the manifests of docks.

It only verifies: nothing here is secret.  Strict: both numbers of the signature in range, s in its
lower half, so that one statement has one signature of each making, and a key that is on the curve.
"""

from hashlib import sha256
from typing import TypeAlias

_P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

_Point: TypeAlias = tuple[int, int, int]
"""A point in Jacobian coordinates: x = X/Z², y = Y/Z³; Z is 0 for the point at infinity."""

_BASE: _Point = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    1,
)
_ZERO: _Point = (1, 1, 0)


def verify_es256(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether the key (x || y, 64 bytes) made the signature (r || s, 64 bytes) over the message."""
    if len(public) != 64 or len(signature) != 64:
        return False
    x, y = int.from_bytes(public[:32], "big"), int.from_bytes(public[32:], "big")
    if x >= _P or y >= _P or (y * y - x * x * x + 3 * x - _B) % _P:
        return False
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not (0 < r < _ORDER and 0 < s <= _ORDER // 2):
        return False
    digest = int.from_bytes(sha256(message).digest(), "big")
    inverse = pow(s, -1, _ORDER)
    found_x, _y, z = _sum_of_products(digest * inverse % _ORDER, _BASE, r * inverse % _ORDER, (x, y, 1))
    if z % _P == 0:
        return False
    return found_x * pow(z * z, -1, _P) % _P % _ORDER == r


def _sum_of_products(first: int, one: _Point, second: int, other: _Point) -> _Point:
    # Shamir's trick: both products share their doublings.
    both = _add(one, other)
    total = _ZERO
    for bit in range(max(first.bit_length(), second.bit_length()) - 1, -1, -1):
        total = _double(total)
        if first >> bit & 1:
            total = _add(total, both if second >> bit & 1 else one)
        elif second >> bit & 1:
            total = _add(total, other)
    return total


def _double(p: _Point) -> _Point:
    x, y, z = p
    if not z or not y:
        return _ZERO
    square = y * y % _P
    s = 4 * x * square % _P
    m = 3 * (x - z * z) * (x + z * z) % _P  # a is -3
    doubled = (m * m - 2 * s) % _P
    return doubled, (m * (s - doubled) - 8 * square * square) % _P, 2 * y * z % _P


def _add(p: _Point, q: _Point) -> _Point:
    (x1, y1, z1), (x2, y2, z2) = p, q
    if not z1:
        return q
    if not z2:
        return p
    square1, square2 = z1 * z1 % _P, z2 * z2 % _P
    u1, u2 = x1 * square2 % _P, x2 * square1 % _P
    s1, s2 = y1 * square2 * z2 % _P, y2 * square1 * z1 % _P
    h, r = (u2 - u1) % _P, (s2 - s1) % _P
    if not h:
        return _double(p) if not r else _ZERO
    h2 = h * h % _P
    h3 = h * h2 % _P
    x = (r * r - h3 - 2 * u1 * h2) % _P
    return x, (r * (u1 * h2 - x) - s1 * h3) % _P, h * z1 * z2 % _P
