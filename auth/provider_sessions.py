"""The session at the provider behind one of our sign-ins: begun, renewed, ended.

Tokens of such a sign-in live fifteen minutes and carry `<session>.<serial>` as their `jti`.  Each can be
renewed once, and only if the provider renews its own session: so whoever the provider no longer knows
is out within fifteen minutes.  A token that comes to be renewed a second time was stolen, or its
thief was first: the session ends for both.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from auth.errors import NotSignedInError
from auth.models import ProviderIdentity, ProviderSession
from auth.sealing import Sealer

TOKEN_LIFE = timedelta(minutes=15)
LONGEST = timedelta(hours=12)
"""After which a person signs in at the provider again, whatever was renewed."""

RENEWING_AT_MOST = timedelta(seconds=30)
"""After which a renewal that never came back no longer stands in the way of another."""

FORGIVEN = timedelta(seconds=30)
"""For which the token before counts as this one: an answer may have been lost, or two windows ask at once."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a token may be renewed with: the refresh token, or nothing because the next token stands already."""

    refresh_token: str | None


def begin(
    session: Session,
    identity: ProviderIdentity,
    *,
    refresh_token: str | None,
    proved_at: datetime | None,
    at: datetime,
    sealer: Sealer,
) -> ProviderSession:
    """Begin a session after a good sign-in at the provider."""
    row = ProviderSession(
        id=uuid4(),
        identity_id=identity.id,
        began_at=at,
        ends_at=at + LONGEST,
        proved_at=proved_at,
        serial=0,
        renewed_at=at,
    )
    row.sealed_refresh = _sealed(row.id, refresh_token, sealer)
    session.add(row)
    session.flush()
    return row


def jti_of(row: ProviderSession) -> str:
    """Return the `jti` of the newest token of this session."""
    return f"{row.id}.{row.serial}"


def life_of(row: ProviderSession, *, at: datetime) -> timedelta:
    """Return how long a token given out now lives; no time at all when the session is over."""
    return max(timedelta(0), min(row.renewed_at + TOKEN_LIFE, row.ends_at) - at)


def standing(session: Session, jti: str, *, at: datetime) -> ProviderSession:
    """Return the session of a token; raise NotSignedInError if it has ended or its time is over."""
    row = session.get(ProviderSession, _read_jti(jti)[0])
    # Kept to the second here: tokens themselves are forgiven the difference between clocks.
    if row is None or row.ended_at is not None or at >= min(row.ends_at, row.renewed_at + TOKEN_LIFE):
        raise NotSignedInError("session_ended")
    return row


def claim(session: Session, row: ProviderSession, jti: str, *, at: datetime, sealer: Sealer) -> Claimed | None:
    """Let this token, and no other at the same time, be renewed; None if it was renewed before.

    Raises NotSignedInError when there is nothing to renew with, BlockingIOError while another renewal is under way.
    """
    session.refresh(row, with_for_update=True)
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
        return Claimed(sealer.unseal(row.sealed_refresh, purpose=_purpose(row.id)).decode())
    except ValueError:
        raise NotSignedInError("not renewable") from None


def release(session: Session, session_id: UUID) -> None:
    """Give up a renewal that came to nothing; the next may try."""
    _locked(session, session_id).renewing_since = None
    session.flush()


def renewed(
    session: Session, session_id: UUID, *, refresh_token: str | None, at: datetime, sealer: Sealer
) -> ProviderSession:
    """Note that the provider renewed its session; a new refresh token replaces the old.

    Raises NotSignedInError if the session has ended meanwhile.
    """
    row = _locked(session, session_id)
    if row.ended_at is not None:
        raise NotSignedInError("session_ended")
    if refresh_token is not None:
        row.sealed_refresh = _sealed(row.id, refresh_token, sealer)
    row.serial += 1
    row.renewed_at, row.renewing_since = at, None
    session.flush()
    return row


def end(session: Session, session_id: UUID, *, at: datetime) -> None:
    """End the session: its tokens are refused from the next request on."""
    row = _locked(session, session_id)
    if row.ended_at is None:
        row.ended_at, row.sealed_refresh, row.renewing_since = at, None, None
        session.flush()


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
