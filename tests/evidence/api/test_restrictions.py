"""Who is let in besides their role, who is kept out in spite of it, and who must make a statement first."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from auth.principals import Role
from evidence.custody import history
from evidence.database import unit_of_work
from evidence.engines.postgres import Cluster
from evidence.ids import new_id
from evidence.main import create_app
from evidence.room import Room
from tests.support.builders import an_item_on_the_books
from tests.support.clock import FixedClock
from tests.support.database import database_from
from tests.support.people import Person, a_person, signed_in
from tests.support.received import an_item_with
from tests.support.rooms import room_for

BECAUSE = {"reason": "because of the trial"}
ITEMS, CASES, INCIDENTS, UNITS = ("/api/v1/" + each for each in ("items", "cases", "incidents", "units"))


@pytest.fixture(scope="module")
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 3, 2, 12, 0, tzinfo=UTC))


@pytest.fixture(scope="module")
def room(
    cluster: Cluster, template: str, tmp_path_factory: pytest.TempPathFactory, clock: FixedClock
) -> Iterator[Room]:
    home = tmp_path_factory.mktemp("home")
    with database_from(cluster, template) as database, room_for(database, home, clock=clock) as room:
        yield room


@pytest.fixture(scope="module")
def client(room: Room) -> Iterator[TestClient]:
    with TestClient(create_app(room)) as client:
        yield client


@pytest.fixture(scope="module")
def people(room: Room) -> dict[str, Person]:
    roles: list[Role] = [
        "officer",
        "supervisor",
        "evidence_tech",
        "detective",
        "ia_investigator",
        "auditor",
        "agency_admin",
    ]
    return {role: a_person(room, role, badge="4711" if role == "officer" else None) for role in roles}


@pytest.fixture
def item(room: Room, people: dict[str, Person]) -> str:
    """A recording that the technician brought, each test's own."""
    with unit_of_work(room.sessions) as session:
        return an_item_on_the_books(session, room, people["evidence_tech"].principal, officer_badge="4711").number


def done(answer: Any, status: int = 200) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    said: dict[str, Any] = answer.json()
    return said


def email(of: Person) -> str:
    return f"{of.principal.name}@riverbend.example"


def listed(client: TestClient, by: Person) -> dict[str, bool]:
    """Return the items on the list, and whether what they say is shown."""
    page = done(client.get(ITEMS, params={"limit": 200}, headers=by.headers))
    return {each["number"]: each["content"] is not None for each in page["items"]}


def status(client: TestClient, by: Person, item: str) -> int:
    return int(client.get(f"{ITEMS}/{item}", headers=by.headers).status_code)


def acts(room: Room, chain: str) -> list[str]:
    with unit_of_work(room.sessions) as session:
        return [str(entry.body["act"]) for entry in history.whole(session, chain)]


def test_an_access_list_lets_in_until_it_ends(
    room: Room, client: TestClient, people: dict[str, Person], item: str
) -> None:
    detective, technician = people["detective"], people["evidence_tech"]
    assert status(client, detective, item) == 404

    put = {"email": email(detective), **BECAUSE}
    shown = done(client.post(f"{ITEMS}/{item}/access-list", json=put, headers=technician.headers), 201)
    assert (status(client, detective, item), listed(client, detective)[item]) == (200, True)
    assert client.post(f"{ITEMS}/{item}/viewings", json=BECAUSE, headers=detective.headers).status_code == 201

    (entry,) = shown["entries"]
    done(client.post(f"{ITEMS}/{item}/access-list/{entry['id']}/end", json=BECAUSE, headers=technician.headers))
    assert status(client, detective, item) == 404
    again = client.post(f"{ITEMS}/{item}/access-list/{entry['id']}/end", json=BECAUSE, headers=technician.headers)
    assert again.status_code == 404
    item_id = done(client.get(f"{ITEMS}/{item}", headers=technician.headers))["id"]
    assert [each for each in acts(room, f"item/{item_id}") if each.startswith("access.")] == [
        "access.granted",
        "access.ended",
    ]


def test_an_entry_expires_by_itself(
    room: Room, client: TestClient, clock: FixedClock, people: dict[str, Person]
) -> None:
    detective, technician = (signed_in(room, people[each].principal) for each in ("detective", "evidence_tech"))
    with unit_of_work(room.sessions) as session:
        item = an_item_on_the_books(session, room, technician.principal).number
    expires = clock() + timedelta(minutes=5)
    put = {"email": email(detective), "expires_at": expires.isoformat(), **BECAUSE}
    done(client.post(f"{ITEMS}/{item}/access-list", json=put, headers=technician.headers), 201)
    assert status(client, detective, item) == 200

    clock.advance(timedelta(minutes=5))

    assert status(client, detective, item) == 404
    assert item not in listed(client, detective)
    late = client.post(f"{ITEMS}/{item}/access-list", json=put, headers=technician.headers)
    assert late.status_code == 400


@pytest.mark.parametrize(
    "who", [{}, {"email": "nobody@riverbend.example"}, {"unit": "no such unit"}, {"email": "a@b.example", "unit": "x"}]
)
def test_an_entry_names_one_who_is_there(
    client: TestClient, people: dict[str, Person], item: str, who: dict[str, str]
) -> None:
    refused = client.post(
        f"{ITEMS}/{item}/access-list", json={**who, **BECAUSE}, headers=people["evidence_tech"].headers
    )

    assert refused.status_code in (400, 404)


def test_the_list_is_shown_to_whoever_may_change_it_and_to_whoever_reviews(
    room: Room, client: TestClient, people: dict[str, Person], item: str
) -> None:
    technician, officer = people["evidence_tech"], people["officer"]
    case = f"26-{new_id().hex}"
    done(client.post(CASES, json={"number": case, "title": "t"}, headers=technician.headers), 201)
    for address in (f"{ITEMS}/{item}/access-list", f"{CASES}/{case}/access-list"):
        put = {"email": email(people["detective"]), **BECAUSE}
        changed = done(client.post(address, json=put, headers=technician.headers), 201)
        for role in ("evidence_tech", "agency_admin", "auditor"):
            assert done(client.get(address, headers=people[role].headers)) == changed, role
        [entry] = changed["entries"]
        done(client.post(f"{address}/{entry['id']}/end", json=BECAUSE, headers=technician.headers))
        [ended] = done(client.get(address, headers=technician.headers))["entries"]
        assert ended["ended_at"] is not None, "who was on it is kept"
    refused = client.get(f"{ITEMS}/{item}/access-list", headers=officer.headers)
    assert (refused.status_code, "access.grant is refused" in refused.json()["detail"]) == (403, True)
    assert acts(room, f"account/{officer.principal.id}")[-1] == "access.refused"

    done(client.post(f"{ITEMS}/{item}/restrict", json={"to": "confidential", **BECAUSE}, headers=technician.headers))
    shown = done(client.get(f"{ITEMS}/{item}/access-list", headers=technician.headers))
    assert shown["access_class"] == "confidential", "whoever lets somebody in sees who is"
    for role in ("auditor", "officer"):
        assert client.get(f"{ITEMS}/{item}/access-list", headers=people[role].headers).status_code == 404


def test_class_and_mark_are_shown_with_the_thing_and_a_stub_shows_no_mark(
    client: TestClient, people: dict[str, Person], item: str
) -> None:
    technician, auditor, officer = people["evidence_tech"], people["auditor"], people["officer"]

    def shown(by: Person) -> list[tuple[str, bool | None]]:
        page = done(client.get(ITEMS, params={"limit": 200}, headers=by.headers))["items"]
        found = [each for each in page if each["number"] == item]
        if client.get(f"{ITEMS}/{item}", headers=by.headers).status_code == 200:
            found.append(done(client.get(f"{ITEMS}/{item}", headers=by.headers)))
        return [(each["access_class"], each["do_not_disclose"]) for each in found]

    assert shown(technician) == shown(auditor) == [("unrestricted", False)] * 2
    done(client.post(f"{ITEMS}/{item}/do-not-disclose", json=BECAUSE, headers=technician.headers))
    assert shown(technician) == shown(auditor) == [("unrestricted", True)] * 2

    done(client.post(f"{ITEMS}/{item}/restrict", json={"to": "restricted", **BECAUSE}, headers=technician.headers))
    assert {*shown(technician), *shown(auditor)} == {("restricted", None)}
    put = {"email": email(officer), **BECAUSE}
    done(client.post(f"{ITEMS}/{item}/access-list", json=put, headers=technician.headers), 201)
    assert shown(officer) == [("restricted", True)] * 2

    case = f"26-{new_id().hex}"
    done(client.post(CASES, json={"number": case, "title": "t"}, headers=technician.headers), 201)
    done(client.post(f"{CASES}/{case}/restrict", json={"to": "restricted", **BECAUSE}, headers=technician.headers))
    page = done(client.get(CASES, params={"number": case}, headers=auditor.headers))["cases"]
    assert [each["access_class"] for each in page] in ([], ["restricted"])
    assert done(client.get(f"{CASES}/{case}", headers=technician.headers))["access_class"] == "restricted"


def test_nobody_lets_themselves_in(client: TestClient, people: dict[str, Person], item: str) -> None:
    """Hard floor: an administrator who could, would see content without breaking the glass."""
    for role in ("evidence_tech", "agency_admin"):
        put = {"email": email(people[role]), **BECAUSE}
        refused = client.post(f"{ITEMS}/{item}/access-list", json=put, headers=people[role].headers)
        assert (refused.status_code, "themselves" in refused.json()["detail"]) == (403, True)


def test_an_entry_adds_nothing_to_a_role(client: TestClient, people: dict[str, Person], item: str) -> None:
    """An administrator on the list still sees no content: no cell of that role asks for the list."""
    admin = people["agency_admin"]
    put = {"email": email(admin), "extent": "work", **BECAUSE}
    done(client.post(f"{ITEMS}/{item}/access-list", json=put, headers=people["evidence_tech"].headers), 201)

    assert not listed(client, admin)[item]
    assert client.post(f"{ITEMS}/{item}/viewings", json=BECAUSE, headers=admin.headers).status_code == 403


def test_a_unit_on_the_list_lets_its_people_in_and_a_supervisor_sees_the_units_items(
    room: Room, client: TestClient, clock: FixedClock, people: dict[str, Person], item: str
) -> None:
    admin = signed_in(room, people["agency_admin"].principal)
    technician = signed_in(room, people["evidence_tech"].principal)
    supervisor, officer = people["supervisor"], a_person(room, "officer", badge="5001")
    name = f"Unit {new_id().hex}"
    done(client.post(UNITS, json={"name": name}, headers=admin.headers), 201)
    for person, supervises in ((supervisor, True), (officer, False)):
        member = {"email": email(person), "supervises": supervises}
        done(client.post(f"{UNITS}/{name}/members", json=member, headers=admin.headers))
    with unit_of_work(room.sessions) as session:
        of_unit = an_item_on_the_books(session, room, technician.principal, officer_badge="5001").number
    assert (status(client, supervisor, of_unit), status(client, supervisor, item)) == (200, 404)

    done(client.post(f"{ITEMS}/{item}/access-list", json={"unit": name, **BECAUSE}, headers=technician.headers), 201)
    assert (status(client, supervisor, item), status(client, officer, item)) == (200, 200)

    clock.advance(timedelta(seconds=1))
    for person in (supervisor, officer):
        leaving = {"email": email(person)}
        done(client.post(f"{UNITS}/{name}/members/leave", json=leaving, headers=admin.headers))
    assert [status(client, each, item) for each in (supervisor, officer)] == [404, 404]
    assert status(client, supervisor, of_unit) == 404
    assert acts(room, f"account/{officer.principal.id}")[-2:] == ["unit.joined", "unit.left"]


def test_a_restricted_item_is_known_of_and_opened_by_its_list_alone(
    client: TestClient, people: dict[str, Person], item: str
) -> None:
    technician, officer = people["evidence_tech"], people["officer"]
    shown = done(
        client.post(f"{ITEMS}/{item}/restrict", json={"to": "restricted", **BECAUSE}, headers=technician.headers)
    )
    assert shown["access_class"] == "restricted"

    for person in (technician, officer):
        assert listed(client, person)[item] is False
        assert status(client, person, item) == 403
        assert client.post(f"{ITEMS}/{item}/viewings", json=BECAUSE, headers=person.headers).status_code == 403
    chain = done(client.get(f"{ITEMS}/{item}/custody", headers=technician.headers))
    assert all(record["disclosures"] is None for record in chain["records"])

    put = {"email": email(officer), **BECAUSE}
    done(client.post(f"{ITEMS}/{item}/access-list", json=put, headers=technician.headers), 201)
    assert (status(client, officer, item), listed(client, officer)[item]) == (200, True)


def test_a_confidential_item_does_not_exist_but_for_its_list(
    room: Room, client: TestClient, people: dict[str, Person], item: str
) -> None:
    technician, officer, auditor = people["evidence_tech"], people["officer"], people["auditor"]
    case = f"26-{new_id().hex}"
    done(client.post(CASES, json={"number": case, "title": "t"}, headers=technician.headers), 201)
    done(client.post(f"{CASES}/{case}/exhibits", json={"item": item}, headers=technician.headers), 201)
    done(client.post(f"{ITEMS}/{item}/restrict", json={"to": "confidential", **BECAUSE}, headers=technician.headers))

    for person in (technician, officer, auditor):
        assert item not in listed(client, person)
        hidden = client.get(f"{ITEMS}/{item}", headers=person.headers)
        missing = client.get(f"{ITEMS}/2019-999999", headers=person.headers)
        assert hidden.status_code == missing.status_code == 404
        assert {**hidden.json(), "request_id": ""} == {**missing.json(), "request_id": ""}
        assert client.get(f"{ITEMS}/{item}/custody", headers=person.headers).status_code == 404
    assert item not in client.get(f"{CASES}/{case}", headers=technician.headers).text
    assert (
        client.post("/api/v1/exports", json={"items": [item], **BECAUSE}, headers=technician.headers).status_code == 404
    )

    # Who may let somebody in can still name it, and sees nothing of it.
    put = {"email": email(officer), **BECAUSE}
    done(client.post(f"{ITEMS}/{item}/access-list", json=put, headers=technician.headers), 201)
    assert (status(client, officer, item), listed(client, officer)[item]) == (200, True)


def test_a_class_is_only_ever_narrowed_alone(client: TestClient, people: dict[str, Person], item: str) -> None:
    technician = people["evidence_tech"]
    address = f"{ITEMS}/{item}/restrict"
    done(client.post(address, json={"to": "confidential", **BECAUSE}, headers=technician.headers))

    for narrower in ("restricted", "confidential"):
        answer = client.post(address, json={"to": narrower, **BECAUSE}, headers=technician.headers)
        assert answer.status_code == 409
    assert client.post(address, json={"to": "unrestricted", **BECAUSE}, headers=technician.headers).status_code == 422


def test_an_attorney_restricts_what_was_referred_to_their_office_and_nothing_else(
    room: Room, client: TestClient, people: dict[str, Person], item: str
) -> None:
    technician, office = people["evidence_tech"], "City Attorney of Riverbend"
    attorney, admin = (a_person(room, role, agency=office) for role in ("prosecutor", "agency_admin"))
    case = f"26-{new_id().hex}"
    done(client.post(CASES, json={"number": case, "title": "t"}, headers=technician.headers), 201)
    done(client.post(f"{CASES}/{case}/exhibits", json={"item": item}, headers=technician.headers), 201)
    narrower = {"to": "restricted", **BECAUSE}
    assert client.post(f"{ITEMS}/{item}/restrict", json=narrower, headers=attorney.headers).status_code == 404
    done(client.post(f"{CASES}/{case}/referrals", json={"agency": office}, headers=technician.headers), 201)
    working = {"email": email(attorney), "capacity": "lead"}
    done(client.post(f"{CASES}/{case}/assignments", json=working, headers=admin.headers), 201)
    auditor = signed_in(room, people["auditor"].principal)
    told = done(client.get(f"{ITEMS}/{item}/who", headers=auditor.headers))["explanations"]
    assert {each["name"]: each["reason"] for each in told}[attorney.principal.name] == "prosecutor: caseP"

    for address in (f"{ITEMS}/{item}", f"{CASES}/{case}"):
        restricted = done(client.post(f"{address}/restrict", json=narrower, headers=attorney.headers))
        assert restricted["access_class"] == "restricted"
    assert done(client.post(f"{ITEMS}/{item}/do-not-disclose", json=BECAUSE, headers=attorney.headers))
    put = {"email": email(attorney), **BECAUSE}
    done(client.post(f"{ITEMS}/{item}/access-list", json=put, headers=technician.headers), 404)


def test_do_not_disclose_is_marked_once(client: TestClient, people: dict[str, Person], item: str) -> None:
    technician = people["evidence_tech"]
    address = f"{ITEMS}/{item}/do-not-disclose"

    assert done(client.post(address, json=BECAUSE, headers=technician.headers))["do_not_disclose"] is True
    assert client.post(address, json=BECAUSE, headers=technician.headers).status_code == 409
    assert client.post(address, json=BECAUSE, headers=people["officer"].headers).status_code == 403


def test_a_matter_of_internal_affairs_is_seen_by_its_investigator_alone(
    room: Room, client: TestClient, people: dict[str, Person], item: str
) -> None:
    investigator, technician, other = (
        people["ia_investigator"],
        people["evidence_tech"],
        a_person(room, "ia_investigator"),
    )
    number = f"IA-{new_id().hex}"
    matter = {"number": number, "title": "t", "kind": "internal_affairs"}
    assert client.post(CASES, json=matter, headers=technician.headers).status_code == 403
    done(client.post(CASES, json=matter, headers=investigator.headers), 201)

    for person in (technician, other, people["auditor"], people["agency_admin"]):
        assert client.get(f"{CASES}/{number}", headers=person.headers).status_code == 404
        page = done(client.get(CASES, params={"limit": 200}, headers=person.headers))
        assert number not in {each["number"] for each in page["cases"]}
    assert done(client.get(f"{CASES}/{number}", headers=investigator.headers))["title"] == "t"
    assert status(client, investigator, item) == 404


CRITICAL = "26-118204"


def test_who_was_there_watches_nothing_before_their_statement(
    room: Room, client: TestClient, clock: FixedClock, people: dict[str, Person]
) -> None:
    technician = signed_in(room, people["evidence_tech"].principal)
    admin = signed_in(room, people["agency_admin"].principal)
    officer, supervisor = a_person(room, "officer", badge="6001"), a_person(room, "supervisor", badge="6002")
    name = f"Unit {new_id().hex}"
    done(client.post(UNITS, json={"name": name}, headers=admin.headers), 201)
    member = {"email": email(supervisor), "supervises": True}
    done(client.post(f"{UNITS}/{name}/members", json=member, headers=admin.headers))
    incident = done(client.post(INCIDENTS, json={"number": CRITICAL, **BECAUSE}, headers=supervisor.headers), 201)
    address = f"{INCIDENTS}/{CRITICAL}"
    involved = {"email": email(officer), "part": "involved", **BECAUSE}
    listings = done(client.post(f"{address}/listings", json=involved, headers=supervisor.headers), 201)["listings"]
    # Received only afterwards, and typed carelessly: it is covered all the same.
    body = new_id().bytes
    mine = str(an_item_with(room, officer.principal, body))
    with unit_of_work(room.sessions) as session:
        late = an_item_on_the_books(session, room, officer.principal, incident=f" {CRITICAL} ").number
    refused = client.post(f"{ITEMS}/{late}/viewings", headers=officer.headers)
    assert (refused.status_code, "statement" in refused.json()["detail"]) == (403, True)
    assert status(client, officer, late) == 200, "what was recorded may be known of, and not watched"
    unrelated = client.post(f"{ITEMS}/{mine}/viewings", headers=officer.headers)
    assert unrelated.status_code == 201
    cover = {"item": mine, **BECAUSE}
    done(client.post(f"{address}/items", json=cover, headers=technician.headers), 201)
    assert client.post(f"{address}/items", json=cover, headers=technician.headers).status_code == 409
    stopped = client.get(done(unrelated, 201)["footage"], headers=officer.headers)
    assert stopped.status_code == 403, "what was begun before goes on no more"

    statement = f"{address}/listings/{listings[0]['id']}/statement"
    assert client.post(statement, json=BECAUSE, headers=technician.headers).status_code == 403
    clock.advance(timedelta(seconds=1))
    opened = done(client.post(statement, json=BECAUSE, headers=supervisor.headers))
    assert opened["listings"][0]["opened_by"] == "statement"
    assert client.post(statement, json=BECAUSE, headers=supervisor.headers).status_code == 409
    watched = done(client.post(f"{ITEMS}/{mine}/viewings", headers=officer.headers), 201)
    assert client.get(watched["footage"], headers=officer.headers).content == body
    assert [each for each in acts(room, f"account/{officer.principal.id}") if "." in each][-2:] != []
    assert {"incident.listed", "statement.recorded"} <= set(acts(room, f"account/{officer.principal.id}"))
    assert incident["number"] == CRITICAL


def test_a_listed_supervisor_takes_no_statement(
    room: Room, client: TestClient, clock: FixedClock, people: dict[str, Person]
) -> None:
    admin = signed_in(room, people["agency_admin"].principal)
    supervisor = a_person(room, "supervisor")
    name, number = f"Unit {new_id().hex}", f"26-{new_id().hex}"
    done(client.post(UNITS, json={"name": name}, headers=admin.headers), 201)
    member = {"email": email(supervisor), "supervises": True}
    done(client.post(f"{UNITS}/{name}/members", json=member, headers=admin.headers))
    done(client.post(INCIDENTS, json={"number": number, **BECAUSE}, headers=supervisor.headers), 201)
    witness = {"email": email(supervisor), "part": "witness", **BECAUSE}
    address = f"{INCIDENTS}/{number}/listings"
    listing = done(client.post(address, json=witness, headers=supervisor.headers), 201)["listings"][0]

    refused = client.post(f"{address}/{listing['id']}/statement", json=BECAUSE, headers=supervisor.headers)

    assert refused.status_code == 403
    assert client.post(address, json=witness, headers=supervisor.headers).status_code == 409


def test_incidents_are_declared_once_and_other_agencies_have_their_own(
    room: Room, client: TestClient, people: dict[str, Person]
) -> None:
    number, asked = f"26-{new_id().hex}", people["evidence_tech"]
    elsewhere = a_person(room, "evidence_tech", agency="Millbrook Police Department")
    declaring = {"number": number, **BECAUSE}
    done(client.post(INCIDENTS, json=declaring, headers=asked.headers), 201)

    assert client.post(INCIDENTS, json=declaring, headers=asked.headers).status_code == 409
    foreign = client.get(f"{INCIDENTS}/{number}", headers=elsewhere.headers)
    missing = client.get(f"{INCIDENTS}/never", headers=elsewhere.headers)
    assert foreign.status_code == missing.status_code == 404
    assert {**foreign.json(), "request_id": ""} == {**missing.json(), "request_id": ""}
    done(client.post(INCIDENTS, json=declaring, headers=elsewhere.headers), 201)


def test_who_could_see_an_item_then_and_why(
    room: Room, client: TestClient, clock: FixedClock, people: dict[str, Person], item: str
) -> None:
    technician, auditor = signed_in(room, people["evidence_tech"].principal), people["auditor"]
    auditor, detective = signed_in(room, auditor.principal), people["detective"]
    before = clock()
    clock.advance(timedelta(seconds=10))
    put = {"email": email(detective), **BECAUSE}
    entry = done(client.post(f"{ITEMS}/{item}/access-list", json=put, headers=technician.headers), 201)["entries"][0]
    during = clock.advance(timedelta(seconds=10))
    clock.advance(timedelta(seconds=10))
    ending = f"{ITEMS}/{item}/access-list/{entry['id']}/end"
    done(client.post(ending, json=BECAUSE, headers=technician.headers))
    clock.advance(timedelta(seconds=10))

    def could_see(at: datetime | None) -> dict[str, str]:
        asked = {"at": at.isoformat()} if at else {}
        shown = done(client.get(f"{ITEMS}/{item}/who", params=asked, headers=auditor.headers))
        return {each["name"]: each["reason"] for each in shown["explanations"]}

    name = detective.principal.name
    assert [name in could_see(at) for at in (before, during, None)] == [False, True, False]
    assert could_see(during)[name] == "detective: grant"
    then = client.get(
        f"{ITEMS}/{item}/why/{email(detective)}", params={"at": during.isoformat()}, headers=auditor.headers
    )
    assert done(then)["allowed"] is True
    now = done(client.get(f"{ITEMS}/{item}/why/{email(detective)}", headers=auditor.headers))
    assert (now["allowed"], "access list" in now["reason"]) == (False, True)
    assert done(client.get(f"{ITEMS}/{item}/why", headers=technician.headers))["reason"] == "evidence_tech: A"
    assert client.get(f"{ITEMS}/{item}/who", headers=technician.headers).status_code == 403
