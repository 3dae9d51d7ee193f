"""What happens to case files, as custody events. Numbers, titles, names and reasons are disclosures."""

from dataclasses import dataclass
from typing import ClassVar, Literal
from uuid import UUID

from evidence.custody.events import CustodyEvent, chain_of

Kept = Literal["item", "case"]
"""On whose chain an event about an exhibit stands: it is recorded once on each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _CaseEvent(CustodyEvent):
    case_id: UUID

    @property
    def chain(self) -> str:
        return chain_of("case", self.case_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOpened(_CaseEvent):
    """A case file was opened, under the number its agency gave the case."""

    act = "case.opened"
    withheld = ("number", "title")

    number: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseClosed(_CaseEvent):
    """A case was closed."""

    act = "case.closed"
    withheld = ("reason",)

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReopened(_CaseEvent):
    """A closed case was opened again."""

    act = "case.reopened"
    withheld = ("reason",)

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseDescribed(_CaseEvent):
    """The title of a case was corrected; the former one stays on record."""

    act = "case.described"
    withheld = ("title", "former_title")

    title: str
    former_title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseMerged(_CaseEvent):
    """A case was merged into another of the same agency; stands on the chains of both (`case_id` is whose)."""

    act = "case.merged"
    open_facts = ("merged_id", "into_id")
    withheld = ("merged_number", "into_number", "reason")

    merged_id: UUID
    into_id: UUID
    merged_number: str
    into_number: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExhibitCarriedOver(CustodyEvent):
    """At a merger an exhibit ended and the item went on under another; stands on three chains (`kept_on`)."""

    act = "exhibit.carried_over"
    open_facts = ("exhibit_id", "case_id", "item_id", "to_exhibit_id", "to_case_id")
    withheld = ("case_number", "exhibit_number", "to_case_number", "to_exhibit_number")
    told_apart_by = ("exhibit_id",)

    kept_on: str
    exhibit_id: UUID
    case_id: UUID
    item_id: UUID
    to_exhibit_id: UUID
    to_case_id: UUID
    case_number: str
    exhibit_number: int
    to_case_number: str
    to_exhibit_number: int

    @property
    def chain(self) -> str:
        """The chain it was told to stand on."""
        return self.kept_on


@dataclass(frozen=True, slots=True, kw_only=True)
class _ExhibitEvent(CustodyEvent):
    open_facts: ClassVar[tuple[str, ...]] = ("exhibit_id", "case_id", "item_id")
    told_apart_by: ClassVar[tuple[str, ...]] = ("exhibit_id",)

    on: Kept
    exhibit_id: UUID
    case_id: UUID
    item_id: UUID

    @property
    def chain(self) -> str:
        return chain_of(self.on, self.item_id if self.on == "item" else self.case_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExhibitLinked(_ExhibitEvent):
    """An item was linked to a case as an exhibit."""

    act = "exhibit.linked"
    withheld = ("case_number", "exhibit_number")

    case_number: str
    exhibit_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExhibitWithdrawn(_ExhibitEvent):
    """An exhibit was withdrawn: the link ended."""

    act = "exhibit.withdrawn"
    withheld = ("reason",)

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _AssignmentEvent(_CaseEvent):
    open_facts: ClassVar[tuple[str, ...]] = ("assignment_id", "account_id")
    told_apart_by: ClassVar[tuple[str, ...]] = ("assignment_id",)

    assignment_id: UUID
    account_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseAssigned(_AssignmentEvent):
    """Somebody was assigned to a case. `name` is theirs, `capacity` as what they work it."""

    act = "case.assigned"
    withheld = ("capacity", "name")

    capacity: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentEnded(_AssignmentEvent):
    """Somebody works a case no longer."""

    act = "case.assignment_ended"
    withheld = ("reason",)

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _ReferralEvent(_CaseEvent):
    open_facts: ClassVar[tuple[str, ...]] = ("referral_id", "agency_id")
    told_apart_by: ClassVar[tuple[str, ...]] = ("referral_id",)

    referral_id: UUID
    agency_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReferred(_ReferralEvent):
    """A case was laid before an agency that prosecutes. `due_on` is a date, YYYY-MM-DD."""

    act = "case.referred"
    withheld = ("agency_name", "due_on")

    agency_name: str
    due_on: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferralEnded(_ReferralEvent):
    """A referral ended."""

    act = "case.referral_ended"
    withheld = ("reason",)

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferralDueSet(_ReferralEvent):
    """Another day was set for a referral. Both are dates, YYYY-MM-DD; none is left out."""

    act = "case.due_set"
    withheld = ("due_on", "former_due_on", "reason")

    due_on: str | None
    former_due_on: str | None
    reason: str
