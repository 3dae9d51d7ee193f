"""The trust file: the keys a verifier is given, out of band and never inside a package (FORMAT.md 9).

Whoever can change this file decides what verifies.  Members that a later version adds are passed
over; everything known must be right, or the file is refused whole.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from evidence.proof import FormatError, canonical, note, record

FORMAT = "evidence.trust.v1"

ALGORITHM = "ed25519"

ROLES = frozenset({"receipt", "export", "log", "witness"})
"""What a key may be for. One key has one role."""

LARGEST_FILE = 1 << 20
"""Bytes."""

_ORIGIN = re.compile(record.ORIGIN)


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key (32 bytes), what it is called, what it may sign, and from when until when.

    `valid_until` None: still in use.  The interval holds its first instant and not its last.
    """

    name: str
    role: str
    public: bytes
    valid_from: str
    valid_until: str | None = None
    algorithm: str = ALGORITHM

    @property
    def key_id(self) -> bytes:
        """The four bytes that stand before every signature of this key."""
        return note.key_id(self.name, self.public)

    @property
    def verifier_key(self) -> note.VerifierKey:
        """The key as note.open_note takes it."""
        return note.VerifierKey(self.name, self.public)

    def covers(self, at: str) -> bool:
        """Return whether an instant lies in the key's interval."""
        return self.valid_from <= at and (self.valid_until is None or at < self.valid_until)


@dataclass(frozen=True, slots=True)
class Trust:
    """An installation's name and the keys it is known by."""

    origin: str
    keys: tuple[TrustedKey, ...]

    def write(self) -> bytes:
        """Return the file: canonical JSON and a newline; or raise FormatError."""
        raw = canonical.encode(
            {
                "format": FORMAT,
                "origin": self.origin,
                "keys": [
                    {
                        "name": key.name,
                        "id": key.key_id.hex(),
                        "role": key.role,
                        "algorithm": key.algorithm,
                        "public": key.public.hex(),
                        "from": key.valid_from,
                        "until": key.valid_until,
                    }
                    for key in self.keys
                ],
            }
        )
        parse(raw)
        return raw + b"\n"


def key_name(origin: str, role: str) -> str:
    """Return what a key of this installation and role is called in signed notes."""
    return f"{origin}/{role}"


def parse(raw: bytes) -> Trust:
    """Read a trust file, or raise FormatError. It may be indented or ordered as its bearer likes."""
    if len(raw) > LARGEST_FILE:
        raise FormatError("the trust file is larger than 1 MiB")
    try:
        top = json.loads(raw.decode("utf-8"), object_pairs_hook=_no_key_twice)
    except (ValueError, RecursionError) as wrong:
        raise FormatError(f"the trust file is not JSON: {wrong}") from None
    if type(top) is not dict or top.get("format") != FORMAT:
        raise FormatError(f"not a trust file: its format must be {FORMAT}")
    origin = _string(top, "origin")
    if not _ORIGIN.fullmatch(origin):
        raise FormatError("the origin is not the name of an installation")
    keys = top.get("keys")
    if type(keys) is not list or not keys:
        raise FormatError("the trust file names no keys")
    trust = Trust(origin, tuple(_key(one, origin) for one in keys))
    told = [(key.name, key.key_id) for key in trust.keys]
    if len(set(told)) != len(told):
        raise FormatError("a key stands twice")
    return trust


def _key(members: Any, origin: str) -> TrustedKey:
    if type(members) is not dict:
        raise FormatError("a key is not an object")
    role = _string(members, "role")
    if role not in ROLES:
        raise FormatError(f"no key can have the role {role!r}")
    name = note.require_name(_string(members, "name"))
    # Witnesses are others and carry names of their own.
    if role != "witness" and name != key_name(origin, role):
        raise FormatError(f"the key {name!r} is not called {key_name(origin, role)!r}, as its role asks")
    if _string(members, "algorithm") != ALGORITHM:
        raise FormatError(f"the algorithm of {name} is not {ALGORITHM}")
    public = _string(members, "public")
    if not re.fullmatch("[0-9a-f]{64}", public):
        raise FormatError(f"the public key of {name} is not 32 bytes in hex")
    until = members.get("until")
    key = TrustedKey(
        name,
        role,
        bytes.fromhex(public),
        record.require_instant(_string(members, "from")),
        None if until is None else record.require_instant(_string(members, "until")),
    )
    if key.key_id.hex() != _string(members, "id"):
        raise FormatError(f"the id of {name} does not belong to its name and public key")
    return key


def _string(members: dict[str, Any], name: str) -> str:
    value = members.get(name)
    if type(value) is not str:
        raise FormatError(f"{name!r} is missing or not a string")
    return value


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise FormatError("a member stands twice")
    return members
