"""A dock is enrolled once for a code, with a key of its own, and a statement signs it in once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from auth import agencies, machines
from auth.errors import AccountError, DockKeyError, EnrolmentCodeError, NotPermittedError, TakenError, UnknownError
from auth.events import DockEnrolled, DockInvited, DockRetired, Remembered
from auth.keys import fingerprint, jwk_of
from auth.machines import Invitation
from auth.models import Agency, Dock, EnrolmentCode, UsedAssertion
from auth.tokens import Assertion
from evidence.database import Sessions, unit_of_work
from tests.auth.conftest import EnrolledDock, a_person, an_enrolled_dock, the_console
from tests.conftest import NOON

LIFE = timedelta(minutes=15)


def a_key() -> dict[str, str]:
    return jwk_of(ec.generate_private_key(ec.SECP256R1()).public_key())


def invite(session: Session, recorder: Remembered, agency: Agency, name: str = "Dock 1") -> Invitation:
    return machines.invite(
        session,
        recorder,
        agency_id=agency.id,
        dock_name=name,
        by=a_person(agency.id),
        at=NOON,
        life=LIFE,
        request_id="r1",
    )


def enrol(
    session: Session,
    code: str,
    key: dict[str, str] | None = None,
    *,
    later: timedelta = timedelta(0),
    name: str | None = None,
) -> Dock:
    return machines.enrol(
        session, Remembered(), code=code, name=name, public_key=key or a_key(), at=NOON + later, request_id="r2"
    )


def test_a_dock_is_enrolled_for_its_code_and_both_acts_are_reported(
    session: Session, recorder: Remembered, agency: Agency
) -> None:
    key = a_key()
    invitation = invite(session, recorder, agency)
    dock = machines.enrol(session, recorder, code=invitation.code, public_key=key, at=NOON, request_id="r2")

    assert (dock.agency_id, dock.name, dock.public_key) == (agency.id, "Dock 1", key)
    assert dock.fingerprint == fingerprint(key)
    invited, enrolled = recorder.events
    assert isinstance(invited, DockInvited)
    assert isinstance(enrolled, DockEnrolled)
    assert (enrolled.dock_id, enrolled.invitation_id, enrolled.invited_by) == (dock.id, invitation.id, invited.by.id)


def test_the_code_is_kept_nowhere(session: Session, recorder: Remembered, agency: Agency) -> None:
    invitation = invite(session, recorder, agency)

    row = session.get(EnrolmentCode, invitation.id)
    assert row is not None
    kept = [getattr(row, column.name) for column in EnrolmentCode.__table__.columns]
    plain = invitation.code.replace("-", "")
    assert not any(plain in str(value) or plain.encode() in bytes(str(value), "utf-8") for value in kept)
    assert plain not in repr(recorder.events)
    assert len(plain) == 20


def test_a_code_may_be_typed_carelessly(session: Session, recorder: Remembered, agency: Agency) -> None:
    code = invite(session, recorder, agency).code

    typed = code.lower().replace("-", " ").replace("0", "o").replace("1", "l")

    assert enrol(session, f" {typed} ").name == "Dock 1"


def test_a_code_is_good_for_the_dock_it_was_made_for(session: Session, recorder: Remembered, agency: Agency) -> None:
    code = invite(session, recorder, agency).code

    with pytest.raises(EnrolmentCodeError):
        enrol(session, code, name="Dock 2")

    assert enrol(session, code, name=" Dock 1 ").name == "Dock 1"


@pytest.mark.parametrize("code", ["", "x", "\0", "\ud800", "00000-00000-00000-00000", "é" * 20])
def test_an_unknown_code_enrols_nothing(session: Session, agency: Agency, code: str) -> None:
    with pytest.raises(EnrolmentCodeError):
        enrol(session, code)


def test_a_code_is_good_once_and_for_a_quarter_of_an_hour(
    session: Session, recorder: Remembered, agency: Agency
) -> None:
    used, old = invite(session, recorder, agency, "Dock 1"), invite(session, recorder, agency, "Dock 2")
    enrol(session, used.code, later=LIFE - timedelta(seconds=1))

    said = set()
    for code, later in ((used.code, timedelta(0)), (old.code, LIFE), ("00000-00000-00000-00000", timedelta(0))):
        with pytest.raises(EnrolmentCodeError) as refused:
            enrol(session, code, later=later)
        said.add(str(refused.value))
    assert len(said) == 1, "used, old and unknown are answered alike"


def test_a_bad_key_does_not_spend_the_code(session: Session, recorder: Remembered, agency: Agency) -> None:
    code = invite(session, recorder, agency).code

    with pytest.raises(DockKeyError):
        enrol(session, code, {**a_key(), "x": "AAAA"})

    assert enrol(session, code).name == "Dock 1"


def test_of_many_with_the_same_code_one_dock_is_enrolled(sessions: Sessions) -> None:
    with unit_of_work(sessions) as session:
        agency = agencies.create(session, "Police", at=NOON)
        code = invite(session, Remembered(), agency).code

    def attempt(_: int) -> bool:
        try:
            with unit_of_work(sessions) as session:
                enrol(session, code)
        except EnrolmentCodeError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(attempt, range(8))) == [False] * 7 + [True]
    with unit_of_work(sessions) as session:
        assert session.scalar(select(func.count()).select_from(Dock)) == 1


def test_reading_first_and_spending_later_would_enrol_several(sessions: Sessions) -> None:
    """Control: the careless order, without a lock, lets the race be lost."""
    with unit_of_work(sessions) as session:
        agency = agencies.create(session, "Police", at=NOON)
        invitation = invite(session, Remembered(), agency)
    with sessions() as one, sessions() as two:
        seen = [each.get_one(EnrolmentCode, invitation.id).used_at for each in (one, two)]

    assert seen == [None, None], "both would have gone on"


def test_a_name_is_free_again_when_its_dock_is_retired(session: Session, recorder: Remembered, agency: Agency) -> None:
    first, second = (invite(session, recorder, agency) for _ in range(2))
    old = enrol(session, first.code)
    with pytest.raises(TakenError):
        enrol(session, second.code)
    with pytest.raises(TakenError):
        invite(session, recorder, agency)

    machines.retire(session, recorder, old, by=a_person(agency.id), at=NOON, request_id="r3", reason="replaced")

    assert enrol(session, invite(session, recorder, agency).code).name == old.name


def test_one_key_belongs_to_one_dock_for_ever(session: Session, recorder: Remembered, agency: Agency) -> None:
    key = a_key()
    old = enrol(session, invite(session, recorder, agency).code, key)
    machines.retire(session, recorder, old, by=a_person(agency.id), at=NOON, request_id="r3", reason="stolen")
    again = invite(session, recorder, agency)

    with pytest.raises(TakenError):
        enrol(session, again.code, key)


@pytest.mark.parametrize("name", ["", " ", "a\0b", "a\nb", "d" * 81, "\u202e"])
def test_a_dock_has_a_name_that_can_be_read(session: Session, recorder: Remembered, agency: Agency, name: str) -> None:
    with pytest.raises(AccountError):
        invite(session, recorder, agency, name)


def test_a_dock_is_retired_once_and_by_its_own_agency(
    session: Session, recorder: Remembered, agency: Agency, dock: EnrolledDock
) -> None:
    with pytest.raises(NotPermittedError):
        machines.retire(session, recorder, dock.row, by=a_person(), at=NOON, request_id="r1", reason="because")
    with pytest.raises(UnknownError):
        machines.in_agency(session, dock.row.id, uuid4())
    for hours in (1, 2):
        at = NOON + timedelta(hours=hours)
        machines.retire(session, recorder, dock.row, by=the_console(agency.id), at=at, request_id="r1", reason="old")

    assert dock.row.retired_at == NOON + timedelta(hours=1)
    assert [type(event) for event in recorder.events] == [DockRetired]


def test_pages_of_docks_leave_none_out(session: Session, agency: Agency) -> None:
    made = {an_enrolled_dock(session, agency).row.id for _ in range(5)}

    seen, after = [], None
    while found := machines.page(session, agency.id, after=after, limit=2):
        seen += [each.id for each in found]
        after = found[-1].id

    assert len(seen) == 5
    assert set(seen) == made


def test_a_statement_is_spent_once_for_each_dock(session: Session, dock: EnrolledDock) -> None:
    statement = Assertion(jti="j1", expires_at=NOON + timedelta(minutes=5))

    assert machines.spend(session, dock.row.id, statement, at=NOON)
    assert not machines.spend(session, dock.row.id, statement, at=NOON + timedelta(minutes=5))
    assert machines.spend(session, uuid4(), statement, at=NOON), "another dock's j1 is another statement"


def test_of_many_with_the_same_statement_one_is_let_in(sessions: Sessions) -> None:
    statement, dock_id = Assertion(jti="j1", expires_at=NOON + timedelta(minutes=5)), uuid4()

    def attempt(_: int) -> bool:
        with unit_of_work(sessions) as session:
            return machines.spend(session, dock_id, statement, at=NOON)

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(attempt, range(16))) == [False] * 15 + [True]


def test_old_statements_are_forgotten_and_no_others(sessions: Sessions) -> None:
    for minutes in (0, 5, 30):
        at = NOON + timedelta(minutes=minutes)
        with unit_of_work(sessions) as session:
            machines.spend(session, uuid4(), Assertion(jti="j", expires_at=at + timedelta(minutes=5)), at=at)

    with unit_of_work(sessions) as session:
        assert session.scalars(select(UsedAssertion.expires_at)).all() == [NOON + timedelta(minutes=35)]
