"""Reach one item or case for an action: load it, decide, or refuse. Nobody loads one any other way."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, false
from sqlalchemy.orm import InstrumentedAttribute, Session

from auth.principals import Principal
from evidence import access
from evidence.access import Action, Decision, Thing, scope
from evidence.cases import standing
from evidence.cases.models import CaseFile
from evidence.errors import ConflictError, NotFoundError, RefusedError
from evidence.items.models import EvidenceItem

Named = TypeVar("Named")


@dataclass(frozen=True, slots=True)
class Seen:
    """An item as one principal may see it; without `content` only that it is there, and its custody."""

    item: EvidenceItem
    thing: Thing
    content: bool


@dataclass(frozen=True, slots=True)
class SeenCase:
    """A case as one principal may see it; without `content` only that it is there.

    `team`: who of their own agency works it, for whoever may assign people and sees no content.
    """

    case: CaseFile
    content: bool
    team: bool


def item(
    session: Session, principal: Principal, action: Action, named: str, *, at: datetime, reason: str | None = None
) -> Seen:
    """Return the item of that id or evidence number.

    Raises NotFoundError for an item that does not exist or that the principal may not know of, in
    the same words, RefusedError for one it may know of but not do this to, and ConflictError for a
    number that two agencies have given.
    """
    visible = scope.visible_items(principal, at=at).where(_is(named, EvidenceItem.id, EvidenceItem.number))
    found = _only(session.scalars(visible.limit(2)).all())
    if found is None:
        raise NotFoundError(
            "There is no such evidence item, or none you may know of.",
            next_step="Check the number; `evidence item list` shows what you may see.",
        )
    known = thing(session, found, at=at)
    decision = _require(access.allow(principal, action, known, at=at, reason=reason), action)
    readable = access.allow(principal, "evidence.read_meta", known, at=at)
    return Seen(found, known, decision.content and readable.content)


def case(
    session: Session, principal: Principal, action: Action, named: str, *, at: datetime, reason: str | None = None
) -> SeenCase:
    """Return the case file of that id or case number. Raises what `item` raises."""
    visible = scope.visible_cases(principal, at=at).where(_is(named, CaseFile.id, CaseFile.number))
    found = _only(session.scalars(visible.limit(2)).all())
    if found is None:
        raise NotFoundError(
            "There is no such case, or none you may know of.",
            next_step="Check the number; `evidence case list` shows what you may see.",
        )
    known = thing_of_case(session, found, at=at)
    decision = _require(access.allow(principal, action, known, at=at, reason=reason), action)
    content = decision.content and access.allow(principal, "case.read", known, at=at).content
    return SeenCase(found, content, team=access.allow(principal, "case.assign", known, at=at).allowed)


def linkable(session: Session, principal: Principal, case: CaseFile, named: str, *, at: datetime) -> EvidenceItem:
    """Return the item if the principal may link it to this case. Raises what `item` raises.

    It is judged as an exhibit of that case already: whoever works the case may bring in what they may know of.
    """
    found = item(session, principal, "evidence.list", named, at=at).item
    known = _thing(found, standing.of_cases(session, [case.id], at=at).values())
    _require(access.allow(principal, "case.link", known, at=at), "case.link")
    return found


def thing(session: Session, of: EvidenceItem, *, at: datetime) -> Thing:
    """Say of the item what the rules may ask at that instant."""
    return things(session, [of], at=at)[of.id]


def things(session: Session, of: Collection[EvidenceItem], *, at: datetime) -> dict[UUID, Thing]:
    """Say of each of the items what the rules may ask at that instant."""
    cases = standing.of_items(session, [each.id for each in of], at=at)
    return {each.id: _thing(each, cases[each.id]) for each in of}


def thing_of_case(session: Session, of: CaseFile, *, at: datetime) -> Thing:
    """Say of the case what the rules may ask at that instant."""
    return things_of_cases(session, [of], at=at)[of.id]


def things_of_cases(session: Session, of: Collection[CaseFile], *, at: datetime) -> dict[UUID, Thing]:
    """Say of each of the cases what the rules may ask at that instant."""
    standings = standing.of_cases(session, [each.id for each in of], at=at)
    return {
        each.id: Thing(agency_id=each.agency_id, brought_by=each.opened_by_id, cases=(standings[each.id],))
        for each in of
    }


def _thing(of: EvidenceItem, cases: Collection[standing.CaseStanding]) -> Thing:
    return Thing(
        agency_id=of.agency_id,
        # Once there is a roster a badge is a claim to be checked, and counts for nobody by itself.
        officer_badge=of.officer_badge if of.officer_basis == "said" else None,
        officer_id=of.officer_id,
        brought_by=of.received_from_id,
        cases=tuple(cases),
    )


def _require(decision: Decision, action: Action) -> Decision:
    if not decision.allowed:
        raise RefusedError(
            f"{action} is refused: {decision.reason}.", next_step="Ask whoever runs your agency's roles."
        )
    return decision


def _only(found: Sequence[Named]) -> Named | None:
    if len(found) > 1:
        raise ConflictError("Two agencies have given this number.", next_step="Name it by its id; the list shows it.")
    return found[0] if found else None


def _is(named: str, id_: InstrumentedAttribute[UUID], number: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    if not named.isprintable():
        return false()  # PostgreSQL knows no NUL, and no number of ours has a character nobody can type
    try:
        return id_ == UUID(named)
    except ValueError:
        return number == named
