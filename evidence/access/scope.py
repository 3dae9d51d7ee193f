"""The rules of the two lists as SQL, so that a list cannot show what one look would refuse."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, any_, case, exists, false, func, not_, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute

from auth import units
from auth.models import Account, Dock
from auth.principals import Principal
from evidence.access import glass, lists
from evidence.access.actions import Action
from evidence.access.gates import BREAKABLE, GLASS_ROLES, MANAGING
from evidence.access.roles import BY_THE_OFFICE, CELLS, OVER_THE_WALL, alternatives
from evidence.cases import standing
from evidence.cases.models import CaseAssignment, CaseFile, Exhibit, Referral
from evidence.custody import history
from evidence.items.models import AccessClass, EvidenceItem

Condition = Callable[[Principal, datetime], ColumnElement[bool]]
Holds = Callable[[str], ColumnElement[bool]]


def visible_items(principal: Principal, *, at: datetime, content: bool = False) -> Select[EvidenceItem]:
    """Select the evidence items whose existence the principal may know of; with `content` those they may read.

    Whoever narrows a list by what its things say asks with `content`: what is found would tell what they say.
    """
    return select(EvidenceItem).where(_item_is_visible(principal, at, content=content))


def behind_glass(principal: Principal) -> Select[EvidenceItem]:
    """Select the items that the principal may name to break the glass before them: any of their agency."""
    might = true() if principal.roles & GLASS_ROLES else false()
    return select(EvidenceItem).where(EvidenceItem.agency_id == principal.agency_id, might)


def visible_cases(principal: Principal, *, at: datetime, content: bool = False) -> Select[CaseFile]:
    """Select the case files whose existence the principal may know of; with `content` those they may read."""
    return select(CaseFile).where(_case_is_visible(principal, at, content=content))


def reachable_items(principal: Principal, action: Action, *, at: datetime) -> Select[EvidenceItem]:
    """Select the items that the principal may name for this action: those visible, and more to manage access.

    Whoever opens a confidential item again, or lets somebody in, has to be able to name it; and so
    has whoever has broken the glass before it.
    """
    if action in BREAKABLE:
        opened = and_(
            EvidenceItem.agency_id == principal.agency_id, EvidenceItem.id.in_(glass.items_opened_to(principal, at=at))
        )
        return select(EvidenceItem).where(or_(_item_is_visible(principal, at), opened))
    if action not in MANAGING:
        return visible_items(principal, at=at)
    manageable = _may(principal, action, EvidenceItem.agency_id, _asked(_OF_ITEM, principal, at), content=False)
    return select(EvidenceItem).where(or_(_item_is_visible(principal, at), manageable))


def reachable_cases(principal: Principal, action: Action, *, at: datetime) -> Select[CaseFile]:
    """Select the case files that the principal may name for this action, as `reachable_items` does."""
    if action not in MANAGING:
        return visible_cases(principal, at=at)
    manageable = _may(principal, action, CaseFile.agency_id, _asked(_OF_CASE, principal, at), content=False)
    return select(CaseFile).where(or_(_case_is_visible(principal, at), manageable))


def known_items(principal: Principal, *, at: datetime) -> Select[UUID]:
    """Select the items that are no secret to the principal: those visible to them, and all that are not confidential.

    For what names them elsewhere; to list them is `visible_items`.
    """
    is_known = or_(EvidenceItem.access_class != "confidential", _item_is_visible(principal, at))
    return select(EvidenceItem.id).where(is_known)


def known_cases(principal: Principal, *, at: datetime) -> Select[UUID]:
    """Select the case files that are no secret to the principal, as `known_items` does."""
    return select(CaseFile.id).where(or_(CaseFile.access_class != "confidential", _case_is_visible(principal, at)))


def audited_records(principal: Principal, *, at: datetime) -> ColumnElement[bool]:
    """Return the condition of a custody record, of whichever chain, that the principal may read as its auditor.

    Each is decided by the thing whose chain it is: `audit.read` of it, and that they may know of it at all.  So an
    auditor reads what was done to items and cases of their agency but the confidential ones, an investigator what
    was done in their matters, and whoever runs the system what accounts and docks did by themselves.  What defence
    counsel does is work product, and told to none of them (condition `scope`).
    """

    def may(agency: InstrumentedAttribute[UUID], conditions: Mapping[str, Condition]) -> ColumnElement[bool]:
        return _may(principal, "audit.read", agency, _asked(conditions, principal, at), content=False)

    item = and_(may(EvidenceItem.agency_id, _OF_ITEM), _item_is_visible(principal, at))
    file = and_(may(CaseFile.agency_id, _OF_CASE), _case_is_visible(principal, at))
    of_chain = case(
        (history.on_kind("item"), exists().where(EvidenceItem.id == history.of_which(), item)),
        (history.on_kind("case"), exists().where(CaseFile.id == history.of_which(), file)),
        (history.on_kind("account"), exists().where(Account.id == history.of_which(), may(Account.agency_id, {}))),
        (history.on_kind("dock"), exists().where(Dock.id == history.of_which(), may(Dock.agency_id, {}))),
        else_=false(),
    )
    is_of_defence = func.coalesce(history.said("actor", "roles"), "").like('%"defence"%')
    return and_(of_chain, not_(is_of_defence))


def _item_is_visible(principal: Principal, at: datetime, *, content: bool = False) -> ColumnElement[bool]:
    holds = _asked(_OF_ITEM, principal, at)
    may_list = _may(principal, "evidence.list", EvidenceItem.agency_id, holds, content=content)
    return and_(may_list, or_(EvidenceItem.access_class.in_(SHOWN[content]), *map(holds, THROUGH_THE_CLASS)))


def _case_is_visible(principal: Principal, at: datetime, *, content: bool = False) -> ColumnElement[bool]:
    holds = _asked(_OF_CASE, principal, at)
    may_read = _may(principal, "case.read", CaseFile.agency_id, holds, content=content)
    return and_(may_read, or_(CaseFile.access_class.in_(SHOWN[content]), *map(holds, (*THROUGH_THE_CLASS, "case"))))


def _asked(conditions: Mapping[str, Condition], principal: Principal, at: datetime) -> Holds:
    """Return what gives each condition as SQL, made once: cell and class may ask for the same."""

    @cache
    def holds(name: str) -> ColumnElement[bool]:
        if name in OF_THE_ACT:
            return true()
        return conditions[name](principal, at) if name in conditions else false()

    return holds


def _may(
    principal: Principal, action: Action, agency: InstrumentedAttribute[UUID], holds: Holds, *, content: bool
) -> ColumnElement[bool]:
    """Return the action's cells for this principal as a condition; with `content` only those that show it."""
    ours = agency == principal.agency_id
    allowed: list[ColumnElement[bool]] = []
    for role, cell in CELLS[action].items():
        if role not in principal.roles:
            continue
        for names in alternatives(cell):
            if content and "noevid" in names:
                continue
            met = and_(true(), *map(holds, names))
            if OVER_THE_WALL in names:
                allowed.append(met)
            elif (action, role) in BY_THE_OFFICE:
                allowed.append(and_(or_(ours, holds("referred")), met))
            else:
                allowed.append(and_(ours, met))
    return or_(false(), *allowed)


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


def _exhibits_of(*cases: Select[UUID], at: datetime) -> Select[UUID]:
    return select(Exhibit.item_id).where(standing.is_linked(at), *(Exhibit.case_id.in_(each) for each in cases))


def _internal_matters(principal: Principal, at: datetime) -> Select[UUID]:
    return _assigned(principal, at).join(CaseFile).where(CaseFile.kind == "internal_affairs")


OF_THE_ACT = frozenset({"A", "noevid", "scope", "why", "step", "two"})
"""Conditions that are asked of the act or the sign-in, or hold within one's agency: they take nothing out of a list."""

SHOWN: Mapping[bool, tuple[AccessClass, ...]] = {False: ("unrestricted", "restricted"), True: ("unrestricted",)}
"""Which classes a list shows to whom they are not opened: all but the last; of their content, only the first."""

THROUGH_THE_CLASS = ("grant", "iac")
"""Conditions that open a thing of whatever class (evidence/access/gates.py)."""


def _stands_in(*cases: Select[UUID]) -> ColumnElement[bool]:
    """Return whether the case is among all of these, or was merged into one that is."""
    return or_(
        and_(*(CaseFile.id.in_(each) for each in cases)), and_(*(CaseFile.merged_into_id.in_(each) for each in cases))
    )


def _among(column: InstrumentedAttribute[Any], found: Select[UUID]) -> ColumnElement[bool]:
    """Return whether the column is among these, found first and once, so that an index may lead to the rows.

    As `column IN (SELECT ...)` one of several alternatives has PostgreSQL look at every row there is.
    """
    return column == any_(func.array(select(*found.cte().c).scalar_subquery()))


_OF_ITEM: Mapping[str, Condition] = {
    "own": _own_item,
    "unit": lambda principal, at: _among(EvidenceItem.unit_id, units.supervised_by(principal.id, at=at)),
    "grant": lambda principal, at: _among(EvidenceItem.id, lists.items_opened_to(principal, at=at)),
    "case": lambda principal, at: _among(EvidenceItem.id, _exhibits_of(_assigned(principal, at), at=at)),
    "caseP": lambda principal, at: _among(
        EvidenceItem.id, _exhibits_of(_assigned(principal, at), _referred(principal, at), at=at)
    ),
    "iac": lambda principal, at: _among(EvidenceItem.id, _exhibits_of(_internal_matters(principal, at), at=at)),
}
"""Of an item: the conditions of facts.py that a list can ask, as SQL."""

_OF_CASE: Mapping[str, Condition] = {
    "own": _own_case,
    "unit": lambda principal, at: CaseFile.unit_id.in_(units.supervised_by(principal.id, at=at)),
    "grant": lambda principal, at: CaseFile.id.in_(lists.cases_opened_to(principal, at=at)),
    "case": lambda principal, at: _stands_in(_assigned(principal, at)),
    "caseP": lambda principal, at: _stands_in(_assigned(principal, at), _referred(principal, at)),
    "iac": lambda principal, at: CaseFile.id.in_(_internal_matters(principal, at)),
    "referred": lambda principal, at: _stands_in(_referred(principal, at)),
}
"""The same of a case file."""
