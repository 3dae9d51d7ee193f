"""Jobs whose worker died run again.

A worker that lives says so every few seconds.  When it has been silent for longer than
`SILENT_SECONDS`, its jobs go back to the queue; the limit on attempts holds for them too, so
that a job which kills every worker ends as failed and cannot go round for ever.
"""

from pathlib import Path
from typing import Final

import structlog
from procrastinate import JobContext
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

from evidence.jobs import MAXIMUM_ATTEMPTS, UPKEEP, queue, scratch

HEARTBEAT_SECONDS: Final = 3.0
"""A worker says this often that it lives."""

SILENT_SECONDS: Final = 12.0
"""A worker that was silent for this long is taken for dead."""

log = structlog.get_logger()


@queue.periodic(cron="* * * * * */5")
@queue.task(name="jobs.rescue", queue=UPKEEP, queueing_lock="jobs.rescue", pass_context=True)
async def rescue(context: JobContext, timestamp: int) -> None:
    """Give the jobs of dead workers back to the queue and remove the plaintext they left, every five seconds."""
    folder: Path = context.additional_context["scratch"]
    scratch.clear(folder.parent)
    await rescue_from_the_dead(context.app.job_manager)


async def rescue_from_the_dead(jobs: JobManager) -> list[Job]:
    """Give back what dead workers held, or end what was tried too often; return the jobs found."""
    stalled = list(await jobs.get_stalled_jobs(seconds_since_heartbeat=SILENT_SECONDS))
    for job in stalled:
        if job.queueing_lock is not None:
            # Recurring work: its next turn comes, or waits already, and the queue takes no second one.
            await jobs.finish_job(job, status=Status.FAILED, delete_job=True)
        elif job.attempts < MAXIMUM_ATTEMPTS:
            log.warning("job of a dead worker runs again", job=job.id, task=job.task_name, attempts=job.attempts)
            await jobs.retry_job(job)
        else:
            log.error("job of dead workers is given up", job=job.id, task=job.task_name, attempts=job.attempts)
            await jobs.finish_job(job, status=Status.FAILED, delete_job=False)
    return stalled
