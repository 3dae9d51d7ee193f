"""The rules of `evidence.list` as SQL, so that a list cannot show what one look would refuse."""

from sqlalchemy import ColumnElement, Select, and_, false, or_, select, true

from auth.principals import Principal
from evidence.access.roles import CELLS
from evidence.items.models import EvidenceItem


def visible_items(principal: Principal) -> Select[EvidenceItem]:
    """Select the evidence items whose existence the principal may know of."""
    allowed = or_(false(), *(_alternative(principal, each) for each in _list_alternatives(principal)))
    return select(EvidenceItem).where(EvidenceItem.agency_id == principal.agency_id, allowed)


def _list_alternatives(principal: Principal) -> list[list[str]]:
    cells = CELLS["evidence.list"]
    return [
        alternative.strip().split("+")
        for role, cell in cells.items()
        if role in principal.roles
        for alternative in cell.split("|")
    ]


def _alternative(principal: Principal, names: list[str]) -> ColumnElement[bool]:
    return and_(true(), *(_condition(principal, name) for name in names))


def _condition(principal: Principal, name: str) -> ColumnElement[bool]:
    if name in ("A", "noevid"):
        return true()
    if name == "own":
        brought = EvidenceItem.received_from_id == principal.id
        if principal.badge is None:
            return brought
        return or_(brought, EvidenceItem.officer_badge == principal.badge)
    return false()
