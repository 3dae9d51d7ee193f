"""A list shows exactly what one look at each item or case would, for every role and generated worlds."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any, cast, get_args
from uuid import UUID

import psycopg
import pytest
from sqlalchemy.orm import Session

from auth import units
from auth.models import Account, Agency, Unit
from auth.principals import Principal, Role
from evidence import access
from evidence.access import Action, Thing, incidents, lists, reach, scope
from evidence.access.models import Extent
from evidence.cases import assignments, case_files, exhibits, merging, referrals
from evidence.cases.models import CaseFile, CaseKind
from evidence.database import unit_of_work
from evidence.engines.postgres import Cluster
from evidence.errors import NotFoundError, RefusedError
from evidence.ids import new_id
from evidence.items import search
from evidence.items.models import AccessClass, EvidenceItem
from evidence.room import Room
from tests.support.builders import an_item_on_the_books
from tests.support.database import Database, database_from, driver_url
from tests.support.people import a_dock, a_person
from tests.support.rooms import room_for

BADGES = ["4711", "4712", None]
CLASSES = get_args(AccessClass)


World = tuple[list[EvidenceItem], list[CaseFile], list[Principal]]


@pytest.fixture(scope="module")
def database(cluster: Cluster, template: str) -> Iterator[Database]:
    with database_from(cluster, template) as database:
        yield database


@pytest.fixture(scope="module")
def room(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with room_for(database, tmp_path_factory.mktemp("world")) as room:
        yield room


@pytest.fixture(scope="module")
def world(room: Room, database: Database) -> World:
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
        for one, into in zip(cases[:12], cases[12:], strict=True):
            if (one.agency_id, one.kind) == (into.agency_id, into.kind):
                by: dict[str, Any] = {"by": people[0], "at": room.clock(), "request_id": str(new_id())}
                merging.merge(session, one, into, reason="one incident", **by)
        assert any(each.merged_into_id for each in cases)
        founded = [
            some_units(session, room, agency_id, people, choose)
            for agency_id in sorted({each.agency_id for each in items})
        ]
        made: list[EvidenceItem | CaseFile] = [*items, *cases]
        for each in made:
            each.access_class = choose.choices(CLASSES, [3, 1, 1])[0]
            on_its_list(session, room, each, people, founded, choose)
        session.flush()
        put = {
            each.id: choose.choice(units_of)
            for units_of in founded
            for each in made
            if units_of[0].agency_id == each.agency_id
        }
        by_unit = [(each, unit.id) for each, unit in put.items() if choose.random() < 0.7]
        incident(session, room, items, people, choose)
    with psycopg.connect(driver_url(database.superuser_url)) as connection:
        for table in ("evidence_item", "case_file"):
            for thing_id, unit_id in by_unit:
                connection.execute(f"UPDATE {table} SET unit_id = %s WHERE id = %s", [unit_id, thing_id])
    with unit_of_work(room.sessions) as session:  # as they are now
        items = [session.get_one(EvidenceItem, each.id) for each in items]
        cases = [session.get_one(CaseFile, each.id) for each in cases]
    return items, cases, people + docks


def some_units(session: Session, room: Room, agency_id: UUID, people: list[Principal], choose: Random) -> list[Unit]:
    """Found units, some of whose people have left and some of whom supervise."""
    ours = [each for each in people if each.agency_id == agency_id]
    founded = [
        units.found(session, room.recorder, f"Unit {number}", by=ours[0], at=room.clock(), request_id=str(new_id()))
        for number in range(3)
    ]
    for unit in founded:
        for person in choose.sample(ours[1:], 8):
            how: dict[str, Any] = {"by": ours[0], "at": room.clock(), "request_id": str(new_id())}
            account = session.get_one(Account, person.id)
            units.join(session, room.recorder, unit, account, supervises=choose.random() < 0.6, **how)
            if choose.random() < 0.25:
                units.leave(session, room.recorder, unit, account, **how | {"at": room.clock()})
    return founded


def on_its_list(
    session: Session,
    room: Room,
    of: EvidenceItem | CaseFile,
    people: list[Principal],
    founded: list[list[Unit]],
    choose: Random,
) -> None:
    """Put people and units on its access list; some entries have ended, some have run out."""
    by = next(each for each in people if each.agency_id == of.agency_id and not each.roles)
    for _ in range(choose.choice([0, 0, 1, 2])):
        at = room.clock()
        named: Account | Unit = session.get_one(Account, choose.choice([each for each in people if each != by]).id)
        if choose.random() < 0.4:
            named = choose.choice(choose.choice(founded))
        extent: Extent = choose.choice(["view", "work"])
        how: dict[str, Any] = {"by": by, "reason": "helps", "request_id": str(new_id())}
        runs_out = at + timedelta(microseconds=1) if choose.random() < 0.25 else None
        try:
            entry = lists.put(session, of, named, extent=extent, at=at, expires_at=runs_out, **how)
        except RefusedError:
            continue  # nobody puts their own unit on a list
        if runs_out is None and choose.random() < 0.25:
            lists.end(session, of, entry.id, at=room.clock(), **how)


def incident(session: Session, room: Room, items: list[EvidenceItem], people: list[Principal], choose: Random) -> None:
    """Declare a critical incident that covers some items and lists some people: no list grows shorter by it."""
    item = choose.choice(items)
    by = next(each for each in people if each.agency_id == item.agency_id)
    how: dict[str, Any] = {"by": by, "at": room.clock(), "reason": "shots fired", "request_id": str(new_id())}
    number = {name: how[name] for name in ("by", "at", "reason", "request_id")}
    declared = incidents.declare(session, "26-0001", **number)
    incidents.cover(session, declared, item, **how)
    for person in choose.sample(people, 5):
        incidents.enlist(session, declared, session.get_one(Account, person.id), "involved", **how)


def decide(item: EvidenceItem, officer: Principal | None) -> None:
    """Have the roster say whose recording it is, or that it cannot."""
    item.officer_basis = "unresolved" if officer is None else "roster"
    item.officer_id = None if officer is None else officer.id


def a_case(
    session: Session, room: Room, opener: Principal, items: list[EvidenceItem], people: list[Principal], choose: Random
) -> CaseFile:
    """Open a case with some exhibits, people and referrals, of which some have ended."""
    by: dict[str, Any] = {"by": opener, "at": room.clock(), "request_id": str(new_id())}
    kind: CaseKind = "internal_affairs" if choose.random() < 0.3 else "criminal"
    case = case_files.open_new(session, number=str(new_id()), title="A case", kind=kind, **by)
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
            read = {item.id for item in session.scalars(scope.visible_items(person, at=now, content=True))}
            assert read == allowed(person, "evidence.list", things, at=now, content=True), person.roles
            read_cases = {case.id for case in session.scalars(scope.visible_cases(person, at=now, content=True))}
            assert read_cases == allowed(person, "case.read", things_of_cases, at=now, content=True), person.roles
            # What is shown of each says no more in the list than one look would.
            for found, action in ((things, "evidence.list"), (things_of_cases, "case.read")):
                decided = [access.allow(person, cast("Action", action), thing, at=now) for thing in found.values()]
                seen["stubs"] += sum(each.allowed and not each.content for each in decided)
                seen["refused"] += sum(not each.allowed for each in decided)
            require_pages_of(session, person, listed, at=now)
        seen["items"] += len(listed)
        seen["cases"] += len(listed_cases)
        seen["items known and not read"] += len(listed - read)
        seen["cases known and not read"] += len(listed_cases - read_cases)
        seen["merged cases read"] += sum(case.merged_into_id is not None for case in cases if case.id in read_cases)
        for name, visible in (
            ("items", [things[each] for each in listed]),
            ("cases", [things_of_cases[each] for each in listed_cases]),
        ):
            seen[f"{name} by unit"] += sum(person.id in each.supervisors for each in visible)
            seen[f"{name} by list"] += sum(person.id in each.granted for each in visible)
            seen[f"{name} that are confidential"] += sum(each.access_class == "confidential" for each in visible)
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
    assert len(+seen) == 18, seen


def require_pages_of(session: Session, person: Principal, listed: set[UUID], *, at: datetime) -> None:
    """Page through the list: what is hidden leaves no gap, no short page and no cursor that names it."""
    paged: list[UUID] = []
    after = None
    while True:
        page = search.page(session, scope.visible_items(person, at=at), after=after, limit=7)
        paged += [each.id for each in page]
        if len(page) < 7:
            break
        after = page[-1].id
    assert paged == sorted(listed)


def allowed(
    person: Principal, action: Action, things: dict[UUID, Thing], *, at: datetime, content: bool = False
) -> set[UUID]:
    decisions = {each: access.allow(person, action, thing, at=at) for each, thing in things.items()}
    return {each for each, decision in decisions.items() if decision.allowed and (decision.content or not content)}


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
