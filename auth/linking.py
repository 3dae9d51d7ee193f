"""Find or make the account of somebody whom a provider has proved.

In this order: the account linked to the subject; one that an administrator expects for that subject; one that
waits for the owner of its e-mail address, if the provider vouches for the address; a new one, if an agency
has mapped the provider's groups to roles.  Roles are taken from groups at that first sign-in and never again.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from auth import accounts, groups, identities, roles
from auth.errors import AccountError
from auth.events import IdentityLinked, Recorder
from auth.models import Account, Agency, GroupMapping, ProviderIdentity
from auth.principals import Principal, Role
from auth.provider_tokens import ProvedPerson
from auth.providers import Provider

PROVISIONING = UUID(int=1)
"""Who creates accounts by a group mapping: the installation, by what an agency has said of its groups."""


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
        roles=roles.held(session, account.id, at=at),
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
    if person.email is None:
        return None
    mapped = groups.of_person(session, provider, person.groups)
    agencies = {each.agency_id for each in mapped}
    if len(agencies) != 1:
        return None  # in which of several agencies it would be made, an administrator has to say
    if accounts.by_email(session, person.email) is not None:
        return None  # whose address that is here, an administrator has to say
    [agency_id] = agencies
    by = _provisioning(agency_id)
    try:
        account = accounts.create(
            session,
            recorder,
            agency_id=agency_id,
            email=person.email,
            name=person.name or person.email,
            provider=provider,
            subject=person.subject,
            by=by,
            at=at,
            request_id=request_id,
        )
    except AccountError:
        return None  # no name or address that we can take; nothing was made yet
    for role, mapping in _given(mapped).items():
        roles.grant(session, recorder, account, role, by=by, at=at, request_id=request_id, mapping_id=mapping.id)
    return identities.of_subject(session, person.provider, person.issuer, person.subject)


def _given(mapped: Collection[GroupMapping]) -> Mapping[Role, GroupMapping]:
    """Return each role with the mapping that gives it; where several do, with the first that did."""
    given: dict[Role, GroupMapping] = {}
    for mapping in mapped:
        for role in sorted(groups.roles_of(mapping)):
            given.setdefault(role, mapping)
    return given


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
