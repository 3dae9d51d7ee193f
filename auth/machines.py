"""Docks as identities: invited by a person, enrolled with a key of their own, retired at once.

The one-time code carries no right but to enrol one dock of one name; a dock keeps its private
key and proves it at every sign-in.  A used statement is refused when it comes again.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, LargeBinary, delete, func, literal, select, true, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from auth import keys
from auth.errors import EnrolmentCodeError, NotPermittedError, TakenError, UnknownError
from auth.events import DockEnrolled, DockInvited, DockRetired, Recorder
from auth.models import Dock, DockKey, EnrolmentCode, UsedAssertion
from auth.names import check_name
from auth.possession import Possession
from auth.principals import Principal
from auth.tokens import Assertion

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no letter that reads like a digit
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})
_FORGETTING = 0x65766964_61736A74
"""Key of the advisory lock under which one process at a time forgets old statements."""


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
    code = "".join(secrets.choice(_ALPHABET) for _ in range(20))
    row = EnrolmentCode(
        agency_id=agency_id,
        dock_name=dock_name,
        code_sha256=_digest(code),
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
    shown = "-".join(code[start : start + 5] for start in range(0, 20, 5))
    return Invitation(id=row.id, code=shown, dock_name=dock_name, expires_at=row.expires_at)


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
            EnrolmentCode.code_sha256 == _digest(code),
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
    forget_old(session, at)
    digest = sha256(dock_id.bytes + assertion.jti.encode("utf-8")).digest()
    noted = session.execute(
        insert(UsedAssertion)
        .values(jti_sha256=digest, expires_at=assertion.expires_at)
        .on_conflict_do_nothing()
        .returning(UsedAssertion.jti_sha256)
    )
    return noted.one_or_none() is not None


def spend_proof(session: Session, possession: Possession) -> bool:
    """Note that a proof was used; False if it was used before, with this server process or any other.

    One statement, and the only one that a proof costs.  It does not wait for the disk: what a crash of the
    database forgets is a fraction of a second old, and its proofs name a request that a client sends again anyway.
    """
    noted = session.execute(
        insert(UsedAssertion)
        .from_select(
            ["jti_sha256", "expires_at"],
            select(
                literal(possession.digest, LargeBinary),
                literal(possession.expires_at, DateTime(timezone=True)),
            ).select_from(func.set_config("synchronous_commit", "off", true()).alias("unhurried")),
        )
        .on_conflict_do_nothing()
        .returning(UsedAssertion.expires_at)
    )
    return noted.first() is not None


def forget_old(session: Session, at: datetime) -> None:
    """Forget statements and proofs that are refused for their age by now."""
    # One process at a time, so that two cannot wait for each other.
    if session.scalar(select(func.pg_try_advisory_xact_lock(_FORGETTING))):
        session.execute(delete(UsedAssertion).where(UsedAssertion.expires_at < at - timedelta(minutes=5)))


def _digest(code: str) -> bytes:
    # A hundred random bits need no slow hash.
    return sha256(code.upper().translate(_READ_AS).encode("utf-8", "replace")).digest()


_ACTIVE = Dock.retired_at.is_(None)
