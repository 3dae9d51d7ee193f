"""A clock that stands until it is moved, and one that goes with the machine's own."""

from datetime import UTC, datetime, timedelta


class FixedClock:
    """Says the same instant every time; `advance` moves it on. Is an `evidence.clock.Clock`."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> datetime:
        self.now += by
        return self.now


class SetAheadClock:
    """Goes with the machine's own clock, for what has to agree with other programs; `advance` sets it ahead."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def advance(self, by: timedelta) -> None:
        self.ahead += by

    def set_right(self) -> None:
        self.ahead = timedelta(0)
