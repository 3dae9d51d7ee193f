"""A list shows exactly what one look at each item or case would, for every role and generated worlds."""

from collections import Counter
from datetime import datetime
from random import Random
from typing import Any, get_args
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from auth.models import Account, Agency
from auth.principals import Principal, Role
from evidence import access
from evidence.access import Action, Thing, reach, scope
from evidence.cases import assignments, case_files, exhibits, referrals
from evidence.cases.models import CaseFile
from evidence.database import unit_of_work
from evidence.errors import NotFoundError, RefusedError
from evidence.ids import new_id
from evidence.items.models import EvidenceItem
from evidence.room import Room
from tests.support.builders import an_item_on_the_books
from tests.support.people import a_dock, a_person

BADGES = ["4711", "4712", None]


World = tuple[list[EvidenceItem], list[CaseFile], list[Principal]]


@pytest.fixture
def world(room: Room) -> World:
    """Items and cases of two agencies by several people, and somebody of every role in both."""
    choose = Random(4711)
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
        for item in choose.sample(items, 36):
            decide(item, choose.choice([None, *(each for each in people if each.agency_id == item.agency_id)]))
        cases = [a_case(session, room, choose.choice(people), items, people, choose) for _ in range(24)]
    return items, cases, people + docks


def decide(item: EvidenceItem, officer: Principal | None) -> None:
    """Have the roster say whose recording it is, or that it cannot."""
    item.officer_basis = "unresolved" if officer is None else "roster"
    item.officer_id = None if officer is None else officer.id


def a_case(
    session: Session, room: Room, opener: Principal, items: list[EvidenceItem], people: list[Principal], choose: Random
) -> CaseFile:
    """Open a case with some exhibits, people and referrals, of which some have ended."""
    by: dict[str, Any] = {"by": opener, "at": room.clock(), "request_id": str(new_id())}
    case = case_files.open_new(session, number=str(new_id()), title="A case", **by)
    for item in choose.sample([each for each in items if each.agency_id == case.agency_id], 5):
        exhibit = exhibits.link(session, case, item, **by)
        if choose.random() < 0.3:
            exhibits.withdraw(session, case, exhibit, reason="another incident", **by)
    for person in choose.sample(people, 9):
        made = assignments.make(session, case, session.get_one(Account, person.id), capacity="x", **by)
        if choose.random() < 0.3:
            assignments.end(session, case, made.id, reason="left", **by)
    for agency_id in sorted({each.agency_id for each in people}):
        if choose.random() < 0.5:
            referral = referrals.make(session, case, session.get_one(Agency, agency_id), due_on=None, **by)
            if choose.random() < 0.3:
                referrals.end(session, case, referral.id, reason="declined", **by)
    return case


def test_the_list_is_what_one_look_at_each_allows(room: Room, world: World) -> None:
    items, cases, people = world
    seen: Counter[str] = Counter()

    for person in people:
        with unit_of_work(room.sessions) as session:
            now = room.clock()
            things = reach.things(session, items, at=now)
            listed = {item.id for item in session.scalars(scope.visible_items(person, at=now))}
            assert listed == allowed(person, "evidence.list", things, at=now), person.roles
            things_of_cases = reach.things_of_cases(session, cases, at=now)
            listed_cases = {case.id for case in session.scalars(scope.visible_cases(person, at=now))}
            assert listed_cases == allowed(person, "case.read", things_of_cases, at=now), person.roles
        seen["items"] += len(listed)
        seen["cases"] += len(listed_cases)
        for role in person.roles & {"detective", "prosecutor"}:
            seen[f"items by the case of a {role}"] += len(listed)
        seen["items that the roster says are theirs"] += sum(
            each.id in listed and each.officer_id == person.id != each.received_from_id for each in items
        )
        seen["items of another agency"] += sum(things[each].agency_id != person.agency_id for each in listed)
        seen["cases of another agency"] += sum(
            things_of_cases[each].agency_id != person.agency_id for each in listed_cases
        )

    assert seen["items"] > len(items), "a world in which nobody sees anything proves nothing"
    assert len(+seen) == 7, seen


def allowed(person: Principal, action: Action, things: dict[UUID, Thing], *, at: datetime) -> set[UUID]:
    return {each for each, thing in things.items() if access.allow(person, action, thing, at=at).allowed}


def test_a_foreign_item_and_a_missing_one_are_refused_in_the_same_words(room: Room, world: World) -> None:
    items, _cases, people = world
    technician = next(person for person in people if "evidence_tech" in person.roles)
    foreign = next(item for item in items if item.agency_id != technician.agency_id)

    with unit_of_work(room.sessions) as session:
        said = set()
        for named in (str(foreign.id), "2019-999999", "'; drop table evidence_item; --"):
            with pytest.raises(NotFoundError) as refused:
                reach.item(session, technician, "evidence.read_meta", named, at=room.clock())
            said.add(str(refused.value))

    assert len(said) == 1


def test_what_may_be_known_and_not_done_is_refused_with_the_reason(room: Room, world: World) -> None:
    items, _cases, people = world
    technician = next(person for person in people if "evidence_tech" in person.roles)
    own = next(item for item in items if item.agency_id == technician.agency_id)

    with unit_of_work(room.sessions) as session, pytest.raises(RefusedError, match="a reason is required"):
        reach.item(session, technician, "custody.export", own.number, at=room.clock())
