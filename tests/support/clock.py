"""A clock that stands until it is moved."""

from datetime import datetime, timedelta


class FixedClock:
    """Says the same instant every time; `advance` moves it on. Is an `evidence.clock.Clock`."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> datetime:
        self.now += by
        return self.now
