"""Jobs of dead workers run again; those of the living are left alone; nothing goes round for ever."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from procrastinate import PsycopgConnector
from procrastinate.manager import JobManager
from sqlalchemy import text

from evidence.database import Sessions, unit_of_work
from evidence.jobs import ITEM_PROBE, MAXIMUM_ATTEMPTS, defer, queue, rescue
from tests.support.database import Database, driver_url


def with_queue(database: Database, act: Callable[[JobManager], Awaitable[None]]) -> None:
    async def connected() -> None:
        with queue.replace_connector(PsycopgConnector(conninfo=driver_url(database.app_url), min_size=1, max_size=2)):
            async with queue.open_async():
                await act(queue.job_manager)

    asyncio.run(connected())


def begun_by_a_worker(sessions: Sessions, *, silent: float, attempts: int = 0) -> int:
    """Have a job in the hands of a worker that was last heard of so many seconds ago."""
    with unit_of_work(sessions) as session:
        job = defer(session, ITEM_PROBE, item_id="1")
        worker = session.scalar(text("SELECT worker_id FROM procrastinate_register_worker_v1()"))
        session.execute(text("SELECT procrastinate_fetch_job_v2(NULL, :worker)"), {"worker": worker})
        session.execute(text("UPDATE procrastinate_jobs SET attempts = :attempts"), {"attempts": attempts})
        session.execute(
            text("UPDATE procrastinate_workers SET last_heartbeat = now() - make_interval(secs => :silent)"),
            {"silent": silent},
        )
        return job


def status(sessions: Sessions, job: int) -> tuple[str, int]:
    with sessions() as session:
        found = session.execute(
            text("SELECT status::text, attempts FROM procrastinate_jobs WHERE id = :job"), {"job": job}
        )
        return tuple(found.one())


async def rescue_once(jobs: JobManager) -> None:
    await rescue.rescue_from_the_dead(jobs)


def test_the_job_of_a_dead_worker_runs_again(sessions: Sessions, database: Database) -> None:
    job = begun_by_a_worker(sessions, silent=rescue.SILENT_SECONDS + 1)

    async def fetch_by_another(jobs: JobManager) -> None:
        another = await jobs.register_worker()
        assert await jobs.fetch_job(queues=None, worker_id=another) is None, "the control: without rescue it is lost"
        await rescue.rescue_from_the_dead(jobs)
        fetched = await jobs.fetch_job(queues=None, worker_id=another)
        assert fetched is not None
        assert (fetched.id, fetched.attempts) == (job, 1)

    with_queue(database, fetch_by_another)


def test_the_job_of_a_living_worker_is_left_alone(sessions: Sessions, database: Database) -> None:
    job = begun_by_a_worker(sessions, silent=rescue.HEARTBEAT_SECONDS)

    with_queue(database, rescue_once)

    assert status(sessions, job) == ("doing", 0)


def test_a_job_that_kills_every_worker_is_given_up(sessions: Sessions, database: Database) -> None:
    job = begun_by_a_worker(sessions, silent=rescue.SILENT_SECONDS + 1, attempts=MAXIMUM_ATTEMPTS)

    with_queue(database, rescue_once)

    assert status(sessions, job)[0] == "failed"


def test_recurring_work_of_the_dead_does_not_stand_in_the_way(sessions: Sessions, database: Database) -> None:
    """Its next turn waits already under the same lock; giving it back failed, and with it every other rescue."""
    with unit_of_work(sessions) as session:
        session.execute(
            text(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock)"
                " VALUES ('upkeep', 'upload.sweep', 'upload.sweep')"
            )
        )
        worker = session.scalar(text("SELECT worker_id FROM procrastinate_register_worker_v1()"))
        session.execute(text("SELECT procrastinate_fetch_job_v2(NULL, :worker)"), {"worker": worker})
        session.execute(
            text(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock)"
                " VALUES ('upkeep', 'upload.sweep', 'upload.sweep')"
            )
        )
        defer(session, ITEM_PROBE, item_id="1")
        session.execute(
            text("UPDATE procrastinate_jobs SET status = 'doing', worker_id = :worker WHERE queue_name = 'footage'"),
            {"worker": worker},
        )
        session.execute(text("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 day'"))

    with_queue(database, rescue_once)

    with sessions() as session:
        found = session.execute(text("SELECT task_name, status::text FROM procrastinate_jobs ORDER BY id"))
        assert [tuple(row) for row in found] == [("upload.sweep", "todo"), (ITEM_PROBE, "todo")]


def test_a_dead_worker_is_missed_within_half_a_minute() -> None:
    every_few_seconds = 5
    assert queue.periodic_registry.periodic_tasks[("jobs.rescue", "")].cron.split()[-1] == f"*/{every_few_seconds}"
    assert rescue.SILENT_SECONDS + every_few_seconds < 30
    assert rescue.SILENT_SECONDS >= 3 * rescue.HEARTBEAT_SECONDS, "one late heartbeat is no death"


@pytest.mark.parametrize("task", ["jobs.rescue", "upload.sweep"])
def test_upkeep_runs_where_footage_cannot_keep_it_waiting(task: str) -> None:
    from evidence import worker

    assert worker.LOADED
    assert queue.tasks[task].queue == "upkeep"
