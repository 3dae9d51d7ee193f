"""The hash chain of one item: every record names the leaf hash of the record before it.

So a record cannot be altered, dropped, moved, doubled or brought in from elsewhere without a later
record, or the signed head of the chain, contradicting it.  This module is arithmetic: it walks
records in the order given and says where and in which of eight ways the chain fails.  FORMAT.md 3
holds the table of decisions (what is broken -> which code), which `Walk` follows line by line.

Memory does not grow with the chain: what is kept are the last record and the open questions.
"""

import re
from binascii import hexlify
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from evidence.proof import FormatError, record
from evidence.proof.heads import Head

Inspect = Callable[[int, bytes, bytes, bytes], str | None]
"""Looks at (seq, body, leaf hash, at) of each record of the chain; returns what is wrong with the body, or None."""

MOST_BREAKS = 100
"""How many breaks of one chain are named; a hundred tell no less than a million."""

_VERSION_LINE = record.VERSION.encode() + b"\n"
_BOUNDARY = b"\n" + _VERSION_LINE
_AFTER_PREV = re.compile(rb"%b\n\{" % record.SURE_INSTANT.encode())
_AT_SIZE = 28
_MOST_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Break:
    """One way in which a chain fails: a code of FORMAT.md 3, and the place.

    `seq` is the number of the record meant (for a missing one, the number it would have), `position`
    where in the file to look, counted in records from 1.
    """

    code: str
    seq: int
    position: int
    message: str


def link(origin: str, chain: str, bodies: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """Yield the sealed records of a whole chain, given (at, body) of each. For vectors and tests."""
    prev = record.genesis(origin, chain)
    for seq, (at, body) in enumerate(bodies, 1):
        raw = record.CustodyRecord(origin, chain, seq, prev, at, body).write()
        prev = record.leaf_hash(raw)
        yield raw


def split(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the records of a records.txt, each without the newline that ends it.

    No line inside a record can read `custody.v1`, so that line finds the next record even after
    damage.  What is no record comes out as a piece that no framing accepts.
    """
    rest = b"\n"
    first = True
    for block in blocks:
        pieces = (rest + block).split(_BOUNDARY)
        rest = pieces.pop()
        if len(rest) > 2 * record.LARGEST_RECORD:
            # Far too long for a record already: keep what shows that, and the start of a boundary.
            rest = rest[: record.LARGEST_RECORD + 1] + rest[-len(_BOUNDARY) :]
        if first and pieces:
            first = False
            if before := pieces.pop(0):
                yield before[1:]
        for piece in pieces:
            yield _VERSION_LINE + piece
    if first and rest != b"\n":
        yield rest[1:]
    elif not first:
        # A last record without its newline gets one too many, so that its framing fails.
        yield _VERSION_LINE + (rest[:-1] if rest.endswith(b"\n") else rest + b"\n")


def find_breaks(
    records: Iterable[bytes], *, origin: str, chain: str, head: Head | None, inspect: Inspect | None = None
) -> Iterator[Break]:
    """Walk the records of a chain and yield every place where it fails.

    `head` is the signed end of the chain; without it the last record is vouched for by nothing.
    """
    walk = Walk(origin, chain)
    # The loop below is the hot path: a record that is as expected touches `walk` only at its end.
    top = _VERSION_LINE + f"{origin}\n{chain}\n".encode()
    after_prev, largest, hashed = _AFTER_PREV.match, record.LARGEST_RECORD, sha256
    position = 0
    for raw in records:
        position += 1
        expected = walk.expected
        start = b"%b%d\n%b\n" % (top, expected, hexlify(walk.leaf))
        size = len(start)
        if (
            raw.startswith(start)
            and after_prev(raw, size)
            and raw.endswith(b"}")
            and len(raw) <= largest
            and raw.find(b"\n", size + _AT_SIZE) < 0
            and (at := raw[size : size + _AT_SIZE]) >= walk.at
            and walk.quiet
        ):
            walk.at = at
            walk.leaf = leaf = hashed(b"\0" + raw).digest()
            walk.expected = expected + 1
            if inspect is not None and (wrong := inspect(expected, raw[size + _AT_SIZE :], leaf, at[:-1])):
                yield from walk.spoil(expected, position, wrong)
        else:
            yield from walk.step(raw, position, inspect)
            if walk.enough:
                yield from walk.settle()
                return
    yield from walk.end(head, position)


class Walk:
    """The state of one walk along a chain: what comes next, and which questions are open.

    `leaf` is what the next record must name as `prev`.  `quiet` says that nothing is open, so that a
    record as expected needs no more than the short check of find_breaks.
    """

    def __init__(self, origin: str, chain: str) -> None:
        self.origin = origin
        self.chain = chain
        self.expected = 1
        self.leaf = record.genesis(origin, chain)
        self.at = b""
        self.quiet = True
        self._named = 0
        self._also: bytes | None = None  # leaf of a second record with the last seq
        self._stand_ins = 0  # unreadable or foreign pieces since the last record of the chain
        self._foreign = False  # the piece before was foreign: one finding for all of them
        self._forked = False
        self._gaps: list[_Gap] = []
        self._run: _Run | None = None
        self._backwards: list[tuple[int, int]] = []  # seq and position of records that say they are older
        self._excused: set[int] = set()  # numbers of records whose break is already named otherwise

    @property
    def enough(self) -> bool:
        """Whether so much is broken that going on tells nothing new."""
        return self._named + len(self._gaps) >= MOST_BREAKS

    def step(self, raw: bytes, position: int, inspect: Inspect | None) -> Iterator[Break]:
        """Take the next piece of the file, whatever it is."""
        try:
            origin, chain, digits, prev_hex, at, body = record.frame(raw)
        except FormatError as wrong:
            yield from self._unreadable(raw, position, str(wrong), inspect)
            return
        if origin.decode() != self.origin or chain.decode() != self.chain:
            yield from self._strange(chain.decode(), origin.decode(), position)
            return
        seq, prev, leaf = int(digits), bytes.fromhex(prev_hex.decode()), record.leaf_hash(raw)
        if seq < self.expected:
            yield from self._again(seq, leaf, position)
        else:
            yield from self._onward(seq, prev, leaf, position)
            if at < self.at[:-1] and len(self._backwards) < MOST_BREAKS:
                self._backwards.append((seq, position))
            self.at = at + b"\n"
        if inspect is not None and (wrong_body := inspect(seq, body, leaf, at)):
            yield from self.spoil(seq, position, wrong_body)

    def spoil(self, seq: int, position: int, wrong: str) -> Iterator[Break]:
        """Name a record whose framing holds and whose body does not."""
        self._excused.add(seq)
        self.quiet = False
        yield self._name("C01", seq, position, f"record {seq} cannot be read as it must: {wrong}")

    def end(self, head: Head | None, position: int) -> Iterator[Break]:
        """Close the walk against the signed head of the chain."""
        last = self.expected - 1
        if head is not None and head.seq == last and head.hash not in (self.leaf, self._also):
            self._broken_link(last, position, named=head.hash, leaf=self.leaf, by_head=True)
        yield from self.settle()
        if head is not None:
            yield from self._hold_against(head, last, position)
        yield from self._settle_times()

    def settle(self) -> Iterator[Break]:
        """Name what is still open."""
        yield from self._settle_run()
        yield from self._settle_gaps()

    def _hold_against(self, head: Head, last: int, position: int) -> Iterator[Break]:
        reached = last + self._stand_ins
        if reached < head.seq and not (self._foreign and last == 0):
            yield self._name(
                "C07",
                reached + 1,
                position,
                f"the history stops at record {reached}; the signed end marks say it has {head.seq}: its end is cut",
            )
        elif last > head.seq:
            yield self._name(
                "C07",
                head.seq + 1,
                position,
                f"the signed end marks say the history ends at record {head.seq}; here it goes on to record {last}",
            )

    def _settle_times(self) -> Iterator[Break]:
        """Name where time runs backwards, in a chain that holds: what breaks it explains its times as well."""
        for seq, position in [] if self._named else self._backwards:
            message = f"record {seq} says that it was made before record {seq - 1}, which it follows"
            yield self._name("T04", seq, position, message)

    def _onward(self, seq: int, prev: bytes, leaf: bytes, position: int) -> Iterator[Break]:
        first_missing = self.expected + self._stand_ins
        if seq > first_missing:
            yield from self._settle_run()
            self._gaps.append(_Gap(first_missing, seq - 1, position))
        elif seq > self.expected:
            yield from self._settle_run()  # what stood in between is named already
        elif prev not in (self.leaf, self._also):
            if seq == 1:
                self._excused.add(1)
                yield self._name(
                    "C06",
                    1,
                    position,
                    "record 1 does not begin this history: it was made for another item or another installation",
                )
            else:
                self._broken_link(seq - 1, position - 1, named=prev, leaf=self.leaf)
        else:
            yield from self._settle_run()
        self.expected, self.leaf, self._also = seq + 1, leaf, None
        self._stand_ins, self._foreign, self._forked = 0, False, False
        self._excused = {number for number in self._excused if number >= seq - 1 or self._run is not None}
        self.quiet = self._run is None and not self._excused

    def _again(self, seq: int, leaf: bytes, position: int) -> Iterator[Break]:
        self.quiet = False
        if any(gap.fill(seq) for gap in self._gaps):
            return
        if seq == self.expected - 1:
            self._also = leaf
        if not self._forked:
            self._forked = True
            yield self._name("C05", seq, position, f"there are two records with the number {seq}")

    def _unreadable(self, raw: bytes, position: int, wrong: str, inspect: Inspect | None) -> Iterator[Break]:
        lines = raw.split(b"\n", record.LINES)
        if len(lines) > record.LINES and _is_record(whole := b"\n".join(lines[: record.LINES])):
            yield from self.step(whole, position, inspect)
            if not lines[record.LINES]:
                yield from self.spoil(self.expected - 1, position, "it is not followed by exactly one newline")
                return
            # The version line of the record after this one is damaged; this one is not.
            wrong = f"what follows record {self.expected - 1} does not begin with {record.VERSION}"
            raw = lines[record.LINES]
        seq = self.expected + self._stand_ins
        self._stand_ins += max(1, (raw.count(b"\n") + 1) // record.LINES)
        self.quiet = False
        yield self._name("C01", seq, position, f"record {seq} cannot be read as it must: {wrong}")

    def _strange(self, chain: str, origin: str, position: int) -> Iterator[Break]:
        self._stand_ins += 1
        self.quiet = False
        if self._foreign:
            return
        self._foreign = True
        seq = self.expected + self._stand_ins - 1
        yield self._name("C06", seq, position, f"what stands here as record {seq} belongs to {chain} of {origin}")

    def _broken_link(self, seq: int, position: int, *, named: bytes, leaf: bytes, by_head: bool = False) -> None:
        """Note that record `seq` is not the one its successor (or the head) names."""
        self.quiet = False
        if self._run is None:
            self._run = _Run(seq, position)
        self._run.add(named, leaf, by_head=by_head)

    def _settle_run(self) -> Iterator[Break]:
        run, self._run = self._run, None
        if run is None or run.first in self._excused or (run.length > 1 and run.first + 1 in self._excused):
            return
        if run.length == 1:
            yield self._name("C02", run.first, run.position, f"record {run.first} was altered: {run.against}")
        elif run.length == 2 or run.names_another():
            yield self._name(
                "C04",
                run.first + 1,
                run.position + 1,
                f"record {run.first + 1} does not follow record {run.first}: "
                "it names another one as its predecessor; records were put in another order, or that name was altered",
            )
        else:
            yield self._name(
                "C02",
                run.first,
                run.position,
                f"records {run.first} to {run.first + run.length - 1} were altered: "
                "none is the one that its successor names",
            )

    def _settle_gaps(self) -> Iterator[Break]:
        for gap in self._gaps:
            missing = gap.missing
            if gap.filled:
                yield self._name(
                    "C04",
                    gap.last + 1,
                    gap.position,
                    f"record {gap.last + 1} stands where record {gap.first} belongs: records were put in another order",
                )
            if missing:
                absent = gap.first_missing
                what = f"record {absent} is missing" if missing == 1 else f"{missing} records from {absent} are missing"
                yield self._name("C03", absent, gap.position, what)

    def _name(self, code: str, seq: int, position: int, message: str) -> Break:
        self._named += 1
        return Break(code, seq, max(position, 1), message)


class _Gap:
    """Numbers that were passed over, and which of them came later after all."""

    def __init__(self, first: int, last: int, position: int) -> None:
        self.first, self.last, self.position = first, last, position
        self.filled: set[int] = set()

    def fill(self, seq: int) -> bool:
        """Take a number that came late; say whether it belongs here and had not come yet."""
        if not self.first <= seq <= self.last or seq in self.filled:
            return False
        if len(self.filled) < _MOST_REMEMBERED:
            self.filled.add(seq)
        return True

    @property
    def missing(self) -> int:
        """How many numbers never came; nought when too many came late to tell."""
        return 0 if len(self.filled) == _MOST_REMEMBERED else self.last - self.first + 1 - len(self.filled)

    @property
    def first_missing(self) -> int:
        return next(seq for seq in range(self.first, self.last + 1) if seq not in self.filled)


class _Run:
    """Records in a row of which none is the one its successor (at last: the signed head) names."""

    def __init__(self, first: int, position: int) -> None:
        self.first, self.position, self.length = first, position, 0
        self._by_head = False
        self._named: set[bytes] = set()
        self._leaves: set[bytes] = set()

    def add(self, named: bytes, leaf: bytes, *, by_head: bool) -> None:
        self.length += 1
        self._by_head = by_head
        if self.length <= _MOST_REMEMBERED:
            self._named.add(named)
            self._leaves.add(leaf)

    def names_another(self) -> bool:
        """Whether some successor names another record of this very run: they changed places."""
        return not self._named.isdisjoint(self._leaves)

    @property
    def against(self) -> str:
        """What contradicts a run of one."""
        if self._by_head:
            return (
                "it is not the one that the signed end marks name as the last "
                "(or one before it was, and everything after that one was written anew)"
            )
        return f"it is not the one that record {self.first + 1} names as its predecessor"


def _is_record(raw: bytes) -> bool:
    try:
        record.frame(raw)
    except FormatError:
        return False
    return True
