"""Open a case file for whoever will work it."""

from datetime import datetime

from sqlalchemy.orm import Session

from auth.models import Account, Agency
from auth.principals import Principal
from evidence.cases import assignments, case_files, referrals
from evidence.cases.models import CaseFile, CaseKind
from evidence.errors import RefusedError

OPENED_IT = "opened the case"
"""The capacity in which whoever opens a case works it, until somebody says another."""


def open_for(
    session: Session,
    principal: Principal,
    *,
    number: str | None,
    title: str,
    at: datetime,
    request_id: str,
    kind: CaseKind = "criminal",
) -> CaseFile:
    """Open a case file and assign its opener; one that a prosecutor opens lies before their agency from the start.

    Raises RefusedError for a matter of internal affairs by somebody else than their investigators, and
    what `case_files.open_new` raises.
    """
    if kind == "internal_affairs" and "ia_investigator" not in principal.roles:
        raise RefusedError(
            "A matter of internal affairs is opened by an investigator of internal affairs.",
            next_step="Open a case of another kind, or ask one of them.",
        )
    case = case_files.open_new(
        session, number=number, title=title, kind=kind, by=principal, at=at, request_id=request_id
    )
    opener = session.get_one(Account, principal.id)
    assignments.make(session, case, opener, capacity=OPENED_IT, by=principal, at=at, request_id=request_id)
    if kind == "internal_affairs":
        # Only now, for whoever opens it could not find it again before they are assigned.
        case.access_class = "confidential"
        session.flush()
    if "prosecutor" in principal.roles:
        own = session.get_one(Agency, principal.agency_id)
        referrals.make(session, case, own, due_on=None, by=principal, at=at, request_id=request_id)
    return case
