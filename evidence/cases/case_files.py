"""Open, describe, close and reopen a case file."""

import unicodedata
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from auth import units
from auth.names import check_name
from auth.principals import Principal
from evidence import custody
from evidence.cases import numbering
from evidence.cases.models import CaseFile, CaseKind
from evidence.custody.case_events import CaseClosed, CaseDescribed, CaseOpened, CaseReopened
from evidence.custody.events import Actor
from evidence.errors import ConflictError
from evidence.ids import new_id


def open_new(
    session: Session,
    *,
    number: str | None,
    title: str,
    by: Principal,
    at: datetime,
    request_id: str,
    kind: CaseKind = "criminal",
) -> CaseFile:
    """Open a case file under the number its agency gave the case, or under the next of its agency's pattern.

    Raises ConflictError if the agency has a case of that number, InvalidError for a number that is not of the agency's
    pattern, AccountError for what cannot be read whole.
    """
    title = check_title(title)
    if number is not None:
        number = numbering.check(session, by.agency_id, number, year=at.year)
        case = _added(session, number, title=title, kind=kind, by=by, at=at)
        if case is None:
            raise ConflictError(
                "Your agency has a case of this number already.", next_step="Show that case, or correct the number."
            )
    else:
        case = None
        while case is None:  # somebody may have typed the next number, or the next ten
            following = numbering.next_number(session, by.agency_id, year=at.year)
            case = _added(session, following, title=title, kind=kind, by=by, at=at)
    event = CaseOpened(actor=Actor.of(by), request_id=request_id, case_id=case.id, number=case.number, title=case.title)
    custody.record(session, event)
    return case


def _added(
    session: Session, number: str, *, title: str, kind: CaseKind, by: Principal, at: datetime
) -> CaseFile | None:
    """Return the new case file, or None if the agency has a case of this number."""
    case = CaseFile(
        id=new_id(),
        agency_id=by.agency_id,
        number=number,
        title=title,
        kind=kind,
        unit_id=units.home_of(session, by.id, at=at),
        opened_at=at,
        opened_by_id=by.id,
    )
    try:
        with session.begin_nested():
            session.add(case)
    except IntegrityError:
        return None
    return case


def numbered(session: Session, agency_id: UUID, number: str) -> CaseFile | None:
    """Return the agency's case of that number, if it has one; only for whoever then asks access for it by its id."""
    if not number.isprintable():
        return None
    called = unicodedata.normalize("NFC", number.strip())
    return session.scalar(select(CaseFile).where(CaseFile.agency_id == agency_id, CaseFile.number == called))


def check_title(title: str) -> str:
    """Return the title without blanks around it; raise AccountError for what cannot be read whole."""
    return check_name(title, what="The title of a case", longest=200)


def describe(session: Session, case: CaseFile, *, title: str, by: Principal, request_id: str) -> None:
    """Correct the title of an open case; the former one stays on record. The same title changes nothing."""
    title = check_title(title)
    if case.title == title:
        return
    require_open(session, case)
    if case.title == title:
        return  # somebody else said the same, and was quicker
    former, case.title = case.title, title
    session.flush()
    event = CaseDescribed(actor=Actor.of(by), request_id=request_id, case_id=case.id, title=title, former_title=former)
    custody.record(session, event)


def close(session: Session, case: CaseFile, *, by: Principal, at: datetime, request_id: str, reason: str) -> None:
    """Close the case: nothing is linked to it, assigned or referred until it is reopened."""
    require_open(session, case)
    case.closed_at = at
    session.flush()
    event = CaseClosed(actor=Actor.of(by), request_id=request_id, case_id=case.id, reason=reason)
    custody.record(session, event)


def reopen(session: Session, case: CaseFile, *, by: Principal, request_id: str, reason: str) -> None:
    """Open a closed case again."""
    lock(session, case)
    if case.closed_at is None:
        raise ConflictError("The case is open.", next_step="Nothing needs to be done.")
    _refuse_merged(case)
    case.closed_at = None
    session.flush()
    event = CaseReopened(actor=Actor.of(by), request_id=request_id, case_id=case.id, reason=reason)
    custody.record(session, event)


def require_open(session: Session, case: CaseFile) -> None:
    """Lock the case until the transaction ends, and raise ConflictError if it is closed."""
    lock(session, case)
    _refuse_merged(case)
    if case.closed_at is not None:
        raise ConflictError("The case is closed.", next_step="Reopen it first.")


def _refuse_merged(case: CaseFile) -> None:
    if case.merged_into_id is not None:
        raise ConflictError(
            "The case was merged into another, which remains.", next_step="Go on with the case that remains."
        )


def lock(session: Session, case: CaseFile) -> None:
    """Lock the case until the transaction ends, open or not, and read it anew."""
    session.refresh(case, with_for_update=True)
