"""Docks as identities: invited by a person, enrolled with a key of their own, retired at once.

The one-time code carries no right but to enrol one dock of one name; a dock keeps its private
key and proves it at every sign-in.  A used statement is refused when it comes again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, true, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from auth import codes, keys, once
from auth.errors import EnrolmentCodeError, NotPermittedError, TakenError, UnknownError
from auth.events import DockEnrolled, DockInvited, DockRetired, Recorder
from auth.models import Dock, DockKey, EnrolmentCode
from auth.names import check_name
from auth.possession import Possession
from auth.principals import Principal
from auth.tokens import Assertion


@dataclass(frozen=True, slots=True)
class Invitation:
    """A one-time enrolment code. `code` is shown once and kept nowhere."""

    id: UUID
    code: str
    dock_name: str
    expires_at: datetime


def invite(
    session: Session,
    recorder: Recorder,
    *,
    agency_id: UUID,
    dock_name: str,
    by: Principal,
    at: datetime,
    life: timedelta,
    request_id: str,
) -> Invitation:
    """Make a code with which a dock of this name may enrol, once and soon. Raises TakenError, NotPermittedError."""
    if by.kind != "system" and by.agency_id != agency_id:
        raise NotPermittedError("Docks are invited into one's own agency.")
    dock_name = check_name(dock_name, what="The name of a dock", longest=80)
    if session.scalar(select(Dock.id).where(Dock.agency_id == agency_id, Dock.name == dock_name, _ACTIVE)):
        raise TakenError(f"There is a dock named {dock_name} already.")
    code = codes.make(20)
    row = EnrolmentCode(
        agency_id=agency_id,
        dock_name=dock_name,
        code_sha256=codes.digest(code),
        expires_at=at + life,
        invited_by=by.id,
    )
    session.add(row)
    session.flush()
    event = DockInvited(
        by=by,
        invitation_id=row.id,
        agency_id=agency_id,
        dock_name=dock_name,
        expires_at=row.expires_at,
        at=at,
        request_id=request_id,
    )
    recorder.record(session, event)
    return Invitation(id=row.id, code=codes.shown(code), dock_name=dock_name, expires_at=row.expires_at)


def enrol(
    session: Session,
    recorder: Recorder,
    *,
    code: str,
    public_key: Mapping[str, Any],
    at: datetime,
    request_id: str,
    name: str | None = None,
) -> Dock:
    """Take a dock in with the public key (JWK) it brings.

    Raises DockKeyError, EnrolmentCodeError or TakenError; the code is spent only if all is well, and
    only by the dock it was made for, if the dock says its `name`.
    """
    jwk = keys.jwk_of(keys.public_key(public_key))
    name = None if name is None else check_name(name, what="The name of a dock", longest=80)
    # One statement finds the code good and spends it: of several at once the others wait, then find it spent.
    spent = session.execute(
        update(EnrolmentCode)
        .where(
            EnrolmentCode.code_sha256 == codes.digest(code),
            EnrolmentCode.used_at.is_(None),
            EnrolmentCode.expires_at > at,
            true() if name is None else EnrolmentCode.dock_name == name,
        )
        .values(used_at=at)
        .returning(EnrolmentCode.id, EnrolmentCode.agency_id, EnrolmentCode.dock_name, EnrolmentCode.invited_by)
    ).one_or_none()
    if spent is None:
        raise EnrolmentCodeError
    dock = Dock(
        agency_id=spent.agency_id,
        name=spent.dock_name,
        public_key=jwk,
        fingerprint=keys.fingerprint(jwk),
        enrolled_at=at,
    )
    try:
        with session.begin_nested():
            session.add(dock)
            session.flush()
            session.add(DockKey(fingerprint=dock.fingerprint, dock_id=dock.id, public_key=jwk, since=at))
    except IntegrityError:
        raise TakenError("There is a dock of this name, or one with this key, already.") from None
    event = DockEnrolled(
        dock_id=dock.id,
        agency_id=dock.agency_id,
        name=dock.name,
        fingerprint=dock.fingerprint,
        invitation_id=spent.id,
        invited_by=spent.invited_by,
        at=at,
        request_id=request_id,
    )
    recorder.record(session, event)
    return dock


def retire(
    session: Session, recorder: Recorder, dock: Dock, *, by: Principal, at: datetime, request_id: str, reason: str
) -> None:
    """Let the dock in no more, from its next request on; a second time changes nothing."""
    if by.kind != "system" and by.agency_id != dock.agency_id:
        raise NotPermittedError("Docks are retired inside one's own agency.")
    session.refresh(dock, with_for_update=True)
    if dock.retired_at is not None:
        return
    dock.retired_at = at
    session.flush()
    event = DockRetired(by=by, dock_id=dock.id, agency_id=dock.agency_id, reason=reason, at=at, request_id=request_id)
    recorder.record(session, event)


def by_id(session: Session, dock_id: UUID) -> Dock | None:
    """Return the dock with that id, if there is one."""
    return session.get(Dock, dock_id)


def in_agency(session: Session, dock_id: UUID, agency_id: UUID) -> Dock:
    """Return the agency's dock; raise UnknownError for a missing and for another agency's alike."""
    dock = session.get(Dock, dock_id)
    if dock is None or dock.agency_id != agency_id:
        raise UnknownError("There is no such dock.")
    return dock


def page(session: Session, agency_id: UUID, *, after: UUID | None = None, limit: int = 50) -> list[Dock]:
    """Return the agency's docks by name, retired ones included, going on after that dock."""
    found = select(Dock).where(Dock.agency_id == agency_id).order_by(Dock.name, Dock.id).limit(limit)
    if after is not None:
        last = in_agency(session, after, agency_id)
        found = found.where(tuple_(Dock.name, Dock.id) > tuple_(last.name, last.id))
    return list(session.scalars(found))


def spend(session: Session, dock_id: UUID, assertion: Assertion, *, at: datetime) -> bool:
    """Note that the dock's statement was used; False if it was used before."""
    return once.spend(session, dock_id.bytes + assertion.jti.encode("utf-8"), expires_at=assertion.expires_at, at=at)


def spend_proof(session: Session, possession: Possession) -> bool:
    """Note that a proof was used; False if it was used before, with this server process or any other."""
    return once.spend_unhurried(session, possession.digest, expires_at=possession.expires_at)


_ACTIVE = Dock.retired_at.is_(None)
