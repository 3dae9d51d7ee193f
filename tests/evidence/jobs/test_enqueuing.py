"""A job exists if, and only if, the transaction that enqueued it committed."""

from contextlib import suppress

import pytest
from procrastinate import App, SyncPsycopgConnector
from sqlalchemy import text
from sqlalchemy.orm import Session

from evidence.database import Sessions, unit_of_work
from evidence.jobs import FOOTAGE, ITEM_PROBE, defer
from tests.support.database import Database, driver_url


def waiting(sessions: Sessions) -> list[tuple[str, str, dict[str, str]]]:
    with sessions() as session:
        found = session.execute(text("SELECT queue_name, task_name, args FROM procrastinate_jobs ORDER BY id"))
        return [tuple(row) for row in found]


def test_a_job_is_there_after_the_commit_and_not_before(sessions: Sessions) -> None:
    with unit_of_work(sessions) as session:
        defer(session, ITEM_PROBE, item_id="1")
        assert waiting(sessions) == []

    assert waiting(sessions) == [(FOOTAGE, ITEM_PROBE, {"item_id": "1"})]


def test_a_rollback_leaves_no_job(sessions: Sessions) -> None:
    with suppress(ZeroDivisionError), unit_of_work(sessions) as session:
        defer(session, ITEM_PROBE, item_id="1")
        raise ZeroDivisionError

    assert waiting(sessions) == []


def test_a_queue_beside_the_transaction_would_leave_one(sessions: Sessions, database: Database) -> None:
    """The control: the same, enqueued on a connection of its own."""
    beside = App(connector=SyncPsycopgConnector(conninfo=driver_url(database.app_url), min_size=1, max_size=1))
    with beside.open(), suppress(ZeroDivisionError), unit_of_work(sessions):
        beside.configure_task(ITEM_PROBE, queue=FOOTAGE).defer(item_id="1")
        raise ZeroDivisionError

    assert len(waiting(sessions)) == 1


def test_only_known_tasks_are_enqueued(session: Session) -> None:
    with pytest.raises(KeyError):
        defer(session, "item.vanish", item_id="1")


def test_jobs_with_one_lock_do_not_run_at_the_same_time(sessions: Sessions) -> None:
    with unit_of_work(sessions) as session:
        for number in range(2):
            defer(session, ITEM_PROBE, lock="item/1", item_id=str(number))
        defer(session, ITEM_PROBE, item_id="free")

    with unit_of_work(sessions) as session:
        worker = session.scalar(text("SELECT worker_id FROM procrastinate_register_worker_v1()"))
        fetched = [
            session.scalar(
                text("SELECT args->>'item_id' FROM procrastinate_fetch_job_v2(NULL, :worker)"), {"worker": worker}
            )
            for _ in range(3)
        ]

    assert fetched == ["0", "free", None]
