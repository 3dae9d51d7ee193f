"""Create and suspend an account. Nothing is ever hard-deleted: records name people long after they left."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from auth import identities, passwords, sessions
from auth.errors import AccountError, NotPermittedError, TakenError, UnknownError
from auth.events import AccountCreated, AccountSuspended, Recorder
from auth.models import Account
from auth.names import check_name, normal_email
from auth.principals import Principal, Role
from auth.providers import Provider
from auth.roles import grant as grant_role


def create(
    session: Session,
    recorder: Recorder,
    *,
    agency_id: UUID,
    email: str,
    name: str,
    password: str | None = None,
    provider: Provider | None = None,
    subject: str | None = None,
    by: Principal,
    at: datetime,
    request_id: str,
    badge: str | None = None,
    roles: Iterable[Role] = (),
) -> Account:
    """Create an account with its first roles, signed in to by password or at a provider (as `subject`, if given).

    Raises TakenError if the address is in use, AccountError or PasswordError for what cannot be
    accepted, NotPermittedError for another agency.
    """
    if (password is None) == (provider is None):
        raise AccountError("An account has a password or signs in at a provider, one of them.")
    if subject is not None and provider is None:
        raise AccountError("A subject is somebody at a provider; say which.")
    if by.kind != "system" and by.agency_id != agency_id:
        raise NotPermittedError("Accounts are created inside one's own agency.")
    email, name = normal_email(email), check_name(name, what="A person's name")
    badge = None if badge is None else check_name(badge, what="A badge number", longest=40)
    if password is not None:
        passwords.check_rules(password, email=email, name=name)
    account = Account(
        agency_id=agency_id,
        email=email,
        name=name,
        badge=badge,
        password_hash=passwords.NOBODY if password is None else passwords.digest(password),
        created_at=at,
    )
    try:
        with session.begin_nested():
            session.add(account)
    except IntegrityError:
        raise TakenError("There is an account with this e-mail address already.") from None
    event = AccountCreated(
        by=by,
        account_id=account.id,
        agency_id=agency_id,
        email=email,
        name=name,
        badge=badge,
        at=at,
        request_id=request_id,
    )
    recorder.record(session, event)
    if provider is not None:
        identities.expect(session, recorder, account, provider, subject=subject, by=by, at=at, request_id=request_id)
    for role in roles:
        grant_role(session, recorder, account, role, by=by, at=at, request_id=request_id)
    return account


def suspend(
    session: Session, recorder: Recorder, account: Account, *, by: Principal, at: datetime, request_id: str, reason: str
) -> None:
    """Let the account in no more, from its next request on, and end its sessions; a second time changes nothing.

    Raises NotPermittedError for one's own account and for another agency's.
    """
    if by.kind != "system" and by.agency_id != account.agency_id:
        raise NotPermittedError("Accounts are suspended inside one's own agency.")
    if by.id == account.id:
        raise NotPermittedError("Nobody suspends their own account.")
    session.refresh(account, with_for_update=True)
    if account.suspended_at is not None:
        return
    account.suspended_at = at
    session.flush()
    event = AccountSuspended(
        by=by, account_id=account.id, agency_id=account.agency_id, reason=reason, at=at, request_id=request_id
    )
    recorder.record(session, event)
    sessions.end_all(session, recorder, account, because="suspended", by=by, at=at, request_id=request_id)


def by_email(session: Session, email: str) -> Account | None:
    """Return the account with that address, however it is spelled; None for what is no address."""
    try:
        email = normal_email(email)
    except AccountError:
        return None
    return session.scalar(select(Account).where(Account.email == email))


def in_agency(session: Session, account_id: UUID, agency_id: UUID) -> Account:
    """Return the agency's account; raise UnknownError for a missing and for another agency's alike."""
    account = session.get(Account, account_id)
    if account is None or account.agency_id != agency_id:
        raise UnknownError("There is no such account.")
    return account


def named(session: Session, name: str, agency_id: UUID) -> Account:
    """Return the agency's account of that id or e-mail address. Raises what `in_agency` raises."""
    try:
        return in_agency(session, UUID(name), agency_id)
    except ValueError:
        account = by_email(session, name)
    if account is None or account.agency_id != agency_id:
        raise UnknownError("There is no such account.")
    return account


def page(
    session: Session, agency_id: UUID, *, after: UUID | None = None, limit: int = 50, email: str | None = None
) -> list[Account]:
    """Return the agency's accounts by name, suspended ones included, going on after that account.

    With an `email`, the account with that address alone.
    """
    if email is not None:
        account = by_email(session, email)
        return [account] if account is not None and account.agency_id == agency_id else []
    found = select(Account).where(Account.agency_id == agency_id).order_by(Account.name, Account.id).limit(limit)
    if after is not None:
        last = in_agency(session, after, agency_id)
        found = found.where(tuple_(Account.name, Account.id) > tuple_(last.name, last.id))
    return list(session.scalars(found))
