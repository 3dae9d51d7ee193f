"""The second wall: with the program's own checks gone, the database still shows nobody what is another agency's."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from fastapi.routing import iter_route_contexts
from sqlalchemy import Executable, func, insert, select, text, true, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from auth.models import Account, Unit
from auth.principals import Principal
from evidence import access
from evidence.access import Decision, classes, lists, reach, scope
from evidence.access.models import AccessListEntry
from evidence.cases.models import CaseAssignment, CaseFile, Exhibit, Referral
from evidence.custody import history
from evidence.database import manage_classes, reading, unit_of_work
from evidence.errors import NotFoundError
from evidence.ids import new_id
from evidence.items.models import EvidenceItem
from tests.support.database import Database, database_from, driver_url
from tests.support.rooms import room_for
from tests.support.walled import World, a_world, seen_items, without_wall


@pytest.fixture(scope="module")
def house(cluster: Any, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Database]]:
    """One world for all tests here, each of which leaves it as it was."""
    folder: Path = tmp_path_factory.mktemp("home")
    with database_from(cluster, template) as database, room_for(database, folder) as room, a_world(room) as world:
        yield world, database


@pytest.fixture
def world(house: tuple[World, Database]) -> World:
    return house[0]


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the program allow everything to everybody, and list everything."""
    monkeypatch.setattr(access, "allow", lambda *_, **__: Decision(True, "unchecked"))
    monkeypatch.setattr(scope, "visible_items", lambda *_, **__: select(EvidenceItem))
    monkeypatch.setattr(scope, "visible_cases", lambda *_, **__: select(CaseFile))
    monkeypatch.setattr(scope, "reachable_items", lambda *_, **__: select(EvidenceItem))
    monkeypatch.setattr(scope, "reachable_cases", lambda *_, **__: select(CaseFile))
    monkeypatch.setattr(scope, "known_items", lambda *_, **__: select(EvidenceItem.id))
    monkeypatch.setattr(scope, "known_cases", lambda *_, **__: select(CaseFile.id))
    monkeypatch.setattr(scope, "audited_records", lambda *_, **__: true())


class UndoneError(Exception):
    """Ends what comes to nothing."""


@contextmanager
def undone(world: World, by: Principal) -> Iterator[Session]:
    """Open a unit of work that comes to nothing."""
    with suppress(UndoneError), unit_of_work(world.room.sessions, by=by) as session:
        yield session
        raise UndoneError


def reading_routes(world: World) -> list[str]:
    """Every route that is asked with GET, at what the agency holds."""
    held = {
        "item": [world.plain, world.loose, world.confidential],
        "case": [world.case, world.hidden_case],
        "dock_id": [world.dock.principal.id],
        "account_id": [world.technician.principal.id],
        "account": [world.technician.principal.id],
        "upload_id": [UUID(world.upload.rpartition("/")[2])],
    }
    found = []
    for route in iter_route_contexts(world.client.app.routes):  # type: ignore[attr-defined]
        if "GET" not in (getattr(route, "methods", None) or ()) or not str(route.path).startswith("/api/v1/"):
            continue
        name = re.search(r"{(\w+)", str(route.path))
        ids = held.get(name[1], [world.plain]) if name else [world.plain]
        found += [re.sub(r"{\w+(:\w+)?}", str(each), str(route.path)) for each in ids]
    return sorted(set(found))


def leaking(world: World) -> dict[str, set[str]]:
    """Ask every route that reads as somebody of another agency; return what was told of what is not theirs."""
    marks, told = world.marks, {}
    for where in reading_routes(world):
        answer = world.client.get(where, headers=world.stranger.headers)
        assert answer.status_code < 500, (where, answer.text)
        if said := {mark for mark in marks if mark in answer.text and mark not in where}:
            told[where] = said
    return told


@pytest.mark.usefixtures("unchecked")
def test_no_route_that_reads_tells_another_agency_anything(house: tuple[World, Database]) -> None:
    world, database = house

    assert len(reading_routes(world)) > 15
    assert leaking(world) == {}
    with without_wall(database):
        told = leaking(world)
    assert {"/api/v1/items", "/api/v1/cases", f"/api/v1/items/{world.loose}", f"/api/v1/cases/{world.case}"} <= set(
        told
    )


def test_what_somebody_did_is_shown_to_no_other_agency_and_found_by_index(house: tuple[World, Database]) -> None:
    world, database = house
    technician, stranger = world.technician.principal, world.stranger.principal

    def acts(by: Principal) -> set[str]:
        with undone(world, by) as session:
            found = history.of_actor(session, str(technician.id), where=true())
            return {f"{entry.chain.partition('/')[0]} {entry.body['act']}" for entry in found}

    mine = acts(technician)
    assert {"item exhibit.linked", "case exhibit.linked", "case case.opened", "account unit.founded"} <= mine
    assert acts(stranger) == set()
    with without_wall(database):
        assert acts(stranger) >= mine, "the control"
    with undone(world, technician) as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = session.scalars(text(f"EXPLAIN SELECT raw FROM custody_record WHERE actor = '{technician.id}'")).all()
    assert "ix_custody_record_actor" in str(plan), "beneath the wall too"


@pytest.mark.usefixtures("unchecked")
def test_no_export_takes_along_what_is_another_agencys(house: tuple[World, Database]) -> None:
    world, database = house
    asked = {"items": [str(world.loose)], "reason": "to see"}

    refused = world.client.post("/api/v1/exports", json=asked, headers=world.stranger.headers)

    assert refused.status_code == 404
    with without_wall(database), undone(world, world.stranger.principal) as session:
        found = reach.item(session, world.stranger.principal, "custody.export", str(world.loose), at=now(world))
    assert found.item.id == world.loose, "the control"


def now(world: World) -> datetime:
    return world.room.clock()


def counts(world: World, by: Principal | None) -> dict[str, int]:
    """Count the rows of every table behind the wall as this principal, or as the system."""
    with unit_of_work(world.room.sessions, by=by) as session:
        walled = session.scalars(text("SELECT relname FROM pg_class WHERE relrowsecurity ORDER BY relname")).all()
        return {table: session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in walled}


UNFILLED = {
    "second_factor",
    "recovery_code",
    "provider_identity",
    "provider_session",
    "group_mapping",
    "camera",
    "camera_assignment",
    "custody_receipt",
    "viewing",
    "expectation",
    "fulfilment",
    "incident_number",
    "external_reference",
    "case_number",
    "case_number_pattern",
    "approval_request",
    "approval",
    "broken_glass",
    "notice",
}
"""What this world has no row of; each stands behind its policy all the same."""


def test_every_table_shows_each_its_own_and_nobody_everything(house: tuple[World, Database]) -> None:
    world, database = house
    everything = counts(world, None)
    mine = counts(world, world.stranger.principal)
    with unit_of_work(world.room.sessions) as session:
        roles = session.execute(
            text(
                "SELECT count(*) FROM role_assignment r JOIN account a ON a.id = r.account_id"
                f" WHERE a.id = '{world.stranger.principal.id}'"
            )
        ).scalar_one()
    own_chain = mine.pop("custody_record"), mine.pop("custody_disclosure")
    agencies = mine.pop("agency")

    assert {table for table, rows in everything.items() if rows == 0} <= UNFILLED
    assert {table: rows for table, rows in mine.items() if rows} == {
        "account": 1,
        "role_assignment": roles,
        "sign_in_session": 1,
    }
    assert agencies == everything["agency"]
    assert 0 < own_chain[0] < everything["custody_record"]
    with without_wall(database), unit_of_work(world.room.sessions, by=world.stranger.principal) as session:
        assert session.scalar(text("SELECT count(*) FROM upload")) == everything["upload"]


def test_whoever_says_nothing_sees_nothing(house: tuple[World, Database]) -> None:
    world, database = house
    plain = driver_url(database.app_url).partition("&options")[0]
    with psycopg.connect(plain) as connection:
        seen = {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone() for table in counts(world, None)}

    assert {table for table, rows in seen.items() if rows != (0,)} == set()


def test_what_is_said_ends_with_its_transaction(world: World) -> None:
    backend = select(func.pg_backend_pid(), func.current_setting("evidence.agency", True))
    with unit_of_work(world.room.sessions, by=world.stranger.principal) as session:
        before, agency = session.execute(backend).one()
        mine = seen_items(session)
    with unit_of_work(world.room.sessions, by=world.technician.principal) as session:
        same, other = session.execute(backend).one()
        theirs = seen_items(session)
    with reading(world.room.sessions) as session:
        last, nobody = session.execute(backend).one()

    assert before == same == last, "all on one connection"
    assert (agency, other) == (str(world.stranger.principal.agency_id), str(world.technician.principal.agency_id))
    assert nobody == ""
    assert mine == set()
    assert theirs >= {world.plain, world.loose}


def test_reading_for_somebody_shows_what_is_theirs(world: World) -> None:
    with reading(world.room.sessions, by=world.stranger.principal) as session:
        assert seen_items(session) == set()
    with reading(world.room.sessions, by=world.technician.principal) as session:
        assert seen_items(session) == {world.plain, world.loose}


def test_a_referral_opens_its_exhibits_until_it_ends(world: World) -> None:
    with undone(world, world.attorney) as session:
        assert seen_items(session) == {world.plain}
        assert {row.id for row in session.query(CaseFile)} == {world.case}
        names = {row.name for row in session.query(Account)}
        assert world.technician.principal.name in names, "who works the case is known to both"
        assert world.investigator.name not in names
    with undone(world, world.technician.principal) as session:
        session.execute(update(Referral).where(Referral.id == world.referral).values(ended_at=now(world)))
        say_for(session, world.attorney)
        assert seen_items(session) == set()
        assert session.query(CaseFile).all() == []
        assert session.query(Referral).all() == []


def say_for(session: Session, principal: Principal) -> None:
    """Go on in the same transaction as somebody else, to see by their eyes what is not committed."""
    session.expire_all()
    for name, value in (("agency", principal.agency_id), ("principal", principal.id)):
        session.execute(text(f"SELECT set_config('evidence.{name}', '{value}', true)"))


def rows_of(session: Session, statement: Executable) -> int:
    """Execute it and return how many rows it was done to."""
    return session.connection().execute(statement).rowcount


def entry(world: World, **of: Any) -> Any:
    row = {"id": new_id(), "extent": "view", "granted_at": now(world), "granted_by_id": uuid4()} | of
    return insert(AccessListEntry).values(row)


OPENED_BY: dict[str, Callable[[World], Any]] = {
    "an entry of its own": lambda world: entry(world, item_id=world.confidential, account_id=world.officer.id),
    "an entry of its unit": lambda world: entry(world, item_id=world.confidential, unit_id=world.unit),
    "an entry of its case": lambda world: entry(world, case_id=world.hidden_case, account_id=world.officer.id),
    "the matter": lambda world: insert(CaseAssignment).values(
        id=new_id(), case_id=world.hidden_case, account_id=world.officer.id, capacity="x", assigned_at=now(world)
    ),
}
NOT_OPENED_BY: dict[str, Callable[[World], Any]] = {
    "nothing": lambda _world: text("SELECT 1"),
    "an entry that expired": lambda world: entry(
        world, item_id=world.confidential, account_id=world.officer.id, expires_at=now(world) - timedelta(seconds=1)
    ),
    "an entry that ended": lambda world: entry(
        world, item_id=world.confidential, account_id=world.officer.id, ended_at=now(world)
    ),
    "an entry of another": lambda world: entry(
        world, item_id=world.confidential, account_id=world.technician.principal.id
    ),
    "an entry of another item": lambda world: entry(world, item_id=world.plain, account_id=world.officer.id),
}


@pytest.mark.parametrize("how", [*OPENED_BY, *NOT_OPENED_BY])
def test_what_is_confidential_is_shown_to_whom_it_is_opened(world: World, how: str) -> None:
    with undone(world, world.technician.principal) as session:
        session.execute((OPENED_BY | NOT_OPENED_BY)[how](world))
        say_for(session, world.officer)
        seen = seen_items(session)
        hidden_case = session.get(CaseFile, world.hidden_case)

    assert (world.confidential in seen) is (how in OPENED_BY)
    assert world.plain in seen
    assert (hidden_case is not None) is (how in ("an entry of its case", "the matter"))


def test_the_class_is_managed_by_whoever_does_not_see_it(world: World) -> None:
    """To let somebody in, or to make confidential what one then sees no more."""
    technician = world.technician.principal
    by: dict[str, Any] = {"by": technician, "reason": "because", "request_id": str(new_id())}
    with undone(world, technician) as session:
        with pytest.raises(NotFoundError):
            reach.item(session, technician, "evidence.list", str(world.confidential), at=now(world))
        seen = reach.item(session, technician, "access.grant", str(world.confidential), at=now(world), reason="because")
        account = session.get_one(Account, world.officer.id)
        lists.put(session, seen.item, account, extent="view", at=now(world), **by)
    with undone(world, technician) as session:
        raised = reach.item(session, technician, "access.restrict", str(world.loose), at=now(world), reason="because")
        classes.change(session, raised.item, "confidential", **by)
    with undone(world, technician) as session:
        item = session.get_one(EvidenceItem, world.loose)
        with pytest.raises(DBAPIError, match="row-level security"):
            classes.change(session, item, "confidential", **by)
        session.rollback()


def test_managing_classes_does_not_open_another_agencys(world: World) -> None:
    with undone(world, world.stranger.principal) as session:
        manage_classes(session)
        assert seen_items(session) == set()
    with undone(world, world.technician.principal) as session:
        manage_classes(session)
        assert world.confidential in seen_items(session), "the control"


def test_a_hidden_case_still_holds_what_belongs_to_it(world: World) -> None:
    """What the rules are computed from is not hidden with the case, or a hold on an open matter would be lost."""
    with undone(world, world.technician.principal) as session:
        manage_classes(session)
        item = session.get_one(EvidenceItem, world.confidential)
        [matter] = reach.thing(session, item, at=now(world)).cases

    assert (matter.is_internal, matter.is_open, matter.assigned) == (True, True, frozenset({world.investigator.id}))


def foreign_writes(world: World) -> dict[str, Any]:
    theirs, mine = world.technician.principal, world.stranger.principal
    row = {"id": new_id(), "case_id": world.case}
    return {
        "open a case for another agency": insert(CaseFile).values(
            id=new_id(), agency_id=theirs.agency_id, number="x", title="x", opened_at=now(world), opened_by_id=mine.id
        ),
        "link an exhibit": insert(Exhibit).values(row | {"item_id": world.loose, "number": 9, "linked_at": now(world)}),
        "assign oneself": insert(CaseAssignment).values(
            row | {"account_id": mine.id, "capacity": "x", "assigned_at": now(world)}
        ),
        "refer it to oneself": insert(Referral).values(row | {"agency_id": mine.agency_id, "referred_at": now(world)}),
        "let oneself in": entry(world, item_id=world.plain, account_id=mine.id),
        "found a unit there": insert(Unit).values(
            id=uuid4(), agency_id=theirs.agency_id, name="x", founded_at=now(world)
        ),
    }


@pytest.mark.parametrize(
    "act",
    [
        "open a case for another agency",
        "link an exhibit",
        "assign oneself",
        "refer it to oneself",
        "let oneself in",
        "found a unit there",
    ],
)
def test_nothing_is_entered_across_agencies(house: tuple[World, Database], act: str) -> None:
    world, database = house
    with undone(world, world.stranger.principal) as session, pytest.raises(DBAPIError, match="row-level security"):
        session.execute(foreign_writes(world)[act])

    with without_wall(database), undone(world, world.stranger.principal) as session:
        assert rows_of(session, foreign_writes(world)[act].execution_options(preserve_rowcount=True)) == 1, (
            "the control"
        )


def test_nothing_is_changed_across_agencies(world: World) -> None:
    changes = {
        update(EvidenceItem).values(access_class="restricted"): 2,
        update(CaseFile).values(closed_at=now(world)): 1,
        update(Exhibit).values(withdrawn_at=now(world)): 2,
        update(Referral).values(ended_at=now(world)): 1,
        update(AccessListEntry).values(ended_at=now(world)): 1,
    }
    for change, own in changes.items():
        with undone(world, world.stranger.principal) as session:
            assert rows_of(session, change) == 0
        with undone(world, world.technician.principal) as session:
            assert rows_of(session, change) == own


def test_a_referred_case_is_not_passed_on_and_not_taken(world: World) -> None:
    """Whom it was referred to reads it, says who works it and may end what concerns it; it refers it to nobody."""
    with undone(world, world.attorney) as session, pytest.raises(DBAPIError, match="row-level security"):
        session.execute(foreign_writes(world)["refer it to oneself"])
    with undone(world, world.attorney) as session:
        narrowed = session.execute(update(EvidenceItem).values(access_class="restricted").returning(EvidenceItem.id))
        assert set(narrowed.scalars()) == {world.plain}, "what was referred, and nothing else of theirs"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE custody_record SET raw = ''",
        "DELETE FROM custody_record",
        "UPDATE custody_head SET seq = seq + 1",
        "UPDATE custody_receipt SET note = ''",
    ],
)
def test_custody_is_neither_changed_nor_removed(world: World, statement: str) -> None:
    for by in (world.stranger.principal, world.technician.principal):
        with undone(world, by) as session, pytest.raises(DBAPIError, match="permission denied"):
            session.execute(text(statement))


def test_nobody_erases_a_disclosure_in_the_name_of_a_person(world: World) -> None:
    with undone(world, world.technician.principal) as session:
        assert rows_of(session, text("DELETE FROM custody_disclosure")) == 0
