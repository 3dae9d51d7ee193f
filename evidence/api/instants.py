"""Days and instants as a request writes them: in words of ISO 8601, never as a number."""

import re
from datetime import date
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator

_A_NUMBER = re.compile(r"\s*[+-]?[\d.]+\s*")


def _written_out(value: object) -> object:
    # Pydantic takes a number for seconds since 1970: who asks for the year 2026 would be answered for that evening.
    if _A_NUMBER.fullmatch(str(value)):
        raise ValueError("write it out, as 2026-03-01 or 2026-03-01T12:00:00Z")
    return value


Instant = Annotated[AwareDatetime, BeforeValidator(_written_out)]
"""An instant with its offset from UTC."""

Day = Annotated[date, BeforeValidator(_written_out)]
