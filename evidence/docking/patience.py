"""How long to try again, and how long to wait in between.

Waits grow from a second to half a minute and are spread at random, so that a hundred docks do
not all come back in the same second after the server did.  The server's own Retry-After counts
for more.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from evidence.errors import BusyError, ChecksumError, EvidenceError, OffsetConflictError, UnavailableError

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0

WORTH_ANOTHER_TRY = (UnavailableError, BusyError, ChecksumError, OffsetConflictError)
"""After these nothing is lost and the same request may well be taken."""


def _random() -> float:
    return secrets.SystemRandom().random()


@dataclass(slots=True)
class Patience:
    """Tries go on for as long as something moved within `limit`."""

    limit: timedelta
    tell: Callable[[EvidenceError, float], None] = lambda _error, _seconds: None
    """Is told, before each wait, for what and for how many seconds."""

    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic
    random: Callable[[], float] = _random
    _moved_at: float = field(init=False)
    _tries: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._moved_at = self.now()

    def moved(self) -> None:
        """Note that there was progress: the limit counts anew."""
        self._moved_at = self.now()
        self._tries = 0

    def wait(self, error: EvidenceError) -> None:
        """Wait before another try, or raise the error when it is final or the limit has passed."""
        if not isinstance(error, WORTH_ANOTHER_TRY):
            raise error
        pause = self._pause(error)
        if self.now() + pause - self._moved_at > self.limit.total_seconds():
            raise error
        self._tries += 1
        self.tell(error, pause)
        self.sleep(pause)

    def _pause(self, error: EvidenceError) -> float:
        grown: float = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0**self._tries)
        asked = float(error.retry_after) if isinstance(error, UnavailableError) and self._tries == 0 else 0.0
        return max(asked, grown * (0.5 + self.random() / 2))
