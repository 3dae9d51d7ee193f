"""Work done later, on procrastinate's queue in our own PostgreSQL.

`defer` enqueues in the caller's transaction: a rollback leaves no job, and nobody sees the job
before the commit.  `queue` is where jobs modules register their tasks and what `evidence worker`
runs.  Delivery is at least once: a task may run again after a crash, or even twice at the same
time, so every task is written so that running again is harmless.
"""

from typing import Final

from procrastinate import App, PsycopgConnector, RetryStrategy, SyncPsycopgConnector
from procrastinate.exceptions import ConnectorException
from sqlalchemy.orm import Session

from evidence.errors import UnavailableError

ITEM_PROBE: Final = "item.probe"
"""Task: read what the original of an item is. Argument: item_id (text)."""

NOTICE_SEND: Final = "notice.send"
"""Task: deliver one notice. Argument: notice_id (text)."""

FOOTAGE: Final = "footage"
"""Queue of work that reads footage; each such job may take long."""

UPKEEP: Final = "upkeep"
"""Queue of short recurring work that must never wait behind footage."""

NOTICES: Final = "notices"
"""Queue of what is sent to others, whose servers may keep us waiting."""

QUEUE_OF_TASK: Final = {ITEM_PROBE: FOOTAGE, NOTICE_SEND: NOTICES}
"""Which queue each task that is deferred by name goes to."""

MAXIMUM_ATTEMPTS: Final = 5
"""After this many retries, by error or by the death of a worker, a job is left as failed."""

AGAIN: Final = RetryStrategy(max_attempts=MAXIMUM_ATTEMPTS, exponential_wait=3)
"""Run again after an error: in 3, 9, 27, 81 and 243 seconds."""

queue: Final = App(connector=PsycopgConnector())
"""Every task, registered by the jobs modules. Not connected: the worker gives it a connection."""

# Apart from `queue`, whose connector is asynchronous once a worker has opened it.
_enqueuing: Final = App(connector=SyncPsycopgConnector())


def defer(session: Session, task: str, *, lock: str | None = None, **arguments: str | int) -> int:
    """Enqueue the task in the session's transaction and return the job's id.

    Jobs with the same lock run one after another.  KeyError if no such task can be deferred by
    name; UnavailableError if the database does not take it (the transaction is lost then).
    """
    connection = session.connection().connection.driver_connection
    deferrer = _enqueuing.configure_task(task, queue=QUEUE_OF_TASK[task], lock=lock, connection=connection)
    try:
        return deferrer.defer(**arguments)
    except ConnectorException as error:
        raise UnavailableError("the database did not take the job") from error
