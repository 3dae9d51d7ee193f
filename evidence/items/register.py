"""Take an item onto the books: its row, its number. Custody is recorded by whoever received it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from auth import units
from auth.principals import Principal
from evidence.ids import new_id
from evidence.items import numbering
from evidence.items.models import Basis, Declared, EvidenceItem


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What whoever brought the item said of it. Nothing in here was checked, and nothing names a stored object."""

    filename: str
    content_type: str
    recorded_at: datetime | None = None
    camera_serial: str | None = None
    officer_badge: str | None = None
    incident: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The bytes as stored: size in bytes, SHA-256 of the original and of its chunk list, and their objects."""

    size: int
    sha256: bytes
    chunks_sha256: bytes
    original_object_id: UUID
    chunks_object_id: UUID
    declared: Declared


@dataclass(frozen=True, slots=True, kw_only=True)
class Officer:
    """Whose recording an item is, how that is known, or why it is not."""

    basis: Basis
    account_id: UUID | None = None
    why: str | None = None
    rostered_id: UUID | None = None
    """Whom the roster named, whether or not the badge agrees."""


AS_SAID = Officer(basis="said")
"""Whoever has the badge that was said."""


def find(session: Session, agency_id: UUID, *, sha256: bytes) -> EvidenceItem | None:
    """Return the agency's item with these bytes, if it holds them already."""
    return session.scalar(
        select(EvidenceItem).where(EvidenceItem.agency_id == agency_id, EvidenceItem.sha256 == sha256)
    )


def register(
    session: Session,
    *,
    described: Description,
    held: Held,
    received_from: Principal,
    at: datetime,
    officer: Officer = AS_SAID,
) -> EvidenceItem:
    """Add the item under the agency's next evidence number."""
    item = EvidenceItem(
        id=new_id(),
        agency_id=received_from.agency_id,
        number=numbering.next_number(session, received_from.agency_id, year=at.year),
        received_at=at,
        received_from_kind=received_from.kind,
        received_from_id=received_from.id,
        declared=held.declared,
        filename=described.filename,
        content_type=described.content_type,
        recorded_at=described.recorded_at,
        camera_serial=described.camera_serial,
        officer_badge=described.officer_badge,
        incident=described.incident,
        unit_id=_unit(session, described, officer, received_from, at=at),
        officer_basis=officer.basis,
        officer_id=officer.account_id,
        officer_why=officer.why,
        rostered_id=officer.rostered_id,
        size=held.size,
        sha256=held.sha256,
        chunks_sha256=held.chunks_sha256,
        original_object_id=held.original_object_id,
        chunks_object_id=held.chunks_object_id,
    )
    session.add(item)
    session.flush()
    return item


def _unit(
    session: Session, described: Description, officer: Officer, received_from: Principal, *, at: datetime
) -> UUID | None:
    """Return the unit of the recording officer, or else of whoever brought the item.

    A badge says whose recording it is only where there is no roster that could say it.
    """
    by_officer = None
    if officer.account_id is not None:
        by_officer = units.home_of(session, officer.account_id, at=at)
    elif officer.basis == "said" and described.officer_badge:
        by_officer = units.home_of_badge(session, received_from.agency_id, described.officer_badge, at=at)
    return by_officer or units.home_of(session, received_from.id, at=at)
