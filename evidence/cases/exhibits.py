"""Link an item to a case as an exhibit; withdraw it. Both chains, the item's and the case's, say so."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from auth.principals import Principal
from evidence import custody
from evidence.cases import case_files
from evidence.cases.models import CaseFile, Exhibit
from evidence.custody.case_events import ExhibitLinked, ExhibitWithdrawn, Kept
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
    # The case is locked, so nobody else takes this number.
    last = session.scalar(select(func.max(Exhibit.number)).where(Exhibit.case_id == case.id)) or 0
    exhibit = Exhibit(id=new_id(), case_id=case.id, item_id=item.id, number=last + 1, linked_at=at)
    session.add(exhibit)
    session.flush()
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
