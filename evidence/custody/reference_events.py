"""What is said of cases and items, as custody events: incidents, references, expectations, case numbers."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from evidence.custody.case_events import Kept
from evidence.custody.events import CustodyEvent, chain_of


@dataclass(frozen=True, slots=True, kw_only=True)
class _SaidEvent(CustodyEvent):
    """Of a case or of an item: `on` and `about_id` say whose chain it stands on."""

    on: Kept
    about_id: UUID

    @property
    def chain(self) -> str:
        return chain_of(self.on, self.about_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentAdded(_SaidEvent):
    """A case or item was said to belong to an incident, by its number."""

    act = "incident.added"
    open_facts = ("incident_id",)
    withheld = ("number",)
    told_apart_by = ("incident_id",)

    incident_id: UUID
    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentWithdrawn(_SaidEvent):
    """An incident number was withdrawn from a case or item."""

    act = "incident.withdrawn"
    open_facts = ("incident_id",)
    withheld = ("number", "reason")
    told_apart_by = ("incident_id",)

    incident_id: UUID
    number: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _ReferenceEvent(_SaidEvent):
    open_facts: ClassVar[tuple[str, ...]] = ("reference_id", "agency_id")
    told_apart_by: ClassVar[tuple[str, ...]] = ("reference_id",)

    reference_id: UUID
    agency_id: UUID
    system: str
    called: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceAdded(_ReferenceEvent):
    """An agency said what its other system calls a case or item (`called`), and where it shows it."""

    act = "reference.added"
    withheld = ("system", "called", "address")

    address: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceWithdrawn(_ReferenceEvent):
    """A reference to another system was withdrawn, or replaced by one that says another address."""

    act = "reference.withdrawn"
    withheld = ("system", "called", "reason")

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _ExpectationEvent(CustodyEvent):
    """`agency_id` is the agency that expects it."""

    open_facts: ClassVar[tuple[str, ...]] = ("expectation_id", "referral_id", "agency_id")
    told_apart_by: ClassVar[tuple[str, ...]] = ("expectation_id",)

    case_id: UUID
    expectation_id: UUID
    referral_id: UUID
    agency_id: UUID

    @property
    def chain(self) -> str:
        return chain_of("case", self.case_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectationAdded(_ExpectationEvent):
    """Something was listed that is expected of a referral: so many recordings of a kind."""

    act = "expectation.added"
    withheld = ("what", "incident", "camera", "officer", "recordings")

    what: str
    incident: str | None
    camera: str | None
    officer: str | None
    recordings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectationFulfilled(_ExpectationEvent):
    """An exhibit was said to be what was expected, or part of it."""

    act = "expectation.fulfilled"
    open_facts = ("expectation_id", "referral_id", "agency_id", "exhibit_id")
    withheld = ("exhibit_number",)
    told_apart_by = ("expectation_id", "exhibit_id")

    exhibit_id: UUID
    exhibit_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectationWithdrawn(_ExpectationEvent):
    """Something is expected no longer."""

    act = "expectation.withdrawn"
    withheld = ("reason",)

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseNumbersSet(CustodyEvent):
    """An administrator set the pattern of the agency's case numbers; stands on the administrator's chain."""

    act = "agency.case_numbers_set"
    open_facts = ("agency_id",)
    withheld = ("pattern", "former_pattern")

    agency_id: UUID
    pattern: str | None
    former_pattern: str | None
