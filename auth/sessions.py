"""Sign in, and say of every later request who it is. The token proves who; the database says what now.

Nothing is remembered between requests: a suspended account, a retired dock or an ended role
counts from the very next one.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from auth import accounts, machines, passwords, provider_sessions, roles
from auth.errors import NotSignedInError
from auth.events import DockSignedIn, Reason, Recorder, SignedIn, SignInRefused
from auth.models import Account, Dock
from auth.principals import Principal
from auth.tokens import TokenVerifier, dock_id_unverified, verify_assertion


def identify(session: Session, token: str, verifier: TokenVerifier, *, at: datetime) -> Principal:
    """Return the principal a token belongs to, as the database knows them now; raise NotSignedInError."""
    proof = verifier.verify(token, at=at)
    if proof.kind == "dock":
        dock = machines.by_id(session, proof.id)
        if dock is None or dock.retired_at is not None:
            raise NotSignedInError("unknown_dock" if dock is None else "retired")
        return _of_dock(dock, session_id=proof.jti, signed_in_at=proof.signed_in_at)
    known = accounts.with_roles(session, proof.id, at=at)
    if known is None or known[0].suspended_at is not None:
        raise NotSignedInError("unknown_account" if known is None else "suspended")
    account, held = known
    signed_in_at: datetime | None = proof.signed_in_at
    if proof.method == "single_sign_on":
        # When its person proved more than a password, if the provider said so: without that there is no step-up.
        signed_in_at = provider_sessions.standing(session, proof.jti, at=at).proved_at
    return Principal(
        kind="account",
        id=account.id,
        agency_id=account.agency_id,
        roles=held,
        name=account.name,
        method=proof.method,
        session=proof.jti,
        signed_in_at=signed_in_at,
        badge=account.badge,
    )


def sign_in(
    session: Session,
    recorder: Recorder,
    *,
    email: str,
    password: str,
    at: datetime,
    request_id: str,
    source: str | None = None,
) -> Principal | None:
    """Return who signed in with this password, or None; either way it is reported.

    None rather than an error, so that the caller's transaction, with the report in it, is committed.
    """
    account = accounts.by_email(session, email)
    # The same work whether or not there is such an account, so that time does not tell.
    right = passwords.matches(account.password_hash if account else passwords.NOBODY, password)
    refused: Reason | None = None
    if account is None:
        refused = "unknown_account"
    elif not right:
        refused = "wrong_password"
    elif account.suspended_at is not None:
        refused = "suspended"
    if account is None or refused:
        event = SignInRefused(
            reason=refused or "unknown_account",
            kind="account" if account else None,
            id=account.id if account else None,
            agency_id=account.agency_id if account else None,
            source=source,
            at=at,
            request_id=request_id,
        )
        recorder.record(session, event)
        return None
    if passwords.is_outdated(account.password_hash):
        account.password_hash = passwords.digest(password)
        session.flush()
    principal = _of_account(session, account, at=at)
    recorder.record(
        session,
        SignedIn(principal=principal, agency_id=account.agency_id, source=source, at=at, request_id=request_id),
    )
    return principal


def sign_in_dock(
    session: Session,
    recorder: Recorder,
    *,
    assertion: str,
    audiences: Collection[str],
    at: datetime,
    leeway: timedelta,
    request_id: str,
    source: str | None = None,
) -> Principal | None:
    """Return the dock that signed this statement, or None; either way it is reported, as in `sign_in`."""
    dock: Dock | None = None
    reason: Reason
    try:
        dock = machines.by_id(session, dock_id_unverified(assertion))
        reason = "unknown_dock" if dock is None else "retired"
        if dock is not None and dock.retired_at is None:
            good = verify_assertion(
                assertion, dock_id=dock.id, jwk=dock.public_key, audiences=audiences, at=at, leeway=leeway
            )
            if machines.spend(session, dock.id, good, at=at):
                principal = _of_dock(dock, session_id=None, signed_in_at=at)
                event = DockSignedIn(
                    principal=principal, agency_id=dock.agency_id, source=source, at=at, request_id=request_id
                )
                recorder.record(session, event)
                return principal
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


def _of_account(session: Session, account: Account, *, at: datetime) -> Principal:
    return Principal(
        kind="account",
        id=account.id,
        agency_id=account.agency_id,
        roles=roles.held(session, account.id, at=at),
        name=account.name,
        method="password",
        signed_in_at=at,
        badge=account.badge,
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
