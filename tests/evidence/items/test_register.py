"""Numbers are given once, in order, by agency and year."""

from concurrent.futures import ThreadPoolExecutor

from evidence.database import unit_of_work
from evidence.items import numbering
from evidence.room import Room
from tests.support.people import an_agency


def test_an_agency_counts_from_one_each_year(room: Room) -> None:
    agency = an_agency(room)
    with unit_of_work(room.sessions) as unit:
        numbers = [numbering.next_number(unit, agency, year=year) for year in (2026, 2026, 2027)]

    assert numbers == ["2026-000001", "2026-000002", "2027-000001"]


def test_no_number_is_given_twice_to_many_at_once(room: Room) -> None:
    agency = an_agency(room)

    def take(_which: int) -> str:
        with unit_of_work(room.sessions) as unit:
            return numbering.next_number(unit, agency, year=2026)

    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(take, range(40)))

    assert sorted(numbers) == [f"2026-{n:06d}" for n in range(1, 41)]


def test_a_number_taken_in_a_unit_that_fails_is_given_again(room: Room) -> None:
    agency = an_agency(room)
    with room.sessions() as unit:
        numbering.next_number(unit, agency, year=2026)
        unit.rollback()

    with unit_of_work(room.sessions) as unit:
        assert numbering.next_number(unit, agency, year=2026) == "2026-000001"
