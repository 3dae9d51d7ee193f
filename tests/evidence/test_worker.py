"""Real worker processes: killed, asked to stop, cut off from the database."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from evidence.database import unit_of_work
from evidence.ids import ItemId
from evidence.items.models import EvidenceItem
from evidence.room import Room
from tests.support.database import Database, driver_url
from tests.support.footage import recording
from tests.support.people import a_dock
from tests.support.received import an_item_with, probings_of
from tests.support.waiting import until

RUN = "from evidence.settings import Settings; from evidence import worker; worker.run(Settings())"

STUCK = """
import pathlib, sys, time
from evidence.ingest import jobs
def stuck(path, settings):
    pathlib.Path(sys.argv[1]).write_text(str(path))
    time.sleep(600)
jobs.probe = stuck
"""
"""Put before RUN: the worker stands still in the middle of a probe, and says where the plaintext is."""

Worker = subprocess.Popen[bytes]


@pytest.fixture
def start(room: Room, database: Database) -> Iterator[Callable[..., Worker]]:
    """Start workers on the room; none outlives the test."""
    environment = {
        **os.environ,
        "EVIDENCE_HOME": str(room.settings.home),
        "EVIDENCE_DATABASE_URL": database.app_url,
        "EVIDENCE_ORIGIN": room.origin,
    }
    started: list[Worker] = []

    def start(code: str = RUN, *arguments: str) -> Worker:
        started.append(subprocess.Popen([sys.executable, "-W", "error", "-c", code, *arguments], env=environment))
        return started[-1]

    yield start
    for worker in started:
        worker.kill()
        worker.wait()


@pytest.fixture
def item_id(room: Room) -> ItemId:
    return an_item_with(room, a_dock(room).principal, recording())


def is_probed(room: Room, item_id: ItemId) -> bool:
    with unit_of_work(room.sessions) as session:
        return session.get_one(EvidenceItem, item_id).media is not None


def jobs_by_status(room: Room) -> dict[str, int]:
    with unit_of_work(room.sessions) as session:
        found = session.execute(
            text("SELECT status::text, count(*) FROM procrastinate_jobs WHERE queue_name = 'footage' GROUP BY 1")
        )
        return {status: count for status, count in found}


def test_what_was_received_is_probed_and_the_worker_stops_when_asked(
    room: Room, item_id: ItemId, start: Callable[..., Worker]
) -> None:
    worker = start()
    until(lambda: is_probed(room, item_id), what="the probe")
    until(lambda: jobs_by_status(room) == {"succeeded": 1}, what="the end of the job")

    worker.send_signal(signal.SIGTERM)

    assert worker.wait(timeout=120) == 0
    assert len(probings_of(room, item_id)) == 1
    assert [path.name for path in (room.settings.home / "scratch").iterdir()] == ["guard"]


def test_the_job_of_a_killed_worker_is_done_by_another_once(
    room: Room, item_id: ItemId, start: Callable[..., Worker], tmp_path: Path
) -> None:
    said = tmp_path / "said"
    first = start(STUCK + RUN, str(said))
    until(lambda: said.exists() and bool(said.read_text()), what="the middle of the job")
    plaintext = Path(said.read_text())
    assert plaintext.exists()

    first.send_signal(signal.SIGKILL)
    first.wait()
    assert jobs_by_status(room) == {"doing": 1}, "the control: the job stays with the dead worker until it is rescued"
    start()

    until(lambda: is_probed(room, item_id), what="the probe")
    until(lambda: jobs_by_status(room) == {"succeeded": 1}, what="the end of the job")
    assert len(probings_of(room, item_id)) == 1
    assert not plaintext.exists()


def test_a_worker_outlives_its_connections(
    room: Room, database: Database, start: Callable[..., Worker], item_id: ItemId
) -> None:
    worker = start()
    until(lambda: is_probed(room, item_id), what="the first probe")

    with psycopg.connect(driver_url(database.superuser_url), autocommit=True) as administrator:
        for _ in range(3):
            administrator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
    another = an_item_with(room, a_dock(room, "dock-2").principal, recording(camera="CAM-2"))

    until(lambda: is_probed(room, another), what="the second probe")
    assert worker.poll() is None


def test_a_file_that_harms_its_reader_does_not_hold_up_the_others(room: Room, start: Callable[..., Worker]) -> None:
    by = a_dock(room).principal
    seed = recording()
    harmful = [an_item_with(room, by, bytes(8 * n) + b"moov" + seed[n * 100 :]) for n in range(1, 4)]
    damaged = [an_item_with(room, by, seed[: len(seed) - n * 1000]) for n in range(1, 4)]
    good = an_item_with(room, by, seed)

    worker = start()

    until(lambda: jobs_by_status(room) == {"succeeded": 7}, what="the end of all jobs")
    assert is_probed(room, good)
    assert [len(probings_of(room, item)) for item in (*harmful, *damaged, good)] == [1] * 7
    assert worker.poll() is None
