"""Letting people in again: an account or address that was locked out is released, or an account is reset.

A release takes away the lock and the idle time, nothing else.  A reset is for who has lost password or
second factor; only the server's own console does it, and there it always works: whoever sits there holds
the database anyway, and no city may be locked out of its evidence for good.
"""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from auth import lockouts, passwords, second_factors, sessions
from auth.errors import NotPermittedError
from auth.events import AccountReleased, AccountReset, Recorder, SourceReleased
from auth.models import Account
from auth.principals import Principal


def release(
    session: Session, recorder: Recorder, account: Account, *, by: Principal, at: datetime, request_id: str, reason: str
) -> None:
    """Let an account in again that was locked out or idle for too long; a suspended one stays suspended.

    Raises NotPermittedError for one's own account and for another agency's.
    """
    if by.kind != "system" and by.agency_id != account.agency_id:
        raise NotPermittedError("Accounts are released inside one's own agency.")
    if by.id == account.id:
        raise NotPermittedError("Nobody releases their own account.")
    session.refresh(account, with_for_update={"key_share": True})
    lockouts.release(session, lockouts.of_account(account.id))
    account.released_at = at
    session.flush()
    event = AccountReleased(
        by=by, account_id=account.id, agency_id=account.agency_id, reason=reason, at=at, request_id=request_id
    )
    recorder.record(session, event)


def release_source(
    session: Session, recorder: Recorder, source: str, *, by: Principal, at: datetime, request_id: str, reason: str
) -> bool:
    """Let a network address in again; say whether it was locked out."""
    if not lockouts.release(session, lockouts.of_source(source), lockouts.of_enrolment(source)):
        return False
    event = SourceReleased(
        by=by,
        source=lockouts.network_of(source),
        reason=reason,
        agency_id=by.agency_id,
        at=at,
        request_id=request_id,
    )
    recorder.record(session, event)
    return True


def reset(
    session: Session,
    recorder: Recorder,
    account: Account,
    *,
    password: str,
    life: timedelta,
    by: Principal,
    at: datetime,
    request_id: str,
) -> None:
    """Give an account a one-time password, end its second factor and its sessions, and release it.

    Raises NotPermittedError for anybody but the server's console, and for a suspended account: somebody decided that.
    """
    if by.kind != "system":
        raise NotPermittedError("An account is reset at the server's own console.")
    session.refresh(account, with_for_update={"key_share": True})
    if account.suspended_at is not None:
        raise NotPermittedError("This account is suspended; make another one with `evidence admin create`.")
    passwords.check_rules(password, email=account.email, name=account.name)
    account.password_hash, account.password_ends_at = passwords.digest(password), at + life
    account.released_at = at
    session.flush()
    second_factors.clear(session, account.id, at=at)
    lockouts.release(session, lockouts.of_account(account.id))
    sessions.end_all(session, recorder, account, because="reset", by=by, at=at, request_id=request_id)
    event = AccountReset(by=by, account_id=account.id, agency_id=account.agency_id, at=at, request_id=request_id)
    recorder.record(session, event)
