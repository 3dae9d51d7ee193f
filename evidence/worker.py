"""The worker process: loads every jobs module and runs what is queued, until it is told to stop.

Three queues are worked on side by side, so that upkeep (rescuing the jobs of dead workers, sweeping)
never waits behind footage, nor behind somebody's mail server.  On SIGTERM or SIGINT nothing new is
begun, and what runs is finished or handed back.  A worker may be killed at any moment: its jobs run
again elsewhere, and every job is harmless to repeat.  While the database does not answer, it waits
and tries again.

As many workers as wanted, on as many hosts, work on one installation.
"""

import asyncio
import signal
from pathlib import Path
from typing import Final

import structlog
from procrastinate import PsycopgConnector
from procrastinate.exceptions import ConnectorException
from psycopg_pool import PoolTimeout

from evidence.ingest import jobs as ingest_jobs
from evidence.jobs import FOOTAGE, NOTICES, UPKEEP, queue, rescue, scratch
from evidence.notices import jobs as notice_jobs
from evidence.review import jobs as review_jobs
from evidence.room import Room, open_room
from evidence.settings import Settings

TIME_TO_FINISH: Final = 25.0
"""Seconds that running jobs have to end by themselves once we are told to stop."""

LONGEST_PAUSE: Final = 10.0
"""Seconds between two attempts to reach a database that is away; shorter at first."""

LOADED: Final = (ingest_jobs, notice_jobs, review_jobs, rescue)
"""Every module that registers tasks. Importing them is what registers them."""

log = structlog.get_logger()


def run(settings: Settings) -> None:
    """Work until told to stop. SetupError if the installation is not ready."""
    asyncio.run(_listen_and_work(settings))


async def _listen_and_work(settings: Settings) -> None:
    told_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_stop.set)
    # Signals are minded first: who is told to stop while the engines start still puts everything away.
    with open_room(settings) as room, scratch.folder(settings.home / "scratch") as folder:
        await _work(room, folder, told_to_stop)


async def _work(room: Room, folder: Path, told_to_stop: asyncio.Event) -> None:
    pause = 0.5
    while not told_to_stop.is_set():
        try:
            await _work_while_connected(room, folder, told_to_stop)
            pause = 0.5
        except (ConnectorException, PoolTimeout) as error:
            log.warning("the database does not answer", error=type(error).__name__)
        await _wait(told_to_stop, pause)
        pause = min(2 * pause, LONGEST_PAUSE)


async def _work_while_connected(room: Room, folder: Path, told_to_stop: asyncio.Event) -> None:
    """Work on the queues until told to stop or until one of them ends, which it does when its connection fails."""
    with queue.replace_connector(_connector(room)):
        async with queue.open_async():
            working = [
                asyncio.create_task(_work_on(name, at_once, room, folder))
                for name, at_once in ((UPKEEP, 2), (NOTICES, 2), (FOOTAGE, room.settings.worker_concurrency))
            ]
            waiting = asyncio.create_task(told_to_stop.wait())
            await asyncio.wait([*working, waiting], return_when=asyncio.FIRST_COMPLETED)
            for task in (*working, waiting):
                task.cancel()  # a queue's worker ends in good order when cancelled
            ended = await asyncio.gather(*working, return_exceptions=True)
    for error in ended:
        if isinstance(error, BaseException) and not isinstance(error, asyncio.CancelledError):
            raise error


async def _work_on(name: str, at_once: int, room: Room, folder: Path) -> None:
    await queue.run_worker_async(
        queues=[name],
        name=name,
        concurrency=at_once,
        install_signal_handlers=False,  # one place decides for all queues
        delete_jobs="never" if name == FOOTAGE else "successful",
        shutdown_graceful_timeout=TIME_TO_FINISH,
        update_heartbeat_interval=rescue.HEARTBEAT_SECONDS,
        stalled_worker_timeout=rescue.SILENT_SECONDS,
        additional_context={"room": room, "scratch": folder},
    )


def _connector(room: Room) -> PsycopgConnector:
    address = room.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    # Each of the three holds one connection to listen; jobs use the room's own connections.
    return PsycopgConnector(conninfo=address, min_size=1, max_size=6, timeout=10)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
