"""Case numbers by an agency's pattern: read, written, checked, and counted without gaps or twins."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from auth.errors import AccountError
from auth.principals import Principal
from evidence.cases import case_files, numbering
from evidence.cases.numbering import Pattern
from evidence.custody import history
from evidence.database import unit_of_work
from evidence.errors import InvalidError
from evidence.ids import new_id
from evidence.room import Room
from tests.support.people import a_person

AT = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "number", "fits", "does_not"),
    [
        ("{year}-{seq:6}", "2026-000007", "1999-123456", "2026-00007"),
        ("{yy}-{seq:6}", "26-000007", "25-1234567", "2026-000007"),
        ("CR-{seq}/{year}", "CR-7/2026", "CR-70/1900", "CR-7-2026"),
        ("{seq}", "7", "123", "12a"),
        ("(.*){seq:2}", "(.*)07", "(.*)08", "x08"),
        ("{yy}{seq:3}ü", "26007ü", "99999ü", "9999ü"),
    ],
)
def test_a_pattern_writes_its_numbers_and_knows_them(text: str, number: str, fits: str, does_not: str) -> None:
    pattern = Pattern.read(text)

    assert pattern.write(year=2026, seq=7) == number
    assert pattern.fits(number)
    assert pattern.fits(fits)
    assert not pattern.fits(does_not)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("26-", "exactly once"),
        ("{seq}{seq}", "exactly once"),
        ("{year}{year}{seq}", "twice"),
        ("{seq:0}", "no placeholder"),
        ("{seq:10}", "no placeholder"),
        ("{month}-{seq}", "no placeholder"),
        ("{}-{seq}", "no placeholder"),
        ("{{seq}}", "stands alone"),
        ("{seq", "stands alone"),
        ("x" * 55 + "{seq}", "more than 64"),
    ],
)
def test_what_is_no_pattern_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(InvalidError, match=why):
        Pattern.read(text)


@pytest.mark.parametrize("text", ["", "\0{seq}", "{seq}\u202e", "{seq}" + "x" * 64])
def test_what_cannot_be_read_whole_is_no_pattern(text: str) -> None:
    with pytest.raises(AccountError):
        Pattern.read(text)


def test_two_years_count_apart_and_so_do_two_patterns() -> None:
    pattern = Pattern.read("{yy}-{seq:4}")

    assert (
        len({pattern.series(year=2026), pattern.series(year=2027), Pattern.read("{yy}-{seq:5}").series(year=2026)}) == 3
    )


@pytest.fixture
def administrator(room: Room) -> Principal:
    return a_person(room, "agency_admin", "detective").principal


def a_case(session: Session, by: Principal, number: str | None = None, at: datetime = AT) -> str:
    return case_files.open_new(session, number=number, title="A case", by=by, at=at, request_id=str(new_id())).number


def test_numbers_are_given_checked_and_set_on_record(room: Room, administrator: Principal) -> None:
    with unit_of_work(room.sessions) as session, pytest.raises(InvalidError, match="no pattern"):
        a_case(session, administrator)
    for _ in range(2):  # a second time changes nothing
        with unit_of_work(room.sessions) as session:
            numbering.set_pattern(session, "{year}-{seq:3}", by=administrator, at=AT, request_id=str(new_id()))

    with unit_of_work(room.sessions) as session:
        a_case(session, administrator, "2026-002")  # typed before its turn
        given = [a_case(session, administrator) for _ in range(3)]
        given.append(a_case(session, administrator, at=datetime(2027, 1, 1, tzinfo=UTC)))
        with pytest.raises(InvalidError, match="this is none") as refused:
            a_case(session, administrator, "26/4711")
    assert given == ["2026-001", "2026-003", "2026-004", "2027-001"]
    assert "2026-123" in refused.value.next_step
    with unit_of_work(room.sessions) as session:
        chain = list(history.whole(session, f"account/{administrator.id}"))
    (entry,) = [each for each in chain if each.body["act"] == "agency.case_numbers_set"]
    assert {each.name: each.value for each in entry.disclosures}["pattern"] == "{year}-{seq:3}"
    assert b"seq" not in entry.record.body


def test_cases_opened_at_once_have_numbers_of_their_own(room: Room, administrator: Principal) -> None:
    with unit_of_work(room.sessions) as session:
        numbering.set_pattern(session, "{seq:2}", by=administrator, at=AT, request_id="set")

    def open_one(_: int) -> str:
        with unit_of_work(room.sessions) as session:
            return a_case(session, administrator)

    with ThreadPoolExecutor(8) as people:
        assert sorted(people.map(open_one, range(16))) == [f"{number:02d}" for number in range(1, 17)]
