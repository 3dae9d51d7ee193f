"""`custody.record` is the one door: the act and its record stand or fall together."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from uuid import uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from auth import agencies
from auth.principals import Principal
from evidence import custody
from evidence.custody import events, history, ledger
from evidence.custody.events import AccountSignedIn, Actor, CitedObject, CustodyEvent, ItemReceived, RoleGranted
from evidence.custody.models import CustodyReceipt
from evidence.database import Sessions, at_the_end, reading, unit_of_work
from evidence.errors import TooLargeError, UnavailableError
from evidence.proof import FormatError, acts, canonical, record
from tests.conftest import NOON
from tests.support.custody import OFFICER, an_actor, faults, refused, rows, signed_in
from tests.support.database import Database, driver_url
from tests.support.waiting import until

LATER = {
    "hold.placed",
    "hold.released",
    "retention.decided",
    "item.disposed",
    "key.destroyed",
    "item.expunged",
    "item.redacted",
    "item.produced",
    "production.delivered",
    "item.transferred",
    "item.transfer_received",
}
"""Acts that are in the format and that nothing records yet."""


class PowerCutError(Exception):
    pass


def classes_of_acts(of: type[CustodyEvent] = CustodyEvent) -> Iterator[tuple[str, str]]:
    """Yield act and name of every class of event. (One with slots may be there twice, until it is collected.)"""
    if "act" in vars(of):
        yield of.act, of.__name__
    for each in of.__subclasses__():
        yield from classes_of_acts(each)


def chain_of(actor: Actor) -> str:
    assert actor.chain is not None
    return actor.chain


def test_every_act_has_one_class_of_event_or_is_for_later() -> None:
    classes = set(classes_of_acts())
    named = {act for act, _ in classes}

    assert sorted(named | LATER) == sorted(acts.ACTS)
    assert not LATER & named
    assert len(classes) == len(named)


def test_what_is_recorded_is_in_the_chain_after_the_commit(sessions: Sessions) -> None:
    with unit_of_work(sessions) as session:
        custody.record(session, signed_in(request_id="r1"))

    with sessions() as session:
        (entry,) = history.page(session, chain_of(an_actor()))
    assert entry.seq == 1
    assert entry.body["act"] == "account.signed_in"
    assert entry.body["req"] == "r1"
    assert entry.body["actor"]["id"] == str(OFFICER)
    assert acts.check(entry.record.chain, entry.body).name == "account.signed_in"


def test_nothing_of_what_is_withheld_stands_in_the_record(sessions: Sessions) -> None:
    with unit_of_work(sessions) as session:
        custody.record(session, signed_in())

    with sessions() as session:
        (entry,) = history.page(session, chain_of(an_actor()))
    for secret in (b"Park", b"Q-4711", b"198.51.100.7"):
        assert secret not in entry.raw
    said = {salted.name: salted.value for salted in entry.disclosures}
    assert said["source"] == "198.51.100.7"
    assert said["actor"] == {"name": "Officer Park", "badge": "Q-4711", "agency": an_actor().agency}
    assert sorted(salted.digest for salted in entry.disclosures) == entry.body["sd"]


def test_the_chain_holds_after_an_erasure_of_what_was_disclosed(sessions: Sessions, database: Database) -> None:
    with unit_of_work(sessions) as session:
        custody.record(session, signed_in())
    with unit_of_work(sessions) as session:
        session.execute(text("DELETE FROM custody_disclosure"))

    with sessions() as session:
        (entry,) = history.page(session, chain_of(an_actor()))
    assert entry.disclosures == ()
    with psycopg.connect(driver_url(database.superuser_url)) as connection:
        assert faults(rows(connection)) == set()


def work_that_fails(sessions: Sessions, fail: Callable[[Session], None]) -> None:
    with unit_of_work(sessions) as session:
        custody.record(session, signed_in())
        fail(session)


def cut_the_power(_session: Session) -> None:
    raise PowerCutError


def test_a_roll_back_leaves_nothing(sessions: Sessions) -> None:
    def seal_and_fail(session: Session) -> None:
        assert [sealed.seq for sealed in custody.seal(session)] == [1]
        raise PowerCutError

    with pytest.raises(PowerCutError):
        work_that_fails(sessions, seal_and_fail)

    with sessions() as session:
        assert history.page(session, chain_of(an_actor())) == []
        assert history.head(session, chain_of(an_actor())) is None


def test_what_fails_before_it_is_sealed_leaves_nothing(sessions: Sessions) -> None:
    with pytest.raises(PowerCutError):
        work_that_fails(sessions, cut_the_power)

    with sessions() as session:
        assert history.page(session, chain_of(an_actor())) == []


def test_nothing_comes_between_the_last_record_and_the_commit(sessions: Sessions) -> None:
    with pytest.raises(RuntimeError, match="last statement"):
        work_that_fails(sessions, lambda session: at_the_end(session, cut_the_power))

    with sessions() as session:
        assert history.page(session, chain_of(an_actor())) == []


@pytest.mark.parametrize("asks_first", [False, True])
def test_records_of_one_unit_of_work_stand_or_fall_together(
    asks_first: bool, sessions: Sessions, database: Database
) -> None:
    """Also where the unit of work does nothing but record, and is no more than one statement."""
    first, second = sorted((signed_in(uuid4()) for _ in range(2)), key=lambda event: event.chain)

    def record_both() -> None:
        with unit_of_work(sessions) as session:
            if asks_first:
                session.execute(text("SELECT 1"))
            for event in (first, second):
                custody.record(session, event)

    with psycopg.connect(driver_url(database.superuser_url)) as other, ThreadPoolExecutor(1) as beside:
        other.execute("SELECT custody_append(ARRAY[%s], ARRAY['k'], ARRAY['{}'])", [second.chain])
        recording = beside.submit(record_both)
        end_whoever_waits_for(other, database)
        with pytest.raises(UnavailableError):
            recording.result()
        other.rollback()

    with sessions() as session:
        assert history.page(session, first.chain) == []
    record_both()
    with sessions() as session:
        assert len(history.page(session, first.chain)) == len(history.page(session, second.chain)) == 1


def end_whoever_waits_for(other: psycopg.Connection, database: Database) -> None:
    """Let the server end the connection that waits for what this one has locked, once it does."""
    waiting = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
    with psycopg.connect(driver_url(database.superuser_url), autocommit=True) as administrator:
        until(lambda: administrator.execute(waiting, [other.info.backend_pid]).fetchall() != [])


def test_a_commit_that_the_database_does_not_take_is_not_sealed(sessions: Sessions, database: Database) -> None:
    def seal_and_lose_the_connection(session: Session) -> None:
        assert [sealed.seq for sealed in custody.seal(session)] == [1]
        backend = session.scalar(text("SELECT pg_backend_pid()"))
        with psycopg.connect(driver_url(database.superuser_url)) as administrator:
            administrator.execute("SELECT pg_terminate_backend(%s)", [backend])

    with pytest.raises(UnavailableError):
        work_that_fails(sessions, seal_and_lose_the_connection)

    with sessions() as session:
        assert history.page(session, chain_of(an_actor())) == []


def work(sessions: Sessions, carry_out: Callable[[Session], None]) -> None:
    with unit_of_work(sessions) as session:
        carry_out(session)


@pytest.mark.parametrize("unit", [work, work_that_fails])
def test_a_commit_inside_the_unit_of_work_is_refused(
    sessions: Sessions, unit: Callable[[Sessions, Callable[[Session], None]], None]
) -> None:
    def commit_early(session: Session) -> None:
        agencies.create(session, "Millbrook", at=NOON)
        session.commit()
        custody.record(session, signed_in())

    with pytest.raises(RuntimeError, match="unit_of_work"):
        unit(sessions, commit_early)

    with sessions() as session:
        assert agencies.by_name(session, "Millbrook") is None


@pytest.mark.parametrize("open_one", [reading, lambda sessions: sessions()], ids=["reading", "plain"])
def test_nothing_is_recorded_where_there_is_no_unit_of_work(
    sessions: Sessions, open_one: Callable[[Sessions], AbstractContextManager[Session]]
) -> None:
    with open_one(sessions) as session, pytest.raises(RuntimeError, match="unit of work"):
        custody.record(session, signed_in())


def found(sessions: Sessions, name: str) -> tuple[bool, int]:
    """Whether the act is there, and how many records."""
    with sessions() as session:
        return agencies.by_name(session, name) is not None, len(history.page(session, chain_of(an_actor())))


def act_and_record(session: Session, name: str) -> None:
    agencies.create(session, name, at=NOON)
    custody.record(session, signed_in())


def test_what_is_rolled_back_inside_a_unit_of_work_is_not_recorded(sessions: Sessions) -> None:
    with unit_of_work(sessions) as session:
        act_and_record(session, "One")
        session.rollback()
        act_and_record(session, "Two")

    assert found(sessions, "One") == (False, 1)
    assert found(sessions, "Two") == (True, 1)


def test_what_is_rolled_back_to_a_savepoint_is_not_recorded_and_what_came_before_is(sessions: Sessions) -> None:
    with unit_of_work(sessions) as session:
        act_and_record(session, "One")
        with suppress(PowerCutError), session.begin_nested():
            act_and_record(session, "Two")
            with session.begin_nested():
                act_and_record(session, "Three")
            raise PowerCutError
        with session.begin_nested():
            act_and_record(session, "Four")

    assert [found(sessions, name) for name in ("One", "Two", "Three", "Four")] == [
        (True, 2),
        (False, 2),
        (False, 2),
        (True, 2),
    ]


@pytest.mark.parametrize("savepoint", [False, True])
def test_what_was_sealed_and_rolled_back_takes_the_unit_of_work_with_it(sessions: Sessions, savepoint: bool) -> None:
    def seal_and_go_on(session: Session) -> None:
        if savepoint:
            with suppress(PowerCutError), session.begin_nested():
                custody.seal(session)
                raise PowerCutError
        else:
            custody.seal(session)
            session.rollback()
        agencies.create(session, "Millbrook", at=NOON)

    with pytest.raises(RuntimeError, match="rolled back"):
        work_that_fails(sessions, seal_and_go_on)

    assert found(sessions, "Millbrook") == (False, 0)


def test_releasing_a_savepoint_is_no_commit(sessions: Sessions) -> None:
    with unit_of_work(sessions) as session:
        custody.record(session, signed_in())
        with session.begin_nested():
            session.execute(text("SELECT 1"))

    with sessions() as session:
        assert len(history.page(session, chain_of(an_actor()))) == 1


def test_a_request_sent_again_finds_its_first_record(sessions: Sessions) -> None:
    sealed = []
    for _ in range(2):
        with unit_of_work(sessions) as session:
            custody.record(session, signed_in(request_id="the same"))
            sealed += custody.seal(session)

    first, again = sealed
    assert (first.repeated, again.repeated) == (False, True)
    assert (first.record_id, first.seq, first.hash, first.at) == (again.record_id, again.seq, again.hash, again.at)
    with sessions() as session:
        (entry,) = history.page(session, chain_of(an_actor()))
    assert sorted(salted.digest for salted in entry.disclosures) == entry.body["sd"]


def test_one_request_may_record_several_acts_and_they_come_back_in_order(sessions: Sessions) -> None:
    account = uuid4()
    granted = [
        RoleGranted(actor=an_actor(), request_id="r", account_id=account, role=role)
        for role in ("officer", "supervisor")
    ]
    with unit_of_work(sessions) as session:
        for event in (granted[0], signed_in(uuid4()), granted[1]):
            custody.record(session, event)
        sealed = custody.seal(session)

    assert [one.event.act for one in sealed] == ["role.granted", "account.signed_in", "role.granted"]
    assert [one.seq for one in sealed] == [1, 1, 2]


def test_the_same_event_twice_in_one_unit_of_work_is_refused(session: Session) -> None:
    custody.record(session, signed_in(request_id="r"))

    with pytest.raises(RuntimeError, match="twice"):
        custody.record(session, signed_in(request_id="r"))


def test_nothing_can_be_recorded_after_sealing_and_sealing_is_done_once(sessions: Sessions) -> None:
    with unit_of_work(sessions) as session:
        custody.record(session, signed_in())
        custody.seal(session)
        with pytest.raises(RuntimeError, match="comes after"):
            custody.record(session, refused())
        with pytest.raises(RuntimeError, match="sealed before"):
            custody.seal(session)


def test_sealing_when_nothing_is_queued_gives_nothing(session: Session) -> None:
    assert custody.seal(session) == []


def test_a_database_that_goes_away_before_the_append_is_named(sessions: Sessions, database: Database) -> None:
    def lose_the_connection(session: Session) -> None:
        backend = session.scalar(text("SELECT pg_backend_pid()"))
        with psycopg.connect(driver_url(database.superuser_url)) as administrator:
            administrator.execute("SELECT pg_terminate_backend(%s, 10000)", [backend])

    with pytest.raises(UnavailableError):
        work_that_fails(sessions, lose_the_connection)

    work_that_fails(sessions, lambda session: None)
    with sessions() as session:
        assert len(history.page(session, chain_of(an_actor()))) == 1


def test_what_cannot_be_written_never_reaches_the_lock_of_a_chain(sessions: Sessions, database: Database) -> None:
    def add_a_receipt_of_nothing(session: Session) -> None:
        session.add(CustodyReceipt(record_id=4711, note=""))

    def appends_tried() -> object:
        with psycopg.connect(driver_url(database.superuser_url)) as connection:
            return connection.execute("SELECT is_called FROM custody_record_id_seq").fetchone()

    with pytest.raises(IntegrityError):
        work_that_fails(sessions, add_a_receipt_of_nothing)
    assert appends_tried() == (False,)

    work_that_fails(sessions, lambda session: None)
    assert appends_tried() == (True,)


def test_an_event_that_does_not_fit_its_act_is_refused_at_once(session: Session) -> None:
    nameless = AccountSignedIn(actor=an_actor(), request_id="")
    misplaced = AccountSignedIn(actor=Actor.unknown(), request_id="r")

    for event in (nameless, misplaced):
        with pytest.raises(FormatError):
            custody.record(session, event)


def test_an_event_too_long_to_be_recorded_is_refused_at_once(session: Session) -> None:
    with pytest.raises(TooLargeError):
        custody.record(session, signed_in(request_id="r" * 40_000))


def test_the_longest_body_taken_fits_into_a_record(sessions: Sessions) -> None:
    original = CitedObject(role="original", id=uuid4(), mime="x" * 15_500)
    event = ItemReceived(
        actor=an_actor(),
        request_id="r",
        item_id=uuid4(),
        upload_id=uuid4(),
        original=original,
        chunk_list=original,
        declared=None,
        streamed_chunks=bytes(32),
        read_back_chunks=bytes(32),
        read_back=bytes(32),
        filename="ride.mp4",
    )
    with unit_of_work(sessions) as session:
        custody.record(session, event)

    with sessions() as session:
        (entry,) = history.page(session, event.chain)
    assert record.LARGEST_RECORD - 700 < len(entry.raw) <= record.LARGEST_RECORD


def test_a_float_never_enters_a_record(session: Session) -> None:
    event = events.UploadOpened(
        actor=an_actor(),
        request_id="r",
        upload_id=uuid4(),
        sender_kind="account",
        sender_id=OFFICER,
        size=1.5,  # type: ignore[arg-type]  # what the type forbids must fail at run time as well
    )

    with pytest.raises(TypeError, match="float"):
        custody.record(session, event)


def test_an_actor_is_described_without_name_and_with_a_digest_of_the_session() -> None:
    principal = Principal(
        kind="account",
        id=OFFICER,
        agency_id=uuid4(),
        roles=frozenset({"supervisor", "officer"}),
        name="Officer Park",
        method="password",
        session="jti-1",
        badge="4711",
    )

    members = Actor.of(principal).members()

    assert members["roles"] == ["officer", "supervisor"]
    assert members["session"] != "jti-1"
    assert len(members["session"]) == 64
    assert not {"name", "badge"} & members.keys()


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(-(2**53) + 1, 2**53 - 1), st.text()),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(st.from_regex(r"[a-z0-9_]+", fullmatch=True), inner, max_size=4),
        ),
    )
)
def test_the_quick_encoder_writes_what_the_canonical_one_writes(value: canonical.Value) -> None:
    assert ledger.encode(value) == canonical.encode(value)


def test_the_salt_of_every_disclosure_is_its_own(sessions: Sessions) -> None:
    with unit_of_work(sessions) as session:
        custody.record(session, signed_in())
        custody.record(session, refused())
        custody.seal(session)
        texts = session.scalars(text("SELECT disclosure FROM custody_disclosure")).all()

    salts = {json.loads(urlsafe_b64decode(one + "=" * (-len(one) % 4)))[0] for one in texts}
    assert len(texts) >= 4
    assert len(salts) == len(texts)
