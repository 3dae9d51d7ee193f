"""The manifest a dock signs of one recording before it sends it: what it is, from which camera (FORMAT.md 14).

A JWS in its compact form, ES256, by the dock's own key.  Its payload is canonical, so that a
manifest has one spelling.  Written by the dock, checked by the server when an upload is opened and
by the verifier for ever after.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from evidence.proof import FormatError, canonical
from evidence.proof.es256 import verify_es256

FORMAT = "evidence.manifest.v1"
TYPE = "evidence-manifest+jws"
LONGEST = 16 * 1024
"""Characters of a manifest as it is sent."""

SAID = ("camera", "officer", "incident", "recorded_at", "recorded_until", "content_type")
"""What a dock may say of a recording besides name, size and digest: each a text, or left out."""

_NEEDED = frozenset({"format", "dock", "filename", "size", "sha256", "signed_at"})
_SHA256 = re.compile("[0-9a-f]{64}")
_SEGMENT = re.compile("[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest, read. `sha256` is 32 bytes and of the whole recording, `said` what is said by names of SAID."""

    dock: str
    filename: str
    size: int
    sha256: bytes
    signed_at: str
    said: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Signed:
    """A manifest as sent, taken apart; nothing in it is proved until `is_by` says so."""

    manifest: Manifest
    fingerprint: str
    text: str
    signature: bytes

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the manifest as sent."""
        return sha256(self.text.encode("ascii")).digest()

    def is_by(self, public: bytes) -> bool:
        """Say whether this key (x || y, 64 bytes) signed it, and is the one it names."""
        signed = self.text.rpartition(".")[0].encode("ascii")
        return fingerprint(public) == self.fingerprint and verify_es256(public, signed, self.signature)


def payload(manifest: Manifest) -> bytes:
    """Write what is signed."""
    return canonical.encode(
        {
            "format": FORMAT,
            "dock": manifest.dock,
            "filename": manifest.filename,
            "size": manifest.size,
            "sha256": manifest.sha256.hex(),
            "signed_at": manifest.signed_at,
            **manifest.said,
        }
    )


def header(key: str) -> bytes:
    """Write the header of a manifest by the key of that fingerprint."""
    return canonical.encode({"alg": "ES256", "kid": key, "typ": TYPE})


def parse(text: str) -> Signed:
    """Read a manifest as sent; raise FormatError for any other spelling of it."""
    if len(text) > LONGEST:
        raise FormatError(f"a manifest has at most {LONGEST} characters")
    segments = text.split(".")
    if len(segments) != 3:
        raise FormatError("a manifest is a JWS of three segments")
    head, body, signature = map(_read, segments)
    said = canonical.decode(head)
    key = said.get("kid") if type(said) is dict else None
    if type(key) is not str or head != header(key):
        raise FormatError("the header of a manifest names ES256, its key and its type, and nothing else")
    if len(signature) != 64:
        raise FormatError("the signature of a manifest has 64 bytes")
    return Signed(_manifest(canonical.decode(body)), key, text, signature)


def fingerprint(public: bytes) -> str:
    """Return the RFC 7638 thumbprint of a P-256 key given as x || y (64 bytes)."""
    x, y = _base64url(public[:32]), _base64url(public[32:])
    return _base64url(sha256(f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'.encode("ascii")).digest())


def public_bytes(jwk: Mapping[str, str]) -> bytes:
    """Return a P-256 JWK as x || y."""
    return _read(jwk["x"]) + _read(jwk["y"])


def _manifest(value: canonical.Value) -> Manifest:
    if type(value) is not dict or not value.keys() >= _NEEDED or value.keys() - _NEEDED - set(SAID):
        raise FormatError("a manifest has other members than it may have, or lacks one")
    size, digest = value["size"], value["sha256"]
    texts = {name: each for name, each in value.items() if name != "size"}
    if any(type(each) is not str or not each for each in texts.values()) or value["format"] != FORMAT:
        raise FormatError(f"the members of a manifest are texts that are not empty, and its format is {FORMAT}")
    if type(size) is not int or size < 0 or not _SHA256.fullmatch(digest):
        raise FormatError("a manifest says the size in bytes and the SHA-256 in lower-case hex")
    return Manifest(
        dock=value["dock"],
        filename=value["filename"],
        size=size,
        sha256=bytes.fromhex(digest),
        signed_at=value["signed_at"],
        said={name: value[name] for name in SAID if name in value},
    )


def _read(segment: str) -> bytes:
    if not _SEGMENT.fullmatch(segment) or len(segment) % 4 == 1:
        raise FormatError("a manifest is in base64url without padding")
    raw = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    if _base64url(raw) != segment:
        raise FormatError("a manifest has stray bits")
    return raw


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
