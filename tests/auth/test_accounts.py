"""Accounts and roles: made inside one's own agency, ended by a date, never by oneself, each on record."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from auth import accounts, agencies, roles
from auth.errors import AccountError, AuthError, NotPermittedError, PasswordError, TakenError, UnknownError
from auth.events import AccountCreated, AccountSuspended, Remembered, RoleEnded, RoleGranted
from auth.models import Account, Agency, RoleAssignment
from auth.principals import Principal
from evidence.database import Sessions, unit_of_work
from tests.auth.conftest import PASSWORD, an_account
from tests.conftest import NOON

LATER = NOON + timedelta(hours=1)


def administrator(agency: Agency, account: Account | None = None) -> Principal:
    return Principal(
        kind="account",
        id=account.id if account else uuid4(),
        agency_id=agency.id,
        roles=frozenset({"agency_admin"}),
        name="Ada",
        method="password",
    )


def create(session: Session, recorder: Remembered, agency: Agency, **changes: Any) -> Account:
    wanted: dict[str, Any] = {
        "agency_id": agency.id,
        "email": f"{uuid4().hex}@police.example",
        "name": "Rosa Alvarez",
        "password": PASSWORD,
        "by": administrator(agency),
        "at": NOON,
        "request_id": "r1",
    }
    return accounts.create(session, recorder, **{**wanted, **changes})


def test_an_account_is_made_with_its_roles_and_each_is_reported(
    session: Session, recorder: Remembered, agency: Agency
) -> None:
    account = create(
        session, recorder, agency, email=" Rosa@Police.Example ", badge=" 4471 ", roles=["officer", "auditor"]
    )

    assert (account.email, account.badge) == ("rosa@police.example", "4471")
    assert account.password_hash.startswith("$argon2id$")
    assert roles.held(session, account.id, at=NOON) == {"officer", "auditor"}
    created, *granted = recorder.events
    assert isinstance(created, AccountCreated)
    assert created.account_id == account.id
    assert [event.role for event in granted if isinstance(event, RoleGranted)] == ["officer", "auditor"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"email": "nobody"}, AccountError),
        ({"email": "a@b c"}, AccountError),
        ({"email": "a\0@police.example"}, AccountError),
        ({"email": "ä@police.example"}, AccountError),
        ({"email": "a" * 250 + "@police.example"}, AccountError),
        ({"name": ""}, AccountError),
        ({"name": "   "}, AccountError),
        ({"name": "Rosa\0"}, AccountError),
        ({"name": "Rosa\u202easlA"}, AccountError),
        ({"name": "R" * 121}, AccountError),
        ({"name": "\ud800"}, AccountError),
        ({"badge": ""}, AccountError),
        ({"badge": "1\n2"}, AccountError),
        ({"password": "short"}, PasswordError),
        ({"roles": ["dock"]}, AccountError),
        ({"roles": ["public_recipient"]}, AccountError),
        ({"roles": ["king"]}, AccountError),
        ({"roles": ["system_admin"]}, NotPermittedError),
        ({"agency_id": uuid4()}, NotPermittedError),
    ],
)
def test_what_cannot_be_accepted_is_refused(
    session: Session, recorder: Remembered, agency: Agency, changes: dict[str, Any], error: type[AuthError]
) -> None:
    with pytest.raises(error):
        create(session, recorder, agency, **changes)


def test_an_address_belongs_to_one_account(session: Session, recorder: Remembered, agency: Agency) -> None:
    create(session, recorder, agency, email="rosa@police.example")

    with pytest.raises(TakenError):
        create(session, recorder, agency, email="ROSA@police.example")
    assert len(session.scalars(select(Account).where(Account.email == "rosa@police.example")).all()) == 1


def test_of_many_who_make_the_same_account_one_succeeds(sessions: Sessions) -> None:
    with unit_of_work(sessions) as session:
        agency = agencies.create(session, "Police", at=NOON)

    def attempt(_: int) -> bool:
        try:
            with unit_of_work(sessions) as session:
                create(session, Remembered(), agency, email="rosa@police.example", roles=["officer"])
        except TakenError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(attempt, range(8))) == [False] * 7 + [True]
    with unit_of_work(sessions) as session:
        (account,) = session.scalars(select(Account)).all()
        assert roles.held(session, account.id, at=NOON) == {"officer"}


def test_an_agency_has_a_name_of_its_own(session: Session) -> None:
    first = agencies.create(session, "Springfield", at=NOON)

    with pytest.raises(TakenError):
        agencies.create(session, "Springfield", at=NOON)
    assert agencies.by_name(session, "Springfield") is first
    assert agencies.by_id(session, first.id) is first


def test_a_role_is_held_from_its_grant_to_its_end(
    session: Session, recorder: Remembered, agency: Agency, officer: Account
) -> None:
    by = administrator(agency)
    roles.grant(session, recorder, officer, "detective", by=by, at=LATER, request_id="r1")
    roles.end(session, recorder, officer, "detective", by=by, at=LATER + timedelta(hours=1), request_id="r2")

    assert roles.held(session, officer.id, at=NOON) == {"officer"}
    assert roles.held(session, officer.id, at=LATER) == {"officer", "detective"}
    assert roles.held(session, officer.id, at=LATER + timedelta(hours=1)) == {"officer"}
    assert [type(event) for event in recorder.events] == [RoleGranted, RoleEnded]


def test_a_role_is_held_once_and_may_come_again(
    session: Session, recorder: Remembered, agency: Agency, officer: Account
) -> None:
    by = administrator(agency)
    with pytest.raises(TakenError):
        roles.grant(session, recorder, officer, "officer", by=by, at=LATER, request_id="r1")

    roles.end(session, recorder, officer, "officer", by=by, at=LATER, request_id="r2")
    with pytest.raises(UnknownError):
        roles.end(session, recorder, officer, "officer", by=by, at=LATER, request_id="r3")
    roles.grant(session, recorder, officer, "officer", by=by, at=LATER, request_id="r4")

    assert roles.held(session, officer.id, at=LATER) == {"officer"}


def test_nobody_grants_themselves_a_role(
    session: Session, recorder: Remembered, agency: Agency, officer: Account
) -> None:
    oneself = administrator(agency, officer)

    with pytest.raises(NotPermittedError):
        roles.grant(session, recorder, officer, "agency_admin", by=oneself, at=NOON, request_id="r1")
    with pytest.raises(NotPermittedError):
        roles.end(session, recorder, officer, "officer", by=oneself, at=NOON, request_id="r1")
    assert recorder.events == []


def test_nobody_reaches_into_another_agency(session: Session, recorder: Remembered, officer: Account) -> None:
    elsewhere = agencies.create(session, "Elsewhere", at=NOON)
    stranger = administrator(elsewhere)

    with pytest.raises(NotPermittedError):
        roles.grant(session, recorder, officer, "auditor", by=stranger, at=NOON, request_id="r1")
    with pytest.raises(NotPermittedError):
        accounts.suspend(session, recorder, officer, by=stranger, at=NOON, request_id="r1", reason="because")
    for unknown in (officer.id, uuid4()):
        with pytest.raises(UnknownError, match=r"^There is no such account\.$"):
            accounts.in_agency(session, unknown, elsewhere.id)


def test_an_account_is_suspended_once_and_not_by_itself(
    session: Session, recorder: Remembered, agency: Agency, officer: Account
) -> None:
    with pytest.raises(NotPermittedError):
        accounts.suspend(
            session, recorder, officer, by=administrator(agency, officer), at=NOON, request_id="r0", reason="oneself"
        )
    for hours in (1, 2):
        accounts.suspend(
            session,
            recorder,
            officer,
            by=administrator(agency),
            at=NOON + timedelta(hours=hours),
            request_id="r1",
            reason="left",
        )

    assert officer.suspended_at == LATER
    assert [type(event) for event in recorder.events] == [AccountSuspended]


def test_pages_of_accounts_leave_nobody_out(session: Session, agency: Agency) -> None:
    made = {an_account(session, agency).id for _ in range(5)}
    an_account(session, agencies.create(session, "Elsewhere", at=NOON))

    seen, after = [], None
    while found := accounts.page(session, agency.id, after=after, limit=2):
        seen += [each.id for each in found]
        after = found[-1].id

    assert len(seen) == 5
    assert set(seen) == made


def test_a_role_unknown_to_this_version_counts_for_nothing(session: Session, officer: Account) -> None:
    session.add(RoleAssignment(account_id=officer.id, role="emperor", granted_at=NOON))
    session.flush()

    assert roles.held(session, officer.id, at=NOON) == {"officer"}


def test_the_application_cannot_remove_anybody_or_rewrite_who_they_are(session: Session, officer: Account) -> None:
    for statement in (delete(Account), update(Account).values(email="other@police.example"), delete(RoleAssignment)):
        with pytest.raises(ProgrammingError, match="permission denied"), session.begin_nested():
            session.execute(statement)
    assert accounts.by_email(session, officer.email) is not None
