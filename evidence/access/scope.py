"""The rules of the two lists as SQL, so that a list cannot show what one look would refuse."""

from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, false, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute

from auth.principals import Principal
from evidence.access.actions import Action
from evidence.access.roles import BY_THE_OFFICE, CELLS, OVER_THE_WALL
from evidence.cases import standing
from evidence.cases.models import CaseAssignment, CaseFile, Exhibit, Referral
from evidence.items.models import EvidenceItem

Condition = Callable[[Principal, datetime], ColumnElement[bool]]


def visible_items(principal: Principal, *, at: datetime) -> Select[EvidenceItem]:
    """Select the evidence items whose existence the principal may know of."""
    return select(EvidenceItem).where(_may(principal, "evidence.list", EvidenceItem.agency_id, _OF_ITEM, at))


def visible_cases(principal: Principal, *, at: datetime) -> Select[CaseFile]:
    """Select the case files whose existence the principal may know of."""
    return select(CaseFile).where(_may(principal, "case.read", CaseFile.agency_id, _OF_CASE, at))


def _may(
    principal: Principal,
    action: Action,
    agency: InstrumentedAttribute[UUID],
    conditions: Mapping[str, Condition],
    at: datetime,
) -> ColumnElement[bool]:
    """Return the action's cells for this principal as a condition."""
    ours = agency == principal.agency_id
    allowed: list[ColumnElement[bool]] = []
    for role, cell in CELLS[action].items():
        if role not in principal.roles:
            continue
        for alternative in cell.split("|"):
            names = alternative.strip().split("+")
            holds = and_(true(), *(_condition(conditions, name, principal, at) for name in names))
            if OVER_THE_WALL in names:
                allowed.append(holds)
            elif (action, role) in BY_THE_OFFICE:
                allowed.append(and_(or_(ours, conditions["referred"](principal, at)), holds))
            else:
                allowed.append(and_(ours, holds))
    return or_(false(), *allowed)


def _condition(
    conditions: Mapping[str, Condition], name: str, principal: Principal, at: datetime
) -> ColumnElement[bool]:
    if name in ("A", "noevid"):
        return true()
    return conditions[name](principal, at) if name in conditions else false()


def _own_item(principal: Principal, _at: datetime) -> ColumnElement[bool]:
    mine = or_(EvidenceItem.received_from_id == principal.id, EvidenceItem.officer_id == principal.id)
    if principal.badge is None:
        return mine
    return or_(mine, and_(EvidenceItem.officer_basis == "said", EvidenceItem.officer_badge == principal.badge))


def _own_case(principal: Principal, _at: datetime) -> ColumnElement[bool]:
    return CaseFile.opened_by_id == principal.id


def _assigned(principal: Principal, at: datetime) -> Select[UUID]:
    return select(CaseAssignment.case_id).where(CaseAssignment.account_id == principal.id, standing.works(at))


def _referred(principal: Principal, at: datetime) -> Select[UUID]:
    return select(Referral.case_id).where(Referral.agency_id == principal.agency_id, standing.is_referred(at))


def _exhibits_of(*cases: Select[UUID]) -> Select[UUID]:
    return select(Exhibit.item_id).where(Exhibit.withdrawn_at.is_(None), *(Exhibit.case_id.in_(each) for each in cases))


_OF_ITEM: Mapping[str, Condition] = {
    "own": _own_item,
    "case": lambda principal, at: EvidenceItem.id.in_(_exhibits_of(_assigned(principal, at))),
    "caseP": lambda principal, at: EvidenceItem.id.in_(
        _exhibits_of(_assigned(principal, at), _referred(principal, at))
    ),
}
"""Of an item: the conditions of facts.py that can hold, as SQL."""

_OF_CASE: Mapping[str, Condition] = {
    "own": _own_case,
    "case": lambda principal, at: CaseFile.id.in_(_assigned(principal, at)),
    "caseP": lambda principal, at: and_(
        CaseFile.id.in_(_assigned(principal, at)), CaseFile.id.in_(_referred(principal, at))
    ),
    "referred": lambda principal, at: CaseFile.id.in_(_referred(principal, at)),
}
"""The same of a case file."""
