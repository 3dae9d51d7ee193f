"""Salted disclosures (RFC 9901): a field that can be withheld or erased while the chain still holds.

A record holds only the digest of a disclosure.  The disclosure (salt, name, value) lies in an
ordinary table: shown, it is proven by its digest; withheld or erased, nobody can guess the value,
because the salt has 128 bits.  FORMAT.md 4.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256

from evidence.proof import FormatError, canonical

SALT_SIZE = 16
"""Bytes of a salt, from a source of randomness fit for keys."""

DIGEST = r"[A-Za-z0-9_-]{43}"
_DIGEST = re.compile(DIGEST)
_NAME = re.compile(r"[a-z0-9_]+")
_TEXT = re.compile(r"[A-Za-z0-9_-]+")
_SALT = re.compile(r"[A-Za-z0-9_-]{22}")


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One salted field. `text` is what is kept and handed over, `digest` what stands in the record's `sd`."""

    name: str
    value: canonical.Value
    text: str
    digest: str


def make(name: str, value: canonical.Value, salt: bytes) -> Disclosure:
    """Commit to a value under a name with a fresh salt of 16 random bytes."""
    if len(salt) != SALT_SIZE:
        raise FormatError(f"a salt has {SALT_SIZE} bytes, not {len(salt)}")
    if not _NAME.fullmatch(name):
        raise FormatError(f"the name {name!r} is not [a-z0-9_]+")
    text = _base64url(canonical.encode([_base64url(salt), name, value]))
    return Disclosure(name, value, text, digest(text))


def parse(text: str) -> Disclosure:
    """Read a disclosure as handed over, or raise FormatError."""
    if not _TEXT.fullmatch(text) or len(text) % 4 == 1:
        raise FormatError("a disclosure is base64url without padding")
    raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _base64url(raw) != text:
        raise FormatError("a disclosure has stray bits at its end")
    parts = canonical.decode(raw)
    if type(parts) is not list or len(parts) != 3:
        raise FormatError("a disclosure is a list of salt, name and value")
    salt, name, value = parts
    if type(salt) is not str or not _SALT.fullmatch(salt):
        raise FormatError("the salt of a disclosure is 16 bytes in base64url")
    if type(name) is not str or not _NAME.fullmatch(name):
        raise FormatError("the name in a disclosure is not [a-z0-9_]+")
    return Disclosure(name, value, text, digest(text))


def digest(text: str) -> str:
    """Return the digest that stands in a record for this disclosure: SHA-256 of its text, in base64url."""
    return _base64url(sha256(text.encode("ascii")).digest())


def require_digest(text: object) -> str:
    """Return the text if it has the shape of a digest of a disclosure, else raise FormatError."""
    if type(text) is not str or not _DIGEST.fullmatch(text):
        raise FormatError(f"{text!r} is not the digest of a disclosure")
    return text


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
