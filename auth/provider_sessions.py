"""The session at the provider behind one of ours: noted, claimed, renewed.

A session of ours that began at a provider ends fifteen minutes after the provider last vouched for it, and
each renewal there lets it go on for as long: so whoever the provider no longer knows is out within
fifteen minutes.  Its tokens carry `<session>.<serial>` as their `jti`, and each can be renewed once.  A
token that comes to be renewed a second time was stolen, or its thief was first: the session ends for both.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from auth import sessions
from auth.errors import NotSignedInError
from auth.models import ProviderIdentity, ProviderSession, SignInSession
from auth.sealing import Sealer
from auth.settings import AuthSettings

TOKEN_LIFE = timedelta(minutes=15)
RENEWING_AT_MOST = timedelta(seconds=30)
"""After which a renewal that never came back no longer stands in the way of another."""

FORGIVEN = timedelta(seconds=30)
"""For which the token before counts as this one: an answer may have been lost, or two windows ask at once."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a token may be renewed with: the refresh token, or nothing because the next token stands already."""

    refresh_token: str | None


def note(
    session: Session,
    session_id: UUID,
    identity: ProviderIdentity,
    *,
    refresh_token: str | None,
    at: datetime,
    sealer: Sealer,
) -> ProviderSession:
    """Note what stands at the provider behind a session that has just begun."""
    row = ProviderSession(
        id=session_id,
        identity_id=identity.id,
        sealed_refresh=_sealed(session_id, refresh_token, sealer),
        serial=0,
        renewed_at=at,
    )
    session.add(row)
    session.flush()
    return row


def jti_of(row: ProviderSession) -> str:
    """Return the `jti` of the newest token of this session."""
    return f"{row.id}.{row.serial}"


def standing(session: Session, jti: str, *, at: datetime) -> tuple[ProviderSession, SignInSession]:
    """Return the session of a token, there and here; raise NotSignedInError if it has ended or its time is over."""
    session_id = _read_jti(jti)[0]
    row, ours = session.get(ProviderSession, session_id), session.get(SignInSession, session_id)
    if row is None or ours is None or not sessions.is_open(ours, at=at):
        raise NotSignedInError("session_ended")
    return row, ours


def claim(session: Session, row: ProviderSession, jti: str, *, at: datetime, sealer: Sealer) -> Claimed | None:
    """Let this token, and no other at the same time, be renewed; None if it was renewed before.

    Raises NotSignedInError when there is nothing to renew with, BlockingIOError while another renewal is under way.
    """
    session.refresh(row, with_for_update=True)
    session.refresh(standing(session, jti, at=at)[1])
    standing(session, jti, at=at)
    serial = _read_jti(jti)[1]
    if serial != row.serial:
        if serial == row.serial - 1 and at - row.renewed_at <= FORGIVEN:
            return Claimed(None)
        return None
    if row.sealed_refresh is None:
        raise NotSignedInError("not renewable")
    if row.renewing_since is not None and at - row.renewing_since < RENEWING_AT_MOST:
        raise BlockingIOError
    row.renewing_since = at
    session.flush()
    try:
        return Claimed(sealer.open(row.sealed_refresh, purpose=_purpose(row.id)).decode())
    except ValueError:
        raise NotSignedInError("not renewable") from None


def release(session: Session, session_id: UUID) -> None:
    """Give up a renewal that came to nothing; the next may try."""
    _locked(session, session_id).renewing_since = None
    session.flush()


def renewed(
    session: Session,
    session_id: UUID,
    *,
    refresh_token: str | None,
    rules: AuthSettings,
    at: datetime,
    sealer: Sealer,
) -> tuple[ProviderSession, SignInSession]:
    """Note that the provider renewed its session, and let ours go on; a new refresh token replaces the old.

    Raises NotSignedInError if the session has ended meanwhile.
    """
    row, ours = _locked(session, session_id), ours_locked(session, session_id)
    if not sessions.is_open(ours, at=at):
        raise NotSignedInError("session_ended")
    if refresh_token is not None:
        row.sealed_refresh = _sealed(row.id, refresh_token, sealer)
    row.serial += 1
    row.renewed_at, row.renewing_since = at, None
    sessions.go_on(session, ours, until=at + TOKEN_LIFE, rules=rules, at=at)
    return row, ours


def forget(session: Session, session_id: UUID) -> None:
    """Keep nothing more of the session at the provider."""
    row = _locked(session, session_id)
    row.sealed_refresh, row.renewing_since = None, None
    session.flush()


def ours_locked(session: Session, session_id: UUID) -> SignInSession:
    """Return our session as it is now, locked."""
    found = select(SignInSession).where(SignInSession.id == session_id).with_for_update()
    return session.scalars(found.execution_options(populate_existing=True)).one()


def _locked(session: Session, session_id: UUID) -> ProviderSession:
    found = select(ProviderSession).where(ProviderSession.id == session_id).with_for_update()
    return session.scalars(found.execution_options(populate_existing=True)).one()


def _read_jti(jti: str) -> tuple[UUID, int]:
    named, _, serial = jti.partition(".")
    try:
        return UUID(named), int(serial)
    except ValueError:
        raise NotSignedInError("session_ended") from None


def _sealed(session_id: UUID, refresh_token: str | None, sealer: Sealer) -> bytes | None:
    return None if refresh_token is None else sealer.seal(refresh_token.encode(), purpose=_purpose(session_id))


def _purpose(session_id: UUID) -> str:
    # A sealed refresh token opens for its own session only, wherever its bytes are copied to.
    return f"refresh token of {session_id}"
