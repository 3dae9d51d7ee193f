"""What is said of a case file over HTTP: in a list, and with what is in it."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, Field

from auth.principals import Principal
from evidence import access
from evidence.access import reach
from evidence.access.reach import SeenCase
from evidence.api.dependencies import DatabaseSession
from evidence.api.instants import Day
from evidence.cases import assignments, exhibits, expectations, incidents, merging, references, referrals
from evidence.cases.expectations import Line
from evidence.cases.models import CaseFile, ExternalReference, Referral
from evidence.items.models import AccessClass


class FormerNumber(BaseModel):
    """Under which number of which case an exhibit was known before the cases were merged."""

    case: str
    number: int


class ExhibitShown(BaseModel):
    """An item linked to the case, under a number that is never given again."""

    number: int
    item: UUID
    item_number: str
    linked_at: datetime
    withdrawn_at: datetime | None
    former: list[FormerNumber] = Field(default_factory=list)


class AssignmentShown(BaseModel):
    """Who works the case, or did."""

    id: UUID
    account: UUID
    name: str
    email: str
    capacity: str
    assigned_at: datetime
    ended_at: datetime | None


class ExpectationShown(BaseModel):
    """One line of what is expected. `exhibits` are it; so many recordings are `missing` until there are enough."""

    id: UUID
    what: str
    incident: str | None
    camera: str | None
    officer: str | None
    recordings: int
    exhibits: list[int]
    missing: int
    expected_at: datetime
    withdrawn_at: datetime | None

    @classmethod
    def of(cls, line: Line) -> "ExpectationShown":
        """Say of a line what it expects and what has come."""
        expected = line.expectation
        return cls(
            id=expected.id,
            what=expected.what,
            incident=expected.incident,
            camera=expected.camera,
            officer=expected.officer,
            recordings=expected.recordings,
            exhibits=list(line.exhibits),
            missing=line.missing,
            expected_at=expected.expected_at,
            withdrawn_at=expected.ended_at,
        )


class ReferralShown(BaseModel):
    """Before which agency the case lies, or did. What it expects is told to it and to the agency whose case it is."""

    id: UUID
    agency: str
    referred_at: datetime
    due_on: Day | None
    ended_at: datetime | None
    expected: list[ExpectationShown] | None = Field(description="Absent for a third agency.")
    missing: int | None = Field(description="Recordings that are expected and not there.")
    overdue: bool | None = Field(
        description="Its day is past, and something is missing; where nothing is listed: there is no exhibit at all."
    )


class ReferenceShown(BaseModel):
    """What another system calls it. Each agency is shown its own references and those of the agency whose it is."""

    system: str
    id: str
    address: str | None = Field(description="Where that system shows it. We never ask there.")
    own: bool = Field(description="Whether it is a reference of your agency.")


class MergedShown(BaseModel):
    """A case that was merged into this one; by its id its own file can still be read."""

    id: UUID
    number: str
    merged_at: datetime | None


class CaseShown(BaseModel):
    """A case file in a list. `title` is absent for a role that may know of it but not what it says."""

    id: UUID
    number: str
    agency: UUID
    opened_at: datetime
    closed_at: datetime | None
    merged_into: UUID | None = Field(description="The case that remains, if this one was merged.")
    access_class: AccessClass
    title: str | None
    due_on: date | None = Field(description="The first day on which a referral of it, that you know of, is due.")
    overdue: bool | None
    missing: int | None = Field(description="Recordings that are expected and not there.")


class CaseContents(CaseShown):
    """One case file; what is in it is absent for a role that may only know of it.

    Whoever may assign people sees who of their own agency works it.
    """

    incidents: list[str] | None
    references: list[ReferenceShown] | None
    merged: list[MergedShown] | None
    exhibits: list[ExhibitShown] | None
    assignments: list[AssignmentShown] | None
    referrals: list[ReferralShown] | None


class CasePage(BaseModel):
    """A page of case files, in the order they were opened. The Link header says where the next one is."""

    cases: list[CaseShown]


def page(session: DatabaseSession, found: Sequence[CaseFile], principal: Principal, *, at: datetime) -> CasePage:
    """Say of each of the cases what the principal may know."""
    things = reach.things_of_cases(session, found, at=at)
    readable = [each for each in found if access.allow(principal, "case.read", things[each.id], at=at).content]
    due = _referrals(session, readable, principal, today=at.date())
    return CasePage(cases=[_shown(each, due.get(each.id), content=each in readable) for each in found])


def contents(session: DatabaseSession, seen: SeenCase, principal: Principal, *, at: datetime) -> CaseContents:
    """Say what may be said of the case and what is in it."""
    case = seen.case
    team = [
        AssignmentShown(
            id=assignment.id,
            account=account.id,
            name=account.name,
            email=account.email,
            capacity=assignment.capacity,
            assigned_at=assignment.assigned_at,
            ended_at=assignment.ended_at,
        )
        for assignment, account in assignments.of_case(session, case)
        if seen.content or (seen.team and account.agency_id == principal.agency_id)
    ]
    known = CaseContents(
        **_shown(case, None, content=False).model_dump(),
        incidents=None,
        references=None,
        merged=None,
        exhibits=None,
        assignments=team if seen.content or seen.team else None,
        referrals=None,
    )
    if not seen.content:
        return known
    referred = _referrals(session, [case], principal, today=at.date()).get(case.id, [])
    return known.model_copy(
        update={
            **_shown(case, referred, content=True).model_dump(),
            "incidents": incidents.of_cases(session, [case.id])[case.id],
            "references": references_shown(
                references.of_cases(session, [case.id], agencies=(principal.agency_id, case.agency_id))[case.id],
                principal,
            ),
            "merged": [
                MergedShown(id=each.id, number=each.number, merged_at=each.closed_at)
                for each in merging.merged_into(session, case)
            ],
            "exhibits": exhibits_shown(session, case),
            "referrals": referred,
        }
    )


def exhibits_shown(
    session: DatabaseSession, case: CaseFile, numbers: Collection[int] | None = None
) -> list[ExhibitShown]:
    """Say which exhibits the case has, or had; or those of these numbers."""
    former = exhibits.former_numbers(session, case)
    return [
        ExhibitShown(
            number=exhibit.number,
            item=item.id,
            item_number=item.number,
            linked_at=exhibit.linked_at,
            withdrawn_at=exhibit.withdrawn_at,
            former=[FormerNumber(case=of, number=number) for of, number in former.get(exhibit.id, ())],
        )
        for exhibit, item in exhibits.of_case(session, case)
        if numbers is None or exhibit.number in numbers
    ]


def references_shown(found: Collection[ExternalReference], principal: Principal) -> list[ReferenceShown]:
    """Say what other systems call it."""
    return [
        ReferenceShown(
            system=each.system,
            id=each.external_id,
            address=each.address,
            own=each.agency_id == principal.agency_id,
        )
        for each in found
    ]


def _shown(case: CaseFile, referred: Sequence[ReferralShown] | None, *, content: bool) -> CaseShown:
    """Say of the case that it is there; with `content` also its title and when it is due."""
    awaited = [each for each in referred or () if each.ended_at is None and each.expected is not None]
    return CaseShown(
        id=case.id,
        number=case.number,
        agency=case.agency_id,
        opened_at=case.opened_at,
        closed_at=case.closed_at,
        merged_into=case.merged_into_id,
        access_class=case.access_class,
        title=case.title if content else None,
        due_on=min((each.due_on for each in awaited if each.due_on), default=None),
        overdue=any(each.overdue for each in awaited) if content else None,
        missing=sum(each.missing or 0 for each in awaited) if content else None,
    )


def _referrals(
    session: DatabaseSession, cases: Collection[CaseFile], principal: Principal, *, today: date
) -> dict[UUID, list[ReferralShown]]:
    """Say before whom each of the cases lies, or did, and what is expected, to whom that is told."""
    by_id = {each.id: each for each in cases}
    found = referrals.of_cases(session, by_id)
    lines = expectations.of_referrals(session, [referral.id for referral, _ in found])
    late = expectations.overdue(session, [referral.id for referral, _ in found], today=today)
    told: dict[UUID, list[ReferralShown]] = {}
    for referral, agency in found:
        case = by_id[referral.case_id]
        party = principal.agency_id in (case.agency_id, referral.agency_id)
        listed = lines.get(referral.id, [])
        told.setdefault(case.id, []).append(
            ReferralShown(
                id=referral.id,
                agency=agency.name,
                referred_at=referral.referred_at,
                due_on=referral.due_on,
                ended_at=referral.ended_at,
                expected=[ExpectationShown.of(each) for each in listed] if party else None,
                missing=_missing(referral, listed) if party else None,
                overdue=referral.id in late and case.closed_at is None if party else None,
            )
        )
    return told


def _missing(referral: Referral, lines: Sequence[Line]) -> int:
    return 0 if referral.ended_at else sum(each.missing for each in lines)
