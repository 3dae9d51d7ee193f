"""Reach one item or case for an action: load it, decide, or refuse. Nobody loads one any other way."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar
from unicodedata import normalize
from uuid import UUID

from sqlalchemy import ColumnElement, false, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from auth import units
from auth.principals import Principal
from evidence import access
from evidence.access import Action, Decision, Thing, gates, glass, incidents, lists, scope
from evidence.access.facts import CONDITIONS, NOBODY, SAID, Asked
from evidence.access.gates import MANAGING, RESTRICTED
from evidence.access.models import BrokenGlass, CriticalIncident
from evidence.cases import standing
from evidence.cases.models import CaseFile, ExternalReference
from evidence.custody.events import chain_of
from evidence.database import manage_classes
from evidence.errors import ConflictError, NotFoundError, RefusedError
from evidence.items.models import EvidenceItem
from evidence.proof.acts import kind_of_chain

Named = TypeVar("Named")

KINDS = ("item", "case")
"""Of which things a chain has a class and says something."""


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
    session: Session,
    principal: Principal,
    action: Action,
    named: str,
    *,
    at: datetime,
    reason: str | None = None,
    awaiting: bool = False,
) -> Seen:
    """Return the item of that id or evidence number.

    Raises NotFoundError for an item that does not exist or that the principal may not know of, in
    the same words, RefusedError for one it may know of but not do this to, and ConflictError for a
    number that two agencies have given.  `awaiting`: a second person is asked for only after this.
    """
    named = normalize("NFC", named)
    if action in MANAGING:
        manage_classes(session)
    reachable = scope.reachable_items(principal, action, at=at).where(_is(named, EvidenceItem.id, EvidenceItem.number))
    found = _only(session.scalars(reachable.limit(2)).all())
    if found is None:
        raise _no_such_item()
    known = thing(session, found, at=at)
    decision = _require(access.allow(principal, action, known, at=at, reason=reason, approved=awaiting), action)
    readable = access.allow(principal, "evidence.read_meta", known, at=at)
    return Seen(found, known, decision.content and readable.content)


def behind_glass(session: Session, principal: Principal, named: str, *, at: datetime) -> EvidenceItem:
    """Return the item of that id or number, of one's own agency, to break the glass before it.

    Raises NotFoundError and ConflictError as `item`; RefusedError for whoever has no such right, no
    second factor just proved, or has to make their statement first.
    """
    if not principal.roles & gates.GLASS_ROLES:
        raise _refused("break-glass", "your role does not include it")
    manage_classes(session)  # it may be confidential: what they break is named, and not shown, until it is broken
    reachable = scope.behind_glass(principal).where(_is(named, EvidenceItem.id, EvidenceItem.number))
    found = _only(session.scalars(reachable.limit(2)).all())
    if found is None:
        raise _no_such_item()
    known = thing(session, found, at=at)
    if principal.id in known.barred:
        raise _refused("break-glass", gates.BEFORE_STATEMENT)
    if not CONDITIONS["step"](Asked(principal=principal, action="evidence.stream", thing=known, at=at)):
        raise _refused("break-glass", SAID["step"])
    return found


def may_review(principal: Principal, *, at: datetime) -> bool:
    """Say whether the principal may review what others did in its agency: it reads the audit, with what it says."""
    decision = access.allow(principal, "audit.read", Thing(agency_id=principal.agency_id), at=at)
    return decision.allowed and decision.content


def to_look(
    reached: Callable[..., Named], session: Session, principal: Principal, action: Action, named: str, *, at: datetime
) -> Named:
    """Reach by `item` or `case` what the principal may do this to, or may review: to look, which needs no reason."""
    try:
        return reached(session, principal, action, named, at=at, reason="to look")
    except RefusedError:
        if not may_review(principal, at=at):
            raise
        return reached(session, principal, "audit.read", named, at=at)


def audited_content(session: Session, principal: Principal, chains: Collection[str], *, at: datetime) -> frozenset[str]:
    """Return those of the chains, of items and cases, of which the principal as auditor sees also what they say."""
    ids = {kind: [UUID(each.partition("/")[2]) for each in chains if kind_of_chain(each) == kind] for kind in KINDS}
    items = session.scalars(scope.visible_items(principal, at=at).where(EvidenceItem.id.in_(ids["item"]))).all()
    cases = session.scalars(scope.visible_cases(principal, at=at).where(CaseFile.id.in_(ids["case"]))).all()
    read: list[tuple[str, Thing, Action]] = [
        *((chain_of("item", id), known, "evidence.read_meta") for id, known in things(session, items, at=at).items()),
        *((chain_of("case", id), known, "case.read") for id, known in things_of_cases(session, cases, at=at).items()),
    ]
    return frozenset(
        chain
        for chain, known, reading in read
        if all(access.allow(principal, action, known, at=at).content for action in ("audit.read", reading))
    )


def require_reviewer(principal: Principal, *, at: datetime) -> None:
    """Raise RefusedError unless the principal may review."""
    if not may_review(principal, at=at):
        raise _refused("audit.read", "your role reads no audit of the agency")


def broken_glass(session: Session, principal: Principal, id: UUID, *, at: datetime) -> BrokenGlass:
    """Return a use of break-glass that the principal may know of: its own, or of its agency if it may review."""
    used = glass.of_agency(session, principal.agency_id, id)
    if used.account_id != principal.id and not may_review(principal, at=at):
        raise glass.no_such_use()
    return used


def case(
    session: Session,
    principal: Principal,
    action: Action,
    named: str,
    *,
    at: datetime,
    reason: str | None = None,
    awaiting: bool = False,
) -> SeenCase:
    """Return the case file of that id or case number. Raises what `item` raises.

    The number of a case that was merged into another names the one that remains, for whoever may know of it.
    """
    if action in MANAGING:
        manage_classes(session)
    named = normalize("NFC", named)
    merged = aliased(CaseFile)
    remains = CaseFile.id.in_(select(merged.merged_into_id).where(merged.number == named))
    is_named = _is(named, CaseFile.id, CaseFile.number)
    reachable = scope.reachable_cases(principal, action, at=at)
    reachable = reachable.where(or_(is_named, remains) if named.isprintable() else is_named)
    # Two of each agency that has given the number: of three, two are of different agencies.
    found = session.scalars(reachable.limit(3)).all()
    here = {each.id for each in found}
    return _seen(
        session,
        principal,
        action,
        _only([each for each in found if each.merged_into_id not in here]),
        at=at,
        why=reason,
        awaiting=awaiting,
    )


def case_of_reference(
    session: Session, principal: Principal, action: Action, system: str, external_id: str, *, at: datetime
) -> SeenCase:
    """Return the case that another system calls so: one of the principal's agency, else of the agency whose case it is.

    Raises what `case` raises.
    """
    found = None
    system, external_id = normalize("NFC", system.strip()), normalize("NFC", external_id.strip())
    if system.isprintable() and external_id.isprintable():
        called = (
            ExternalReference.system == system,
            ExternalReference.external_id == external_id,
            ExternalReference.ended_at.is_(None),
        )
        for whose in (
            ExternalReference.agency_id == principal.agency_id,
            ExternalReference.agency_id == CaseFile.agency_id,
        ):
            visible = scope.visible_cases(principal, at=at, content=True)
            joined = visible.join(ExternalReference, ExternalReference.case_id == CaseFile.id).where(*called, whose)
            if (found := _only(session.scalars(joined.limit(2)).all())) is not None:
                break
    return _seen(session, principal, action, found, at=at, why=None)


def _seen(
    session: Session,
    principal: Principal,
    action: Action,
    found: CaseFile | None,
    *,
    at: datetime,
    why: str | None,
    awaiting: bool = False,
) -> SeenCase:
    if found is None:
        raise NotFoundError(
            "There is no such case, or none you may know of.",
            next_step="Check the number; `evidence case list` shows what you may see.",
        )
    known = thing_of_case(session, found, at=at)
    decision = _require(access.allow(principal, action, known, at=at, reason=why, approved=awaiting), action)
    content = decision.content and access.allow(principal, "case.read", known, at=at).content
    return SeenCase(found, content, team=access.allow(principal, "case.assign", known, at=at).allowed)


def linkable(session: Session, principal: Principal, case: CaseFile, named: str, *, at: datetime) -> EvidenceItem:
    """Return the item if the principal may link it to this case. Raises what `item` raises.

    It is judged as an exhibit of that case already: whoever works the case may bring in what they may know of.
    But what its class keeps from them they cannot open to themselves, and to the case, by linking it.
    """
    seen = item(session, principal, "evidence.list", named, at=at)
    if seen.item.access_class != "unrestricted" and not seen.content:
        raise RefusedError(
            f"case.link is refused: {RESTRICTED}.", next_step="Ask somebody who is on its access list to link it."
        )
    as_exhibit = replace(seen.thing, cases=tuple(standing.of_cases(session, [case.id], at=at).values()))
    _require(access.allow(principal, "case.link", as_exhibit, at=at), "case.link")
    return seen.item


def again(session: Session, principal: Principal, action: Action, item_id: UUID, *, at: datetime) -> Seen:
    """Reach the item once more for an act that began before and only goes on. Raises what `item` raises.

    Why, and a second factor just proved, were asked when it began.
    """
    return item(session, replace(principal, strong_at=at), action, str(item_id), at=at, reason="as it began")


def thing(session: Session, of: EvidenceItem, *, at: datetime) -> Thing:
    """Say of the item what the rules may ask at that instant."""
    return things(session, [of], at=at)[of.id]


def things(session: Session, of: Collection[EvidenceItem], *, at: datetime) -> dict[UUID, Thing]:
    """Say of each of the items what the rules may ask at that instant."""
    ids = [each.id for each in of]
    cases = standing.of_items(session, ids, at=at)
    supervisors = units.supervisors(session, {each.unit_id for each in of if each.unit_id}, at=at)
    granted = lists.granted_of_items(session, ids, at=at)
    listed = incidents.of_items(session, ids, at=at)
    broken = glass.of_items(session, ids, at=at)
    return {
        each.id: Thing(
            agency_id=each.agency_id,
            # Once there is a roster a badge is a claim to be checked, and counts for nobody by itself.
            officer_badge=each.officer_badge if each.officer_basis == "said" else None,
            officer_id=each.officer_id,
            claimed_badge=each.officer_badge if each.officer_basis == "unresolved" else None,
            claimed_id=each.rostered_id if each.officer_basis == "unresolved" else None,
            brought_by=each.received_from_id,
            cases=cases[each.id],
            supervisors=supervisors[each.unit_id] if each.unit_id else NOBODY,
            access_class=each.access_class,
            granted=granted.get(each.id, {}),
            broken_glass=broken[each.id],
            listed=listed[each.id].everybody,
            barred=listed[each.id].barred,
            do_not_disclose=each.do_not_disclose,
        )
        for each in of
    }


def thing_of_case(session: Session, of: CaseFile, *, at: datetime) -> Thing:
    """Say of the case what the rules may ask at that instant."""
    return things_of_cases(session, [of], at=at)[of.id]


def things_of_cases(session: Session, of: Collection[CaseFile], *, at: datetime) -> dict[UUID, Thing]:
    """Say of each of the cases what the rules may ask at that instant. A merged case stands as the one that remains."""
    ids = [each.id for each in of]
    remains = {each.id: each.merged_into_id or each.id for each in of}
    standings = standing.of_cases(session, {*remains.values()}, at=at)
    supervisors = units.supervisors(session, {each.unit_id for each in of if each.unit_id}, at=at)
    granted = lists.granted_of_cases(session, ids, at=at)
    return {
        each.id: Thing(
            agency_id=each.agency_id,
            brought_by=each.opened_by_id,
            cases=(standings[remains[each.id]],),
            supervisors=supervisors[each.unit_id] if each.unit_id else NOBODY,
            access_class=each.access_class,
            granted=granted.get(each.id, {}),
        )
        for each in of
    }


def incident(
    session: Session,
    principal: Principal,
    action: Action,
    named: str,
    *,
    at: datetime,
    reason: str | None = None,
    awaiting: bool = False,
) -> CriticalIncident:
    """Return the agency's critical incident of that id or number. Raises NotFoundError and RefusedError as `item`."""
    ours = select(CriticalIncident).where(
        CriticalIncident.agency_id == principal.agency_id, _is(named, CriticalIncident.id, CriticalIncident.number)
    )
    found = session.scalar(ours)
    if found is None:
        raise NotFoundError(
            "There is no such critical incident, or none you may know of.", next_step="Check its number."
        )
    known = thing_of_incident(session, found, at=at)
    _require(access.allow(principal, action, known, at=at, reason=reason, approved=awaiting), action)
    return found


def thing_of_incident(session: Session, of: CriticalIncident, *, at: datetime) -> Thing:
    """Say of the critical incident what the rules may ask at that instant."""
    covered = session.scalars(incidents.covered_items(of)).all()
    return Thing(
        agency_id=of.agency_id,
        supervisors=units.supervisors(session, [of.unit_id], at=at)[of.unit_id] if of.unit_id else NOBODY,
        cases=tuple(each for cases in standing.of_items(session, covered, at=at).values() for each in cases),
        listed=frozenset(account.id for _, account in incidents.listings(session, of)),
    )


def _require(decision: Decision, action: Action) -> Decision:
    if not decision.allowed:
        raise _refused(action, decision.reason)
    return decision


def _refused(what: str, why: str) -> RefusedError:
    return RefusedError(f"{what} is refused: {why}.", next_step="Ask whoever runs your agency's roles.")


def _no_such_item() -> NotFoundError:
    return NotFoundError(
        "There is no such evidence item, or none you may know of.",
        next_step="Check the number; `evidence item list` shows what you may see.",
    )


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
