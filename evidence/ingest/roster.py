"""The roster: a table of who carries which camera from when to when, taken whole or not at all.

It comes from a spreadsheet, so the reader is patient about form (byte order marks, line ends,
semicolons, upper case) and never about content: a time without its zone, an officer nobody knows,
two officers for one camera are errors of their lines.  The same roster again changes nothing.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from auth.models import Account
from auth.principals import Principal
from evidence.errors import ConflictError, InvalidError
from evidence.ingest import cameras
from evidence.ingest.models import Camera, CameraAssignment

MOST_LINES = 5_000
MOST_NAMED = 100
"""Errors that are named; the count is of all."""

_COLUMNS = {
    "serial": "serial",
    "camera": "serial",
    "model": "model",
    "officer": "officer",
    "badge": "officer",
    "email": "officer",
    "badge/email": "officer",
    "from": "from",
    "to": "to",
}
_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_NEXT_STEP = "Correct the named lines and send the whole roster again; nothing of it was taken."


class RosterError(InvalidError):
    """A roster that cannot be taken. `members` names the lines and what is wrong with each."""

    def __init__(self, faults: Sequence[tuple[int, str]]) -> None:
        first = "; ".join(f"line {line}: {what}" for line, what in faults[:3])
        more = f", and {len(faults) - 3} more" if len(faults) > 3 else ""
        super().__init__(f"The roster has {len(faults)} wrong lines: {first}{more}.", next_step=_NEXT_STEP)
        self.members = {
            "faults": len(faults),
            "lines": [{"line": line, "what": what} for line, what in faults[:MOST_NAMED]],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a roster, as it says. `number` is that of the file's line."""

    number: int
    serial: str
    officer: str
    since: datetime
    until: datetime | None
    model: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a roster did, in numbers of cameras and assignments."""

    lines: int
    enrolled: int
    assigned: int
    ended: int
    unchanged: int


def read(raw: bytes) -> list[Line]:
    """Read a roster; raise RosterError with every line that is wrong, InvalidError when it is no table."""
    rows = csv.reader(io.StringIO(_text(raw), newline=""), delimiter=_delimiter(raw), strict=True)
    faults: list[tuple[int, str]] = []
    lines: list[Line] = []
    try:
        columns = _columns(next(rows, []))
        for row in rows:
            if any(cell.strip() for cell in row):
                try:
                    lines.append(_line(rows.line_num, columns, row))
                except ValueError as error:
                    faults.append((rows.line_num, str(error)))
            if len(lines) + len(faults) > MOST_LINES:
                raise InvalidError(
                    f"A roster has at most {MOST_LINES} lines.", next_step="Send it in parts, one after the other."
                )
    except csv.Error as error:
        raise RosterError([*faults, (rows.line_num, f"it cannot be read as a table ({error})")]) from None
    if faults:
        raise RosterError(faults)
    return lines


class _EndOfTrialError(Exception):
    """Undoes a trial."""


def tried(session: Session, lines: Sequence[Line], *, by: Principal) -> Taken:
    """Return what `take` would do, and do nothing. Raises what it raises."""
    taken: list[Taken] = []
    try:
        with session.begin_nested():
            taken.append(take(session, lines, by=by, at=datetime.now(UTC), request_id="trial"))
            raise _EndOfTrialError
    except _EndOfTrialError:
        return taken[0]


def take(session: Session, lines: Sequence[Line], *, by: Principal, at: datetime, request_id: str) -> Taken:
    """Put down what the roster says that is not on the books yet; raise RosterError if any line cannot be."""
    officers = _officers(session, by.agency_id, {line.officer for line in lines})
    known = cameras.by_serial(session, by.agency_id, {line.serial for line in lines}, lock=True)
    standing: dict[UUID, list[CameraAssignment]] = defaultdict(list)
    for assignment, _account in cameras.assignments(session, [each.id for each in known.values()]):
        standing[assignment.camera_id].append(assignment)
    if faults := list(_faults(lines, officers, known, standing)):
        raise RosterError(faults)
    done = {"enrolled": 0, "assigned": 0, "ended": 0, "unchanged": 0}
    try:
        with session.begin_nested():
            for line in lines:
                officer = officers[line.officer][0]
                if line.serial not in known:
                    known[line.serial] = cameras.enrol(
                        session, serial=line.serial, model=line.model, by=by, at=at, request_id=request_id
                    )
                    done["enrolled"] += 1
                camera = known[line.serial]
                same = _same(line, officer, standing[camera.id])
                if same is None:
                    made = cameras.assign(
                        session,
                        camera,
                        officer,
                        since=line.since,
                        until=line.until,
                        by=by,
                        request_id=request_id,
                    )
                    standing[camera.id].append(made)
                    done["assigned"] += 1
                elif same.to_at is None and line.until is not None:
                    cameras.end(session, camera, same, officer, until=line.until, by=by, request_id=request_id)
                    done["ended"] += 1
                else:
                    done["unchanged"] += 1
    except IntegrityError:
        raise ConflictError(
            "Somebody else changed the same cameras at this moment.", next_step="Send the roster again."
        ) from None
    return Taken(lines=len(lines), **done)


def _text(raw: bytes) -> str:
    encoding = next((name for mark, name in _MARKS.items() if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        raise InvalidError(
            "The roster is not written in UTF-8.", next_step="In the spreadsheet choose `CSV UTF-8` when saving."
        ) from None
    if "\0" in text:
        raise InvalidError("The roster holds a NUL character.", next_step="Save it as CSV, not as a spreadsheet.")
    return text


def _delimiter(raw: bytes) -> str:
    """Return what stands between the columns of the first line: spreadsheets write what their country uses."""
    head = _text(raw).splitlines()[:1]
    return max(",;\t", key=lambda each: head[0].count(each)) if head else ","


def _columns(head: Sequence[str]) -> list[str]:
    named = [_COLUMNS.get(cell.strip().lower(), "") for cell in head]
    wanted = "serial, badge (or email), from, to, and model if you like"
    if "" in named or len(set(named)) != len(named) or not {"serial", "officer", "from", "to"} <= set(named):
        raise InvalidError(
            f"The first line of a roster names its columns: {wanted}. This one says: {', '.join(head)[:200]}.",
            next_step="Name each of them once in the first line, and no others.",
        )
    return named


def _line(number: int, columns: Sequence[str], row: Sequence[str]) -> Line:
    if len(row) != len(columns):
        raise ValueError(f"it has {len(row)} columns, the first line has {len(columns)}")
    cells = {name: cell.strip() for name, cell in zip(columns, row, strict=True)}
    for name, what in (("serial", "the camera's serial number"), ("officer", "a badge or e-mail address")):
        if not cells[name]:
            raise ValueError(f"{what} is missing")
        if not cells[name].isprintable() or len(cells[name]) > cameras.LONGEST_SERIAL:
            raise ValueError(f"{what} cannot be read, or is too long")
    model = cells.get("model") or None
    if model is not None and (not model.isprintable() or len(model) > 255):
        raise ValueError("the model cannot be read, or is too long")
    since = _instant("from", cells["from"])
    until = _instant("to", cells["to"]) if cells["to"] else None
    if until is not None and until <= since:
        raise ValueError("`to` is not after `from`")
    return Line(number=number, serial=cells["serial"], officer=cells["officer"], since=since, until=until, model=model)


def _instant(name: str, said: str) -> datetime:
    try:
        instant = datetime.fromisoformat(said)
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"`{name}` is no date and time with its zone, such as 2026-11-22T06:00:00-05:00")


def _officers(session: Session, agency_id: UUID, named: set[str]) -> Mapping[str, list[Account]]:
    """Return the agency's accounts by badge or e-mail address, as the roster calls them."""
    wanted = {name.lower(): name for name in named}
    found: dict[str, list[Account]] = {name: [] for name in named}
    by_email = select(Account).where(Account.agency_id == agency_id, Account.email.in_(wanted))
    for account in session.scalars(by_email):
        for name in named:
            if name.lower() == account.email:
                found[name].append(account)
    by_badge = select(Account).where(Account.agency_id == agency_id, Account.badge.in_(named))
    for account in session.scalars(by_badge.order_by(func.lower(Account.email))):
        if account.badge is not None and account not in found[account.badge]:
            found[account.badge].append(account)
    return found


def _faults(
    lines: Sequence[Line],
    officers: Mapping[str, Sequence[Account]],
    known: Mapping[str, Camera],
    standing: Mapping[UUID, Sequence[CameraAssignment]],
) -> Iterator[tuple[int, str]]:
    """Yield what is wrong with lines, against the books and against each other."""
    periods: dict[str, list[tuple[datetime, datetime | None, UUID, str]]] = defaultdict(list)
    for serial, enrolled in known.items():
        for each in standing.get(enrolled.id, ()):
            periods[serial].append((each.from_at, each.to_at, each.account_id, "on the books"))
    for line in lines:
        people = officers[line.officer]
        if len(people) != 1:
            yield line.number, _who(line.officer, len(people))
            continue
        camera = known.get(line.serial)
        if camera is not None and _is_too_late(line, people[0], camera, standing.get(camera.id, ())):
            yield line.number, f"camera {line.serial} is retired since {camera.retired_at}"
            continue
        ours = periods[line.serial]
        same = next((each for each in ours if each[0] == line.since and each[2] == people[0].id), None)
        if same is not None and (same[1] == line.until or same[1] is None):
            ours.remove(same)
        elif same is not None:
            until = "is open" if line.until is None else line.until.isoformat()
            yield line.number, f"its end {until}, and {same[3]} it is {same[1] and same[1].isoformat()}"
            continue
        crossing = next((each for each in ours if _overlap(each, line)), None)
        if crossing is not None:
            until = "without end" if crossing[1] is None else f"to {crossing[1].isoformat()}"
            yield (
                line.number,
                f"camera {line.serial} is somebody's already, {crossing[3]}: from {crossing[0].isoformat()} {until}",
            )
            continue
        ours.append((line.since, line.until, people[0].id, f"by line {line.number}"))


_END = datetime.max.replace(tzinfo=UTC)


def _overlap(period: tuple[datetime, datetime | None, UUID, str], line: Line) -> bool:
    return period[0] < (line.until or _END) and line.since < (period[1] or _END)


def _is_too_late(line: Line, officer: Account, camera: Camera, assignments: Sequence[CameraAssignment]) -> bool:
    """Say whether a camera was retired before the line ends, and the line is not on the books already."""
    if camera.retired_at is None or (line.until or _END) <= camera.retired_at:
        return False
    same = _same(line, officer, assignments)
    return same is None or same.to_at != line.until


def _same(line: Line, officer: Account, assignments: Sequence[CameraAssignment]) -> CameraAssignment | None:
    return next((each for each in assignments if (each.from_at, each.account_id) == (line.since, officer.id)), None)


def _who(named: str, found: int) -> str:
    if not found:
        return f"nobody of your agency has the badge or e-mail address {named}"
    return f"{found} accounts have the badge {named}: say which by e-mail address"
