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
