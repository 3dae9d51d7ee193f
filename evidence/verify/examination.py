"""One package under examination: what was opened, each part read once and remembered.

The checks ask; this answers.  Nothing here makes a finding except about what it could not read,
which the check that owns the part then reports.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from evidence.proof import FormatError, note, package, receipt
from evidence.proof import heads as heads_format
from evidence.proof.trust import Trust
from evidence.verify.bundle import Bundle, DamagedError
from evidence.verify.history import History, read_history
from evidence.verify.signed import NotTrustedError, open_signed
from evidence.verify.verdict import KEPT, Finding, ItemReport


@dataclass(slots=True)
class OpenedReceipt:
    """A receipt of the package: what it says, or why it says nothing."""

    path: str
    receipt: receipt.Receipt | None
    finding: Finding | None


@dataclass
class Examination:
    """A package, the keys it is held against, and what is known so far.

    `explained` are paths that a finding was made for: their digests need not be complained of again.
    `damaged` says of paths why they could not be read to their end.  `kept` are receipts that somebody
    else kept, by name; what is to be said of them, and is no finding, goes to `remarks`.  `stranger` is
    the installation that the package says it is of, if the trust file is of another and has no part in it.
    """

    bundle: Bundle
    trust: Trust
    kept: Sequence[tuple[str, bytes]] = ()
    tell_histories: bool = False
    explained: set[str] = field(default_factory=set)
    damaged: dict[str, str] = field(default_factory=dict)
    reports: dict[str, ItemReport] = field(default_factory=dict)
    heads: heads_format.Heads | None = None
    heads_finding: Finding | None = None
    index: package.Package | None = None
    index_finding: Finding | None = None
    stranger: str | None = None
    kept_receipts: list[OpenedReceipt] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    _histories: dict[str, History] = field(default_factory=dict)
    _receipts: dict[str, list[OpenedReceipt]] = field(default_factory=dict)
    _heads_by_chain: dict[str, heads_format.Head] = field(default_factory=dict)
    _withheld: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Read heads and index, on which everything else stands."""
        self._open_heads()
        self._open_index()
        for name, raw in self.kept:
            self._open_kept(name, raw)
        for item in self.items:
            self.reports[item.item] = ItemReport(item.item, item.number)

    @property
    def items(self) -> tuple[package.PackedItem, ...]:
        """The items that can be looked at; none if the package is another installation's."""
        if self.index is None or (self.heads_finding is not None and self.heads_finding.code == "L02"):
            return ()
        return self.index.items

    @property
    def index_altered(self) -> bool:
        """Whether signed heads say that the index is not the one they were signed with."""
        return self.heads is not None and self.index_finding is not None

    def is_there(self, path: str) -> bool:
        """Whether a file can be read."""
        return path in self.bundle.sizes

    def is_missing(self, path: str) -> bool:
        """Whether a file is neither there nor explained by what was found of the container."""
        return not self.is_there(path) and path not in self.bundle.refused

    def head(self, item: package.PackedItem) -> heads_format.Head | None:
        """Return the signed end of an item's chain."""
        return self._heads_by_chain.get(package.item_chain(item.item))

    def receipts(self, item: package.PackedItem) -> list[OpenedReceipt]:
        """Open the receipts of an item, once."""
        if item.item not in self._receipts:
            self._receipts[item.item] = [
                self._open_receipt(path, item) for path in item.receipts if self.is_there(path)
            ]
        return self._receipts[item.item]

    def history(self, item: package.PackedItem) -> History:
        """Walk the records of an item, once, with disclosures and receipts beside them."""
        if item.item not in self._histories:
            self._histories[item.item] = self._read_history(item)
        return self._histories[item.item]

    def _open_heads(self) -> None:
        place = package.HEADS
        if not self.is_there(place):
            if self.is_missing(place):
                self.heads_finding = Finding(
                    "C07", place, "the signed end marks are not there, so nothing says where any history ends"
                )
            return
        try:
            raw = self.bundle.read_whole(place, most=note.LARGEST_NOTE)
            self.heads = open_signed(raw, self.trust, role=heads_format.ROLE, parse=heads_format.parse, malformed="C08")
        except NotTrustedError as wrong:
            self.stranger = wrong.stranger
            self.heads_finding = Finding(wrong.code, place, f"the signed end marks cannot be relied on: {wrong}")
        except DamagedError as wrong:
            self.heads_finding = Finding("C08", place, f"the signed end marks cannot be read: {wrong}")
        else:
            self._heads_by_chain = {head.chain: head for head in self.heads.heads}

    def _open_index(self) -> None:
        place = package.INDEX
        if not self.is_there(place):
            if self.is_missing(place):
                self.index_finding = Finding("P01", place, "the index of the package is not there")
            return
        try:
            self.index = package.parse(self.bundle.read_whole(place, most=package.LARGEST_INDEX))
        except (DamagedError, FormatError) as wrong:
            self.index_finding = Finding("P01", place, f"the index of the package cannot be read: {wrong}")
            return
        self._withheld = frozenset(self.index.withheld.disclosures)
        if self.heads is not None and self.bundle.digest(place) != self.heads.package:
            self.index_finding = Finding(
                "P01", place, "the index of the package was altered: the signed end marks name another"
            )

    def _open_kept(self, name: str, raw: bytes) -> None:
        path = f"{KEPT}{name}"
        try:
            opened = open_signed(raw, self.trust, role=receipt.ROLE, parse=receipt.parse, malformed="R01")
        except NotTrustedError as wrong:
            if wrong.stranger is not None:
                self.remarks.append(f"{name} is unrelated: it is a receipt of {wrong.stranger}")
                return
            finding = Finding(wrong.code, path, f"the receipt cannot be relied on: {wrong}")
            self.kept_receipts.append(OpenedReceipt(path, None, finding))
        else:
            self.kept_receipts.append(OpenedReceipt(path, opened, None))

    def _open_receipt(self, path: str, item: package.PackedItem) -> OpenedReceipt:
        try:
            raw = self.bundle.read_whole(path, most=note.LARGEST_NOTE)
            opened = open_signed(raw, self.trust, role=receipt.ROLE, parse=receipt.parse, malformed="R01")
        except NotTrustedError as wrong:
            message = f"the receipt cannot be relied on: {wrong}"
            return OpenedReceipt(path, None, Finding(wrong.code, path, message, item=item.item))
        except DamagedError as wrong:
            return OpenedReceipt(path, None, Finding("P01", path, f"it cannot be read: {wrong}", item=item.item))
        return OpenedReceipt(path, opened, None)

    def _blocks(self, path: str) -> Iterator[bytes]:
        if not self.is_there(path):
            return
        try:
            yield from self.bundle.read(path)
        except DamagedError as wrong:
            self.damaged[path] = str(wrong)

    def _read_history(self, item: package.PackedItem) -> History:
        chain_name = package.item_chain(item.item)
        at_hand = [opened.receipt for opened in self.receipts(item) if opened.receipt is not None]
        at_hand += [opened.receipt for opened in self.kept_receipts if opened.receipt is not None]
        return read_history(
            self._blocks(item.records),
            self._blocks(item.disclosures) if self.is_there(item.disclosures) else [package.write_disclosures([])],
            origin=self.trust.origin,
            chain_name=chain_name,
            head=self.head(item),
            withheld=self._withheld,
            receipts=[each.seq for each in at_hand if each.chain == chain_name],
            tell=self.tell_histories,
        )
