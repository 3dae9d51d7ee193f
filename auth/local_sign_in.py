"""Local sign-in: by password, and second factor where the account has one, for who has no identity provider.

Whatever is wrong, the caller hears the same words after the same work.  What is missing, though everything
sent was right, is said: only somebody who knows the password learns it.  Every refusal is reported with its
reason, and those that were guesses are counted (lockouts.py).
"""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from auth import accounts, lockouts, passwords, second_factors, sessions
from auth.errors import CodeError, EnrolmentCodeError, PasswordError
from auth.events import LockedOut, PasswordChanged, ProvedAgain, Reason, Recorder
from auth.models import Account, SignInSession
from auth.principals import Principal
from auth.sealing import Sealer
from auth.second_factors import Given
from auth.sessions import Begun, Refused, refuse
from auth.settings import AuthSettings

GUESSES = frozenset({"unknown_account", "wrong_password", "wrong_code", "replayed_code"})
"""Refusals that may have been guesses, and are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody sends to sign in. `banner` is the SHA-256 of the notice they have read."""

    email: str = field(repr=False)  # people type passwords into the wrong box
    password: str = field(repr=False)
    factor: Given = field(default_factory=Given, repr=False)
    new_password: str | None = field(default=None, repr=False)
    banner: str | None = None


def sign_in(
    session: Session,
    recorder: Recorder,
    asked: Asked,
    *,
    rules: AuthSettings,
    sealer: Sealer,
    at: datetime,
    request_id: str,
    source: str | None = None,
) -> Begun | Refused:
    """Begin a session for who proves to own the account, or say why not; either way it is reported.

    A value rather than an error, so that the caller's transaction, with the report in it, is committed.
    Raises PasswordError for a new password that cannot be accepted.
    """
    if rules.banner_sha256 not in (None, asked.banner):
        return refuse(session, recorder, None, "banner_not_acknowledged", source=source, at=at, request_id=request_id)
    account = accounts.by_email(session, asked.email)
    # The same work whether or not there is such an account, so that time does not tell.
    kept = account.password_hash if account else passwords.NOBODY
    right = passwords.matches(kept, asked.password)
    if account is not None:
        # From here on one at a time: whoever guesses in parallel is counted in sequence, before any answer.
        session.refresh(account, with_for_update={"key_share": True})
        if account.password_hash != kept:
            right = passwords.matches(account.password_hash, asked.password)  # it was changed in between
    reason = _refusal(session, account, asked, right, rules=rules, source=source, at=at)
    amr, strong_at = ["pwd"], None
    if account is not None and reason is None and second_factors.has_one(session, account.id):
        proved = second_factors.prove(
            session, recorder, account, asked.factor, sealer=sealer, at=at, request_id=request_id
        )
        if proved == "wrong_code" or proved == "replayed_code":
            reason = proved
        else:
            amr, strong_at = ["pwd", proved], at
    elif rules.second_factor == "optional":
        strong_at = at
    if account is None or reason:
        reason = reason or "unknown_account"
        refused = refuse(session, recorder, account, reason, source=source, at=at, request_id=request_id)
        if reason in GUESSES:
            count_failure(session, recorder, account, rules=rules, source=source, at=at, request_id=request_id)
        return refused
    lockouts.release(session, lockouts.of_account(account.id))
    _renew_password(session, recorder, account, asked, at=at, request_id=request_id)
    return sessions.begin(
        session,
        recorder,
        account,
        rules=rules,
        method="password",
        amr=amr,
        strong_at=strong_at,
        at=at,
        request_id=request_id,
        source=source,
        banner=rules.banner_sha256,
    )


def _refusal(
    session: Session,
    account: Account | None,
    asked: Asked,
    right: bool,
    *,
    rules: AuthSettings,
    source: str | None,
    at: datetime,
) -> Reason | None:
    """Return what stands in the way before the second factor is looked at, in the order in which it counts."""
    subjects = [lockouts.of_source(source)] if source else []
    if account:
        subjects.append(lockouts.of_account(account.id))
    locked = lockouts.are_locked(session, *subjects)
    if account is None:
        return "unknown_account" if not locked else "source_locked"
    if locked:
        return "locked" if lockouts.of_account(account.id) in locked else "source_locked"
    if not right:
        return "wrong_password"
    if account.suspended_at is not None:
        return "suspended"
    if idle_since(session, account) <= at - rules.idle_account_life:
        return "idle"
    if account.password_ends_at is not None and account.password_ends_at <= at:
        return "one_time_password_over"
    if account.password_ends_at is not None and asked.new_password is None:
        return "new_password_missing"
    if asked.factor.is_empty and second_factors.has_one(session, account.id):
        return "second_factor_missing"
    return None


def idle_since(session: Session, account: Account) -> datetime:
    """Return when the account was last used, or made or let in again."""
    used = session.scalar(select(func.max(SignInSession.last_used_at)).where(SignInSession.account_id == account.id))
    return max(each for each in (used, account.created_at, account.released_at) if each is not None)


def prove_again(
    session: Session,
    recorder: Recorder,
    given: Given,
    *,
    by: Principal,
    rules: AuthSettings,
    sealer: Sealer,
    at: datetime,
    request_id: str,
    source: str | None = None,
) -> bool:
    """Note that somebody proved their second factor again in their session; False if they did not, which is counted.

    Raises CodeError for an account without one.
    """
    account, row = sessions.own(session, by)
    if not second_factors.has_one(session, account.id):
        raise CodeError("This account has no second factor yet.")
    reason: Reason
    if lockouts.are_locked(session, lockouts.of_account(account.id)):
        reason = "locked"
    else:
        proved = second_factors.prove(session, recorder, account, given, sealer=sealer, at=at, request_id=request_id)
        if proved != "wrong_code" and proved != "replayed_code":
            row.strong_at = at
            session.flush()
            event = ProvedAgain(principal=by, method=proved, agency_id=account.agency_id, at=at, request_id=request_id)
            recorder.record(session, event)
            return True
        reason = proved
    _refuse_within(session, recorder, account, reason, by=by, rules=rules, source=source, at=at, request_id=request_id)
    return False


def confirm_second_factor(
    session: Session,
    recorder: Recorder,
    code: str,
    *,
    by: Principal,
    rules: AuthSettings,
    sealer: Sealer,
    at: datetime,
    request_id: str,
    source: str | None = None,
) -> list[str] | None:
    """Let the second factor that was offered to one's own account count, and return its recovery codes.

    None for a wrong code, which is counted.  Raises CodeError if none was offered.
    """
    account, row = sessions.own(session, by)
    codes = second_factors.confirm(
        session, recorder, account, code=code, sealer=sealer, by=by, at=at, request_id=request_id
    )
    if codes is None:
        _refuse_within(
            session, recorder, account, "wrong_code", by=by, rules=rules, source=source, at=at, request_id=request_id
        )
        return None
    row.strong_at = at
    session.flush()
    return codes


def change_password(
    session: Session,
    recorder: Recorder,
    *,
    old: str,
    new: str,
    by: Principal,
    rules: AuthSettings,
    at: datetime,
    request_id: str,
    source: str | None = None,
) -> bool:
    """Give one's own account another password and end its other sessions; False if the old one is wrong.

    Raises PasswordError for a new one that cannot be accepted.
    """
    account, _ = sessions.own(session, by)
    right = passwords.matches(account.password_hash, old)
    locked = bool(lockouts.are_locked(session, lockouts.of_account(account.id)))
    if locked or not right:
        _refuse_within(
            session,
            recorder,
            account,
            "locked" if locked else "wrong_password",
            by=by,
            rules=rules,
            source=source,
            at=at,
            request_id=request_id,
        )
        return False
    _set_password(session, recorder, account, new, old=old, by=by, at=at, request_id=request_id)
    sessions.end_all(
        session,
        recorder,
        account,
        because="password_changed",
        by=by,
        at=at,
        request_id=request_id,
        but=by.session,
    )
    return True


def count_failure(
    session: Session,
    recorder: Recorder,
    account: Account | None,
    *,
    rules: AuthSettings,
    source: str | None,
    at: datetime,
    request_id: str,
) -> bool:
    """Count a failure for the account and for the address; say whether the account is locked out by it."""
    window, locked = rules.lockout_window, False
    if account is not None:
        locked = lockouts.count(
            session, lockouts.of_account(account.id), limit=rules.lockout_failures, window=window, at=at
        )
        if locked:
            _report_lockout(
                session, recorder, account=account, failures=rules.lockout_failures, at=at, request_id=request_id
            )
    if source is not None:
        _count_source(
            session,
            recorder,
            lockouts.of_source(source),
            limit=rules.lockout_source_failures,
            rules=rules,
            source=source,
            at=at,
            request_id=request_id,
        )
    return locked


def require_enrolment_open(session: Session, source: str | None) -> None:
    """Raise EnrolmentCodeError, as for a wrong code, where too many wrong ones came from."""
    if source is not None and lockouts.are_locked(session, lockouts.of_enrolment(source)):
        raise EnrolmentCodeError


def refuse_enrolment(
    session: Session, recorder: Recorder, *, rules: AuthSettings, source: str | None, at: datetime, request_id: str
) -> None:
    """Report a refused enrolment code, and count it for the network address it came from."""
    subject = None if source is None else lockouts.of_enrolment(source)
    locked = subject is not None and bool(lockouts.are_locked(session, subject))
    reason: Reason = "source_locked" if locked else "wrong_enrolment_code"
    refuse(session, recorder, None, reason, source=source, at=at, request_id=request_id)
    if source is not None and subject is not None and not locked:
        limit = rules.lockout_failures
        _count_source(session, recorder, subject, limit=limit, rules=rules, source=source, at=at, request_id=request_id)


def _count_source(
    session: Session,
    recorder: Recorder,
    subject: str,
    *,
    limit: int,
    rules: AuthSettings,
    source: str,
    at: datetime,
    request_id: str,
) -> None:
    """Count a failure for a network address alone."""
    if lockouts.count(session, subject, limit=limit, window=rules.lockout_window, at=at):
        event = LockedOut(source=source, failures=limit, agency_id=None, at=at, request_id=request_id)
        recorder.record(session, event)


def _report_lockout(
    session: Session, recorder: Recorder, *, account: Account, failures: int, at: datetime, request_id: str
) -> None:
    event = LockedOut(
        account_id=account.id, failures=failures, agency_id=account.agency_id, at=at, request_id=request_id
    )
    recorder.record(session, event)


def _refuse_within(
    session: Session,
    recorder: Recorder,
    account: Account,
    reason: Reason,
    *,
    by: Principal,
    rules: AuthSettings,
    source: str | None,
    at: datetime,
    request_id: str,
) -> None:
    """Report what was refused within a session; one in which an account's limit is reached is ended."""
    refuse(session, recorder, account, reason, source=source, at=at, request_id=request_id)
    if reason in GUESSES and count_failure(
        session, recorder, account, rules=rules, source=source, at=at, request_id=request_id
    ):
        sessions.end(session, recorder, by=by, because="guessed_at", at=at, request_id=request_id)


def _renew_password(
    session: Session, recorder: Recorder, account: Account, asked: Asked, *, at: datetime, request_id: str
) -> None:
    """Put the chosen password in the place of a one-time password, or today's digest in the place of an old one."""
    if account.password_ends_at is not None:
        assert asked.new_password is not None, "a one-time password alone was refused"
        owner = Principal(
            kind="account",
            id=account.id,
            agency_id=account.agency_id,
            roles=frozenset(),
            name=account.name,
            method="password",
            badge=account.badge,
        )
        _set_password(
            session,
            recorder,
            account,
            asked.new_password,
            old=asked.password,
            by=owner,
            at=at,
            request_id=request_id,
        )
    elif passwords.is_outdated(account.password_hash):
        account.password_hash = passwords.digest(asked.password)
        session.flush()


def _set_password(
    session: Session,
    recorder: Recorder,
    account: Account,
    new: str,
    *,
    old: str,
    by: Principal,
    at: datetime,
    request_id: str,
) -> None:
    passwords.check_rules(new, email=account.email, name=account.name)
    if new == old:
        raise PasswordError("The new password is the old one.")
    account.password_hash, account.password_ends_at = passwords.digest(new), None
    session.flush()
    event = PasswordChanged(by=by, account_id=account.id, agency_id=account.agency_id, at=at, request_id=request_id)
    recorder.record(session, event)
