"""What a verification found: findings, each with its place, and the verdict over all of them.

A failed check is a finding, never an error.  Codes are those of FORMAT.md 11; the sentences here
are what a court reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["verified", "broken", "incomplete"]

MEANINGS: Mapping[str, str] = {
    "C01": "a custody record cannot be read as the format demands",
    "C02": "a custody record was altered after it was sealed",
    "C03": "a custody record is missing",
    "C04": "custody records are not in the order in which they were sealed",
    "C05": "two custody records claim the same place in the history",
    "C06": "a custody record belongs to another item or another installation",
    "C07": "the history does not end where its signed end mark says it ends",
    "C08": "the signed end marks cannot be read",
    "T04": "time runs backwards: a custody record says it was made before the one it follows",
    "O01": "the bytes of an original, or of its chunk list, are not the bytes that were received",
    "O02": "an original is missing, and the package does not say that it is withheld",
    "D01": "a disclosed field is not the one that was recorded",
    "D02": "something is left out, and the package does not say that it is withheld",
    "K01": "a key signed what it is not for",
    "K02": "a key signed outside the time in which it was valid",
    "K03": "a signature is by no key of the trust file, or does not hold",
    "L02": "a signed text is from another installation than the trust file's",
    "L05": "signatures of witnesses are missing",
    "M01": "what a dock signed of a recording is not by its key, or not of the bytes that were received",
    "R01": "a receipt was given for a record that is not there",
    "P01": "the package's own files are not as its lists say, or are unsafe to unpack",
}
"""What each code means, for people."""

KEPT = "receipt given: "
"""Before the name of a receipt that was given beside the package, where a finding names its place."""

INCOMPLETE = frozenset({"L05"})
"""Codes that say only that a required part is still to come."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One failed check. `path` is the file it is about, `where` the place in it, `item` the evidence
    item's id, `seq` the number of the record meant.
    """

    code: str
    path: str
    message: str
    item: str | None = None
    seq: int | None = None
    where: str = ""

    @property
    def place(self) -> str:
        """Where to look."""
        return f"{self.path}, {self.where}" if self.where else self.path

    def members(self) -> dict[str, object]:
        """Return the finding as it stands in the summary."""
        return {"code": self.code, "item": self.item, "seq": self.seq, "place": self.place, "message": self.message}


@dataclass(frozen=True, slots=True)
class Entry:
    """One record as it is told: its body as it is written, which takes the least memory, (name, value in words) of its
    disclosed fields, and how many are not shown.
    """

    seq: int
    at: str
    body: bytes
    fields: tuple[tuple[str, str], ...]
    withheld: int


@dataclass(slots=True)
class ItemReport:
    """What was seen of one evidence item. Sizes are bytes."""

    item: str
    number: str
    records: int = 0
    receipts: int = 0
    manifests: int = 0
    disclosed: int = 0
    withheld: int = 0
    declared: bool | None = None
    original: Literal["unchanged", "changed", "withheld", "missing", "ended", "unknown"] = "missing"
    size: int | None = None
    unknown_acts: int = 0
    filename: str | None = None
    sha256: str | None = None
    received_at: str | None = None
    exported_at: str | None = None
    history: list[Entry] = field(default_factory=list)

    def members(self) -> dict[str, object]:
        """Return the report as a line of JSON shows it."""
        return {
            "item": self.item,
            "number": self.number,
            "records": self.records,
            "receipts": self.receipts,
            "disclosed": self.disclosed,
            "withheld": self.withheld,
            "declared": {True: "sha256", False: "none", None: None}[self.declared],
            "original": self.original,
            "size": self.size,
            "unknown_acts": self.unknown_acts,
        }


@dataclass(slots=True)
class Verdict:
    """Everything a verification has to say."""

    findings: list[Finding] = field(default_factory=list)
    items: list[ItemReport] = field(default_factory=list)
    package: str | None = None
    origin: str | None = None
    made_at: str | None = None
    reason: str | None = None
    withheld_objects: int = 0
    files: int = 0
    keys: list[str] = field(default_factory=list)
    stranger: str | None = None
    remarks: list[str] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        """`broken` if anything is wrong, `incomplete` if nothing is but a required part is missing."""
        if any(finding.code not in INCOMPLETE for finding in self.findings):
            return "broken"
        return "incomplete" if self.findings else "verified"

    def members(self) -> dict[str, object]:
        """Return the summary line."""
        return {
            "kind": "summary",
            "verdict": self.outcome,
            "findings": [finding.members() for finding in self.findings],
            "package": self.package,
            "origin": self.origin,
            "made_at": self.made_at,
            "items": len(self.items),
            "records": sum(item.records for item in self.items),
            "disclosed": sum(item.disclosed for item in self.items),
            "withheld": {
                "disclosures": sum(item.withheld for item in self.items),
                "objects": self.withheld_objects,
                "reason": self.reason,
            },
            "witnessed": False,
        }
