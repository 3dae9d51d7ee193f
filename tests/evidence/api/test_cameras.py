"""Cameras, roster and worklist over HTTP: whose recording an item is, who may know, and who may decide."""

from collections.abc import Iterator
from hashlib import sha256
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
from tests.support.arrivals import acts
from tests.support.database import database_from
from tests.support.people import Person, a_dock, a_person
from tests.support.rooms import room_for
from tests.support.uploading import Sender

ROSTER = "serial,badge,from,to\nCAM-1,4711,2026-03-01T06:00Z,2026-03-01T18:00Z\n"
WORN = {"camera": "CAM-1", "recorded_at": "2026-03-01T07:00:00Z"}


@pytest.fixture(scope="module")
def room(cluster: Cluster, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    home = tmp_path_factory.mktemp("cameras") / "home"
    with database_from(cluster, template) as database, room_for(database, home) as room:
        yield room


@pytest.fixture(scope="module")
def client(room: Room) -> Iterator[TestClient]:
    with TestClient(create_app(room)) as client:
        yield client


class House:
    """An agency of its own: a technician, two officers who carry cameras, a dock."""

    def __init__(self, room: Room, client: TestClient) -> None:
        self.room, self.client, self.agency = room, client, f"Police Department {new_id()}"
        self.technician = a_person(room, "evidence_tech", agency=self.agency)
        self.one = a_person(room, "officer", agency=self.agency, badge="4711")
        self.other = a_person(room, "officer", agency=self.agency, badge="4712")
        self.dock = a_dock(room, agency=self.agency)

    def imported(self, text: str = ROSTER, *, by: Person | None = None, query: str = "", kind: str = "text/csv") -> Any:
        headers = {**(by or self.technician).headers, "Content-Type": kind}
        return self.client.post(f"/api/v1/cameras/roster{query}", content=text.encode(), headers=headers)

    def brought(self, **said: str) -> str:
        """Have the dock bring a recording, and return the item's id."""
        sender = Sender(self.client, self.dock)
        return str(sender.show(sender.sent(sha256(str(new_id()).encode()).digest(), **said))["item"])

    def sees(self, who: Person, item: str) -> int:
        return int(self.client.get(f"/api/v1/items/{item}", headers=who.headers).status_code)

    def listed(self, who: Person) -> set[str]:
        return {each["id"] for each in self.client.get("/api/v1/items", headers=who.headers).json()["items"]}

    def worklist(self, who: Person) -> Any:
        return self.client.get("/api/v1/worklist", headers=who.headers)

    def reassigned(self, who: Person, item: str, to: Person, reason: str = "worn by the other") -> Any:
        email = f"{to.principal.name}@riverbend.example"
        asked = {"officer": email, "reason": reason}
        return self.client.post(f"/api/v1/items/{item}/officer", json=asked, headers=who.headers)


@pytest.fixture
def house(room: Room, client: TestClient) -> House:
    return House(room, client)


def test_without_a_roster_a_badge_counts_as_it_was_said(house: House) -> None:
    item = house.brought(officer="4711")

    assert (house.sees(house.one, item), house.sees(house.other, item)) == (200, 404)
    assert acts(house.room, f"item/{item}") == ["item.announced", "item.received"]
    shown = house.client.get(f"/api/v1/items/{item}", headers=house.technician.headers).json()["content"]
    assert (shown["officer"], shown["officer_account"], shown["officer_basis"]) == ("4711", None, "said")


def test_with_one_the_item_is_whose_camera_it_was(house: House) -> None:
    before = house.brought(officer="4712")
    assert house.imported().status_code == 200
    item = house.brought(officer="4711", **WORN)

    assert (house.sees(house.one, item), house.sees(house.other, item)) == (200, 404)
    assert (house.listed(house.one), house.listed(house.other)) == ({item}, {before})
    assert acts(house.room, f"item/{item}") == ["item.announced", "item.received", "item.attributed"]
    with unit_of_work(house.room.sessions) as session:
        *_, found = history.whole(session, f"item/{item}")
    assert found.body["facts"]["account"] == str(house.one.principal.id)
    assert house.worklist(house.technician).json() == {"items": []}


def test_a_badge_that_differs_opens_the_item_to_nobody_until_the_technician_decides(house: House) -> None:
    house.imported()
    item = house.brought(officer="4712", **WORN)

    assert (house.sees(house.one, item), house.sees(house.other, item)) == (404, 404)
    (listed,) = house.worklist(house.technician).json()["items"]
    assert (listed["item"]["id"], listed["why"]) == (item, "badge_differs")

    decided = house.reassigned(house.technician, item, house.other)

    assert decided.status_code == 200
    content = decided.json()["content"]
    assert (content["officer"], content["officer_basis"]) == ("4712", "reassigned")
    assert (house.sees(house.one, item), house.sees(house.other, item)) == (404, 200)
    assert house.worklist(house.technician).json() == {"items": []}
    assert house.reassigned(house.technician, item, house.other).status_code == 409
    assert house.reassigned(house.technician, item, house.one).status_code == 200, "and again, when that was wrong"
    assert house.listed(house.other) == set()
    with unit_of_work(house.room.sessions) as session:
        *_, first, second = history.whole(session, f"item/{item}")
    assert first.body["facts"] == {"account": str(house.other.principal.id)}
    assert second.body["facts"] == {
        "account": str(house.one.principal.id),
        "before": str(house.other.principal.id),
    }
    assert {each.name: each.value for each in second.disclosures}["reason"] == "worn by the other"


def test_the_worklist_is_the_technician_s_alone_and_so_is_the_decision(house: House) -> None:
    house.imported()
    item = house.brought(officer="4712", **WORN)
    roles: list[Role] = ["officer", "supervisor", "detective", "ia_investigator", "auditor", "agency_admin"]

    for role in roles:
        someone = a_person(house.room, role, agency=house.agency, badge="4712")
        assert house.worklist(someone).status_code == 403
        assert house.reassigned(someone, item, someone).status_code in (403, 404)
        assert acts(house.room, f"account/{someone.principal.id}")[-1] == "access.refused"
    assert house.worklist(house.technician).json()["items"], "the technician sees it still"


def test_a_decision_needs_a_reason_and_an_officer_of_the_agency(house: House) -> None:
    item = house.brought(officer="4711")
    stranger = a_person(house.room, "officer", agency="Lakeside Police Department")

    assert house.reassigned(house.technician, item, house.one, reason=" ").status_code == 422
    assert house.reassigned(house.technician, item, stranger).status_code == 404
    assert house.reassigned(stranger, item, stranger).status_code == 404
    assert "item.reassigned" not in acts(house.room, f"item/{item}")


def test_a_roster_with_faults_is_answered_line_by_line_and_not_taken(house: House) -> None:
    answer = house.imported(ROSTER + "CAM-2,nobody,2026-03-01T06:00Z,\nCAM-3,4711,today,\n")

    assert answer.status_code == 400
    assert [each["line"] for each in answer.json()["lines"]] == [4]
    unknown = house.imported(ROSTER + "CAM-2,nobody,2026-03-01T06:00Z,\n")
    assert [each["line"] for each in unknown.json()["lines"]] == [3]
    assert house.client.get("/api/v1/cameras", headers=house.technician.headers).json() == {"cameras": []}
    assert house.imported(kind="application/json").status_code in (415, 422)
    assert house.imported("\0").status_code == 400
    assert house.imported(by=house.one).status_code == 403


def test_cameras_are_one_s_agency_s(house: House, room: Room, client: TestClient) -> None:
    elsewhere = House(room, client)
    assert house.imported(query="?dry_run=true").json()["assigned"] == 1
    assert house.client.get("/api/v1/cameras", headers=house.technician.headers).json() == {"cameras": []}
    assert house.imported().json()["enrolled"] == 1
    assert house.imported().json()["unchanged"] == 1

    (camera,) = client.get("/api/v1/cameras", headers=house.technician.headers).json()["cameras"]
    assert [each["badge"] for each in camera["carried"]] == ["4711"]
    for name in ("CAM-1", camera["id"]):
        theirs = client.get(f"/api/v1/cameras/{name}", headers=elsewhere.technician.headers)
        assert theirs.status_code == 404
        assert client.get(f"/api/v1/cameras/{name}", headers=house.technician.headers).json() == camera
    path = f"/api/v1/cameras/{camera['id']}/retire"
    assert client.post(path, json={"reason": "broken"}, headers=elsewhere.technician.headers).status_code == 404
    retired = client.post(path, json={"reason": "broken"}, headers=house.technician.headers).json()
    assert retired["retired_at"] is not None
    for odd in ("a%00b", "%ED%A0%80", "%0A", "x" * 255):
        assert client.get(f"/api/v1/cameras/{odd}", headers=house.technician.headers).status_code == 404
    assert client.get("/api/v1/worklist?cursor=x", headers=house.technician.headers).status_code == 400
