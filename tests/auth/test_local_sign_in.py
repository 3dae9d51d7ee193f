"""Local sign-in: what is asked for, what is counted, what is on record, and who comes in again."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, TypeVar

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from auth import local_sign_in, lockouts, recovery, second_factors, sessions, totp
from auth.errors import CodeError, EnrolmentCodeError, NotPermittedError, PasswordError
from auth.events import (
    AccountReleased,
    AccountReset,
    AuthEvent,
    LockedOut,
    PasswordChanged,
    ProvedAgain,
    RecoveryCodeUsed,
    Remembered,
    SecondFactorEnrolled,
    SessionEnded,
    SignedIn,
    SignInRefused,
    SourceReleased,
)
from auth.local_sign_in import Asked
from auth.models import Account, Agency, Lockout, RecoveryCode, SecondFactor, SignInSession
from auth.principals import Principal
from auth.second_factors import Given
from auth.sessions import Begun, Refused
from auth.settings import AuthSettings
from evidence.errors import IntegrityError
from tests.auth.conftest import PASSWORD, SEALER, an_account, begun, the_console
from tests.conftest import NOON
from tests.support.authenticator import Authenticator

pytestmark = pytest.mark.usefixtures("quick_passwords")

RULES = AuthSettings()
STEP = timedelta(seconds=30)
SOURCE = "192.0.2.7"
_Event = TypeVar("_Event", bound=AuthEvent)


@dataclass
class Door:
    """Tries to sign one account in, at a moment of one's own, and remembers what was reported."""

    session: Session
    account: Account
    rules: AuthSettings = field(default_factory=AuthSettings)
    at: datetime = NOON
    source: str | None = SOURCE
    recorder: Remembered = field(default_factory=Remembered)

    def knock(self, password: str = PASSWORD, *, email: str | None = None, **more: Any) -> Begun | Refused:
        factor = Given(more.pop("totp", None), more.pop("recovery_code", None))
        return local_sign_in.sign_in(
            self.session,
            self.recorder,
            Asked(email=email or self.account.email, password=password, factor=factor, **more),
            rules=self.rules,
            sealer=SEALER,
            at=self.at,
            request_id="r1",
            source=self.source,
        )

    def refusal(self, password: str = PASSWORD, **more: Any) -> str:
        refused = self.knock(password, **more)
        assert isinstance(refused, Refused)
        event = self.of(SignInRefused)[-1]
        assert event.reason == refused.reason, "what is refused is on record with its reason"
        assert event.source == self.source
        return refused.reason

    def entered(self, password: str = PASSWORD, **more: Any) -> Begun:
        done = self.knock(password, **more)
        assert isinstance(done, Begun), done
        return done

    def enters(self, password: str = PASSWORD, **more: Any) -> bool:
        return isinstance(self.knock(password, **more), Begun)

    def of(self, kind: type[_Event]) -> list[_Event]:
        return [event for event in self.recorder.events if isinstance(event, kind)]

    def enrol(self) -> tuple[Authenticator, list[str]]:
        offered = second_factors.offer(self.session, self.account, sealer=SEALER, issuer="evidence", at=self.at)
        authenticator = Authenticator(offered.secret)
        codes = second_factors.confirm(
            self.session,
            self.recorder,
            self.account,
            code=authenticator.code(at=self.at),
            sealer=SEALER,
            by=self.me,
            at=self.at,
            request_id="r0",
        )
        assert codes is not None
        return authenticator, codes

    @property
    def me(self) -> Principal:
        return begun(self.session, self.account, at=self.at).principal


@pytest.fixture
def door(session: Session, officer: Account) -> Door:
    return Door(session, officer)


def test_an_account_with_a_second_factor_needs_its_code_in_the_same_request(door: Door) -> None:
    authenticator, _ = door.enrol()
    door.at += STEP

    assert door.refusal() == "second_factor_missing"
    assert door.refusal("wrong password here") == "wrong_password", "only who knows the password hears of it"
    done = door.entered(totp=authenticator.code(at=door.at))

    assert done.principal.strong_at == door.at
    assert door.of(SignedIn)[-1].amr == ("pwd", "otp")


def test_without_a_second_factor_a_session_is_not_strong(door: Door) -> None:
    assert door.entered().principal.strong_at is None
    assert door.of(SignedIn)[-1].amr == ("pwd",)
    door.rules = AuthSettings(second_factor="optional")
    assert door.entered().principal.strong_at == NOON


def test_optional_is_for_those_without_one(door: Door) -> None:
    door.rules = AuthSettings(second_factor="optional")
    door.enrol()

    assert door.refusal() == "second_factor_missing"


def test_a_code_is_good_once_and_no_earlier_one_after_it(door: Door) -> None:
    authenticator, _ = door.enrol()
    assert door.refusal(totp=authenticator.code(at=NOON)) == "replayed_code", "it was used to confirm"
    door.at += 2 * STEP
    code, earlier = authenticator.code(at=door.at), authenticator.code(at=door.at - STEP)

    assert door.enters(totp=code)
    assert door.refusal(totp=code) == "replayed_code"
    assert door.refusal(totp=earlier) == "replayed_code"
    assert door.enters(totp=authenticator.code(at=door.at + STEP)), "control: the next one is good"


def test_a_recovery_code_is_good_once_however_it_is_typed(door: Door) -> None:
    _, codes = door.enrol()
    assert len(set(codes)) == 10

    assert door.entered(recovery_code=codes[0].lower().replace("-", " ")).principal.strong_at == NOON
    assert door.of(RecoveryCodeUsed)[0].left == 9
    assert door.refusal(recovery_code=codes[0]) == "wrong_code"
    assert door.enters(recovery_code=codes[1])


def test_new_recovery_codes_take_the_place_of_the_old(door: Door) -> None:
    _, old = door.enrol()

    new = second_factors.make_recovery_codes(
        door.session, door.recorder, door.account, by=door.me, at=NOON, request_id="r2"
    )

    assert door.refusal(recovery_code=old[0]) == "wrong_code"
    assert door.enters(recovery_code=new[0])


def test_another_accounts_codes_are_no_good(door: Door, agency: Agency) -> None:
    door.enrol()
    other, codes = Door(door.session, an_account(door.session, agency)).enrol()

    assert door.refusal(recovery_code=codes[0]) == "wrong_code"
    assert door.refusal(totp=other.code(at=NOON + STEP)) == "wrong_code"


def test_a_secret_moved_to_another_account_does_not_open(door: Door, agency: Agency) -> None:
    door.enrol()
    thief = Door(door.session, an_account(door.session, agency))
    own, _ = thief.enrol()
    rows = {row.account_id: row for row in door.session.scalars(select(SecondFactor))}
    stolen = rows[thief.account.id].sealed_secret

    assert own.code(at=NOON).encode() not in stolen
    with pytest.raises(IntegrityError):
        SEALER.open(stolen, purpose=f"second factor of account/{door.account.id}")


def test_no_secret_is_in_the_database_as_it_is(door: Door) -> None:
    offered = second_factors.offer(door.session, door.account, sealer=SEALER, issuer="evidence", at=NOON)
    row = door.session.scalars(select(SecondFactor)).one()
    _, codes = door.enrol()
    kept = list(door.session.scalars(select(RecoveryCode.code_sha256)))

    assert totp.from_base32(offered.secret) not in row.sealed_secret
    assert offered.secret not in repr(offered)
    assert not any(code.replace("-", "").encode() in digest for code in codes for digest in kept)


def test_one_that_was_not_confirmed_does_not_count(door: Door) -> None:
    second_factors.offer(door.session, door.account, sealer=SEALER, issuer="evidence", at=NOON)

    assert door.enters()
    door.enrol()
    assert len(door.of(SecondFactorEnrolled)) == 1
    with pytest.raises(CodeError, match="already"):
        second_factors.offer(door.session, door.account, sealer=SEALER, issuer="evidence", at=NOON)


def test_only_the_console_confirms_without_a_code(door: Door) -> None:
    second_factors.offer(door.session, door.account, sealer=SEALER, issuer="evidence", at=NOON)

    with pytest.raises(CodeError, match="confirmed with a code"):
        second_factors.confirm(
            door.session, door.recorder, door.account, code=None, sealer=SEALER, by=door.me, at=NOON, request_id="r"
        )


def test_five_failures_lock_the_account_and_the_right_password_is_refused_like_a_wrong_one(door: Door) -> None:
    for _ in range(4):
        assert door.refusal("wrong password here") == "wrong_password"
    assert door.of(LockedOut) == [], "control: four are not five"
    assert door.refusal("wrong password here") == "wrong_password"

    (locked,) = door.of(LockedOut)
    assert (locked.account_id, locked.failures) == (door.account.id, 5)
    assert door.refusal() == "locked"
    door.at += timedelta(days=30)
    assert door.refusal() == "locked", "it does not pass by itself"
    assert lockouts.accounts_locked(door.session, [door.account.id]) == {door.account.id: NOON}


def test_four_failures_and_a_success_begin_anew(door: Door) -> None:
    for _ in range(3):
        for _ in range(4):
            door.refusal("wrong password here")
        door.entered()

    assert door.of(LockedOut) == []


def test_failures_count_for_fifteen_minutes(door: Door) -> None:
    for _ in range(4):
        door.refusal("wrong password here")
    door.at += timedelta(minutes=15)
    for _ in range(4):
        door.refusal("wrong password here")
    assert door.enters(), "control: five within the time would have locked it"
    door.refusal("wrong password here")


def test_wrong_codes_count_as_well_and_missing_ones_do_not(door: Door) -> None:
    authenticator, _ = door.enrol()
    door.at += STEP
    for _ in range(7):
        assert door.refusal() == "second_factor_missing"
    wrong = "000000" if authenticator.code(at=door.at) != "000000" else "000001"
    for code in (wrong, wrong, wrong, wrong):
        assert door.refusal(totp=code) == "wrong_code"
    assert door.refusal(recovery_code="no such code") == "wrong_code"

    assert door.refusal(totp=authenticator.code(at=door.at)) == "locked"


def test_another_account_is_not_locked_with_it(door: Door, agency: Agency) -> None:
    for _ in range(5):
        door.refusal("wrong password here")

    assert Door(door.session, an_account(door.session, agency)).enters()


def test_an_address_is_locked_by_its_own_figure_and_locks_no_account(door: Door, agency: Agency) -> None:
    for number in range(25):
        assert door.refusal("x", email=f"nobody{number}@police.example") == "unknown_account"

    (locked,) = door.of(LockedOut)
    assert (locked.account_id, locked.source) == (None, SOURCE)
    assert door.refusal() == "source_locked"
    assert door.refusal(email="nobody@police.example") == "source_locked"
    door.source = "192.0.2.8"
    assert door.enters(), "control: from elsewhere the account comes in"


def test_addresses_of_one_site_are_one(door: Door) -> None:
    assert lockouts.network_of("2001:db8::1") == lockouts.network_of("2001:db8::ffff") == "2001:db8::/64"
    assert lockouts.network_of("2001:db8:0:1::1") != lockouts.network_of("2001:db8::1")
    assert lockouts.network_of("::ffff:192.0.2.7") == lockouts.network_of("192.0.2.7") == "192.0.2.7"
    assert lockouts.network_of("test\0client" + "x" * 500).startswith("testclientx")


def test_an_administrator_releases_an_account(door: Door, agency: Agency) -> None:
    for _ in range(5):
        door.refusal("wrong password here")
    admin, stranger = the_console(agency.id), begun(door.session, an_account(door.session, agency)).principal

    with pytest.raises(NotPermittedError, match="their own"):
        release(door, by=door.me)
    release(door, by=stranger)

    assert door.enters()
    assert door.of(AccountReleased)[0].reason == "called in"
    for _ in range(5):
        door.refusal("wrong password here")
    assert door.refusal() == "locked", "a release is no licence"
    release(door, by=admin)
    assert door.enters()


def release(door: Door, *, by: Principal) -> None:
    recovery.release(door.session, door.recorder, door.account, by=by, at=door.at, request_id="r9", reason="called in")


def test_an_administrator_releases_an_address_once(door: Door, agency: Agency) -> None:
    for number in range(25):
        door.refusal("x", email=f"nobody{number}@police.example")

    def released() -> bool:
        return recovery.release_source(
            door.session, door.recorder, SOURCE, by=the_console(agency.id), at=NOON, request_id="r9", reason="theirs"
        )

    assert [released(), released()] == [True, False]
    assert len(door.of(SourceReleased)) == 1
    assert door.enters()


def test_a_reset_at_the_console_lets_in_whoever_is_locked_idle_and_has_lost_the_authenticator(
    door: Door, agency: Agency
) -> None:
    door.enrol()
    for _ in range(5):
        door.refusal("wrong password here", totp="000000")
    door.at += timedelta(days=91)

    reset(door, by=the_console(agency.id))

    assert len(door.of(AccountReset)) == 1
    assert door.refusal(PASSWORD) == "wrong_password"
    assert door.refusal("a one-time password") == "new_password_missing"
    with pytest.raises(PasswordError, match="old one"):
        door.knock("a one-time password", new_password="a one-time password")
    assert door.entered("a one-time password", new_password="chosen by myself 7").principal.strong_at is None
    assert door.of(PasswordChanged)[-1].account_id == door.account.id
    assert door.refusal("a one-time password", new_password="chosen by another 7") == "wrong_password", "one time"
    assert door.enters("chosen by myself 7"), "its authenticator counts no longer"


def reset(door: Door, *, by: Principal) -> None:
    recovery.reset(
        door.session,
        door.recorder,
        door.account,
        password="a one-time password",
        life=RULES.one_time_password_life,
        by=by,
        at=door.at,
        request_id="r8",
    )


def test_a_reset_ends_the_sessions_there_are(door: Door, agency: Agency) -> None:
    before = door.entered()

    reset(door, by=the_console(agency.id))

    (ended,) = door.of(SessionEnded)
    assert (str(ended.session_id), ended.because) == (before.principal.session, "reset")


def test_a_one_time_password_is_good_for_a_day(door: Door, agency: Agency) -> None:
    reset(door, by=the_console(agency.id))
    door.at += timedelta(hours=24)

    assert door.refusal("a one-time password", new_password="chosen by myself 7") == "one_time_password_over"


def test_only_the_console_resets_and_nobody_who_is_suspended(door: Door, agency: Agency) -> None:
    with pytest.raises(NotPermittedError, match="console"):
        reset(door, by=begun(door.session, an_account(door.session, agency)).principal)
    door.account.suspended_at = NOON
    door.session.flush()
    with pytest.raises(NotPermittedError, match="suspended"):
        reset(door, by=the_console(agency.id))


def test_an_account_idle_for_ninety_days_is_refused_until_it_is_released(door: Door, agency: Agency) -> None:
    door.entered()
    door.at += timedelta(days=90) - timedelta(seconds=1)
    assert door.enters(), "control: a second earlier it is not"

    door.at += timedelta(days=90)

    assert door.refusal() == "idle"
    release(door, by=the_console(agency.id))
    assert door.enters()


def test_an_account_nobody_ever_used_is_idle_from_its_making(door: Door) -> None:
    door.at += timedelta(days=90)

    assert door.refusal() == "idle"


def test_where_there_is_a_notice_it_is_acknowledged_in_its_own_words(door: Door) -> None:
    door.rules = AuthSettings(banner="Authorised use only.")
    digest = door.rules.banner_sha256
    assert digest == sha256(b"Authorised use only.").hexdigest()

    assert door.refusal() == "banner_not_acknowledged"
    assert door.refusal(banner="0" * 64) == "banner_not_acknowledged"
    door.entered(banner=digest)

    assert door.of(SignedIn)[-1].banner == digest
    assert [event.id for event in door.of(SignInRefused)] == [None, None], "nobody was looked for"


def test_a_second_factor_is_proved_again_within_a_session(door: Door) -> None:
    authenticator, _ = door.enrol()
    me = door.me
    door.at += timedelta(minutes=20)

    assert again(door, me, totp=authenticator.code(at=door.at))

    assert door.session.scalars(select(SignInSession.strong_at).where(SignInSession.id == me.session)).one() == door.at
    assert door.of(ProvedAgain)[0].method == "otp"


def again(door: Door, me: Principal, **given: str) -> bool:
    return local_sign_in.prove_again(
        door.session,
        door.recorder,
        Given(**given),
        by=me,
        rules=door.rules,
        sealer=SEALER,
        at=door.at,
        request_id="r5",
        source=SOURCE,
    )


def test_a_session_in_which_the_code_is_guessed_at_ends_with_the_lock(door: Door) -> None:
    authenticator, _ = door.enrol()
    me = door.me

    assert [again(door, me, recovery_code="wrong") for _ in range(5)] == [False] * 5

    assert [event.because for event in door.of(SessionEnded)] == ["guessed_at"]
    door.at += STEP
    assert door.refusal(totp=authenticator.code(at=door.at)) == "locked"


def test_without_a_second_factor_there_is_nothing_to_prove(door: Door) -> None:
    with pytest.raises(CodeError, match="no second factor"):
        again(door, door.me, totp="000000")


def change(door: Door, me: Principal, old: str, new: str) -> bool:
    return local_sign_in.change_password(
        door.session, door.recorder, old=old, new=new, by=me, rules=RULES, at=door.at, request_id="r6", source=SOURCE
    )


def test_another_password_ends_the_other_sessions(door: Door) -> None:
    me, other = door.entered().principal, door.entered().principal

    assert not change(door, me, "wrong password here", "chosen by myself 7")
    assert change(door, me, PASSWORD, "chosen by myself 7")

    assert [str(event.session_id) for event in door.of(SessionEnded)] == [other.session]
    assert door.refusal() == "wrong_password"
    assert door.enters("chosen by myself 7")


def test_no_sixth_guess_is_taken_by_way_of_a_change_of_password(door: Door) -> None:
    me = door.me
    for _ in range(5):
        assert not change(door, me, "wrong password here", "chosen by myself 7")

    assert [event.because for event in door.of(SessionEnded)] == ["guessed_at"]
    assert door.refusal() == "locked"


def test_enrolment_codes_are_limited_by_address(session: Session) -> None:
    recorder = Remembered()
    for _ in range(4):
        refuse_enrolment(session, recorder)
    local_sign_in.require_enrolment_open(session, SOURCE)
    refuse_enrolment(session, recorder)

    with pytest.raises(EnrolmentCodeError):
        local_sign_in.require_enrolment_open(session, SOURCE)
    local_sign_in.require_enrolment_open(session, "192.0.2.8")
    assert [type(event) for event in recorder.events] == [SignInRefused] * 5 + [LockedOut]


def refuse_enrolment(session: Session, recorder: Remembered) -> None:
    local_sign_in.refuse_enrolment(session, recorder, rules=RULES, source=SOURCE, at=NOON, request_id="r7")


def test_counts_that_have_run_out_are_forgotten_and_locks_are_not(door: Door) -> None:
    for number in range(25):
        door.refusal("x", email=f"nobody{number}@police.example")
    door.source = "192.0.2.8"
    door.refusal("x", email="nobody@police.example")
    door.at += timedelta(minutes=31)
    door.source = "192.0.2.9"

    door.refusal("x", email="nobody@police.example")

    subjects = set(door.session.scalars(select(Lockout.subject)))
    assert {"source/192.0.2.7", "source/192.0.2.9"} <= subjects
    assert "source/192.0.2.8" not in subjects


def test_the_application_may_not_rewrite_what_a_session_or_second_factor_is(door: Door) -> None:
    door.enrol()
    for statement in (
        update(SecondFactor).values(sealed_secret=b"x"),
        update(SignInSession).values(account_id=door.account.id),
        update(RecoveryCode).values(code_sha256=b"x"),
    ):
        with pytest.raises(ProgrammingError, match="permission denied"), door.session.begin_nested():
            door.session.execute(statement)
    assert timedelta(minutes=1) == sessions.NOTED_EVERY
