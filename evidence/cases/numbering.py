"""Case numbers in each agency's own pattern: given when none is typed, and checked when one is.

A pattern is text with placeholders in braces: `{year}` (2026), `{yy}` (26), `{seq}`, which counts from 1, and
`{seq:6}`, which counts with at least six digits.  Each year of a pattern is a series of its own and counts for itself.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from auth.names import check_name
from auth.principals import Principal
from evidence import custody
from evidence.cases.models import CaseNumber, CaseNumberPattern
from evidence.custody.events import Actor
from evidence.custody.reference_events import CaseNumbersSet
from evidence.errors import InvalidError

LONGEST = 64
"""Characters of a case number."""

_PIECE = re.compile(r"\{([^{}]*)\}|([^{}]+)|([{}])")
_SEQ = re.compile(r"seq(?::([1-9]))?")
_MOST_DIGITS = 12
"""Of a number that counts: more cases than any agency has."""

WORDS = "{year}, {yy}, {seq} and {seq:6}"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern that was read: literal text, and placeholders as (name, digits)."""

    text: str
    pieces: tuple[str | tuple[str, int], ...]

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a pattern; raise InvalidError naming what is wrong with it."""
        text = check_name(text, what="A pattern for case numbers", longest=LONGEST)
        pieces: list[str | tuple[str, int]] = []
        for placeholder, literal, stray in _PIECE.findall(text):
            if stray:
                raise _wrong(f"it has a {stray} that stands alone")
            pieces.append(literal or _placeholder(placeholder))
        names = [name for name, _ in (each for each in pieces if isinstance(each, tuple))]
        if names.count("seq") != 1:
            raise _wrong("it needs {seq} exactly once")
        if len(names) != len(set(names)):
            raise _wrong("it says a placeholder twice")
        pattern = cls(text, tuple(pieces))
        if len(pattern.write(year=9999, seq=10**_MOST_DIGITS - 1)) > LONGEST:
            raise _wrong(f"its numbers would have more than {LONGEST} characters")
        return pattern

    def write(self, *, year: int, seq: int) -> str:
        """Write the number that comes at this place in this year."""
        said = {"year": f"{year:04d}", "yy": f"{year % 100:02d}"}
        return "".join(
            each if isinstance(each, str) else said.get(each[0]) or f"{seq:0{each[1]}d}" for each in self.pieces
        )

    def series(self, *, year: int) -> str:
        """Name the series that counts this year: the pattern with its year filled in."""
        said = {"year": f"{year:04d}", "yy": f"{year % 100:02d}"}
        return "".join(
            each if isinstance(each, str) else said.get(each[0]) or f"{{seq:{each[1]}}}" for each in self.pieces
        )

    def fits(self, number: str) -> bool:
        """Say whether a number typed by hand is of this pattern, of whatever year."""
        digits = {"year": "[0-9]{4}", "yy": "[0-9]{2}"}
        parts = (
            re.escape(each) if isinstance(each, str) else digits.get(each[0]) or f"[0-9]{{{each[1]},{_MOST_DIGITS}}}"
            for each in self.pieces
        )
        return re.fullmatch("".join(parts), number) is not None


def of_agency(session: Session, agency_id: UUID) -> Pattern | None:
    """Return the agency's pattern, if it has set one."""
    row = session.get(CaseNumberPattern, agency_id)
    return None if row is None or row.pattern is None else Pattern.read(row.pattern)


def set_pattern(session: Session, pattern: str | None, *, by: Principal, at: datetime, request_id: str) -> None:
    """Set the pattern of the principal's agency, or none; raise InvalidError for what is no pattern."""
    text = None if pattern is None else Pattern.read(pattern).text
    values = {"agency_id": by.agency_id, "pattern": None, "set_at": at}
    session.execute(insert(CaseNumberPattern).values(values).on_conflict_do_nothing())
    row = session.get_one(CaseNumberPattern, by.agency_id, with_for_update=True)
    if row.pattern == text:
        return
    former, row.pattern, row.set_at = row.pattern, text, at
    session.flush()
    event = CaseNumbersSet(
        actor=Actor.of(by), request_id=request_id, agency_id=by.agency_id, pattern=text, former_pattern=former
    )
    custody.record(session, event)


def check(session: Session, agency_id: UUID, number: str, *, year: int) -> str:
    """Return the number without blanks around it; raise InvalidError if it is not of the agency's pattern."""
    number = check_name(number, what="A case number", longest=LONGEST)
    if number in (".", ".."):
        raise InvalidError("This is no case number: no address can name it.", next_step="Write a number with it.")
    pattern = of_agency(session, agency_id)
    if pattern is not None and not pattern.fits(number):
        raise InvalidError(
            f"Your agency writes its case numbers as {pattern.text}, and this is none.",
            next_step=f"Write it like {pattern.write(year=year, seq=123)}, or leave it out to be given the next.",
        )
    return number


def next_number(session: Session, agency_id: UUID, *, year: int) -> str:
    """Take the agency's next number. Its series stays locked until the transaction ends, so none is given twice.

    Somebody may have typed it before: whoever opens the case asks again until one is free.
    """
    pattern = of_agency(session, agency_id)
    if pattern is None:
        raise InvalidError(
            "A case number is needed: your agency has set no pattern by which one could be given.",
            next_step="Give the number, or have your administrator set `evidence agency case-numbers`.",
        )
    series = pattern.series(year=year)
    session.execute(insert(CaseNumber).values(agency_id=agency_id, series=series, last=0).on_conflict_do_nothing())
    last = session.scalar(
        update(CaseNumber)
        .where(CaseNumber.agency_id == agency_id, CaseNumber.series == series)
        .values(last=CaseNumber.last + 1)
        .returning(CaseNumber.last)
    )
    assert last is not None
    return pattern.write(year=year, seq=last)


def _placeholder(said: str) -> tuple[str, int]:
    if said in ("year", "yy"):
        return said, 0
    if (found := _SEQ.fullmatch(said)) is None:
        raise _wrong(f"{{{said}}} is no placeholder")
    return "seq", int(found[1] or 1)


def _wrong(why: str) -> InvalidError:
    return InvalidError(
        f"This is no pattern for case numbers: {why}.",
        next_step=f"The placeholders are {WORDS}; for example {{year}}-{{seq:6}}.",
    )
