"""Many people at one case at once: each exhibit has a number of its own, and an item is an exhibit once."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from auth.principals import Principal
from evidence.cases import case_files, exhibits
from evidence.cases.models import CaseFile
from evidence.custody import history
from evidence.database import unit_of_work
from evidence.errors import ConflictError
from evidence.ids import new_id
from evidence.items.models import EvidenceItem
from evidence.room import Room
from tests.support.builders import an_item_on_the_books
from tests.support.people import a_person

AT_ONCE = 8


@pytest.fixture
def technician(room: Room) -> Principal:
    return a_person(room, "evidence_tech").principal


def a_case_with(room: Room, by: Principal, count: int) -> tuple[UUID, list[UUID]]:
    """Open a case and take so many items onto the books, none of them linked yet."""
    with unit_of_work(room.sessions) as session:
        case = case_files.open_new(session, number="26-1", title="A case", by=by, at=room.clock(), request_id="open")
        return case.id, [an_item_on_the_books(session, room, by).id for _ in range(count)]


def linked(room: Room, by: Principal, case_id: UUID, item_id: UUID) -> int | None:
    """Link the item; return its exhibit number, or None when it was refused."""
    try:
        with unit_of_work(room.sessions) as session:
            case, item = session.get_one(CaseFile, case_id), session.get_one(EvidenceItem, item_id)
            return exhibits.link(session, case, item, by=by, at=room.clock(), request_id=str(new_id())).number
    except ConflictError:
        return None


def test_exhibits_linked_at_once_have_numbers_of_their_own(room: Room, technician: Principal) -> None:
    case_id, items = a_case_with(room, technician, AT_ONCE)

    with ThreadPoolExecutor(AT_ONCE) as people:
        numbers = list(people.map(lambda item_id: linked(room, technician, case_id, item_id), items))

    assert sorted(filter(None, numbers)) == list(range(1, AT_ONCE + 1))
    with unit_of_work(room.sessions) as session:
        acts = [entry.body["act"] for entry in history.whole(session, f"case/{case_id}")]
    assert acts == ["case.opened", *["exhibit.linked"] * AT_ONCE]


def test_an_item_linked_many_times_at_once_is_one_exhibit(room: Room, technician: Principal) -> None:
    case_id, [item_id] = a_case_with(room, technician, 1)

    with ThreadPoolExecutor(AT_ONCE) as people:
        numbers = list(people.map(lambda _: linked(room, technician, case_id, item_id), range(AT_ONCE)))

    assert [number for number in numbers if number is not None] == [1]
    with unit_of_work(room.sessions) as session:
        assert [entry.body["act"] for entry in history.whole(session, f"item/{item_id}")] == ["exhibit.linked"]
