"""What a test run left out for want of a part of the machine, said aloud instead of silently skipped."""

import os
from typing import NoReturn

import pytest

LEFT_OUT: set[str] = set()
"""Reasons given in this run; tests/conftest.py prints them in one list at the end."""


def left_out(reason: str) -> NoReturn:
    """Leave the test out and keep the reason; under ALL=1 leaving anything out is a failure."""
    LEFT_OUT.add(reason)
    if os.environ.get("ALL") == "1":
        pytest.fail(f"left out although ALL=1: {reason}", pytrace=False)
    pytest.skip(reason)
