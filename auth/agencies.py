"""Agencies: the tenants of an installation. They are founded, never removed."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from auth.errors import TakenError
from auth.models import Agency
from auth.names import check_name


def create(session: Session, name: str, *, at: datetime) -> Agency:
    """Found an agency; raise TakenError if there is one of that name."""
    agency = Agency(name=check_name(name, what="The name of an agency"), created_at=at)
    try:
        with session.begin_nested():
            session.add(agency)
    except IntegrityError:
        raise TakenError(f"There is an agency named {name} already.") from None
    return agency


def by_name(session: Session, name: str) -> Agency | None:
    """Return the agency of that name, if there is one."""
    if not name.isprintable():
        return None  # no agency has such a name, and PostgreSQL knows no NUL
    return session.scalar(select(Agency).where(Agency.name == name))


def by_id(session: Session, agency_id: UUID) -> Agency | None:
    """Return the agency with that id, if there is one."""
    return session.get(Agency, agency_id)
