"""Ed25519 verification (RFC 8032, 5.1.7) in plain Python, so that a verifier needs nothing installed.

It only verifies: nothing here is secret, so nothing needs to take the same time for every input.
Strict on purpose, so that no two programs disagree about one signature: S below the group order,
both points in their only encoding, the equation without the cofactor, and no key of small order
(under which a signature would hold for any message).
"""

from hashlib import sha512
from typing import TypeAlias

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_SQRT_MINUS_1 = pow(2, (_P - 1) // 4, _P)

_Point: TypeAlias = tuple[int, int, int, int]
"""A point in extended coordinates (X, Y, Z, T): x = X/Z, y = Y/Z, xy = T/Z."""

_ZERO: _Point = (0, 1, 1, 0)


def verify_ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether the key (32 bytes) made the signature (64 bytes) over the message. Takes some milliseconds."""
    if len(public) != 32 or len(signature) != 64:
        return False
    key = _decompress(public)
    if key is None or _is_zero(_double(_double(_double(key)))):
        return False
    s = int.from_bytes(signature[32:], "little")
    if s >= _ORDER:
        return False
    challenge = int.from_bytes(sha512(signature[:32] + public + message).digest(), "little") % _ORDER
    # S*B - challenge*A must be R; comparing encodings also refuses an R that is not canonical.
    x, y, z, t = key
    return _compress(_sum_of_products(s, _BASE, challenge, (_P - x, y, z, _P - t))) == signature[:32]


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


def _add(p: _Point, q: _Point) -> _Point:
    x1, y1, z1, t1 = p
    x2, y2, z2, t2 = q
    a = (y1 - x1) * (y2 - x2) % _P
    b = (y1 + x1) * (y2 + x2) % _P
    c = 2 * t1 * t2 * _D % _P
    d = 2 * z1 * z2 % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _double(p: _Point) -> _Point:
    x, y, z, _t = p
    a = x * x % _P
    b = y * y % _P
    h = a + b
    e = h - (x + y) * (x + y)
    g = a - b
    f = 2 * z * z + g
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _is_zero(p: _Point) -> bool:
    x, y, z, _t = p
    return x % _P == 0 and (y - z) % _P == 0


def _compress(p: _Point) -> bytes:
    x, y, z, _t = p
    inverse = pow(z, -1, _P)
    return (y * inverse % _P | (x * inverse % _P & 1) << 255).to_bytes(32, "little")


def _decompress(raw: bytes) -> _Point | None:
    """Return the point, or None for bytes that are no point or not its only encoding."""
    encoded = int.from_bytes(raw, "little")
    sign, y = encoded >> 255, encoded & (1 << 255) - 1
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _SQRT_MINUS_1 % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


def _base_point() -> _Point:
    point = _decompress((4 * pow(5, -1, _P) % _P).to_bytes(32, "little"))
    assert point is not None
    return point


_BASE = _base_point()
