"""A dock changes its key: the old one names the new one, and the new one answers for itself.

Two statements.  The first is signed with the key the dock has, names the new public key, and is
addressed to this one act.  The second is signed with the new key and names the first by its
digest, so nobody can have a dock vouch for a key that they do not hold.  From the commit on the
old key opens nothing: not a sign-in, not a token that is bound to it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from auth import keys, machines
from auth.errors import NotSignedInError, TakenError
from auth.events import DockKeyReplaced, Reason, Recorder, SignInRefused
from auth.models import Dock, DockKey
from auth.strict import read_object, write_base64url
from auth.tokens import Assertion, check_assertion, read_unverified, refusing, require, verify_signature

NAMING_TYPE: Final = "dock-key+jwt"
ANSWER_TYPE: Final = "dock-key-answer+jwt"


@dataclass(frozen=True, slots=True)
class _Replacement:
    assertion: Assertion
    public_key: dict[str, str]


def replace(
    session: Session,
    recorder: Recorder,
    dock_id: UUID,
    *,
    statement: str,
    answer: str,
    audiences: Collection[str],
    at: datetime,
    leeway: timedelta,
    request_id: str,
    source: str | None = None,
) -> Dock | None:
    """Give the dock the key that its old one names; None, which is reported, if the statements are not good.

    None rather than an error, so that the caller's transaction, with the report in it, is committed.
    Raises TakenError when the key is, or was, a dock's already.
    """
    dock = session.get(Dock, dock_id, with_for_update=True, populate_existing=True)
    reason: Reason
    try:
        reason = "unknown_dock" if dock is None else "retired"
        if dock is not None and dock.retired_at is None:
            named = _read(statement, answer, dock, audiences=audiences, at=at, leeway=leeway)
            if machines.spend(session, dock.id, named.assertion, at=at):
                _put(session, recorder, dock, named.public_key, at=at, request_id=request_id)
                return dock
            reason = "replayed"
    except NotSignedInError:
        reason = "bad_assertion"
    recorder.record(
        session,
        SignInRefused(
            reason=reason,
            kind="dock" if dock else None,
            id=dock.id if dock else None,
            agency_id=dock.agency_id if dock else None,
            source=source,
            at=at,
            request_id=request_id,
        ),
    )
    return None


def of_fingerprint(session: Session, dock_id: UUID, fingerprint: str) -> dict[str, str] | None:
    """Return the public key with that fingerprint that the dock has or had."""
    return session.scalar(
        select(DockKey.public_key).where(DockKey.fingerprint == fingerprint, DockKey.dock_id == dock_id)
    )


def _read(
    statement: str, answer: str, dock: Dock, *, audiences: Collection[str], at: datetime, leeway: timedelta
) -> _Replacement:
    def read() -> _Replacement:
        old = keys.public_key(dock.public_key)
        claims, assertion = check_assertion(
            statement, types={NAMING_TYPE}, issuer=str(dock.id), key=old, audiences=audiences, at=at, leeway=leeway
        )
        new: dict[str, Any] = claims["jwk"]
        public = keys.public_key(new)
        unverified = read_unverified(answer)
        require(unverified.header == {"alg": "ES256", "typ": ANSWER_TYPE}, "answer header")
        said = read_object(verify_signature(unverified, public))
        require(said == {"statement": write_base64url(sha256(statement.encode("ascii")).digest())}, "answer")
        return _Replacement(assertion, keys.jwk_of(public))

    return refusing(read)


def _put(
    session: Session, recorder: Recorder, dock: Dock, public_key: dict[str, str], *, at: datetime, request_id: str
) -> None:
    fingerprint, replaced = keys.fingerprint(public_key), dock.fingerprint
    session.execute(update(DockKey).where(DockKey.fingerprint == replaced, DockKey.dock_id == dock.id).values(until=at))
    try:
        with session.begin_nested():
            session.add(DockKey(fingerprint=fingerprint, dock_id=dock.id, public_key=public_key, since=at))
    except IntegrityError:
        raise TakenError("This key is, or was, a dock's already.") from None
    dock.public_key, dock.fingerprint = public_key, fingerprint
    session.flush()
    event = DockKeyReplaced(
        dock_id=dock.id,
        agency_id=dock.agency_id,
        name=dock.name,
        fingerprint=fingerprint,
        replaced=replaced,
        at=at,
        request_id=request_id,
    )
    recorder.record(session, event)
