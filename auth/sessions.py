"""Sign in, and say of every later request who it is. The token proves who; the database says what now.

Nothing is remembered between requests: a suspended account, a retired dock or an ended role
counts from the very next one.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from auth import accounts, machines, passwords, roles
from auth.errors import NotSignedInError, ProofMissingError
from auth.events import DockSignedIn, Reason, Recorder, SignedIn, SignInRefused
from auth.models import Account, Dock
from auth.possession import Shown, read_proof, require_key
from auth.principals import Principal
from auth.tokens import Proof, TokenVerifier, dock_id_unverified, verify_assertion


def identify(session: Session, shown: Shown, verifier: TokenVerifier, *, at: datetime) -> Principal:
    """Return the principal a token belongs to, as the database knows them now; raise NotSignedInError.

    A dock's proof is spent by this, in the session: one whose statements stand for themselves, or a
    request that fails would give its proof back.
    """
    try:
        proof = verifier.verify(shown.token, at=at)
        if proof.kind == "dock":
            return _identify_dock(session, shown, proof, at=at)
        if shown.proof is not None:
            raise NotSignedInError("proof without need")
    except NotSignedInError as refused:
        if shown.proof is not None:
            refused.challenge = ProofMissingError.challenge
        raise
    known = accounts.with_roles(session, proof.id, at=at)
    if known is None or known[0].suspended_at is not None:
        raise NotSignedInError("unknown_account" if known is None else "suspended")
    account, held = known
    return Principal(
        kind="account",
        id=account.id,
        agency_id=account.agency_id,
        roles=held,
        name=account.name,
        method=proof.method,
        session=proof.jti,
        signed_in_at=proof.signed_in_at,
        badge=account.badge,
    )


def _identify_dock(session: Session, shown: Shown, proof: Proof, *, at: datetime) -> Principal:
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
