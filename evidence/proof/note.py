"""Signed notes, as C2SP signed-note has them: a text for people, and signatures under it.

    <text, one or more lines>
    <empty line>
    — <key name> <base64 of key id and signature>

A key is told by its name and its id, four bytes derived from name, algorithm and public key.
Unknown signatures are passed over, so that witnesses can add theirs; a bad signature by a known
key spoils the note.  This module reads, writes and checks; it never signs (FORMAT.md 6).
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from evidence.proof import FormatError
from evidence.proof.signature import verify_ed25519

ED25519 = 0x01
"""Type byte of a plain Ed25519 key."""

LARGEST_NOTE = 1 << 20
"""Bytes."""

MOST_SIGNATURES = 100

_KEY_ID_SIZE = 4
_LINE = re.compile("— ([^ ]+) ([A-Za-z0-9+/]+={0,2})")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_VERIFIER_KEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})")


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line. `key_id` is 4 bytes; `signature` is what the key made, without the id."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A note taken apart. `text` ends in a newline and is what the signatures are over, as UTF-8."""

    text: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public Ed25519 key (32 bytes) under its name."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that stand before every signature of this key."""
        return key_id(self.name, self.public)


@dataclass(frozen=True, slots=True)
class Opened:
    """A note with at least one good signature by a known key."""

    text: str
    verified: tuple[Signature, ...]
    unverified: tuple[Signature, ...]


class NoSignatureError(FormatError):
    """The note is well formed, and none of its signatures is by a key that was given."""


class BadSignatureError(FormatError):
    """A signature under the name and id of a known key was not made by that key over this text."""


def key_id(name: str, public: bytes, *, algorithm: int = ED25519) -> bytes:
    """Return the id of a key: the first four bytes of SHA-256(name, newline, algorithm, public key)."""
    return sha256(name.encode() + b"\n" + bytes([algorithm]) + public).digest()[:_KEY_ID_SIZE]


def write(text: str, signatures: Iterable[Signature]) -> str:
    """Put text and signatures together. The text ends in a newline and is what was signed, as UTF-8."""
    lines = "".join(
        f"— {signature.name} {b64encode(signature.key_id + signature.signature).decode()}\n" for signature in signatures
    )
    note = f"{text}\n{lines}"
    parse(note)
    return note


def parse(note: str) -> Note:
    """Take a note apart without checking any signature, or raise FormatError."""
    if len(note) > LARGEST_NOTE:
        raise FormatError("the note is larger than 1 MiB")
    if _CONTROL.search(note):
        raise FormatError("the note holds a control character")
    require_utf8(note)
    text, gap, below = note.rpartition("\n\n")
    if not gap or not text:
        raise FormatError("the note has no empty line between text and signatures")
    if not below.endswith("\n"):
        raise FormatError("the note does not end in a newline")
    lines = below[:-1].split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise FormatError(f"the note has more than {MOST_SIGNATURES} signatures")
    return Note(text + "\n", tuple(map(_signature, lines)))


def parse_bytes(raw: bytes) -> Note:
    """Take apart a note that came as bytes."""
    try:
        return parse(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise FormatError("the note is not UTF-8") from None


def open_note(note: Note, keys: Iterable[VerifierKey]) -> Opened:
    """Check a note against known keys.

    Raises BadSignatureError when a known key's signature does not hold or two known keys share name
    and id, NoSignatureError when no known key signed.  A signature that stands twice counts once.
    """
    known: dict[tuple[str, bytes], list[VerifierKey]] = {}
    for key in keys:
        known.setdefault((key.name, key.key_id), []).append(key)
    verified: dict[tuple[str, bytes], Signature] = {}
    unverified: dict[Signature, None] = {}
    for signature in note.signatures:
        told = (signature.name, signature.key_id)
        if told not in known:
            unverified[signature] = None
            continue
        if len(known[told]) > 1:
            raise BadSignatureError(f"two known keys are called {signature.name}+{signature.key_id.hex()}")
        if told in verified:
            continue
        if not verify_ed25519(known[told][0].public, note.text.encode(), signature.signature):
            raise BadSignatureError(f"the signature of {signature.name}+{signature.key_id.hex()} does not hold")
        verified[told] = signature
    if not verified:
        raise NoSignatureError("no signature is by a known key")
    return Opened(note.text, tuple(verified.values()), tuple(unverified))


def write_key(key: VerifierKey) -> str:
    """Write a key in the one-line form of signed-note: name+id+base64."""
    require_name(key.name)
    return f"{key.name}+{key.key_id.hex()}+{b64encode(bytes([ED25519]) + key.public).decode()}"


def parse_key(text: str) -> VerifierKey:
    """Read a key in the one-line form, or raise FormatError."""
    found = _VERIFIER_KEY.fullmatch(text)
    if found is None:
        raise FormatError("a key is written name+id+base64")
    name, told_id, encoded = found.groups()
    require_name(name)
    raw = decode_base64(encoded)
    if len(raw) != 33 or raw[0] != ED25519:
        raise FormatError("not an Ed25519 key")
    key = VerifierKey(name, raw[1:])
    if key.key_id.hex() != told_id:
        raise FormatError("the id does not belong to this name and key")
    return key


def require_name(name: str) -> str:
    """Return the name if a key may be called so (no space, no plus, not empty, UTF-8), else raise FormatError."""
    require_utf8(name)
    if not name or "+" in name or any(letter.isspace() for letter in name):
        raise FormatError(f"{name!r} cannot be the name of a key")
    return name


def require_utf8(text: str) -> None:
    """Raise FormatError for text with half a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise FormatError("the text cannot be written as UTF-8") from None


def decode_base64(text: str) -> bytes:
    """Decode standard base64 in its only canonical spelling, or raise FormatError."""
    try:
        raw = b64decode(text, validate=True)
    except ValueError:
        raise FormatError("not base64") from None
    if b64encode(raw).decode() != text:
        raise FormatError("base64 with stray bits at its end")
    return raw


def _signature(line: str) -> Signature:
    found = _LINE.fullmatch(line)
    if found is None:
        raise FormatError("a line below the text is not a signature")
    name, encoded = found.groups()
    require_name(name)
    raw = decode_base64(encoded)
    if len(raw) <= _KEY_ID_SIZE:
        raise FormatError("a signature is too short")
    return Signature(name, raw[:_KEY_ID_SIZE], raw[_KEY_ID_SIZE:])
