"""Sessions: what a sign-in begins, and who it is that a later request comes from.

The token proves who, and names the session; the database says what now.  Nothing is remembered between
requests: an ended session, a suspended account, a retired dock or an ended role counts from the very
next one.

A session is renewed with a token of its own kind, good once.  One that comes a second time was copied
by somebody, and nobody can tell by whom: it ends the session.
"""

import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from typing import Final
from uuid import UUID

from sqlalchemy import Executable, and_, select, update
from sqlalchemy.orm import Session

from auth import machines, roles
from auth.errors import NotSignedInError, ProofMissingError
from auth.events import DockSignedIn, Ending, Reason, Recorder, SessionEnded, SignedIn, SignInRefused
from auth.models import Account, Dock, RoleAssignment, SignInSession
from auth.possession import Shown, read_proof, require_key
from auth.principals import Principal, Role
from auth.settings import AuthSettings
from auth.strict import read_base64url, write_base64url
from auth.tokens import Proof, TokenVerifier, dock_id_unverified, verify_assertion

NOTED_EVERY: Final = timedelta(minutes=1)
"""How often at most it is noted that a session is used: a request costs one question, not a write."""

_FAMILY, _SECRET = 16, 32
"""Bytes of the two halves of a renewal token: which session, and the secret that is good once."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A session that began or goes on: whose, the token that renews it, and its end at the latest."""

    principal: Principal
    renewal: str = field(repr=False)
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Refused:
    """A sign-in or renewal that was refused, and reported."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Known:
    """Who asks, and, if that has to be noted, that their session was used."""

    principal: Principal
    note_use: Executable | None = None


def begin(
    session: Session,
    recorder: Recorder,
    account: Account,
    *,
    rules: AuthSettings,
    method: str,
    amr: Collection[str],
    at: datetime,
    request_id: str,
    proved_at: datetime | None = None,
    strong_at: datetime | None = None,
    ends_at: datetime | None = None,
    source: str | None = None,
    banner: str | None = None,
    provider: str | None = None,
) -> Begun:
    """Begin a session for an account whose owner has just proved who they are, by whatever `method`, and report it.

    `proved_at` is when they did (now, unless a provider says otherwise), `strong_at` when they proved a second
    factor, `ends_at` an end before that of every session, `provider` whose word it was.  Raises NotSignedInError
    for a suspended account.
    """
    session.refresh(account, with_for_update={"key_share": True})
    if account.suspended_at is not None:
        raise NotSignedInError("suspended")
    _end_the_oldest(session, recorder, account, most=rules.most_sessions, at=at, request_id=request_id)
    family, secret = secrets.token_bytes(_FAMILY), secrets.token_bytes(_SECRET)
    latest = at + rules.session_life
    row = SignInSession(
        account_id=account.id,
        method=method,
        amr=list(amr),
        began_at=at,
        proved_at=proved_at or at,
        strong_at=strong_at,
        last_used_at=at,
        idle_ends_at=at + rules.idle_life,
        ends_at=min(latest, ends_at or latest),
        source=source,
        renewal_family=sha256(family).digest(),
        renewal_sha256=sha256(secret).digest(),
    )
    session.add(row)
    session.flush()
    principal = person_of(session, account, row, at=at)
    event = SignedIn(
        principal=principal,
        amr=tuple(amr),
        banner=banner,
        provider=provider,
        agency_id=account.agency_id,
        source=source,
        at=at,
        request_id=request_id,
    )
    recorder.record(session, event)
    return Begun(principal, _renewal(family, secret), row.ends_at)


def recognise(
    session: Session, shown: Shown, verifier: TokenVerifier, *, at: datetime, rules: AuthSettings, source: str | None
) -> Known:
    """Say who a token belongs to, as the database knows them now; raise NotSignedInError.

    One question to the database.  Roles that do not count from this network address are set aside.  A dock's
    proof is spent by this, in the session: one whose statements stand for themselves, or a request that fails
    would give its proof back.
    """
    try:
        proof = verifier.verify(shown.token, at=at)
        if proof.kind == "dock":
            return Known(_recognise_dock(session, shown, proof, at=at))
        if shown.proof is not None:
            raise NotSignedInError("proof without need")
    except NotSignedInError as refused:
        if shown.proof is not None:
            refused.challenge = ProofMissingError.challenge
        raise
    rows = session.execute(
        select(SignInSession, Account, RoleAssignment.role)
        .join(Account, Account.id == SignInSession.account_id)
        .outerjoin(RoleAssignment, and_(RoleAssignment.account_id == Account.id, roles.standing(at)))
        .where(SignInSession.id == proof.session, Account.id == proof.id)
    ).all()
    if not rows:
        raise NotSignedInError("unknown_account")
    row, account, _ = rows[0]
    if account.suspended_at is not None:
        raise NotSignedInError("suspended")
    if not is_open(row, at=at):
        raise NotSignedInError("session_ended")
    held = roles.ROLES.intersection(role for _, _, role in rows)
    counts = frozenset(role for role in held if rules.counts_from(role, source))
    principal = _of_account(account, row, counts, set_aside=held - counts)
    return Known(principal, _used(row.id, rules, at=at) if at - row.last_used_at >= NOTED_EVERY else None)


def _recognise_dock(session: Session, shown: Shown, proof: Proof, *, at: datetime) -> Principal:
    dock = machines.by_id(session, proof.id)
    if dock is None or dock.retired_at is not None:
        raise NotSignedInError("unknown_dock" if dock is None else "retired")
    if shown.proof is None:
        raise ProofMissingError
    possession = read_proof(shown.proof, method=shown.method, address=shown.address, at=at, token=shown.token)
    require_key(possession, proof.bound_to, dock.fingerprint)
    if not machines.spend_proof(session, possession):
        raise NotSignedInError("proof replayed")
    return _of_dock(dock, session_id=proof.jti, signed_in_at=proof.signed_in_at)


def renew(
    session: Session,
    recorder: Recorder,
    renewal: str,
    *,
    rules: AuthSettings,
    at: datetime,
    request_id: str,
    source: str | None = None,
) -> Begun | Refused:
    """Renew an open session with its renewal token, which is good once; another use of it ends the session.

    As with a sign-in, a refusal is a value: the report of it has to be committed.
    """
    try:
        family, secret = (read_base64url(half) for half in renewal.split("."))
    except ValueError:
        family, secret = b"", b""
    row = session.scalar(
        select(SignInSession).where(SignInSession.renewal_family == sha256(family).digest()).with_for_update()
    )
    account = session.get(Account, row.account_id) if row else None
    reason: Reason | None = None
    if row is None or account is None:
        reason = "unknown_renewal"
    elif account.suspended_at is not None:
        reason = "suspended"
    elif not is_open(row, at=at):
        reason = "session_ended"
    elif not compare_digest(sha256(secret).digest(), row.renewal_sha256):
        reason = "renewal_reused"
        close(session, recorder, row, account, because=reason, by=None, at=at, request_id=request_id)
    if row is None or account is None or reason:
        return refuse(
            session, recorder, account, reason or "unknown_renewal", source=source, at=at, request_id=request_id
        )
    secret = secrets.token_bytes(_SECRET)
    row.renewal_sha256 = sha256(secret).digest()
    row.last_used_at, row.idle_ends_at = at, at + rules.idle_life
    session.flush()
    principal = person_of(session, account, row, at=at)
    return Begun(principal, _renewal(family, secret), row.ends_at)


def end(session: Session, recorder: Recorder, *, by: Principal, because: Ending, at: datetime, request_id: str) -> None:
    """End the session in which somebody asks for it."""
    account, row = own(session, by)
    close(session, recorder, row, account, because=because, by=by, at=at, request_id=request_id)


def end_all(
    session: Session,
    recorder: Recorder,
    account: Account,
    *,
    because: Ending,
    by: Principal,
    at: datetime,
    request_id: str,
    but: str | None = None,
) -> None:
    """End every open session of the account, but the one of that id."""
    for row in _opened(session, account.id, at=at):
        if str(row.id) != but:
            close(session, recorder, row, account, because=because, by=by, at=at, request_id=request_id)


def close(
    session: Session,
    recorder: Recorder,
    row: SignInSession,
    account: Account,
    *,
    because: Ending,
    by: Principal | None,
    at: datetime,
    request_id: str,
) -> None:
    """End a session before its time, and report it."""
    row.ended_at, row.ended_because = at, because
    session.flush()
    event = SessionEnded(
        by=by,
        account_id=account.id,
        session_id=row.id,
        because=because,
        agency_id=account.agency_id,
        at=at,
        request_id=request_id,
    )
    recorder.record(session, event)


def go_on(session: Session, row: SignInSession, *, until: datetime, rules: AuthSettings, at: datetime) -> None:
    """Let an open session go on until then, because whoever vouches for it did so again."""
    row.ends_at = min(until, row.began_at + rules.session_life)
    row.last_used_at, row.idle_ends_at = at, at + rules.idle_life
    session.flush()


def person_of(session: Session, account: Account, row: SignInSession, *, at: datetime) -> Principal:
    """Return whose session it is, with the roles they hold now."""
    return _of_account(account, row, roles.held(session, account.id, at=at))


def own(session: Session, principal: Principal) -> tuple[Account, SignInSession]:
    """Return account and session of the person who asks, both locked; raise NotSignedInError if it is over."""
    account = session.get(Account, principal.id, with_for_update={"key_share": True})
    row = (
        session.get(SignInSession, UUID(principal.session), with_for_update=True)
        if principal.session and account
        else None
    )
    if account is None or row is None or row.account_id != account.id or row.ended_at is not None:
        raise NotSignedInError("session_ended")
    return account, row


def is_open(row: SignInSession, *, at: datetime) -> bool:
    """Say whether a session goes on at that instant."""
    return row.ended_at is None and at < row.ends_at and at < row.idle_ends_at


def refuse(
    session: Session,
    recorder: Recorder,
    account: Account | None,
    reason: Reason,
    *,
    source: str | None,
    at: datetime,
    request_id: str,
) -> Refused:
    """Report that a sign-in was refused, and return that as a value."""
    event = SignInRefused(
        reason=reason,
        kind="account" if account else None,
        id=account.id if account else None,
        agency_id=account.agency_id if account else None,
        source=source,
        at=at,
        request_id=request_id,
    )
    recorder.record(session, event)
    return Refused(reason)


def sign_in_dock(
    session: Session,
    recorder: Recorder,
    *,
    assertion: str,
    proof: str,
    address: str,
    audiences: Collection[str],
    at: datetime,
    leeway: timedelta,
    request_id: str,
    source: str | None = None,
) -> tuple[Principal, str] | None:
    """Return the dock that signed this statement and the thumbprint of its key, or None.

    The statement says who asks, the `proof` that it is asked here (`address`) and now, by whoever has the
    key.  Either way it is reported, as in `sign_in`.
    """
    dock: Dock | None = None
    reason: Reason = "bad_assertion"
    try:
        dock = machines.by_id(session, dock_id_unverified(assertion))
        reason = "unknown_dock" if dock is None else "retired"
        if dock is not None and dock.retired_at is None:
            reason = "bad_assertion"
            good = verify_assertion(
                assertion, dock_id=dock.id, jwk=dock.public_key, audiences=audiences, at=at, leeway=leeway
            )
            reason = "bad_proof"
            possession = read_proof(proof, method="POST", address=address, at=at, token=None)
            require_key(possession, dock.fingerprint)
            if machines.spend(session, dock.id, good, at=at) and machines.spend_proof(session, possession):
                principal = _of_dock(dock, session_id=None, signed_in_at=at)
                event = DockSignedIn(
                    principal=principal, agency_id=dock.agency_id, source=source, at=at, request_id=request_id
                )
                recorder.record(session, event)
                return principal, possession.key
            reason = "replayed"
    except NotSignedInError:
        pass
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


def _of_account(
    account: Account, row: SignInSession, counts: frozenset[Role], *, set_aside: frozenset[Role] = frozenset()
) -> Principal:
    return Principal(
        kind="account",
        id=account.id,
        agency_id=account.agency_id,
        roles=counts,
        name=account.name,
        method=row.method,
        session=str(row.id),
        signed_in_at=row.proved_at,
        strong_at=row.strong_at,
        badge=account.badge,
        set_aside=set_aside,
    )


def _of_dock(dock: Dock, *, session_id: str | None, signed_in_at: datetime) -> Principal:
    return Principal(
        kind="dock",
        id=dock.id,
        agency_id=dock.agency_id,
        roles=frozenset({"dock"}),
        name=dock.name,
        method="private_key_jwt",
        session=session_id,
        signed_in_at=signed_in_at,
    )


def _renewal(family: bytes, secret: bytes) -> str:
    return f"{write_base64url(family)}.{write_base64url(secret)}"


def _used(session_id: UUID, rules: AuthSettings, *, at: datetime) -> Executable:
    return (
        update(SignInSession)
        .where(SignInSession.id == session_id, SignInSession.ended_at.is_(None), SignInSession.last_used_at < at)
        .values(last_used_at=at, idle_ends_at=at + rules.idle_life)
        .returning(SignInSession.id)
    )


def _opened(session: Session, account_id: UUID, *, at: datetime) -> Iterable[SignInSession]:
    return session.scalars(
        select(SignInSession)
        .where(
            SignInSession.account_id == account_id,
            SignInSession.ended_at.is_(None),
            SignInSession.ends_at > at,
            SignInSession.idle_ends_at > at,
        )
        .order_by(SignInSession.began_at, SignInSession.id)
        .with_for_update()
    ).all()


def _end_the_oldest(
    session: Session, recorder: Recorder, account: Account, *, most: int | None, at: datetime, request_id: str
) -> None:
    if most is None:
        return
    opened = list(_opened(session, account.id, at=at))
    for row in opened[: max(0, len(opened) - most + 1)]:
        close(session, recorder, row, account, because="too_many", by=None, at=at, request_id=request_id)
