"""Waiting for what must come, however slow the machine."""

import time
from collections.abc import Callable


def until(holds: Callable[[], bool], *, seconds: float = 120, what: str = "what was waited for") -> None:
    """Return as soon as it holds; AssertionError if it never does."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not come in {seconds:g} s"
        time.sleep(0.02)
