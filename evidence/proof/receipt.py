"""The receipt: what a caller is given for an accepted act, to hold against us (FORMAT.md 7).

A signed note by a key of role `receipt`.  Its holder can prove later that the record existed,
even if the record was dropped since.
"""

import re
from dataclasses import dataclass

from evidence.proof import FormatError, record

VERSION = "custody.receipt.v1"

ROLE = "receipt"
"""The role of the keys that sign receipts."""

_TEXT = re.compile(
    rf"custody\.receipt\.v1\norigin ({record.ORIGIN})\nchain ({record.CHAIN})\nseq ({record.SEQ})\n"
    rf"leaf ([0-9a-f]{{64}})\nat ({record.INSTANT})\nmerge_delay (0|[1-9][0-9]{{0,8}})\n"
)


@dataclass(frozen=True, slots=True)
class Receipt:
    """The record so named, with this leaf hash (32 bytes), was accepted at `at`.

    `merge_delay` is our promise in seconds: by then the record is in the log.
    """

    origin: str
    chain: str
    seq: int
    leaf: bytes
    at: str
    merge_delay: int

    def write(self) -> str:
        """Return the text that is signed, or raise FormatError."""
        text = (
            f"{VERSION}\norigin {self.origin}\nchain {self.chain}\nseq {self.seq}\nleaf {self.leaf.hex()}\n"
            f"at {self.at}\nmerge_delay {self.merge_delay}\n"
        )
        parse(text)
        return text


def parse(text: str) -> Receipt:
    """Read the text of a receipt, or raise FormatError."""
    found = _TEXT.fullmatch(text)
    if found is None:
        raise FormatError(f"not the text of a receipt ({VERSION})")
    origin, chain, seq, leaf, at, merge_delay = found.groups()
    return Receipt(origin, chain, int(seq), bytes.fromhex(leaf), record.require_instant(at), int(merge_delay))
