"""Incident numbers and other systems' references over HTTP; cases by what another system calls them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from pydantic import AfterValidator, BaseModel, Field

from auth.principals import Principal
from evidence import access
from evidence.access import reach
from evidence.access.reach import Seen, SeenCase
from evidence.api import case_shapes
from evidence.api.case_shapes import CaseContents, ReferenceShown
from evidence.api.dependencies import AppRoom, CurrentPrincipal, DatabaseSession, RequestId
from evidence.api.guards import CaseFor, Guard, ItemFor, ReasonGiven, record_refusal, refusal_recorded
from evidence.api.middleware import with_slashes
from evidence.cases import case_files, incidents, opening, references
from evidence.cases.models import CaseFile, ExternalReference
from evidence.cases.references import External
from evidence.errors import ConflictError, InvalidError, NotFoundError, RefusedError
from evidence.items.models import EvidenceItem

router = APIRouter(tags=["Incidents and references"])

Linker = Annotated[Principal, Depends(Guard("case.link"))]
CaseReader = Annotated[Principal, Depends(Guard("case.read"))]
LinkableCase = Annotated[SeenCase, Depends(CaseFor("case.link"))]
ReadableItem = Annotated[Seen, Depends(ItemFor("evidence.read_meta"))]
DescribableItem = Annotated[Seen, Depends(ItemFor("evidence.categorise"))]

System = Annotated[
    str,
    Path(max_length=64, description="Name of the other system, as your agency calls it."),
    AfterValidator(with_slashes),
]
ExternalId = Annotated[
    str,
    Path(max_length=128, description="What that system calls the case. May hold slashes."),
    AfterValidator(with_slashes),
]
IncidentNumber = Annotated[str, Field(max_length=255, examples=["2026-0117-0042"])]
Address = Annotated[
    str | None, Field(default=None, max_length=2000, description="Where that system shows it (http or https).")
]


class IncidentRequest(BaseModel):
    """The number of an incident that it belongs to."""

    number: IncidentNumber


class IncidentWithdrawal(ReasonGiven):
    """The incident number to withdraw, and why."""

    number: IncidentNumber


class ReferenceRequest(BaseModel):
    """What another system of your agency calls it."""

    system: str = Field(max_length=64, examples=["prosecutor-by"])
    id: str = Field(max_length=128, examples=["CR-2026-00417"])
    address: Address = None

    def named(self, principal: Principal) -> External:
        """Return the name, as one of the principal's agency."""
        return External.of(principal.agency_id, self.system, self.id)


class ReferenceWithdrawal(ReasonGiven):
    """The reference of your agency to withdraw, and why."""

    system: str = Field(max_length=64)
    id: str = Field(max_length=128)


class ExternalCaseRequest(BaseModel):
    """What the other system says of the case. What is left out stays as it is."""

    case: str | None = Field(
        default=None, max_length=64, description="Id or number of a case that is here already, to refer to that one."
    )
    number: str | None = Field(default=None, max_length=64, description="Your agency's number of the case.")
    title: str | None = Field(default=None, max_length=200, description="Needed to open a case.")
    incidents: list[IncidentNumber] = Field(default_factory=list, max_length=incidents.MOST)
    address: Address = None


class ItemLabels(BaseModel):
    """The incident numbers and references of an item that people gave it."""

    incidents: list[str] | None
    references: list[ReferenceShown] | None


@router.put("/cases/external/{system}/{external_id:path}", responses={201: {"description": "A case was opened."}})
def put_external_case(
    system: System,
    external_id: ExternalId,
    asked: ExternalCaseRequest,
    response: Response,
    room: AppRoom,
    session: DatabaseSession,
    principal: Linker,
    request_id: RequestId,
) -> CaseContents:
    """Find the case that a system of your agency calls so, or open it, and set what is said.

    The same request again changes nothing and records nothing.  With `case`, or with the number of a case that your
    agency has, the reference is put on that one; an agency to which a case is referred puts its own there as well.
    """
    now, named = room.clock(), External.of(principal.agency_id, system, external_id)
    references.take_turn(session, named)
    with refusal_recorded(room, principal, "case.link", request_id=request_id, named=asked.case or asked.number):
        seen = _known(room, session, principal, asked, references.find(session, named))
    if seen is None:
        seen = _opened(room, session, principal, asked, request_id=request_id)
        response.status_code = 201
    case = seen.case
    if asked.title is not None and case_files.check_title(asked.title) != case.title:
        if case.agency_id != principal.agency_id:
            raise ConflictError(
                "The case is another agency's, and called otherwise there.", next_step="Leave the title out."
            )
        case_files.describe(session, case, title=asked.title, by=principal, request_id=request_id)
    for number in asked.incidents:
        incidents.add(session, case, number, by=principal, at=now, request_id=request_id)
    references.put(session, case, named, address=asked.address, by=principal, at=now, request_id=request_id)
    return case_shapes.contents(session, seen, principal, at=now)


@router.get("/cases/external/{system}/{external_id:path}")
def find_external_case(
    system: System, external_id: ExternalId, room: AppRoom, session: DatabaseSession, principal: CaseReader
) -> CaseContents:
    """Show the case that a system of your agency calls so, or one of the agency whose case it is."""
    now = room.clock()
    seen = reach.case_of_reference(session, principal, "case.read", system, external_id, at=now)
    return case_shapes.contents(session, seen, principal, at=now)


@router.post("/cases/{case}/incidents")
def add_incident_to_case(
    asked: IncidentRequest,
    case: LinkableCase,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> CaseContents:
    """Say that the case belongs to an incident. Saying it again changes nothing."""
    now = room.clock()
    incidents.add(session, case.case, asked.number, by=principal, at=now, request_id=request_id)
    return case_shapes.contents(session, case, principal, at=now)


@router.post("/cases/{case}/incidents/withdraw")
def withdraw_incident_from_case(
    asked: IncidentWithdrawal,
    case: LinkableCase,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> CaseContents:
    """Withdraw an incident number from the case; that it was there is kept."""
    now = room.clock()
    _withdraw_incident(session, case.case, asked, principal, room, request_id)
    return case_shapes.contents(session, case, principal, at=now)


@router.post("/cases/{case}/references")
def put_reference_to_case(
    asked: ReferenceRequest,
    case: LinkableCase,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> CaseContents:
    """Say what another system of your agency calls the case. Saying it again changes nothing."""
    _put_reference(session, case.case, asked, principal, room, request_id)
    return case_shapes.contents(session, case, principal, at=room.clock())


@router.post("/cases/{case}/references/withdraw")
def withdraw_reference_from_case(
    asked: ReferenceWithdrawal,
    case: LinkableCase,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> CaseContents:
    """Withdraw a reference of your agency from the case; that it was there is kept."""
    _withdraw_reference(session, case.case, asked, principal, room, request_id)
    return case_shapes.contents(session, case, principal, at=room.clock())


@router.get("/items/{item}/labels")
def show_labels(item: ReadableItem, session: DatabaseSession, principal: CurrentPrincipal) -> ItemLabels:
    """Show the incident numbers and references that people gave an item; what it said on arrival is its content."""
    if not item.content:
        return ItemLabels(incidents=None, references=None)
    return _labels(session, item.item, principal)


@router.post("/items/{item}/incidents")
def add_incident_to_item(
    asked: IncidentRequest,
    item: DescribableItem,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> ItemLabels:
    """Say that the item belongs to an incident. Saying it again changes nothing."""
    incidents.add(session, item.item, asked.number, by=principal, at=room.clock(), request_id=request_id)
    return _labels(session, item.item, principal)


@router.post("/items/{item}/incidents/withdraw")
def withdraw_incident_from_item(
    asked: IncidentWithdrawal,
    item: DescribableItem,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> ItemLabels:
    """Withdraw an incident number that people gave the item; what it said on arrival stays."""
    _withdraw_incident(session, item.item, asked, principal, room, request_id)
    return _labels(session, item.item, principal)


@router.post("/items/{item}/references")
def put_reference_to_item(
    asked: ReferenceRequest,
    item: DescribableItem,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> ItemLabels:
    """Say what another system of your agency calls the item. Saying it again changes nothing."""
    _put_reference(session, item.item, asked, principal, room, request_id)
    return _labels(session, item.item, principal)


@router.post("/items/{item}/references/withdraw")
def withdraw_reference_from_item(
    asked: ReferenceWithdrawal,
    item: DescribableItem,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> ItemLabels:
    """Withdraw a reference of your agency from the item; that it was there is kept."""
    _withdraw_reference(session, item.item, asked, principal, room, request_id)
    return _labels(session, item.item, principal)


def _known(
    room: AppRoom,
    session: DatabaseSession,
    principal: Principal,
    asked: ExternalCaseRequest,
    found: ExternalReference | None,
) -> SeenCase | None:
    """Return the case that is meant if it is here, or None if it is to be opened."""
    now = room.clock()
    if found is not None and found.case_id is None:
        raise ConflictError("This reference is one of an evidence item.", next_step="Name the case by another id.")
    seen = None
    if found is not None:
        seen = reach.case(session, principal, "case.link", str(found.case_id), at=now)
    if asked.case is not None:
        named = reach.case(session, principal, "case.link", asked.case, at=now)
        if seen is not None and seen.case.id != named.case.id:
            raise ConflictError(
                f"This reference is case {seen.case.number}.", next_step="Withdraw it there, then put it on the other."
            )
        seen = named
    if asked.number is not None and seen is not None and seen.case.number != asked.number.strip():
        raise ConflictError(
            f"The case has the number {seen.case.number}, and a number is given once.",
            next_step="Leave the number out.",
        )
    if seen is None and asked.number is not None:
        here = case_files.numbered(session, principal.agency_id, asked.number)
        if here is not None:
            try:
                seen = reach.case(session, principal, "case.link", str(here.merged_into_id or here.id), at=now)
            except NotFoundError:
                return None  # opening it says that the number is taken, and nothing else
    return seen


def _opened(
    room: AppRoom, session: DatabaseSession, principal: Principal, asked: ExternalCaseRequest, *, request_id: str
) -> SeenCase:
    now = room.clock()
    decision = access.might(principal, "case.create", at=now)
    if not decision.allowed:
        record_refusal(room, principal, "case.create", request_id=request_id, reason=decision.reason)
        raise RefusedError(
            f"case.create is refused: {decision.reason}.", next_step="Ask somebody who may open the case."
        )
    if asked.title is None:
        raise InvalidError("No case is called so, and a title is needed to open one.", next_step="Say its title.")
    case = opening.open_for(session, principal, number=asked.number, title=asked.title, at=now, request_id=request_id)
    return SeenCase(case, content=True, team=True)


def _withdraw_incident(
    session: DatabaseSession,
    about: CaseFile | EvidenceItem,
    asked: IncidentWithdrawal,
    principal: Principal,
    room: AppRoom,
    request_id: str,
) -> None:
    incidents.withdraw(
        session, about, asked.number, by=principal, at=room.clock(), request_id=request_id, reason=asked.reason
    )


def _put_reference(
    session: DatabaseSession,
    about: CaseFile | EvidenceItem,
    asked: ReferenceRequest,
    principal: Principal,
    room: AppRoom,
    request_id: str,
) -> None:
    references.put(
        session,
        about,
        asked.named(principal),
        address=asked.address,
        by=principal,
        at=room.clock(),
        request_id=request_id,
    )


def _withdraw_reference(
    session: DatabaseSession,
    about: CaseFile | EvidenceItem,
    asked: ReferenceWithdrawal,
    principal: Principal,
    room: AppRoom,
    request_id: str,
) -> None:
    named = External.of(principal.agency_id, asked.system, asked.id)
    references.withdraw(
        session, about, named, by=principal, at=room.clock(), request_id=request_id, reason=asked.reason
    )


def _labels(session: DatabaseSession, item: EvidenceItem, principal: Principal) -> ItemLabels:
    agencies = (principal.agency_id, item.agency_id)
    return ItemLabels(
        incidents=incidents.of_items(session, [item.id])[item.id],
        references=case_shapes.references_shown(
            references.of_items(session, [item.id], agencies=agencies)[item.id], principal
        ),
    )
