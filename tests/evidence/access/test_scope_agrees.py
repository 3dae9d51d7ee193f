"""A list shows exactly what one look at each item would, for every role and generated worlds."""

import random
from typing import get_args

import pytest

from auth.principals import Principal, Role
from evidence import access
from evidence.access import reach, scope
from evidence.database import unit_of_work
from evidence.errors import NotFoundError, RefusedError
from evidence.items.models import EvidenceItem
from evidence.room import Room
from tests.support.builders import an_item_on_the_books
from tests.support.people import a_dock, a_person

BADGES = ["4711", "4712", None]


@pytest.fixture
def world(room: Room) -> tuple[list[EvidenceItem], list[Principal]]:
    """Items of two agencies by several people, and somebody of every role in both."""
    choose = random.Random(4711)
    agencies = ["Riverbend Police Department", "Millbrook Police Department"]
    people = [
        a_person(room, *roles, agency=agency, badge=choose.choice(BADGES)).principal
        for agency in agencies
        for roles in [(role,) for role in get_args(Role) if role not in ("dock", "public_recipient")]
        + [(), ("officer", "auditor")]
    ]
    docks = [a_dock(room, agency=agency).principal for agency in agencies]
    with unit_of_work(room.sessions) as session:
        items = [
            an_item_on_the_books(session, room, choose.choice(people + docks), officer_badge=choose.choice(BADGES))
            for _ in range(60)
        ]
    return items, people + docks


def test_the_list_is_what_one_look_at_each_allows(
    room: Room, world: tuple[list[EvidenceItem], list[Principal]]
) -> None:
    items, people = world
    seen_by_somebody = 0

    for person in people:
        with unit_of_work(room.sessions) as session:
            listed = {item.id for item in session.scalars(scope.visible_items(person))}
        allowed = {
            item.id
            for item in items
            if access.allow(person, "evidence.list", reach.thing(item), at=room.clock()).allowed
        }
        assert listed == allowed, person.roles
        seen_by_somebody += len(listed)

    assert seen_by_somebody > len(items), "a world in which nobody sees anything proves nothing"


def test_a_foreign_item_and_a_missing_one_are_refused_in_the_same_words(
    room: Room, world: tuple[list[EvidenceItem], list[Principal]]
) -> None:
    items, people = world
    technician = next(person for person in people if "evidence_tech" in person.roles)
    foreign = next(item for item in items if item.agency_id != technician.agency_id)

    with unit_of_work(room.sessions) as session:
        said = set()
        for named in (str(foreign.id), "2019-999999", "'; drop table evidence_item; --"):
            with pytest.raises(NotFoundError) as refused:
                reach.item(session, technician, "evidence.read_meta", named, at=room.clock())
            said.add(str(refused.value))

    assert len(said) == 1


def test_what_may_be_known_and_not_done_is_refused_with_the_reason(
    room: Room, world: tuple[list[EvidenceItem], list[Principal]]
) -> None:
    items, people = world
    technician = next(person for person in people if "evidence_tech" in person.roles)
    own = next(item for item in items if item.agency_id == technician.agency_id)

    with unit_of_work(room.sessions) as session, pytest.raises(RefusedError, match="a reason is required"):
        reach.item(session, technician, "custody.export", own.number, at=room.clock())
