"""The sweep brings to its end what crashes left, and touches nothing else."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from auth.principals import Principal
from evidence.clock import system_clock
from evidence.database import unit_of_work
from evidence.errors import GoneError, UnavailableError
from evidence.ids import new_id
from evidence.ingest import clearing
from evidence.ingest.intake import Intake
from evidence.ingest.models import Upload
from evidence.ingest.sweep import Swept, sweep
from evidence.items import register
from evidence.room import Room
from evidence.storage import layout
from evidence.storage.frames import stored_size
from evidence.storage.models import StoredObject
from tests.support.arrivals import acts, begun, sent, whole
from tests.support.uploading import footage_like
from tests.support.waiting import until

BODY = footage_like(2_500_000, seed=11)


@pytest.fixture(autouse=True)
def _swept_clean(shared_room: Room) -> None:
    sweep(later(shared_room))


def later(room: Room, by: timedelta = timedelta(days=30)) -> Room:
    return replace(room, clock=lambda: system_clock() + by)


def staged(room: Room) -> int:
    return len(list(room.vault.store.staged()))


def test_an_upload_that_is_whole_is_sealed(shared_room: Room, intake: Intake, officer: Principal) -> None:
    upload_id = whole(intake, officer, BODY)

    assert sweep(shared_room) == Swept(sealed=1)

    upload = intake.load(upload_id)
    assert acts(shared_room, f"item/{upload.item_id}") == ["item.received"]
    assert sweep(shared_room) == Swept()


def test_an_upload_that_somebody_is_sealing_is_left_to_them(
    shared_room: Room, intake: Intake, officer: Principal
) -> None:
    upload_id = whole(intake, officer, BODY + b"mine")

    with intake.fences.held(upload_id, state="sealing"):
        assert sweep(shared_room) == Swept(waiting=1)

    assert sweep(shared_room) == Swept(sealed=1)


def test_an_upload_left_idle_expires_and_its_bytes_go(shared_room: Room, intake: Intake, officer: Principal) -> None:
    upload_id = begun(intake, officer, BODY + b"idle")
    writer = intake.take(upload_id, offset=0)
    writer.feed(BODY[:1_500_000])
    writer.checkpoint()
    intake.let_go(writer)

    assert sweep(shared_room) == Swept()
    assert sweep(later(shared_room, timedelta(hours=73))) == Swept(expired=1, cleared=1)

    upload = intake.load(upload_id)
    assert upload.state == "expired"
    assert acts(shared_room, f"account/{officer.id}")[-2:] == ["upload.opened", "upload.expired"]
    assert staged(shared_room) == 0
    with unit_of_work(shared_room.sessions) as session:
        assert session.get_one(StoredObject, upload.object_id).wrapped_key is None
    with pytest.raises(GoneError):
        intake.take(upload_id, offset=1_500_000)


def test_an_upload_that_is_being_written_does_not_expire(shared_room: Room, intake: Intake, officer: Principal) -> None:
    upload_id = begun(intake, officer, BODY + b"written")
    writer = intake.take(upload_id, offset=0)

    assert sweep(later(shared_room)) == Swept(waiting=1)

    assert intake.load(upload_id).state == "open"
    intake.let_go(writer)


def test_what_was_begun_in_the_store_and_never_noted_is_dropped(
    shared_room: Room, intake: Intake, officer: Principal
) -> None:
    upload_id = begun(intake, officer, BODY + b"begun")
    with unit_of_work(shared_room.sessions) as session:
        row = session.get_one(StoredObject, session.get_one(Upload, upload_id).object_id)
    shared_room.vault.store.begin(row.key)

    assert sweep(shared_room) == Swept(abandoned=1)
    assert staged(shared_room) == 0


def test_what_was_begun_a_moment_ago_is_left_to_who_began_it(
    shared_room: Room, intake: Intake, officer: Principal
) -> None:
    upload_id = begun(intake, officer, BODY + b"a moment ago")
    with unit_of_work(shared_room.sessions) as session:
        row = session.get_one(StoredObject, session.get_one(Upload, upload_id).object_id)

    with intake.fences.held(upload_id, state="open"):
        shared_room.vault.store.begin(row.key)
        assert sweep(shared_room) == Swept()

    assert staged(shared_room) == 1


def test_what_others_are_storing_is_left_until_it_is_old(shared_room: Room, officer: Principal) -> None:
    shared_room.vault.store.begin(layout.original(officer.agency_id, system_clock(), new_id()))

    assert sweep(shared_room) == Swept()
    assert sweep(later(shared_room, timedelta(hours=2))) == Swept(abandoned=1)


def test_an_open_upload_keeps_what_has_arrived(shared_room: Room, intake: Intake, officer: Principal) -> None:
    upload_id = begun(intake, officer, BODY + b"open")
    writer = intake.take(upload_id, offset=0)
    writer.feed(BODY[:1_500_000])
    writer.checkpoint()
    intake.let_go(writer)

    assert sweep(shared_room) == Swept()

    again = intake.take(upload_id, offset=1_500_000)
    again.feed(BODY[1_500_000:] + b"open")
    again.checkpoint()
    intake.let_go(again)
    intake.seal(upload_id).result(120)
    assert intake.load(upload_id).state == "received"


def test_a_second_copy_left_by_a_crash_is_removed(
    shared_room: Room, intakes: Callable[[], Intake], officer: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sent(intakes(), officer, BODY + b"copy")
    with monkeypatch.context() as crash:
        crash.setattr(clearing, "clear", lambda *_: None)
        second = sent(intakes(), officer, BODY + b"copy")
    with unit_of_work(shared_room.sessions) as session:
        original, copy = (session.get_one(StoredObject, each.object_id).key for each in (first, second))
    assert shared_room.vault.store.head(copy).locked_until is None

    assert sweep(shared_room) == Swept(cleared=1)

    assert shared_room.vault.store.head(original).locked_until is not None
    with pytest.raises(KeyError):
        shared_room.vault.store.head(copy)


def test_a_second_copy_that_the_store_locks_is_unreadable_at_once_and_removed_in_time(
    shared_room: Room, intake: Intake, officer: Principal
) -> None:
    """A bucket's default retention locks whatever comes into it."""
    body = BODY + b"locked by the bucket"
    sent(intake, officer, body)
    upload_id = whole(intake, officer, body)
    upload = intake.load(upload_id)
    with unit_of_work(shared_room.sessions) as session:
        key = session.get_one(StoredObject, upload.object_id).key
    shared_room.vault.store.complete(key, str(upload.staging_token), size=stored_size(upload.size))
    shared_room.vault.store.lock(key, until=system_clock() + timedelta(seconds=1))

    assert sweep(shared_room) == Swept(sealed=1)

    assert intake.load(upload_id).state == "received"
    with unit_of_work(shared_room.sessions) as session:
        assert session.get_one(StoredObject, upload.object_id).wrapped_key is None

    def cleared() -> bool:
        sweep(shared_room)
        return intake.load(upload_id).cleared_at is not None

    until(cleared)
    with pytest.raises(KeyError):
        shared_room.vault.store.head(key)


def test_one_upload_that_cannot_be_ended_does_not_stop_the_others(
    shared_room: Room, intake: Intake, officer: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, fine = whole(intake, officer, BODY + b"stuck"), whole(intake, officer, BODY + b"fine")
    with monkeypatch.context() as trouble:
        trouble.setattr("evidence.ingest.receive.register.register", _unavailable_once())
        assert sweep(shared_room) == Swept(sealed=1, waiting=1)
    assert (intake.load(stuck).state, intake.load(fine).state) == ("sealing", "received")

    assert sweep(shared_room) == Swept(sealed=1)


def _unavailable_once() -> Callable[..., object]:
    right, asked = register.register, []

    def flaky(*arguments: object, **named: object) -> object:
        asked.append(1)
        if len(asked) == 1:
            raise UnavailableError("away")
        return right(*arguments, **named)  # type: ignore[arg-type]

    return flaky
