"""Whose account a provider's subject is. Linked once, never by an e-mail address alone.

An administrator expects an account's person at a provider.  A *new* account may be given the subject
itself; for an account that exists already only the provider can say who its person is, by a verified
address, so that no administrator can make somebody's account their own.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from auth.errors import AccountError, NotPermittedError, TakenError
from auth.events import IdentityExpected, Recorder
from auth.models import Account, Agency, ProviderIdentity
from auth.principals import Principal
from auth.providers import Provider


def expect(
    session: Session,
    recorder: Recorder,
    account: Account,
    provider: Provider,
    *,
    subject: str | None,
    by: Principal,
    at: datetime,
    request_id: str,
) -> ProviderIdentity:
    """Let the account's person sign in at the provider from now on.

    Raises NotPermittedError, AccountError, or TakenError if that is so already or the subject is another's.
    """
    if by.kind != "system" and by.agency_id != account.agency_id:
        raise NotPermittedError("People are expected at a provider inside one's own agency.")
    agency = session.get_one(Agency, account.agency_id)
    if agency.name not in provider.settings.agencies:
        raise NotPermittedError(f"The provider {provider.name} is not for this agency's accounts.")
    if subject is None and provider.settings.client_id is None:
        raise AccountError("A machine client is named by its subject at the provider.")
    if subject is not None and (not 0 < len(subject) <= 255 or not subject.isprintable()):
        raise AccountError("A subject has between 1 and 255 characters that can be shown.")
    identity = ProviderIdentity(
        account_id=account.id,
        provider=provider.name,
        issuer=None if subject is None else provider.settings.issuer,
        subject=subject,
        expected_at=at,
    )
    try:
        with session.begin_nested():
            session.add(identity)
    except IntegrityError:
        raise TakenError("This account has its identity there already, or the subject is another account's.") from None
    event = IdentityExpected(
        by=by,
        account_id=account.id,
        agency_id=account.agency_id,
        provider=provider.name,
        subject=subject,
        at=at,
        request_id=request_id,
    )
    recorder.record(session, event)
    return identity


def of_subject(session: Session, provider: str, issuer: str, subject: str) -> ProviderIdentity | None:
    """Return the identity of that subject, if there is one."""
    return session.scalar(
        select(ProviderIdentity).where(
            ProviderIdentity.provider == provider,
            ProviderIdentity.issuer == issuer,
            ProviderIdentity.subject == subject,
        )
    )


def expected_by_address(session: Session, provider: str, account: Account) -> ProviderIdentity | None:
    """Return the identity that waits for this account's person, if one does; others wait until we have ended."""
    return session.scalar(
        select(ProviderIdentity)
        .where(
            ProviderIdentity.provider == provider,
            ProviderIdentity.account_id == account.id,
            ProviderIdentity.subject.is_(None),
        )
        .with_for_update()
    )
