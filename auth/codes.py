"""One-time codes that people type: random, readable aloud, kept as a digest only."""

import secrets
from hashlib import sha256

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no letter that reads like a digit
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})


def make(length: int) -> str:
    """Make a code of that many characters, each of five random bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def shown(code: str, *, group: int = 5) -> str:
    """Write a code in groups, as people read it."""
    return "-".join(code[start : start + group] for start in range(0, len(code), group))


def digest(code: str) -> bytes:
    """Return what is kept of a code, however it was typed. So many random bits need no slow hash."""
    return sha256(code.upper().translate(_READ_AS).encode("utf-8", "replace")).digest()
