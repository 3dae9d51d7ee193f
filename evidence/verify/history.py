"""Read the history of one item: its records, walked once, and what is held against them on the way.

Records, disclosures and receipts meet here, because a chain may be too long to be read twice or
kept in memory.  Disclosures in the order of their records (as we write them) cost nothing; in
another order they are remembered until their record comes.
"""

import re
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from evidence.proof import FormatError, acts, canonical, chain, disclosure, manifest
from evidence.proof.heads import Head
from evidence.verify import words
from evidence.verify.verdict import Entry

LONGEST_DISCLOSURE = 1 << 20
"""Bytes of one disclosure's text."""

MOST_EARLY = 100_000
"""How many disclosures may stand before their records; they are remembered until then."""

MOST_NAMED = 100
"""How many wrong disclosures, or records with missing ones, are named for one item."""

RECEPTIONS = frozenset({"item.received", "item.transfer_received"})
"""Acts whose `original` says which bytes the item is."""

FILENAME = "filename"
"""The disclosed field of a reception that says what the original was called when it came."""

LONGEST_FILENAME = 300
"""Letters of that name that are kept for showing."""

ANNOUNCEMENT = "item.announced"
MANIFEST = "manifest"
"""The act that keeps what a dock signed, and the field of its record that discloses it."""

MOST_EARLY_MANIFESTS = 64
"""How many manifests may stand before their records; they are remembered whole until then."""

_OPENING, _CLOSING = b'{"disclosures":[', b"]}"
_QUOTED = re.compile(rb'"([A-Za-z0-9_-]+)"')
_SHA256 = re.compile("[0-9a-f]{64}")
_KEY = re.compile("[0-9a-f]{128}")


@dataclass(frozen=True, slots=True)
class Received:
    """What the record of reception says of the original; the list of chunks by its digest."""

    sha256: bytes
    size: int | None
    chunks: bytes | None


@dataclass(slots=True)
class History:
    """What was learned from the records of one item."""

    breaks: list[chain.Break] = field(default_factory=list)
    records: int = 0
    received: Received | None = None
    declared: bool | None = None
    ended: bool = False
    unknown_acts: int = 0
    received_at: str | None = None
    exported_at: str | None = None
    received_seq: int = 0
    manifests: int = 0
    manifests_withheld: int = 0
    manifest_faults: list[tuple[int, str]] = field(default_factory=list)
    announced: tuple[int, manifest.Manifest] | None = None
    tell: bool = False
    told: list[Entry] = field(default_factory=list)
    leaves: dict[int, set[bytes]] = field(default_factory=dict)
    ledger: "Ledger" = field(default_factory=lambda: Ledger(iter(()), frozenset()))

    @property
    def sound(self) -> bool:
        """Whether the chain holds, so that what its records say can be relied on."""
        return all(each.code == "T04" for each in self.breaks)

    @property
    def filename(self) -> str | None:
        """What the original was called when it came, if that is disclosed."""
        seq, name = self.ledger.filename
        return name if seq == self.received_seq else None

    def inspect(self, seq: int, body: bytes, leaf: bytes, at: bytes) -> str | None:
        """Take one record of the chain; return what is wrong with its body, or None."""
        try:
            value = canonical.decode(body)
        except FormatError as wrong:
            return str(wrong)
        self.records += 1
        if seq in self.leaves:
            self.leaves[seq].add(leaf)
        act = value.get("act")
        if type(act) is not str:
            return "it does not say which act it records"
        if act not in acts.ACTS:
            self.unknown_acts += 1
        elif act in RECEPTIONS and self.received is None:
            self._receive(value)
            self.received_at, self.received_seq = at.decode(), seq
            if self.announced is not None:
                self._hold_to_reception(*self.announced)
        elif act in acts.ENDS_OF_ORIGINAL:
            # A derivative, or its key, may end while the original is kept.
            self.ended |= any(each.get("role") == "original" for each in _objects(value.get("obj")))
        salted = value.get("sd")
        if salted is not None:
            if type(salted) is not list or not _all_strings(salted):
                return "its `sd` is not a list of digests"
            self.ledger.expect(seq, salted)
        if act == "item.exported":
            self.exported_at = at.decode()
        elif act == ANNOUNCEMENT:
            self._read_manifest(seq, value)
        if self.tell:
            fields = self.ledger.take(salted or ())
            self.told.append(Entry(seq, at.decode(), body, fields, len(salted or ()) - len(fields)))
        return None

    def _receive(self, value: dict[str, canonical.Value]) -> None:
        for each in _objects(value.get("obj")):
            if each.get("role") == "original" and (sha256 := _digest(each.get("sha256"))):
                size = each.get("size")
                self.received = Received(sha256, size if type(size) is int else None, _digest(each.get("chunks")))
        self.declared = any(each.get("kind") == "declared" for each in _objects(value.get("att")))

    def _read_manifest(self, seq: int, value: dict[str, canonical.Value]) -> None:
        """Hold the manifest of this record against the record; its disclosure was taken by now if it is there."""
        of_record, text = self.ledger.manifest
        if of_record != seq or text is None:
            self.manifests_withheld += 1
            return
        try:
            signed = manifest.parse(text)
            wrong = _wrong_manifest(signed, value)
        except FormatError as malformed:
            wrong = str(malformed)
        if wrong:
            self._fault(seq, wrong)
            return
        self.manifests += 1
        if self.received is not None:
            self._hold_to_reception(seq, signed.manifest)
        elif self.announced is None:
            self.announced = (seq, signed.manifest)

    def _hold_to_reception(self, seq: int, said: manifest.Manifest) -> None:
        assert self.received is not None
        if said.sha256 != self.received.sha256 or self.received.size not in (None, said.size):
            self._fault(seq, "the dock signed for other bytes than those that were received")

    def _fault(self, seq: int, wrong: str) -> None:
        if len(self.manifest_faults) < MOST_NAMED:
            self.manifest_faults.append((seq, wrong))


class _ListError(FormatError):
    """The file is no list of disclosures from here on."""


def read_history(
    records: Iterable[bytes],
    disclosures: Iterable[bytes],
    *,
    origin: str,
    chain_name: str,
    head: Head | None,
    withheld: Collection[str],
    receipts: Iterable[int],
    tell: bool = False,
) -> History:
    """Walk the records of one chain, given as blocks of bytes, with the disclosures beside them.

    `receipts` are the numbers of the records for which a receipt is at hand.  To `tell` a history,
    its bodies and the words of its disclosed fields are kept; for as long as that is asked, memory grows with it.
    """
    ledger = Ledger(read_disclosures(disclosures), withheld, keep=tell)
    history = History(ledger=ledger, leaves={seq: set() for seq in receipts}, tell=tell)
    history.breaks = list(
        chain.find_breaks(chain.split(records), origin=origin, chain=chain_name, head=head, inspect=history.inspect)
    )
    history.ledger.close()
    return history


@dataclass(frozen=True, slots=True)
class _Kept:
    """A disclosure: its place in the file, and as much of what it says as is shown."""

    number: int
    name: str
    value: str
    filename: str
    manifest: str | None = None


class Ledger:
    """Digests that stand in records, against disclosures that were handed over.

    `strays` says of disclosures, by their place in the file from 1, why they do not belong (0: the
    file itself); `missing` says of records, by number, how many digests are neither disclosed nor
    withheld.  Both hold the first MOST_NAMED; the counts are of all.  `stray_names` says what strays
    call themselves, which nobody vouches for; `filename` the record and value of the first field of
    that name; `values` the fields that belong, by digest and in words, if they are to be kept until they are taken.
    """

    def __init__(self, texts: Iterator[str], withheld: Collection[str], *, keep: bool = False) -> None:
        self._texts = enumerate(texts, 1)
        self._withheld = withheld
        self._exhausted = False
        self._awaited: dict[str, int] = {}
        self._early: dict[str, _Kept] = {}
        self._keep = keep
        self.values: dict[str, words.Field] = {}
        self.filename: tuple[int, str | None] = (0, None)
        self.manifest: tuple[int, str | None] = (0, None)
        self._early_manifests = 0
        self.stray_names: dict[int, str] = {}
        self.disclosed = 0
        self.withheld = 0
        self.strays: dict[int, str] = {}
        self.stray_count = 0
        self.missing: dict[int, int] = {}
        self.missing_count = 0

    def expect(self, seq: int, salted: Iterable[str]) -> None:
        """Take the digests of one record."""
        for digest in salted:
            if digest in self._withheld:
                self.withheld += 1
            elif (early := self._early.pop(digest, None)) is not None:
                self._early_manifests -= early.manifest is not None
                self._belongs(seq, digest, early)
            elif self._exhausted:
                self._miss(seq)
            else:
                self._awaited[digest] = seq
        while self._awaited and not self._exhausted:
            self._take_next()

    def take(self, salted: Iterable[str]) -> tuple[words.Field, ...]:
        """Return the disclosed fields of the record whose digests were expected last, and keep them no longer."""
        fields = tuple(self.values[digest] for digest in salted if digest in self.values)
        self.values.clear()
        return fields

    def close(self) -> None:
        """Take what disclosures are left; what no record committed to is a stray."""
        while not self._exhausted:
            self._take_next()
        for early in self._early.values():
            self._stray(early.number, "no record of this item has this field with this value", early.name)

    def _take_next(self) -> None:
        try:
            number, text = next(self._texts)
            shown = disclosure.parse(text)
            digest, name = shown.digest, sys.intern(words.shortened(shown.name, words.LONGEST_NAME))
        except StopIteration:
            self._exhaust()
        except _ListError as wrong:
            self._stray(0, str(wrong))
            self._exhaust()
        except FormatError as wrong:
            self._stray(number, str(wrong))
        else:
            value = words.in_words(shown.value) if self._keep else ""
            filename = _as_filename(shown.value) if name == FILENAME else ""
            kept = _Kept(number, name, value, filename, _as_manifest(shown))
            if (seq := self._awaited.pop(digest, None)) is not None:
                self._belongs(seq, digest, kept)
            elif digest in self._withheld:
                self._stray(number, "the index says that it is withheld, and here it is", name)
            elif len(self._early) < MOST_EARLY and self._early_manifests < MOST_EARLY_MANIFESTS:
                self._early_manifests += kept.manifest is not None
                self._early[digest] = kept
            else:
                self._stray(number, "too many disclosures are out of the order of their records", name)

    def _belongs(self, seq: int, digest: str, shown: _Kept) -> None:
        self.disclosed += 1
        if shown.name == FILENAME and not self.filename[0]:
            self.filename = (seq, shown.filename)
        if shown.manifest is not None:
            self.manifest = (seq, shown.manifest)
        if self._keep:
            self.values[digest] = (shown.name, shown.value)

    def _exhaust(self) -> None:
        self._exhausted = True
        for seq in self._awaited.values():
            self._miss(seq)
        self._awaited.clear()

    def _miss(self, seq: int) -> None:
        self.missing_count += 1
        if seq in self.missing or len(self.missing) < MOST_NAMED:
            self.missing[seq] = self.missing.get(seq, 0) + 1

    def _stray(self, number: int, wrong: str, name: str | None = None) -> None:
        self.stray_count += 1
        if len(self.strays) < MOST_NAMED:
            self.strays[number] = wrong
            if name is not None:
                self.stray_names[number] = name


def read_disclosures(blocks: Iterable[bytes]) -> Iterator[str]:
    """Yield the texts of a disclosures.json without holding the file; _ListError for any other spelling of it."""
    rest, opened, any_yet = b"", False, False
    for block in blocks:
        rest += block
        if not opened:
            if len(rest) < len(_OPENING) + len(_CLOSING):
                continue
            rest = _without_opening(rest)
            opened = True
        *whole, rest = rest.split(b",")
        for quoted in whole:
            any_yet = True
            yield _unquoted(quoted)
        if len(rest) > LONGEST_DISCLOSURE:
            raise _ListError("a disclosure is longer than 1 MiB")
    if not opened:
        rest = _without_opening(rest)
    if not rest.endswith(_CLOSING):
        raise _ListError("the list of disclosures does not end as it must")
    last = rest.removesuffix(_CLOSING)
    if last or any_yet:
        yield _unquoted(last)


def _without_opening(raw: bytes) -> bytes:
    if not raw.startswith(_OPENING):
        raise _ListError("the list of disclosures does not begin as it must")
    return raw.removeprefix(_OPENING)


def _unquoted(quoted: bytes) -> str:
    found = _QUOTED.fullmatch(quoted)
    if found is None:
        raise _ListError("the list of disclosures holds something else than disclosures")
    return found[1].decode()


def _as_filename(value: canonical.Value) -> str:
    return words.shortened(value if type(value) is str else words.in_words(value), LONGEST_FILENAME)


def _as_manifest(shown: disclosure.Disclosure) -> str | None:
    """Keep a manifest whole; one that is longer than any may be is none."""
    if shown.name != MANIFEST:
        return None
    return shown.value if type(shown.value) is str and len(shown.value) <= manifest.LONGEST else ""


def _wrong_manifest(signed: manifest.Signed, value: dict[str, canonical.Value]) -> str | None:
    """Say what a manifest and the record that keeps it do not agree in, if anything."""
    said = value.get("facts")
    facts = said if type(said) is dict else {}
    public = facts.get("public")
    if type(public) is not str or not _KEY.fullmatch(public) or facts.get("fingerprint") != signed.fingerprint:
        return "the manifest names another key than the record does"
    if not signed.is_by(bytes.fromhex(public)):
        return "the manifest is not signed by the key that the record names"
    if facts.get("dock") != signed.manifest.dock:
        return "the manifest is another dock's"
    if value.get("src") != [signed.digest.hex()]:
        return "the manifest is not the one that was recorded"
    attested = [each.get("sha256") for each in _objects(value.get("att")) if each.get("kind") == "announced"]
    if attested != [signed.manifest.sha256.hex()]:
        return "the manifest announces other bytes than the record does"
    return None


def _all_strings(values: list[canonical.Value]) -> bool:
    try:
        "".join(values)  # several times quicker than to ask each
    except TypeError:
        return False
    return True


def _objects(value: canonical.Value) -> list[dict[str, canonical.Value]]:
    return [each for each in value if type(each) is dict] if type(value) is list else []


def _digest(value: canonical.Value) -> bytes | None:
    return bytes.fromhex(value) if type(value) is str and _SHA256.fullmatch(value) else None
