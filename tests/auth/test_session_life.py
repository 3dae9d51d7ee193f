"""A session lives as long as it may, is renewed by one use of one token, and ends for everybody at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from sqlalchemy import event as listening
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from auth import accounts, agencies, local_sign_in, second_factors, sessions
from auth.errors import NotSignedInError
from auth.events import LockedOut, Remembered, SessionEnded, SignedIn, SignInRefused
from auth.local_sign_in import Asked
from auth.models import Account, Agency, SignInSession
from auth.possession import Shown
from auth.principals import Principal
from auth.second_factors import Given
from auth.sessions import Begun, Known, Refused
from auth.settings import AuthSettings
from auth.tokens import TokenIssuer
from evidence.database import Sessions, execute_alone, reading, unit_of_work
from tests.auth.conftest import PASSWORD, SEALER, an_account, begun, the_console
from tests.conftest import NOON
from tests.support.authenticator import Authenticator

pytestmark = pytest.mark.usefixtures("quick_passwords")

RULES = AuthSettings()


def recognise(
    session: Session,
    issuer: TokenIssuer,
    principal: Principal,
    *,
    at: datetime,
    rules: AuthSettings = RULES,
    source: str | None = None,
) -> Known:
    """Ask with a token issued at this very moment, so that the session alone decides."""
    shown = Shown(issuer.issue(principal, at=at).text, None, "GET", "https://evidence.example/api/v1/me")
    return sessions.recognise(session, shown, issuer.verifier, at=at, rules=rules, source=source)


def goes_on(session: Session, issuer: TokenIssuer, principal: Principal, *, at: datetime) -> bool:
    try:
        known = recognise(session, issuer, principal, at=at)
    except NotSignedInError:
        return False
    if known.note_use is not None:
        session.execute(known.note_use)
        session.expire_all()
    return True


def renew(session: Session, recorder: Remembered, renewal: str, *, at: datetime = NOON) -> Begun | Refused:
    return sessions.renew(session, recorder, renewal, rules=RULES, at=at, request_id="r1", source="192.0.2.7")


def test_a_session_that_is_used_lasts_twelve_hours_and_no_longer(
    session: Session, officer: Account, issuer: TokenIssuer
) -> None:
    me = begun(session, officer).principal
    every = timedelta(minutes=29)

    lasted = 0
    while goes_on(session, issuer, me, at=NOON + (lasted + 1) * every):
        lasted += 1

    assert lasted == timedelta(hours=12) // every


def test_a_session_that_nobody_uses_ends_after_half_an_hour(
    session: Session, officer: Account, issuer: TokenIssuer
) -> None:
    me, other = begun(session, officer).principal, begun(session, officer).principal

    assert goes_on(session, issuer, me, at=NOON + timedelta(minutes=30) - timedelta(seconds=1)), "control"
    assert not goes_on(session, issuer, other, at=NOON + timedelta(minutes=30))


def test_its_use_is_noted_once_a_minute(session: Session, officer: Account, issuer: TokenIssuer) -> None:
    me = begun(session, officer).principal

    assert recognise(session, issuer, me, at=NOON + timedelta(seconds=59)).note_use is None
    noted = recognise(session, issuer, me, at=NOON + timedelta(seconds=60)).note_use
    assert noted is not None
    session.execute(noted)
    session.expire_all()
    assert recognise(session, issuer, me, at=NOON + timedelta(seconds=119)).note_use is None
    assert recognise(session, issuer, me, at=NOON + timedelta(seconds=120)).note_use is not None


def test_who_asks_costs_one_question_in_a_session_that_only_reads(sessions: Sessions, issuer: TokenIssuer) -> None:
    with unit_of_work(sessions) as session:
        officer = an_account(session, agencies.create(session, "Police", at=NOON))
        me = begun(session, officer).principal
    asked: list[str] = []
    listening.listen(
        sessions.kw["bind"], "before_cursor_execute", lambda _c, _u, statement, *_: asked.append(statement)
    )

    with reading(sessions) as session:
        known = recognise(session, issuer, me, at=NOON + timedelta(minutes=1))

    assert [statement.split()[0] for statement in asked] == ["SELECT"]
    assert known.principal == replace(me, roles=frozenset({"officer"}))
    assert known.note_use is not None
    assert len(execute_alone(sessions, known.note_use)) == 1


def test_a_token_of_another_accounts_session_is_nobodys(
    session: Session, agency: Agency, officer: Account, issuer: TokenIssuer
) -> None:
    me, other = begun(session, officer).principal, begun(session, an_account(session, agency)).principal

    for false in (replace(me, session=other.session), replace(me, session=str(uuid4()))):
        with pytest.raises(NotSignedInError):
            recognise(session, issuer, false, at=NOON)
    assert recognise(session, issuer, me, at=NOON).principal.id == officer.id


def test_signing_out_ends_this_session_and_no_other(
    session: Session, recorder: Remembered, officer: Account, issuer: TokenIssuer
) -> None:
    first, second = begun(session, officer), begun(session, officer)

    sessions.end(session, recorder, by=first.principal, because="signed_out", at=NOON, request_id="r1")

    assert not goes_on(session, issuer, first.principal, at=NOON)
    assert goes_on(session, issuer, second.principal, at=NOON)
    assert isinstance(renew(session, recorder, first.renewal), Refused)
    (ended,) = (event for event in recorder.events if isinstance(event, SessionEnded))
    assert (str(ended.session_id), ended.because, ended.by) == (first.principal.session, "signed_out", first.principal)
    with pytest.raises(NotSignedInError):
        sessions.end(session, recorder, by=first.principal, because="signed_out", at=NOON, request_id="r2")


def test_a_suspension_ends_every_session(
    session: Session, recorder: Remembered, agency: Agency, officer: Account
) -> None:
    for _ in range(3):
        begun(session, officer)

    accounts.suspend(session, recorder, officer, by=the_console(agency.id), at=NOON, request_id="r2", reason="left")

    assert [event.because for event in recorder.events if isinstance(event, SessionEnded)] == ["suspended"] * 3
    with pytest.raises(NotSignedInError):
        begun(session, officer)


def test_one_session_too_many_ends_the_oldest(session: Session, officer: Account, issuer: TokenIssuer) -> None:
    rules = AuthSettings(most_sessions=2)
    seconds = [NOON + timedelta(seconds=number) for number in range(4)]
    people = [begun(session, officer, at=at, rules=rules).principal for at in seconds]

    assert [goes_on(session, issuer, each, at=seconds[-1]) for each in people] == [False, False, True, True]
    unlimited = [begun(session, officer, at=seconds[-1], rules=AuthSettings(most_sessions=None)) for _ in range(8)]
    assert all(goes_on(session, issuer, each.principal, at=seconds[-1]) for each in unlimited)


def test_sessions_that_ended_by_themselves_are_not_counted(
    session: Session, officer: Account, issuer: TokenIssuer
) -> None:
    rules, later = AuthSettings(most_sessions=1), NOON + timedelta(hours=1)
    begun(session, officer, rules=rules)

    begun(session, officer, at=later, rules=rules)

    assert set(session.scalars(select(SignInSession.ended_because))) == {None}


def test_a_renewal_gives_another_token_of_each_kind_and_keeps_what_was_proved(
    session: Session, recorder: Remembered, officer: Account, issuer: TokenIssuer
) -> None:
    first, later = begun(session, officer), NOON + timedelta(minutes=29)

    second = renew(session, recorder, first.renewal, at=later)

    assert isinstance(second, Begun)
    assert second.renewal != first.renewal
    assert second.renewal not in repr(second)
    assert second.principal == first.principal, "nobody has proved anything again"
    assert second.ends_at == first.ends_at == NOON + timedelta(hours=12)
    assert goes_on(session, issuer, second.principal, at=later + timedelta(minutes=29)), "a renewal is a use"
    assert recorder.events == []


def test_a_renewal_token_that_comes_twice_ends_the_session(
    session: Session, recorder: Remembered, officer: Account, issuer: TokenIssuer
) -> None:
    first, other = begun(session, officer), begun(session, officer)
    second = renew(session, recorder, first.renewal)
    assert isinstance(second, Begun)

    assert renew(session, recorder, first.renewal) == Refused("renewal_reused")

    assert renew(session, recorder, second.renewal) == Refused("session_ended"), "whoever has the newer one too"
    assert not goes_on(session, issuer, second.principal, at=NOON)
    assert goes_on(session, issuer, other.principal, at=NOON)
    assert [getattr(event, "because", getattr(event, "reason", None)) for event in recorder.events] == [
        "renewal_reused",
        "renewal_reused",
        "session_ended",
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: ".",
        lambda text: "a.b.c",
        lambda text: text + "=",
        lambda text: "A" * 22 + "." + text.partition(".")[2],
        lambda text: "\0" + text,
        lambda text: "\ud800." + text,
        lambda text: text.replace(".", ""),
    ],
)
def test_what_is_no_renewal_token_renews_and_ends_nothing(
    session: Session, recorder: Remembered, officer: Account, change: Callable[[str], str]
) -> None:
    first = begun(session, officer)

    assert renew(session, recorder, change(first.renewal)) == Refused("unknown_renewal")

    (event,) = recorder.events
    assert isinstance(event, SignInRefused)
    assert (event.reason, event.id) == ("unknown_renewal", None)
    assert isinstance(renew(session, recorder, first.renewal), Begun)


def test_nobody_renews_after_the_end(session: Session, recorder: Remembered, agency: Agency, officer: Account) -> None:
    idle, over = begun(session, officer), begun(session, officer)
    assert renew(session, recorder, idle.renewal, at=NOON + timedelta(minutes=30)) == Refused("session_ended")
    session.execute(update(SignInSession).values(idle_ends_at=NOON + timedelta(days=1)))
    session.expire_all()
    assert renew(session, recorder, over.renewal, at=NOON + timedelta(hours=12)) == Refused("session_ended")
    gone = begun(session, officer)
    accounts.suspend(session, recorder, officer, by=the_console(agency.id), at=NOON, request_id="r2", reason="left")
    assert renew(session, recorder, gone.renewal) == Refused("suspended")


def test_no_renewal_token_is_in_the_database(session: Session, officer: Account) -> None:
    family, _, secret = begun(session, officer).renewal.partition(".")
    (row,) = session.scalars(select(SignInSession))

    assert family not in repr(vars(row))
    assert secret not in repr(vars(row))


def test_an_earlier_end_is_kept(session: Session, officer: Account, issuer: TokenIssuer) -> None:
    """As a provider's session may have one."""

    def until(ends_at: datetime) -> Begun:
        return sessions.begin(
            session,
            Remembered(),
            officer,
            rules=RULES,
            method="password",
            amr=("fed",),
            proved_at=NOON - timedelta(hours=1),
            ends_at=ends_at,
            at=NOON,
            request_id="r1",
        )

    quarter = until(NOON + timedelta(minutes=15))
    assert quarter.principal.signed_in_at == NOON - timedelta(hours=1)
    assert until(NOON + timedelta(days=3)).ends_at == NOON + timedelta(hours=12), "and a later one is not"
    assert goes_on(session, issuer, quarter.principal, at=NOON + timedelta(minutes=14))
    assert not goes_on(session, issuer, quarter.principal, at=NOON + timedelta(minutes=15))


@pytest.mark.parametrize(
    ("source", "counts"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("2001:db8::7", True),
        ("10.2.0.1", False),
        ("192.0.2.7", False),
        ("2001:db9::7", False),
        ("testclient", False),
        (None, False),
    ],
)
def test_a_role_counts_from_its_networks_only(
    session: Session, officer: Account, issuer: TokenIssuer, source: str | None, counts: bool
) -> None:
    me = begun(session, officer).principal
    rules = AuthSettings.model_validate({"role_networks": {"officer": ["10.1.0.0/16", "2001:db8::/32"]}})

    found = recognise(session, issuer, me, at=NOON, rules=rules, source=source).principal

    assert (found.roles, found.set_aside) == (
        (frozenset({"officer"}), frozenset()) if counts else (frozenset(), frozenset({"officer"}))
    )
    elsewhere = AuthSettings.model_validate({"role_networks": {"auditor": ["10.1.0.0/16"]}})
    assert recognise(session, issuer, me, at=NOON, rules=elsewhere, source=source).principal.roles == {"officer"}


# -- several at once, on a database of one's own ---------------------------------------------------------------


_T = TypeVar("_T")


def at_once(sessions_: Sessions, times: int, act: Callable[[Session, Remembered], _T]) -> tuple[list[_T], Remembered]:
    """Do it so many times, each in a unit of work of its own, all begun at the same moment."""
    together, recorder = Barrier(times), Remembered()

    def one(_number: int) -> _T:
        with unit_of_work(sessions_) as session:
            session.execute(select(1))
            together.wait(timeout=30)
            return act(session, recorder)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times))), recorder


@pytest.fixture
def somebody(sessions: Sessions) -> Account:
    with unit_of_work(sessions) as session:
        return an_account(session, agencies.create(session, "Police", at=NOON))


def test_of_two_renewals_at_once_one_takes_effect_and_the_session_ends(sessions: Sessions, somebody: Account) -> None:
    with unit_of_work(sessions) as session:
        first = begun(session, reloaded(session, somebody))

    done, recorder = at_once(sessions, 2, lambda session, recorder: renew(session, recorder, first.renewal))

    assert sorted(type(each).__name__ for each in done) == ["Begun", "Refused"]
    assert [event.because for event in recorder.events if isinstance(event, SessionEnded)] == ["renewal_reused"]
    (winner,) = (each for each in done if isinstance(each, Begun))
    with unit_of_work(sessions) as session:
        assert renew(session, Remembered(), winner.renewal) == Refused("session_ended")


def sign_in(session: Session, recorder: Remembered, account: Account, **asked: Any) -> Begun | Refused:
    return local_sign_in.sign_in(
        session,
        recorder,
        Asked(email=account.email, **{"password": PASSWORD, **asked}),
        rules=RULES,
        sealer=SEALER,
        at=NOON,
        request_id="r1",
    )


def test_of_one_code_used_four_times_at_once_one_use_counts(sessions: Sessions, somebody: Account) -> None:
    with unit_of_work(sessions) as session:
        offered = second_factors.offer(session, somebody, sealer=SEALER, issuer="evidence", at=NOON)
        console = the_console(somebody.agency_id)
        second_factors.confirm(
            session, Remembered(), somebody, code=None, sealer=SEALER, by=console, at=NOON, request_id="r0"
        )
    code = Authenticator(offered.secret).code(at=NOON)

    done, _ = at_once(
        sessions,
        4,
        lambda session, _recorder: sign_in(session, Remembered(), reloaded(session, somebody), factor=Given(code)),
    )

    assert sorted(type(each).__name__ for each in done) == ["Begun", "Refused", "Refused", "Refused"]
    assert {each.reason for each in done if isinstance(each, Refused)} == {"replayed_code"}


def reloaded(session: Session, account: Account) -> Account:
    found = session.get(Account, account.id)
    assert found is not None
    return found


def test_guesses_at_once_are_counted_one_by_one(sessions: Sessions, somebody: Account) -> None:
    def guess(session: Session, recorder: Remembered) -> Begun | Refused:
        return sign_in(session, recorder, somebody, password="wrong password here")

    done, recorder = at_once(sessions, 8, guess)

    reasons = sorted(each.reason for each in done if isinstance(each, Refused))
    assert reasons == ["locked"] * 3 + ["wrong_password"] * 5
    assert len([event for event in recorder.events if isinstance(event, LockedOut)]) == 1
    with unit_of_work(sessions) as session:
        assert sign_in(session, Remembered(), somebody) == Refused("locked")


def test_of_eight_sign_ins_at_once_as_many_sessions_stay_as_may(sessions: Sessions, somebody: Account) -> None:
    done, recorder = at_once(sessions, 8, lambda session, recorder: sign_in(session, recorder, somebody))

    assert all(isinstance(each, Begun) for each in done)
    assert len([event for event in recorder.events if isinstance(event, SignedIn)]) == 8
    with unit_of_work(sessions) as session:
        open_ones = select(SignInSession.id).where(SignInSession.ended_at.is_(None))
        assert len(session.scalars(open_ones).all()) == 5
