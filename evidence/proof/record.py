"""The custody record, version 1: the sealed bytes of one custody event (FORMAT.md 2).

Six header lines and one line of canonical JSON.  The header stands outside the JSON so that the
database can finish a record under its lock, a verifier follows the chain without reading JSON,
and a lawyer can read it.  The stored bytes are the truth: they are hashed as they are, never
written anew from columns.

This module frames.  What a body may say is in `acts`, how records hang together in `chain`.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from evidence.proof import FormatError

VERSION = "custody.v1"

LARGEST_RECORD = 32 * 1024
"""Bytes. Larger parameters are objects of their own, cited by digest."""

LINES = 7
"""Lines of a record. The last has no newline of its own; a file of records ends each with one."""

ORIGIN = r"[a-z0-9][a-z0-9./-]{0,127}"
"""The name of an installation, as a pattern."""

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
CHAIN = rf"(?:(?:item|case|account|dock)/{UUID}|_heads|_keys|_refused)"
"""The name of a chain, as a pattern."""

SEQ = r"[1-9][0-9]{0,15}"


def _instant(days: str) -> str:
    return rf"[0-9]{{4}}-(?:0[1-9]|1[0-2])-(?:{days})T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{{6}}Z"


INSTANT = _instant("0[1-9]|[12][0-9]|3[01]")
"""UTC, RFC 3339, six decimals, Z, as a pattern."""

SURE_INSTANT = _instant("0[1-9]|1[0-9]|2[0-8]")
"""The same on a day that every month has, so that no calendar is needed."""

_RECORD = re.compile(
    rf"custody\.v1\n({ORIGIN})\n({CHAIN})\n({SEQ})\n([0-9a-f]{{64}})\n({INSTANT})\n(\{{[^\n]*\}})".encode()
)
_INSTANT = re.compile(INSTANT)


@dataclass(frozen=True, slots=True)
class CustodyRecord:
    """One record, taken apart. `prev` is 32 bytes, `at` the server's UTC as written, `body` canonical JSON."""

    origin: str
    chain: str
    seq: int
    prev: bytes
    at: str
    body: bytes

    def write(self) -> bytes:
        """Return the sealed bytes, or raise FormatError if a part breaks the framing."""
        head = f"{VERSION}\n{self.origin}\n{self.chain}\n{self.seq}\n{self.prev.hex()}\n{self.at}\n"
        raw = head.encode("utf-8", "surrogatepass") + self.body
        frame(raw)
        return raw


Frame = tuple[bytes, ...]
"""The six variable lines of a record as bytes: origin, chain, seq, prev, at, body."""


def frame(raw: bytes) -> Frame:
    """Return the lines of a record, each held against its pattern. This is the hot path of a verifier."""
    found = _RECORD.fullmatch(raw)
    if found is None or len(raw) > LARGEST_RECORD:
        raise FormatError(_what_is_wrong(raw))
    parts: Frame = found.groups()
    # Days 1 to 28 exist in every month; only the others need a calendar.
    if parts[4][8:10] > b"28":
        require_instant(parts[4].decode())
    return parts


def parse(raw: bytes) -> CustodyRecord:
    """Take a record apart. The body is not read: `canonical.decode` does that."""
    origin, chain, seq, prev, at, body = frame(raw)
    return CustodyRecord(
        origin.decode(), chain.decode(), int(seq), bytes.fromhex(prev.decode()), at.decode(), bytes(body)
    )


def leaf_hash(raw: bytes) -> bytes:
    """Return SHA-256(0x00 || record): the leaf of RFC 6962, and what the next record names as `prev`."""
    return sha256(b"\0" + raw).digest()


def genesis(origin: str, chain: str) -> bytes:
    """Return what the first record of this chain names as its predecessor.

    It holds the names of installation and chain, so no history can be moved to another item.
    """
    return sha256(f"{VERSION} genesis\n{origin}\n{chain}\n".encode()).digest()


def require_instant(at: str) -> str:
    """Return the instant if it is spelled as FORMAT.md says and such a day exists, else raise FormatError."""
    if not _INSTANT.fullmatch(at):
        raise FormatError(f"{at!r} is not an instant such as 2026-03-01T09:00:00.000000Z")
    try:
        datetime.fromisoformat(at)
    except ValueError:
        raise FormatError(f"there is no such day as {at[:10]}") from None
    return at


def _what_is_wrong(raw: bytes) -> str:
    if len(raw) > LARGEST_RECORD:
        return f"the record has {len(raw)} bytes; {LARGEST_RECORD} are the most"
    lines = raw.split(b"\n")
    if len(lines) != LINES:
        return f"the record has {len(lines)} lines, not {LINES}"
    names = ("version", "origin", "chain", "seq", "prev", "at", "body")
    patterns = (re.escape(VERSION), ORIGIN, CHAIN, SEQ, "[0-9a-f]{64}", INSTANT, r"\{.*\}")
    wrong = [
        name
        for name, pattern, line in zip(names, patterns, lines, strict=True)
        if not re.fullmatch(pattern.encode(), line, re.DOTALL)
    ]
    return f"the line of {wrong[0]} is not as it must be"
