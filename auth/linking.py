"""Find or make the account of somebody whom a provider has proved.

In this order: the account linked to the subject; one that an administrator expects for that subject; one that
waits for the owner of its e-mail address, if the provider vouches for the address; a new one, if the
provider's groups are mapped to roles.  Roles are taken from groups at that first sign-in and never again.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from auth import accounts, agencies, identities
from auth.errors import AccountError
from auth.events import IdentityLinked, Recorder
from auth.models import Account, Agency, ProviderIdentity
from auth.principals import Principal, Role
from auth.provider_tokens import ProvedPerson
from auth.providers import Provider
from auth.roles import ROLES, held

PROVISIONING = UUID(int=1)
"""Who creates accounts by a group mapping: the installation, by its settings."""


def account_of(
    session: Session, recorder: Recorder, person: ProvedPerson, provider: Provider, *, at: datetime, request_id: str
) -> tuple[Account, ProviderIdentity] | None:
    """Return the person's account and identity, linking or making them as permitted; None if nobody expects them.

    Raises TakenError when somebody else made the same at the same moment: then the unit of work has to be given up.
    """
    identity = identities.of_subject(session, person.provider, person.issuer, person.subject)
    if identity is None:
        identity = _expected(session, person, provider)
    if identity is None:
        identity = _provision(session, recorder, person, provider, at=at, request_id=request_id)
    if identity is None:
        return None
    account = session.get_one(Account, identity.account_id)
    if session.get_one(Agency, account.agency_id).name not in provider.settings.agencies:
        return None
    if identity.linked_at is None:
        _link(session, recorder, identity, account, person, at=at, request_id=request_id)
    return account, identity


def person_of(session: Session, account: Account, *, at: datetime) -> Principal:
    """Return the account as the principal who has just signed in at a provider."""
    return Principal(
        kind="account",
        id=account.id,
        agency_id=account.agency_id,
        roles=held(session, account.id, at=at),
        name=account.name,
        method="single_sign_on",
        badge=account.badge,
    )


def _expected(session: Session, person: ProvedPerson, provider: Provider) -> ProviderIdentity | None:
    account = None if person.email is None else accounts.by_email(session, person.email)
    return None if account is None else identities.expected_by_address(session, provider.name, account)


def _provision(
    session: Session, recorder: Recorder, person: ProvedPerson, provider: Provider, *, at: datetime, request_id: str
) -> ProviderIdentity | None:
    if not person.groups or person.email is None:
        return None
    agency = agencies.by_name(session, provider.settings.agencies[0])
    if agency is None:
        return None
    if accounts.by_email(session, person.email) is not None:
        return None  # whose address that is here, an administrator has to say
    try:
        accounts.create(
            session,
            recorder,
            agency_id=agency.id,
            email=person.email,
            name=person.name or person.email,
            provider=provider,
            subject=person.subject,
            roles=_roles(person.groups, provider),
            by=_provisioning(agency.id),
            at=at,
            request_id=request_id,
        )
    except AccountError:
        return None  # no name or address that we can take; nothing was made yet
    return identities.of_subject(session, person.provider, person.issuer, person.subject)


def _roles(groups: Iterable[str], provider: Provider) -> list[Role]:
    mapped = {role for group in groups for role in provider.settings.groups[group]}
    return sorted(role for role in ROLES if role in mapped)


def _provisioning(agency_id: UUID) -> Principal:
    return Principal(
        kind="system",
        id=PROVISIONING,
        agency_id=agency_id,
        roles=frozenset(),
        name="first sign-in",
        method="internal",
    )


def _link(
    session: Session,
    recorder: Recorder,
    identity: ProviderIdentity,
    account: Account,
    person: ProvedPerson,
    *,
    at: datetime,
    request_id: str,
) -> None:
    identity.issuer, identity.subject, identity.linked_at = person.issuer, person.subject, at
    session.flush()
    event = IdentityLinked(
        principal=person_of(session, account, at=at),
        agency_id=account.agency_id,
        provider=person.provider,
        subject=person.subject,
        at=at,
        request_id=request_id,
    )
    recorder.record(session, event)
