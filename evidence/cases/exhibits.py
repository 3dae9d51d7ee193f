"""Link an item to a case as an exhibit; withdraw it; carry it over at a merger. The chains of item and cases say so."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from auth.principals import Principal
from evidence import custody
from evidence.cases import case_files
from evidence.cases.models import CaseFile, Exhibit
from evidence.custody.case_events import ExhibitCarriedOver, ExhibitLinked, ExhibitWithdrawn, Kept
from evidence.custody.events import Actor
from evidence.errors import ConflictError, NotFoundError
from evidence.ids import new_id
from evidence.items.models import EvidenceItem

KEPT_ON: tuple[Kept, Kept] = ("item", "case")
"""The chains that an exhibit's link and its end stand on."""


def link(
    session: Session, case: CaseFile, item: EvidenceItem, *, by: Principal, at: datetime, request_id: str
) -> Exhibit:
    """Link the item to the case, under the case's next exhibit number.

    Raises ConflictError if the case is closed, the item is its exhibit already, or is another agency's.
    """
    case_files.require_open(session, case)
    if item.agency_id != case.agency_id:
        raise ConflictError(
            "The item and the case are of different agencies.", next_step="Ask the agency that holds the item."
        )
    standing = select(Exhibit.number).where(
        Exhibit.case_id == case.id, Exhibit.item_id == item.id, Exhibit.withdrawn_at.is_(None)
    )
    if (number := session.scalar(standing)) is not None:
        raise ConflictError(
            f"The item is exhibit {number} of this case already.", next_step="Nothing needs to be done."
        )
    exhibit = _added(session, case, item.id, at=at)
    for on in KEPT_ON:
        event = ExhibitLinked(
            actor=Actor.of(by),
            request_id=request_id,
            on=on,
            exhibit_id=exhibit.id,
            case_id=case.id,
            item_id=item.id,
            case_number=case.number,
            exhibit_number=exhibit.number,
        )
        custody.record(session, event)
    return exhibit


def withdraw(
    session: Session, case: CaseFile, exhibit: Exhibit, *, by: Principal, at: datetime, request_id: str, reason: str
) -> None:
    """End the link; that it was is kept, and its number is not given again."""
    case_files.require_open(session, case)
    session.refresh(exhibit)
    if exhibit.withdrawn_at is not None:
        raise ConflictError("The exhibit was withdrawn before.", next_step="Nothing needs to be done.")
    exhibit.withdrawn_at = at
    session.flush()
    for on in KEPT_ON:
        event = ExhibitWithdrawn(
            actor=Actor.of(by),
            request_id=request_id,
            on=on,
            exhibit_id=exhibit.id,
            case_id=case.id,
            item_id=exhibit.item_id,
            reason=reason,
        )
        custody.record(session, event)


def carry_over(
    session: Session, merged: CaseFile, into: CaseFile, *, by: Principal, at: datetime, request_id: str
) -> dict[UUID, Exhibit]:
    """End every link that stands to the merged case and let its item go on in the other; return what became of each.

    An item that is an exhibit there already keeps its number there; the others get the next ones.  Both cases are
    locked by the caller.
    """
    there = {each.item_id: each for each in session.scalars(_standing(into))}
    carried: dict[UUID, Exhibit] = {}
    for exhibit in session.scalars(_standing(merged).order_by(Exhibit.number)).all():
        to = there.get(exhibit.item_id) or _added(session, into, exhibit.item_id, at=at)
        exhibit.withdrawn_at, exhibit.carried_to_id = at, to.id
        session.flush()
        carried[exhibit.id] = to
        for kept_on in (f"item/{exhibit.item_id}", f"case/{merged.id}", f"case/{into.id}"):
            event = ExhibitCarriedOver(
                actor=Actor.of(by),
                request_id=request_id,
                kept_on=kept_on,
                exhibit_id=exhibit.id,
                case_id=merged.id,
                item_id=exhibit.item_id,
                to_exhibit_id=to.id,
                to_case_id=into.id,
                case_number=merged.number,
                exhibit_number=exhibit.number,
                to_case_number=into.number,
                to_exhibit_number=to.number,
            )
            custody.record(session, event)
    return carried


def former_numbers(session: Session, case: CaseFile) -> dict[UUID, list[tuple[str, int]]]:
    """Return, by exhibit of this case, under which numbers of which cases it was known before they were merged.

    What was merged into a case that was then merged into this one is found as well.
    """
    former: dict[UUID, list[tuple[str, int]]] = defaultdict(list)
    frontier = {each: each for each in session.scalars(select(Exhibit.id).where(Exhibit.case_id == case.id))}
    while frontier:
        found = session.execute(
            select(Exhibit.id, Exhibit.carried_to_id, CaseFile.number, Exhibit.number)
            .join(CaseFile, CaseFile.id == Exhibit.case_id)
            .where(Exhibit.carried_to_id.in_(list(frontier)))
            .order_by(Exhibit.id)
        ).all()
        behind: dict[UUID, UUID] = {}
        for id_, to, case_number, number in found:
            assert to is not None
            behind[id_] = frontier[to]
            former[frontier[to]].append((case_number, number))
        frontier = behind
    return former


def numbered(session: Session, case: CaseFile, number: int) -> Exhibit:
    """Return the exhibit of that number, withdrawn or not; raise NotFoundError."""
    found = session.scalar(select(Exhibit).where(Exhibit.case_id == case.id, Exhibit.number == number))
    if found is None:
        raise NotFoundError("The case has no exhibit of this number.", next_step="Show the case for its exhibits.")
    return found


def of_case(session: Session, case: CaseFile) -> Sequence[tuple[Exhibit, EvidenceItem]]:
    """Return the case's exhibits with their items, by number, withdrawn ones included."""
    found = session.execute(
        select(Exhibit, EvidenceItem)
        .join(EvidenceItem, EvidenceItem.id == Exhibit.item_id)
        .where(Exhibit.case_id == case.id)
        .order_by(Exhibit.number)
    )
    return [(exhibit, item) for exhibit, item in found]


def _standing(case: CaseFile) -> Select[Exhibit]:
    return select(Exhibit).where(Exhibit.case_id == case.id, Exhibit.withdrawn_at.is_(None))


def _added(session: Session, case: CaseFile, item_id: UUID, *, at: datetime) -> Exhibit:
    """Return the case's next exhibit. The case is locked, so nobody else takes this number."""
    last = session.scalar(select(func.max(Exhibit.number)).where(Exhibit.case_id == case.id)) or 0
    exhibit = Exhibit(id=new_id(), case_id=case.id, item_id=item_id, number=last + 1, linked_at=at)
    session.add(exhibit)
    session.flush()
    return exhibit
