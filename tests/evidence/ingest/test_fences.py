"""At any moment at most one writer of an upload, whichever process it is in."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Event
from typing import NoReturn

import pytest

from auth.principals import Principal
from evidence.database import DatabaseAwayError
from evidence.errors import BusyError, OffsetConflictError
from evidence.ingest import receive
from evidence.ingest.fences import Fences
from evidence.ingest.intake import Intake
from evidence.ingest.writing import Writer
from evidence.room import Room
from tests.support.arrivals import begun, ended, lapse, written
from tests.support.uploading import footage_like

BODY = footage_like(3_000_000)


def test_a_fence_has_one_holder(shared_room: Room, intake: Intake, officer: Principal) -> None:
    upload_id = begun(intake, officer, BODY)
    one, other = Fences(shared_room.sessions), Fences(shared_room.sessions)

    fence = one.take(upload_id, state="open")

    with pytest.raises(BusyError):
        other.take(upload_id, state="open")
    one.release(fence)
    other.release(other.take(upload_id, state="open"))


def test_the_fence_of_the_dead_falls(shared_room: Room, intake: Intake, officer: Principal) -> None:
    upload_id = begun(intake, officer, BODY)
    dead = Fences(shared_room.sessions)
    dead.take(upload_id, state="open")
    dead.close()

    lapse(shared_room)

    Fences(shared_room.sessions).take(upload_id, state="open")


def test_the_fence_of_the_living_stands(shared_room: Room, intake: Intake, officer: Principal) -> None:
    upload_id = begun(intake, officer, BODY)
    living, other = Fences(shared_room.sessions, lease=timedelta(seconds=0.6)), Fences(shared_room.sessions)
    fence = living.take(upload_id, state="open")
    first = fence.until

    renewed = Event()
    while fence.until <= first + 0.7:  # renewed more than once: longer than a lease
        assert not renewed.wait(0.05)
        with pytest.raises(BusyError):
            other.take(upload_id, state="open")

    living.release(fence)


def test_who_wants_a_fence_has_its_holder_told(shared_room: Room, intake: Intake, officer: Principal) -> None:
    upload_id = begun(intake, officer, BODY)
    holder, told = Fences(shared_room.sessions, lease=timedelta(seconds=0.6)), Event()
    fence = holder.take(upload_id, state="open", wanted=told.set)

    with pytest.raises(BusyError):
        Fences(shared_room.sessions).take(upload_id, state="open")

    assert told.wait(60)
    holder.release(fence)


def a_whole_one(intake: Intake, officer: Principal) -> Writer:
    """A writer that has its last byte and is not let go of yet."""
    writer = intake.take(begun(intake, officer, BODY), offset=0)
    writer.feed(BODY)
    writer.checkpoint()
    assert writer.whole
    return writer


def test_whoever_asks_before_the_writer_lets_go_waits_for_it(intake: Intake, officer: Principal) -> None:
    writer = a_whole_one(intake, officer)

    with ThreadPoolExecutor(1) as beside:
        asked = beside.submit(intake.seal, writer.upload_id)
        with pytest.raises(TimeoutError):
            asked.result(timeout=0.2)
        intake.let_go(writer)
        asked.result(timeout=60).result(timeout=60)

    assert intake.load(writer.upload_id).state == "received"


def test_a_fence_that_nobody_needs_any_more_is_let_go_of(
    shared_room: Room, intake: Intake, officer: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when another process, or the sweep, began to seal it: whoever comes next gets it at once."""
    writer = a_whole_one(intake, officer)
    under_way: Future[None] = Future()
    with monkeypatch.context() as meanwhile:
        meanwhile.setitem(intake._sealing, writer.upload_id, under_way)
        intake.let_go(writer)

    other = Fences(shared_room.sessions)
    other.release(other.take(writer.upload_id, state="sealing"))
    intake.seal(writer.upload_id).result(timeout=60)
    assert intake.load(writer.upload_id).state == "received"


def test_a_database_that_is_away_for_a_moment_does_not_keep_the_fence(
    intake: Intake, officer: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = a_whole_one(intake, officer)

    was_away = Event()

    def is_away(_sessions: object) -> NoReturn:
        monkeypatch.undo()
        was_away.set()
        raise DatabaseAwayError

    monkeypatch.setattr(receive, "reading", is_away)
    intake.let_go(writer)
    assert was_away.wait(60)
    with suppress(DatabaseAwayError):  # this is the sealing that met it, or the next
        intake.seal(writer.upload_id).result(timeout=60)

    intake.seal(writer.upload_id).result(timeout=60)
    assert intake.load(writer.upload_id).state == "received"


def test_a_writer_that_lost_its_fence_counts_nothing(
    shared_room: Room, intakes: Callable[[], Intake], officer: Principal
) -> None:
    sleeper, other = intakes(), intakes()
    upload_id = begun(sleeper, officer, BODY)
    writer = sleeper.take(upload_id, offset=0)
    writer.feed(BODY[:2_000_000])
    lapse(shared_room)
    successor = other.take(upload_id, offset=0)

    with pytest.raises(BusyError):
        writer.checkpoint()
    sleeper.let_go(writer)

    successor.feed(BODY[:10])
    assert successor.checkpoint() == 10
    other.let_go(successor)
    written(other, upload_id, BODY)
    assert ended(other, upload_id).state == "received"


def test_a_new_request_has_the_old_one_of_its_process_let_go(intake: Intake, officer: Principal) -> None:
    upload_id = begun(intake, officer, BODY)
    old = intake.take(upload_id, offset=0)
    old.feed(BODY[:1_500_000])

    def let_go() -> None:
        old.checkpoint()
        intake.let_go(old)

    old.on_stop = let_go

    with pytest.raises(OffsetConflictError, match="1500000"):
        intake.take(upload_id, offset=0)
    new = intake.take(upload_id, offset=1_500_000)
    intake.let_go(new)
