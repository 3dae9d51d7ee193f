"""JSON and base64url read strictly: one value, one spelling.

What is signed or decided upon must mean the same to every reader, so whatever two readers
could take differently is refused: repeated members, NaN, padding, stray bits.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, NoReturn

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*\Z")


def read_object(text: bytes) -> dict[str, Any]:
    """Read a JSON object in UTF-8; raise ValueError for anything else or anything ambiguous."""
    try:
        value = _STRICT.decode(text.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")
    if b"\\u" in text:
        # Half a character (a lone surrogate) is a text to Python and to nobody else. Raises ValueError.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def read_base64url(text: str) -> bytes:
    """Read base64url without padding; raise ValueError unless writing it again gives the same text."""
    if not _BASE64URL.match(text) or len(text) % 4 == 1:
        raise ValueError("not base64url")
    if len(text) % 4 and _ALPHABET.index(text[-1]) & (0b1111 if len(text) % 4 == 2 else 0b11):
        raise ValueError("not the canonical base64url")  # bits in the last character that mean nothing
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def write_base64url(raw: bytes) -> str:
    """Write base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is repeated")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_STRICT = json.JSONDecoder(object_pairs_hook=_no_repeats, parse_constant=_no_constant)
