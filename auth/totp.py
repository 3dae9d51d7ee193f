"""Time-based one-time passwords (RFC 6238 over RFC 4226): arithmetic only, nothing is kept here.

SHA-1, six digits, thirty seconds: what every authenticator takes.  SHA-1 in HMAC is not weakened by
collisions of SHA-1.
"""

import hmac
import secrets
from base64 import b32decode, b32encode
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

STEP: Final = 30
"""Seconds for which a code is shown."""

DRIFT: Final = 1
"""Steps by which the clock of an authenticator may be wrong, either way."""

DIGITS: Final = 6
SECRET_SIZE: Final = 20
"""Bytes, as RFC 4226 recommends (section 4, R6)."""


def new_secret() -> bytes:
    """Make a secret."""
    return secrets.token_bytes(SECRET_SIZE)


def step_at(at: datetime) -> int:
    """Return the number of the time step of that instant."""
    return int(at.timestamp()) // STEP


def code(secret: bytes, step: int, *, digits: int = DIGITS, algorithm: str = "sha1") -> str:
    """Return the code of a time step (RFC 4226, section 5.3)."""
    mac = hmac.digest(secret, step.to_bytes(8), algorithm)
    start = mac[-1] & 0xF
    number = int.from_bytes(mac[start : start + 4]) & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)


def matching_step(secret: bytes, typed: str, *, at: datetime) -> int | None:
    """Return the step that the code belongs to, if it is one of those good at that instant."""
    typed = typed.replace(" ", "")
    now = step_at(at)
    found = None
    for step in range(now - DRIFT, now + DRIFT + 1):
        # All are compared, always: time does not tell which was near.
        if hmac.compare_digest(code(secret, step).encode(), typed.encode("utf-8", "replace")):
            found = step
    return found


def in_base32(secret: bytes) -> str:
    """Write a secret as people type it into an authenticator."""
    return b32encode(secret).decode("ascii").rstrip("=")


def from_base32(text: str) -> bytes:
    """Read a secret as it was shown."""
    return b32decode(text + "=" * (-len(text) % 8))


def uri(secret: bytes, *, issuer: str, account: str) -> str:
    """Return the address that an authenticator reads, as text or as a square code."""
    asked = urlencode({"secret": in_base32(secret), "issuer": issuer}, quote_via=quote)
    return f"otpauth://totp/{quote(issuer, safe='')}:{quote(account, safe='')}?{asked}"
