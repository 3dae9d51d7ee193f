"""How long is tried again, and how long is waited in between."""

from datetime import timedelta

import pytest

from evidence.docking.patience import Patience
from evidence.errors import BusyError, EvidenceError, InvalidError, RefusedError, UnavailableError


class Line:
    """A stretch of time without waiting for it."""

    def __init__(self) -> None:
        self.at = 0.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


def patience(line: Line, *, limit: float = 100, random: float = 1.0) -> Patience:
    return Patience(timedelta(seconds=limit), sleep=line.sleep, now=line.now, random=lambda: random)


def test_waits_grow_and_then_stay() -> None:
    line = Line()
    waiting = patience(line, limit=200)

    for _ in range(7):
        waiting.wait(BusyError("busy"))

    assert line.slept == [1, 2, 4, 8, 16, 30, 30]


def test_waits_are_spread() -> None:
    one, other = Line(), Line()

    patience(one, random=0.0).wait(BusyError("busy"))
    patience(other, random=1.0).wait(BusyError("busy"))

    assert (one.slept, other.slept) == ([0.5], [1.0])


def test_the_servers_own_wish_counts_for_more() -> None:
    line = Line()

    patience(line).wait(UnavailableError("later", retry_after=17))

    assert line.slept == [17]


def test_what_is_waited_for_is_told() -> None:
    line, told = Line(), list[tuple[str, float]]()
    waiting = patience(line)
    waiting.tell = lambda error, seconds: told.append((str(error), seconds))

    waiting.wait(UnavailableError("away", retry_after=17))

    assert told == [("away", 17)]


def test_it_ends_when_nothing_moved_for_so_long() -> None:
    line = Line()
    waiting = patience(line, limit=10)

    for _ in range(3):
        waiting.wait(UnavailableError("away", retry_after=0))

    with pytest.raises(UnavailableError, match="away"):
        waiting.wait(UnavailableError("away", retry_after=0))
    assert line.slept == [1, 2, 4]


def test_progress_begins_it_anew() -> None:
    line = Line()
    waiting = patience(line, limit=10)

    for _ in range(20):
        waiting.wait(BusyError("busy"))
        waiting.moved()

    assert line.slept == [1] * 20


@pytest.mark.parametrize("error", [RefusedError("no"), InvalidError("what"), EvidenceError("odd")])
def test_what_is_final_is_not_tried_again(error: EvidenceError) -> None:
    line = Line()

    with pytest.raises(type(error)):
        patience(line).wait(error)

    assert line.slept == []
