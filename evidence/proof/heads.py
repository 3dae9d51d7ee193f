"""The heads of a package: where each of its chains ends, signed (FORMAT.md 8).

A signed note by a key of role `export`.  It pins the last record of every chain, which no later
record can pin, and by its digest the package's index.  Until a public log stands behind it, it is
only as honest as the holder of the export key.
"""

import re
from dataclasses import dataclass
from itertools import pairwise

from evidence.proof import FormatError, record

VERSION = "custody.heads.v1"

ROLE = "export"
"""The role of the keys that sign heads."""

_TOP = re.compile(
    rf"custody\.heads\.v1\norigin ({record.ORIGIN})\nat ({record.INSTANT})\npackage ([0-9a-f]{{64}})\n"
    r"chains (0|[1-9][0-9]{0,8})\n"
)
_HEAD = re.compile(rf"({record.CHAIN}) ({record.SEQ}) ([0-9a-f]{{64}})\n")


@dataclass(frozen=True, slots=True)
class Head:
    """The last record of a chain: its number and its leaf hash (32 bytes)."""

    chain: str
    seq: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Heads:
    """Every chain of a package and its end. `package` is the SHA-256 of data/package.json."""

    origin: str
    at: str
    package: bytes
    heads: tuple[Head, ...]

    def write(self) -> str:
        """Return the text that is signed, heads sorted by chain, or raise FormatError."""
        heads = sorted(self.heads, key=lambda head: head.chain)
        text = (
            f"{VERSION}\norigin {self.origin}\nat {self.at}\npackage {self.package.hex()}\nchains {len(heads)}\n"
        ) + "".join(f"{head.chain} {head.seq} {head.hash.hex()}\n" for head in heads)
        parse(text)
        return text


def parse(text: str) -> Heads:
    """Read the text of the heads, or raise FormatError."""
    top = _TOP.match(text)
    if top is None:
        raise FormatError(f"not the text of heads ({VERSION})")
    origin, at, package, count = top.groups()
    heads = []
    for line in text[top.end() :].splitlines(keepends=True):
        found = _HEAD.fullmatch(line)
        if found is None:
            raise FormatError("a line of the heads is not `chain seq hash`")
        heads.append(Head(found[1], int(found[2]), bytes.fromhex(found[3])))
    if len(heads) != int(count):
        raise FormatError(f"{len(heads)} heads, where {count} are announced")
    chains = [head.chain for head in heads]
    if any(one >= next_one for one, next_one in pairwise(chains)):
        raise FormatError("the heads are not sorted by chain, or a chain stands twice")
    return Heads(origin, record.require_instant(at), bytes.fromhex(package), tuple(heads))
