"""Fences: at any moment at most one writer of an upload, among all server processes.

A fence stands on the upload's row: whose it is, and until when by the database's clock, for the
clocks of several servers differ.  Whoever holds it renews it; whoever died lets it lapse.  The
fence is asked again in every statement that moves the upload on, so that a writer which lost it
without noticing changes nothing; and a holder that cannot be sure of it any more stops by itself.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Lock, Thread
from uuid import UUID, uuid4

import structlog
from sqlalchemy import func, or_, update

from evidence.database import Sessions, execute_alone
from evidence.errors import BusyError, UnavailableError
from evidence.ids import UploadId
from evidence.ingest.models import State, Upload

LEASE = timedelta(seconds=6)
"""How long a fence stands after its holder was last heard of. The usual retries of clients outlast it."""

_RENEWALS = 3
"""How many times in a lease its holder renews it."""

log = structlog.get_logger()


class Fence:
    """One held fence. `me` is the value that stands on the row."""

    def __init__(self, upload_id: UploadId, me: UUID, *, until: float, wanted: Callable[[], None]) -> None:
        self.upload_id = upload_id
        self.me = me
        self.until = until
        self.wanted = wanted

    def require(self) -> None:
        """Raise BusyError unless the fence is surely still held. Asked before anything is written to the store."""
        if time.monotonic() >= self.until:
            raise BusyError("Another server went on with this upload.", next_step="Ask for the offset and go on there.")


class Fences:
    """The fences one process holds, renewed together by one thread while there are any."""

    def __init__(self, sessions: Sessions, *, lease: timedelta = LEASE) -> None:
        self._sessions = sessions
        self._lease = lease
        self._held: dict[UUID, Fence] = {}
        self._guard = Lock()
        self._closed = Event()
        self._renewer: Thread | None = None

    def take(self, upload_id: UploadId, *, state: State, wanted: Callable[[], None] = lambda: None) -> Fence:
        """Take the fence of an upload in this state, or raise BusyError.

        `wanted` is called, in another thread, when somebody else asks for it or it was lost.
        """
        me, began = uuid4(), time.monotonic()
        if not _take(self._sessions, upload_id, me=me, state=state, lease=self._lease):
            raise BusyError("Somebody else is at work on this upload.", next_step="Wait a moment and ask again.")
        fence = Fence(upload_id, me, until=began + self._lease.total_seconds(), wanted=wanted)
        with self._guard:
            self._held[me] = fence
            if self._renewer is None:
                self._renewer = Thread(target=self._renew_all, name="fences", daemon=True)
                self._renewer.start()
        return fence

    def ask(self, upload_id: UploadId) -> None:
        """Raise BusyError, and ask the holder to let go, if somebody alive holds an open upload's fence."""
        held = execute_alone(
            self._sessions,
            update(Upload)
            .where(Upload.id == upload_id, Upload.state == "open", Upload.writer.is_not(None))
            .where(Upload.writer_until >= func.clock_timestamp())
            .values(wanted=True)
            .returning(Upload.id),
        )
        if held:
            raise BusyError("Somebody else is at work on this upload.", next_step="Wait a moment and ask again.")

    def forget(self, fence: Fence) -> None:
        """Stop renewing; the row was or will be let go by somebody else's statement."""
        with self._guard:
            self._held.pop(fence.me, None)

    def release(self, fence: Fence) -> None:
        """Let go of the fence. If the database is away it lapses by itself."""
        self.forget(fence)
        try:
            execute_alone(
                self._sessions,
                update(Upload)
                .where(Upload.id == fence.upload_id, Upload.writer == fence.me)
                .values(writer=None, writer_until=None, wanted=False)
                .returning(Upload.id),
            )
        except UnavailableError:
            log.warning("a fence was left to lapse", upload_id=str(fence.upload_id))

    @contextmanager
    def held(self, upload_id: UploadId, *, state: State, fence: Fence | None = None) -> Iterator[Fence]:
        """Hold the fence, taken here or handed over, for as long as the block takes."""
        fence = fence or self.take(upload_id, state=state)
        try:
            yield fence
        finally:
            self.release(fence)

    def close(self) -> None:
        """Stop renewing. Whatever is still held lapses."""
        self._closed.set()

    def _renew_all(self) -> None:
        while not self._closed.wait(self._lease.total_seconds() / _RENEWALS):
            with self._guard:
                held = dict(self._held)
                if not held:
                    self._renewer = None
                    return
            self._renew(held)

    def _renew(self, held: dict[UUID, Fence]) -> None:
        began = time.monotonic()
        try:
            renewed = _renew(self._sessions, list(held), lease=self._lease)
        except UnavailableError:
            return  # each holder sees by its own clock when it can no longer be sure
        for me, fence in held.items():
            if me in renewed:
                fence.until = began + self._lease.total_seconds()
            if renewed.get(me, me in self._held):
                fence.wanted()


def _take(sessions: Sessions, upload_id: UploadId, *, me: UUID, state: State, lease: timedelta) -> bool:
    """Take the fence, or ask its holder to let go."""
    now = func.clock_timestamp()
    this = update(Upload).where(Upload.id == upload_id, Upload.state == state).returning(Upload.id)
    taken = execute_alone(
        sessions,
        this.where(or_(Upload.writer.is_(None), Upload.writer_until < now)).values(
            writer=me, writer_until=now + lease, wanted=False
        ),
    )
    if not taken and state == "open":
        execute_alone(sessions, this.values(wanted=True))
    return bool(taken)


def _renew(sessions: Sessions, mine: list[UUID], *, lease: timedelta) -> dict[UUID, bool]:
    """Renew these fences; return those still held, each with whether somebody wants it."""
    renewed = execute_alone(
        sessions,
        update(Upload)
        .where(Upload.writer.in_(mine))
        .values(writer_until=func.clock_timestamp() + lease)
        .returning(Upload.writer, Upload.wanted),
    )
    return {writer: wanted for writer, wanted in renewed if writer is not None}
