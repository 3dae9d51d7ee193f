"""In the background of review: end the viewings that nobody reads from any more."""

import structlog
from procrastinate import JobContext

from evidence.jobs import UPKEEP, queue
from evidence.review import viewings
from evidence.room import Room

log = structlog.get_logger()


@queue.periodic(cron="* * * * *")
@queue.task(name="viewing.end", queue=UPKEEP, lock="viewing.end", queueing_lock="viewing.end", pass_context=True)
def end_idle_viewings(context: JobContext, timestamp: int) -> None:
    """End viewings that are over, every minute."""
    room: Room = context.additional_context["room"]
    if ended := viewings.end_idle(room.sessions, at=room.clock()):
        log.info("viewings ended", count=ended)
