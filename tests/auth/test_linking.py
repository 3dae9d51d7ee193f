"""Whose account somebody at a provider is: theirs if expected, never for an address alone, never across agencies."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy.orm import Session

from auth import accounts, agencies, groups, identities, linking
from auth.errors import AccountError, NotPermittedError, TakenError
from auth.events import AccountCreated, IdentityExpected, IdentityLinked, Remembered, RoleGranted
from auth.models import Account, Agency
from auth.principals import Role
from auth.provider_tokens import ProvedPerson
from auth.providers import Provider
from auth.settings import ProviderSettings
from tests.auth.conftest import the_console
from tests.conftest import NOON
from tests.support.provider_tokens import FromMemory

ISSUER = "https://id.riverbend.example"


@pytest.fixture
def provider(agency: Agency) -> Provider:
    """A provider for the agency."""
    asked = {"profile": "generic", "issuer": ISSUER, "client_id": "c", "agencies": [agency.name]}
    return Provider("city", ProviderSettings.model_validate(asked), FromMemory())


@pytest.fixture
def rosa() -> ProvedPerson:
    return ProvedPerson(
        provider="city",
        issuer=ISSUER,
        subject=f"sub-{uuid4()}",
        name="Rosa Alvarez",
        email=f"{uuid4().hex}@police.example",
        groups=frozenset(),
        proved_at=None,
    )


def expect(
    session: Session,
    account: Account,
    provider: Provider,
    subject: str | None = None,
    recorder: Remembered | None = None,
) -> None:
    identities.expect(
        session,
        recorder or Remembered(),
        account,
        provider,
        subject=subject,
        by=the_console(account.agency_id),
        at=NOON,
        request_id="test",
    )


def gives(session: Session, agency: Agency, group: str, *roles: Role, at: datetime = NOON) -> UUID:
    """Map the group, as if a second person had approved it."""
    mapping = groups.put(
        session,
        Remembered(),
        id=uuid4(),
        provider="city",
        group=group,
        roles=roles,
        reason="x",
        by=the_console(agency.id),
        at=at,
        request_id="test",
    )
    return mapping.id


def comes(session: Session, person: ProvedPerson, provider: Provider, recorder: Remembered) -> Account | None:
    found = linking.account_of(session, recorder, person, provider, at=NOON, request_id="test")
    return found[0] if found else None


def test_nobody_is_expected_until_somebody_says_so(
    session: Session, officer: Account, provider: Provider, rosa: ProvedPerson, recorder: Remembered
) -> None:
    rosa = replace(rosa, email=officer.email)
    assert comes(session, rosa, provider, recorder) is None
    expect(session, officer, provider)

    assert comes(session, rosa, provider, recorder) is officer
    assert comes(session, replace(rosa, email=None), provider, recorder) is officer, "by the subject from now on"
    assert comes(session, replace(rosa, subject="another"), provider, recorder) is None, "and nobody else"
    assert [type(each) for each in recorder.events] == [IdentityLinked]


def test_an_address_nobody_vouches_for_links_nothing(
    session: Session, officer: Account, provider: Provider, rosa: ProvedPerson, recorder: Remembered
) -> None:
    expect(session, officer, provider)

    assert comes(session, replace(rosa, email=None), provider, recorder) is None
    assert recorder.events == []


def test_a_subject_that_is_expected_comes_in_whatever_its_address(
    session: Session, officer: Account, provider: Provider, rosa: ProvedPerson, recorder: Remembered
) -> None:
    expect(session, officer, provider, rosa.subject)

    assert comes(session, replace(rosa, issuer="https://elsewhere.example"), provider, recorder) is None
    assert comes(session, rosa, provider, recorder) is officer


def test_a_mapped_group_makes_an_account_with_its_roles_once(
    session: Session, agency: Agency, provider: Provider, rosa: ProvedPerson, recorder: Remembered
) -> None:
    officers = gives(session, agency, "officers", "officer")
    clerks = gives(session, agency, "clerks", "records_clerk", "officer", at=NOON + timedelta(seconds=1))
    rosa = replace(rosa, groups=frozenset({"clerks", "officers", "others"}))

    made = comes(session, rosa, provider, recorder)
    again = comes(session, replace(rosa, groups=frozenset()), provider, recorder)

    assert made is not None
    assert made.agency_id == agency.id
    assert again is made
    assert [type(each) for each in recorder.events] == [
        *(AccountCreated, IdentityExpected, RoleGranted, RoleGranted, IdentityLinked),
    ]
    granted = {(each.role, each.mapping_id) for each in recorder.events if isinstance(each, RoleGranted)}
    assert granted == {("officer", officers), ("records_clerk", clerks)}, "each by the first that gives it"


def test_a_group_that_nobody_mapped_gives_nothing(
    session: Session, agency: Agency, provider: Provider, rosa: ProvedPerson, recorder: Remembered
) -> None:
    gives(session, agency, "officers", "officer")
    groups.end(
        session,
        Remembered(),
        provider="city",
        group="officers",
        reason="x",
        by=the_console(agency.id),
        at=NOON,
        request_id="test",
    )
    other = Provider("county", provider.settings, FromMemory())

    for named, at in (("officers", provider), ("clerks", provider), ("Officers", provider), ("officers", other)):
        assert comes(session, replace(rosa, groups=frozenset({named})), at, recorder) is None
    assert recorder.events == []


def test_of_several_agencies_the_groups_say_which(
    session: Session, agency: Agency, provider: Provider, rosa: ProvedPerson, recorder: Remembered
) -> None:
    second = agencies.create(session, f"Second {uuid4()}", at=NOON)
    foreign = agencies.create(session, f"Foreign {uuid4()}", at=NOON)
    both = provider.settings.model_copy(update={"agencies": [agency.name, second.name]})
    for each, group in ((agency, "first"), (second, "second"), (foreign, "foreign"), (foreign, "second")):
        gives(session, each, group, "officer")

    def come(*named: str) -> Account | None:
        return comes(session, replace(rosa, groups=frozenset(named)), Provider("city", both, FromMemory()), recorder)

    assert come("first", "second") is None, "in which of the two, an administrator has to say"
    assert come("foreign") is None, "whose people do not sign in there"
    made = come("second")
    assert made is not None
    assert made.agency_id == second.id


@pytest.mark.parametrize(
    "change", [{"name": "x\0"}, {"name": "n" * 200}, {"email": "\u0456@police.example"}, {"email": None}]
)
def test_who_cannot_be_written_down_gets_no_account(
    session: Session,
    agency: Agency,
    provider: Provider,
    rosa: ProvedPerson,
    recorder: Remembered,
    change: dict[str, str | None],
) -> None:
    gives(session, agency, "officers", "officer")
    rosa = replace(rosa, groups=frozenset({"officers"}), **change)  # type: ignore[arg-type]  # names and texts

    assert comes(session, rosa, provider, recorder) is None
    assert recorder.events == [], "and none is on record"


def test_a_group_does_not_give_away_an_account_that_is_there(
    session: Session, agency: Agency, officer: Account, provider: Provider, rosa: ProvedPerson, recorder: Remembered
) -> None:
    gives(session, agency, "officers", "officer")
    rosa = replace(rosa, email=officer.email, groups=frozenset({"officers"}))

    assert comes(session, rosa, provider, recorder) is None
    assert recorder.events == []


def test_another_agencys_account_is_out_of_reach(
    session: Session, provider: Provider, rosa: ProvedPerson, recorder: Remembered
) -> None:
    elsewhere = agencies.create(session, f"Elsewhere {uuid4()}", at=NOON)
    asked = {"agency_id": elsewhere.id, "email": rosa.email or "", "name": "R", "at": NOON, "request_id": "test"}
    by = the_console(elsewhere.id)
    with pytest.raises(NotPermittedError):
        accounts.create(session, recorder, provider=provider, by=by, **asked)  # type: ignore[arg-type]  # as above

    wide = provider.settings.model_copy(update={"agencies": [elsewhere.name]})
    theirs = accounts.create(
        session,
        Remembered(),
        provider=Provider("city", wide, FromMemory()),
        by=by,
        **{**asked, "email": f"b{rosa.email}"},  # type: ignore[arg-type]  # as above
    )

    assert comes(session, replace(rosa, email=theirs.email), provider, Remembered()) is None


def test_a_subject_belongs_to_one_account_and_an_account_to_one_subject(
    session: Session, officer: Account, provider: Provider, agency: Agency
) -> None:
    expect(session, officer, provider, "one")

    with pytest.raises(TakenError):
        expect(session, officer, provider, "two")
    other = accounts.create(
        session,
        Remembered(),
        agency_id=agency.id,
        email=f"{uuid4().hex}@police.example",
        name="Other",
        provider=provider,
        by=the_console(agency.id),
        at=NOON,
        request_id="test",
    )
    with pytest.raises(TakenError):
        expect(session, other, provider, "one")
    for strange in ("", "x" * 256, "a\0b"):
        with pytest.raises(AccountError):
            expect(session, other, provider, strange)
