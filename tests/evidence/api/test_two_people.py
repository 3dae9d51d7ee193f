"""Two-person acts, break-glass and tasks over HTTP."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from evidence.access import classes
from evidence.custody import history
from evidence.database import unit_of_work
from evidence.ids import new_id
from evidence.items.models import EvidenceItem
from evidence.room import Room
from tests.support.application import application_over
from tests.support.approving import approved
from tests.support.clock import FixedClock
from tests.support.database import Database
from tests.support.people import PASSWORD, Person, a_person
from tests.support.received import an_item_with
from tests.support.rooms import room_for

FOOTAGE = b"footage" * 100


@pytest.fixture
def clock() -> FixedClock:
    """The database knows the time too: what ends, ends by its clock as well."""
    return FixedClock(datetime.now(UTC))


@pytest.fixture
def room(database: Database, tmp_path: Path, clock: FixedClock) -> Iterator[Room]:
    with room_for(database, tmp_path / "home", clock=clock) as room:
        yield room


@pytest.fixture
def client(room: Room) -> Iterator[TestClient]:
    with TestClient(application_over(room)) as client:
        yield client


def acts(room: Room, chain: str) -> list[str]:
    with unit_of_work(room.sessions) as session:
        return [str(entry.body["act"]) for entry in history.whole(session, chain)]


def an_item(room: Room, by: Person) -> EvidenceItem:
    with unit_of_work(room.sessions) as session:
        item = session.get_one(EvidenceItem, an_item_with(room, by.principal, FOOTAGE))
        classes.change(session, item, "confidential", reason="x", by=by.principal, request_id=str(new_id()))
        return item


def notices(room: Room) -> set[tuple[str, str]]:
    with unit_of_work(room.sessions) as session:
        return {(kind, str(who)) for kind, who in session.execute(text("SELECT kind, account_id FROM notice"))}


def tasks(client: TestClient, who: Person) -> list[tuple[str, str]]:
    answer = client.get("/api/v1/me/tasks", headers=who.headers)
    assert answer.status_code == 200, answer.text
    return [(each["kind"], each["about"]) for each in answer.json()["tasks"]]


def test_an_item_is_opened_again_by_two(client: TestClient, room: Room, clock: FixedClock) -> None:
    technician, admin, officer = (a_person(room, each) for each in ("evidence_tech", "agency_admin", "officer"))
    item = an_item(room, technician)
    asked = {"to": "unrestricted", "reason": "Informant moved"}

    answer = client.post(f"/api/v1/items/{item.number}/unrestrict", json=asked, headers=technician.headers)

    assert answer.status_code == 202, answer.text
    waiting = answer.json()
    where = f"/api/v1/approvals/{waiting['id']}"
    assert ("approve", waiting["id"]) in tasks(client, admin)
    assert tasks(client, technician) == [("own-request", waiting["id"])]
    assert tasks(client, officer) == []
    assert notices(room) == {("approval.requested", str(admin.principal.id)), ("approval.requested", "None")}
    foreign, missing = (client.get(each, headers=officer.headers) for each in (where, f"{where[:-36]}{new_id()}"))
    assert (foreign.status_code, missing.status_code) == (404, 404)
    assert {**foreign.json(), "request_id": ""} == {**missing.json(), "request_id": ""}
    own = client.post(f"{where}/approve", json={"sha256": waiting["sha256"]}, headers=technician.headers)
    assert own.status_code == 403
    assert acts(room, f"account/{technician.principal.id}")[-1] == "access.refused"
    clock.advance(timedelta(minutes=16))
    assert approved(client, admin, waiting).status_code == 403, "the approver proves themselves anew"
    clock.advance(-timedelta(minutes=16))
    assert approved(client, admin, waiting).json()["state"] == "approved"
    assert approved(client, admin, waiting).status_code == 409
    assert tasks(client, admin) == []
    assert acts(room, f"item/{item.id}")[-2:] == ["access.unrestricted", "approval.carried_out"]


def test_a_request_whose_item_changed_is_void_for_good(client: TestClient, room: Room) -> None:
    technician, admin = (a_person(room, each) for each in ("evidence_tech", "agency_admin"))
    where = f"/api/v1/items/{an_item(room, technician).number}"
    marked = client.post(f"{where}/do-not-disclose", json={"reason": "x"}, headers=technician.headers)
    assert marked.status_code == 200, marked.text
    lifted = client.post(f"{where}/do-not-disclose/lift", json={"reason": "x"}, headers=technician.headers).json()
    lowered = client.post(f"{where}/unrestrict", json={"to": "restricted", "reason": "x"}, headers=admin.headers).json()

    assert approved(client, technician, lowered).status_code == 200

    assert approved(client, admin, lifted).status_code == 409
    assert client.get(f"/api/v1/approvals/{lifted['id']}", headers=technician.headers).json()["state"] == "void"


@pytest.mark.parametrize(
    "body", [{"sha256": "x"}, {"sha256": "A" * 64}, {}, {"sha256": "\0" * 64}, {"sha256": 7}], ids=repr
)
def test_what_is_no_digest_is_unreadable(client: TestClient, room: Room, body: dict[str, Any]) -> None:
    admin = a_person(room, "agency_admin")

    assert client.post(f"/api/v1/approvals/{new_id()}/approve", json=body, headers=admin.headers).status_code == 422


def test_roles_are_granted_to_many_by_one_approval(client: TestClient, room: Room) -> None:
    admin, second, stranger = (
        a_person(room, "agency_admin"),
        a_person(room, "agency_admin"),
        a_person(room, "agency_admin", agency="Springfield Police Department"),
    )
    emails = [f"recruit{number}@riverbend.example" for number in range(2)]
    for email in emails:
        asked = {"email": email, "name": "A Recruit", "password": PASSWORD}
        made = client.post("/api/v1/accounts", json=asked, headers=admin.headers).json()
        assert (made["roles"], made["approval"]) == ([], None)
    change = {"emails": emails, "grant": ["officer"], "reason": "Class of 2026"}

    waiting = client.post("/api/v1/role-changes", json=change, headers=admin.headers)
    assert waiting.status_code == 202, waiting.text
    assert approved(client, second, waiting.json()).status_code == 200

    held = {
        each["email"]: each["roles"]
        for each in client.get("/api/v1/accounts", headers=admin.headers).json()["accounts"]
    }
    assert [held[email] for email in emails] == [["officer"], ["officer"]]
    again = client.post("/api/v1/role-changes", json=change, headers=admin.headers)
    elsewhere = client.post("/api/v1/role-changes", json=change, headers=stranger.headers)
    mine = {**change, "emails": [f"{admin.principal.name}@riverbend.example"]}
    assert again.status_code == 409
    assert elsewhere.status_code == 404
    assert client.post("/api/v1/role-changes", json=mine, headers=admin.headers).status_code == 403


def test_an_administrator_breaks_the_glass_is_seen_doing_it_and_reviewed(
    client: TestClient, room: Room, clock: FixedClock
) -> None:
    admin, system, auditor, officer = (
        a_person(room, each) for each in ("agency_admin", "system_admin", "auditor", "officer")
    )
    item = an_item(room, a_person(room, "evidence_tech"))
    watch, glass = f"/api/v1/items/{item.number}/viewings", f"/api/v1/items/{item.number}/break-glass"
    reason = {"reason": "Officer missing"}
    assert client.post(watch, json=reason, headers=system.headers).status_code == 404

    assert client.post(glass, json=reason, headers=officer.headers).status_code == 403
    assert client.post(glass, json={"reason": " "}, headers=system.headers).status_code == 422
    used = client.post(glass, json=reason, headers=system.headers)
    assert used.status_code == 201, used.text
    assert "sha256" not in used.text
    assert item.number not in used.text

    assert client.get(f"/api/v1/items/{item.number}", headers=system.headers).status_code == 404
    viewing = client.post(watch, json=reason, headers=system.headers)
    assert viewing.status_code == 201, viewing.text
    assert client.get(viewing.json()["footage"], headers=system.headers).content == FOOTAGE
    assert client.post(watch, json=reason, headers=admin.headers).status_code == 404, "to nobody else"
    told = {("glass.broken", str(each.principal.id)) for each in (admin, auditor)} | {("glass.broken", "None")}
    assert notices(room) == told
    assert acts(room, f"item/{item.id}").count("glass.broken") == 1
    assert acts(room, f"account/{system.principal.id}").count("glass.broken") == 1

    use = f"/api/v1/break-glass/{used.json()['id']}"
    assert tasks(client, auditor) == [("review-break-glass", used.json()["id"])]
    finding = {"finding": "Justified"}
    assert client.post(f"{use}/review", json=finding, headers=officer.headers).status_code == 403
    assert client.post(f"{use}/review", json=finding, headers=system.headers).status_code == 403
    assert client.post(f"{use}/review", json=finding, headers=auditor.headers).json()["finding"] == "Justified"
    assert client.post(f"{use}/review", json=finding, headers=admin.headers).status_code == 409
    assert tasks(client, auditor) == []

    def watched_after(minutes: int) -> int:
        clock.advance(timedelta(minutes=minutes))
        fresh = {"Authorization": f"Bearer {room.tokens.issue(system.principal, at=clock()).text}"}
        return client.get(viewing.json()["footage"], headers=fresh).status_code

    assert [watched_after(each) for each in (25, 25, 9, 1)] == [200, 200, 200, 404]


def test_an_administrator_reviews_anothers_use_and_never_their_own(client: TestClient, room: Room) -> None:
    first, second = a_person(room, "agency_admin"), a_person(room, "agency_admin")
    stranger = a_person(room, "auditor", agency="Springfield Police Department")
    technician = a_person(room, "evidence_tech")
    ids = []
    for _ in range(3):
        glass = f"/api/v1/items/{an_item_with(room, technician.principal, new_id().bytes)}/break-glass"
        ids.append(client.post(glass, json={"reason": "x"}, headers=first.headers).json()["id"])
    finding = {"finding": "x"}

    reviews = [
        client.post(f"/api/v1/break-glass/{ids[0]}/review", json=finding, headers=each.headers).status_code
        for each in (first, stranger, second)
    ]
    where: str | None = "/api/v1/break-glass?limit=1"
    listed = []
    while where:
        answer = client.get(where, headers=second.headers)
        listed += [each["id"] for each in answer.json()["uses"]]
        where = answer.links.get("next", {}).get("url")

    assert reviews == [403, 404, 200]
    assert listed == [ids[2], ids[1], ids[0]], "what waits for a review comes first"


def test_the_glass_is_broken_with_a_fresh_sign_in_and_not_before_a_statement(
    client: TestClient, room: Room, clock: FixedClock
) -> None:
    admin, technician = a_person(room, "agency_admin"), a_person(room, "evidence_tech")
    item = an_item(room, technician)
    where = f"/api/v1/items/{item.id}/break-glass"
    begun = clock()
    clock.advance(timedelta(minutes=16))
    stale = client.post(where, json={"reason": "x"}, headers=admin.headers)
    clock.now = begun
    number = {"number": "26-1", "reason": "x"}
    for path, body in (
        ("/api/v1/incidents", number),
        ("/api/v1/incidents/26-1/items", {"item": item.number, "reason": "x"}),
        (
            "/api/v1/incidents/26-1/listings",
            {"email": f"{admin.principal.name}@riverbend.example", "part": "witness", "reason": "x"},
        ),
    ):
        made = client.post(path, json=body, headers=technician.headers)
        assert made.status_code == 201, made.text

    listed = client.post(where, json={"reason": "x"}, headers=admin.headers)

    assert (stale.status_code, listed.status_code) == (403, 403)
    assert "15 minutes" in stale.json()["detail"]
    assert "statement" in listed.json()["detail"]
