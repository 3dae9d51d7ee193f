"""Days and instants as a request writes them: in words of ISO 8601, never as a number."""

import re
from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

_A_NUMBER = re.compile(r"\s*[+-]?[\d.]+\s*")


def _written_out(value: object) -> object:
    # Pydantic takes a number for seconds since 1970: who asks for the year 2026 would be answered for that evening.
    if _A_NUMBER.fullmatch(str(value)):
        raise ValueError("write it out, as 2026-03-01 or 2026-03-01T12:00:00Z")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("it is outside the years that can be written in UTC") from error


Instant = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_utc)]
"""An instant with its offset from UTC."""

Day = Annotated[date, BeforeValidator(_written_out)]
