"""Open, close and reopen a case file; find those of a selection that access has scoped."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from auth import units
from auth.names import check_name
from auth.principals import Principal
from evidence import custody
from evidence.cases.models import CaseFile, CaseKind
from evidence.custody.case_events import CaseClosed, CaseOpened, CaseReopened
from evidence.custody.events import Actor
from evidence.errors import ConflictError
from evidence.ids import new_id


def open_new(
    session: Session,
    *,
    number: str,
    title: str,
    by: Principal,
    at: datetime,
    request_id: str,
    kind: CaseKind = "criminal",
) -> CaseFile:
    """Open a case file under the number its agency gave the case.

    Raises ConflictError if the agency has a case of that number, AccountError for what cannot be read whole.
    """
    case = CaseFile(
        id=new_id(),
        agency_id=by.agency_id,
        number=check_name(number, what="A case number", longest=64),
        title=check_name(title, what="The title of a case", longest=200),
        kind=kind,
        unit_id=units.home_of(session, by.id, at=at),
        opened_at=at,
        opened_by_id=by.id,
    )
    try:
        with session.begin_nested():
            session.add(case)
    except IntegrityError:
        raise ConflictError(
            "Your agency has a case of this number already.", next_step="Show that case, or correct the number."
        ) from None
    event = CaseOpened(actor=Actor.of(by), request_id=request_id, case_id=case.id, number=case.number, title=case.title)
    custody.record(session, event)
    return case


def close(session: Session, case: CaseFile, *, by: Principal, at: datetime, request_id: str, reason: str) -> None:
    """Close the case: nothing is linked to it, assigned or referred until it is reopened."""
    require_open(session, case)
    case.closed_at = at
    session.flush()
    event = CaseClosed(actor=Actor.of(by), request_id=request_id, case_id=case.id, reason=reason)
    custody.record(session, event)


def reopen(session: Session, case: CaseFile, *, by: Principal, request_id: str, reason: str) -> None:
    """Open a closed case again."""
    _lock(session, case)
    if case.closed_at is None:
        raise ConflictError("The case is open.", next_step="Nothing needs to be done.")
    case.closed_at = None
    session.flush()
    event = CaseReopened(actor=Actor.of(by), request_id=request_id, case_id=case.id, reason=reason)
    custody.record(session, event)


def require_open(session: Session, case: CaseFile) -> None:
    """Lock the case until the transaction ends, and raise ConflictError if it is closed."""
    _lock(session, case)
    if case.closed_at is not None:
        raise ConflictError("The case is closed.", next_step="Reopen it first.")


def page(session: Session, scoped: Select[CaseFile], *, after: UUID | None, limit: int) -> Sequence[CaseFile]:
    """Return the next cases in the order they were opened; ids are time-ordered, so they are the cursor."""
    if after is not None:
        scoped = scoped.where(CaseFile.id > after)
    return session.scalars(scoped.order_by(CaseFile.id).limit(limit)).all()


def _lock(session: Session, case: CaseFile) -> None:
    session.refresh(case, with_for_update=True)
