"""Accounts and docks over HTTP, on a whole installation: inside one's agency, on record, over at once."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi.testclient import TestClient
from sqlalchemy import text

from auth.http import JWT_BEARER
from auth.keys import KeyRing, jwk_of
from evidence.database import unit_of_work
from evidence.room import Room
from tests.conftest import NOON
from tests.support.application import application_over
from tests.support.approving import approved
from tests.support.clock import FixedClock
from tests.support.database import Database
from tests.support.forging import World, attacks, dock_proof, dock_statement, read, strangers
from tests.support.people import PASSWORD, Person, Shown, a_dock, a_person
from tests.support.rooms import room_for

ELSEWHERE = "Springfield Police Department"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
def room(database: Database, tmp_path: Path, clock: FixedClock) -> Iterator[Room]:
    with room_for(database, tmp_path / "home", clock=clock) as room:
        yield room


@pytest.fixture
def client(room: Room) -> Iterator[TestClient]:
    with TestClient(application_over(room)) as client:
        yield client


@pytest.fixture
def admin(room: Room) -> Person:
    return a_person(room, "agency_admin")


def acts(room: Room, chain: str) -> list[str]:
    """The acts on a chain, in order."""
    with unit_of_work(room.sessions) as session:
        rows = session.execute(text("SELECT raw FROM custody_record WHERE chain = :c ORDER BY seq"), {"c": chain})
        return [bytes(raw).decode().partition('"act":"')[2].partition('"')[0] for (raw,) in rows]


def wanted(**changes: Any) -> dict[str, Any]:
    return {
        "email": "rosa@riverbend.example",
        "name": "Rosa Alvarez",
        "password": PASSWORD,
        "badge": "4471",
        "roles": ["officer"],
        **changes,
    }


def sign_in(client: TestClient, email: str, password: str = PASSWORD) -> Any:
    return client.post("/api/v1/tokens", json={"grant_type": "password", "username": email, "password": password})


def bearer(answer: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def test_an_account_is_made_signs_in_and_asks_who_it_is(client: TestClient, room: Room, admin: Person) -> None:
    second = a_person(room, "agency_admin")
    made = client.post("/api/v1/accounts", json=wanted(roles=["officer", "auditor"]), headers=admin.headers)
    assert made.status_code == 201
    assert (made.json()["email"], made.json()["roles"]) == ("rosa@riverbend.example", [])
    assert approved(client, second, made.json()["approval"]).status_code == 200
    assert PASSWORD not in made.text
    assert "argon2" not in made.text

    me = client.get("/api/v1/me", headers=bearer(sign_in(client, "rosa@riverbend.example")))

    assert me.json()["id"] == made.json()["id"]
    assert me.json()["roles"] == ["auditor", "officer"]
    assert acts(room, f"account/{admin.principal.id}")[-2:] == ["account.created", "approval.requested"]
    assert acts(room, f"account/{second.principal.id}")[-3:] == ["role.granted", "role.granted", "approval.given"]
    assert acts(room, f"account/{me.json()['id']}") == ["approval.carried_out", "account.signed_in"]


def test_an_address_is_taken_once(client: TestClient, admin: Person) -> None:
    answers = [client.post("/api/v1/accounts", json=wanted(), headers=admin.headers).status_code for _ in range(2)]

    assert answers == [201, 409]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"password": "short"}, 400),
        ({"email": "nobody"}, 400),
        ({"email": "a\0@riverbend.example"}, 400),
        ({"name": "Rosa\u202e"}, 400),
        ({"roles": ["dock"]}, 400),
        ({"roles": ["king"]}, 422),
        ({"roles": ["system_admin"]}, 403),
        ({"password": None}, 400),
    ],
    ids=str,
)
def test_an_account_that_cannot_be_accepted_is_not_made(
    client: TestClient, admin: Person, changes: dict[str, Any], status: int
) -> None:
    answer = client.post("/api/v1/accounts", json=wanted(**changes), headers=admin.headers)

    assert answer.status_code == status
    assert PASSWORD not in answer.text
    listed = client.get("/api/v1/accounts", headers=admin.headers).json()["accounts"]
    assert [each["id"] for each in listed] == [str(admin.principal.id)]


def test_only_an_administrator_with_a_fresh_sign_in_manages_accounts(
    client: TestClient, room: Room, admin: Person, clock: FixedClock
) -> None:
    others = [a_person(room, "officer"), a_person(room, "evidence_tech"), a_person(room), a_dock(room)]

    assert {client.post("/api/v1/accounts", json=wanted(), auth=each.auth).status_code for each in others} == {403}
    assert {client.get("/api/v1/accounts", auth=each.auth).status_code for each in others} == {403}
    assert client.get("/api/v1/accounts").status_code == 401
    clock.advance(timedelta(minutes=16))
    assert client.post("/api/v1/accounts", json=wanted(), headers=admin.headers).status_code == 403
    assert acts(room, f"account/{admin.principal.id}")[-1] == "access.refused"


def test_lists_hold_ones_own_agency_and_page_through_it(client: TestClient, room: Room, admin: Person) -> None:
    mine = {str(a_person(room, "officer").principal.id) for _ in range(4)} | {str(admin.principal.id)}
    stranger = a_person(room, "officer", agency=ELSEWHERE)

    seen: list[str] = []
    where: str | None = "/api/v1/accounts?limit=2"
    while where:
        answer = client.get(where, headers=admin.headers)
        seen += [each["id"] for each in answer.json()["accounts"]]
        where = answer.links.get("next", {}).get("url")

    assert len(seen) == 5
    assert set(seen) == mine
    assert str(stranger.principal.id) not in seen


def test_a_foreign_account_and_dock_answer_like_missing_ones(client: TestClient, room: Room, admin: Person) -> None:
    person, dock = a_person(room, "officer", agency=ELSEWHERE), a_dock(room, agency=ELSEWHERE)
    reason = {"reason": "left"}

    def asked(account: UUID, dock: UUID) -> list[tuple[int, dict[str, Any]]]:
        answers = [
            client.post(f"/api/v1/accounts/{account}/suspend", json=reason, headers=admin.headers),
            client.get(f"/api/v1/docks/{dock}", headers=admin.headers),
            client.post(f"/api/v1/docks/{dock}/retire", json=reason, headers=admin.headers),
        ]
        return [(each.status_code, {**each.json(), "request_id": ""}) for each in answers]

    foreign = asked(person.principal.id, dock.principal.id)

    assert foreign == asked(uuid4(), uuid4())
    assert [status for status, _ in foreign] == [404] * 3
    assert client.get("/api/v1/me", headers=person.headers).status_code == 200


def test_a_suspended_account_is_refused_on_its_next_request(client: TestClient, room: Room, admin: Person) -> None:
    officer = a_person(room, "officer")
    where = f"/api/v1/accounts/{officer.principal.id}/suspend"
    assert client.get("/api/v1/me", headers=officer.headers).status_code == 200

    suspended = client.post(where, json={"reason": "left"}, headers=admin.headers)

    assert suspended.json()["suspended_at"] is not None
    assert client.get("/api/v1/me", headers=officer.headers).status_code == 401
    assert sign_in(client, f"{officer.principal.name}@riverbend.example").status_code == 401
    assert acts(room, f"account/{admin.principal.id}")[-2:] == ["account.suspended", "session.ended"]
    assert acts(room, f"account/{officer.principal.id}")[-1] == "account.sign_in_refused"
    own = client.post(f"/api/v1/accounts/{admin.principal.id}/suspend", json={"reason": "tired"}, headers=admin.headers)
    assert own.status_code == 403


def invited(client: TestClient, by: Person, name: str = "Central, dock 1") -> Any:
    return client.post("/api/v1/docks/invitations", json={"name": name}, headers=by.headers)


def test_a_dock_is_invited_enrolled_signs_in_and_is_retired(client: TestClient, room: Room, clock: FixedClock) -> None:
    keeper, key = a_person(room, "evidence_tech"), ec.generate_private_key(ec.SECP256R1())
    invitation = invited(client, keeper)
    asked = {"code": invitation.json()["code"], "public_key": jwk_of(key.public_key())}

    enrolled = client.post("/api/v1/docks", json=asked)
    again = client.post("/api/v1/docks", json=asked)
    assert (invitation.status_code, enrolled.status_code, again.status_code) == (201, 201, 403)
    dock_id = enrolled.json()["id"]

    statement = dock_statement(UUID(dock_id), key, audience=f"{room.settings.url}/api/v1/tokens", at=clock())
    form = {"grant_type": "client_credentials", "client_assertion_type": JWT_BEARER, "client_assertion": statement}
    where = f"{room.settings.url}/api/v1/tokens"
    signed_in, replayed = (
        client.post("/api/v1/tokens", data=form, headers={"DPoP": dock_proof(key, "POST", where, at=clock())})
        for _ in range(2)
    )
    assert (signed_in.status_code, replayed.status_code) == (200, 401)
    assert signed_in.json()["token_type"] == "DPoP"
    dock = Shown(room, signed_in.json()["access_token"], key)
    assert client.get("/api/v1/me", auth=dock).json()["name"] == "Central, dock 1"
    assert client.get("/api/v1/docks", auth=dock).status_code == 403

    retired = client.post(f"/api/v1/docks/{dock_id}/retire", json={"reason": "broken"}, headers=keeper.headers)
    assert retired.json()["retired_at"] is not None
    assert client.get("/api/v1/me", auth=dock).status_code == 401
    shown = client.get(f"/api/v1/docks/{dock_id}", headers=keeper.headers).json()
    assert shown == retired.json()
    assert client.get("/api/v1/docks", headers=keeper.headers).json()["docks"] == [shown]
    assert acts(room, f"account/{keeper.principal.id}")[-2:] == ["dock.invited", "dock.retired"]
    assert acts(room, f"dock/{dock_id}") == ["dock.enrolled", "dock.signed_in", "access.refused"]
    assert acts(room, "_refused")[-1] == "account.sign_in_refused"


@pytest.mark.parametrize(
    "asked",
    [
        {"code": "00000-00000-00000-00000", "public_key": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}},
        {"code": "\0", "public_key": {}},
        {"code": "x", "public_key": {"kty": "oct", "k": "AAAA"}},
        {"code": "x" * 101, "public_key": {}},
        {"code": 7, "public_key": []},
        {},
    ],
    ids=str,
)
def test_an_enrolment_that_is_not_good_is_refused_without_a_failure(client: TestClient, asked: dict[str, Any]) -> None:
    assert client.post("/api/v1/docks", json=asked).status_code in (400, 422)


def test_a_code_out_of_date_enrols_nothing(client: TestClient, room: Room, clock: FixedClock) -> None:
    code = invited(client, a_person(room, "evidence_tech")).json()["code"]
    key = jwk_of(ec.generate_private_key(ec.SECP256R1()).public_key())
    clock.advance(timedelta(minutes=15))

    assert client.post("/api/v1/docks", json={"code": code, "public_key": key}).status_code == 403


def test_an_officer_invites_no_dock(client: TestClient, room: Room) -> None:
    assert invited(client, a_person(room, "officer")).status_code == 403


def test_every_false_token_gets_one_answer_from_the_whole_application(
    client: TestClient, room: Room, clock: FixedClock
) -> None:
    officer = a_person(room, "officer")
    token = officer.headers["Authorization"].removeprefix("Bearer ")
    header, claims = read(token)
    dock_key = ec.generate_private_key(ec.SECP256R1())
    ring = KeyRing.open(room.settings.signing_keys_path / "tokens", at=clock())
    world = World(token, header, claims, ring.current().private, uuid4(), dock_key, clock())

    said = []
    for false in {**attacks(world), **strangers(world)}.values():
        answer = client.get("/api/v1/me", headers=[(b"Authorization", b"Bearer " + false.encode())])
        assert answer.status_code == 401
        said.append({**answer.json(), "request_id": ""})

    assert len(said) >= 80
    assert all(each == said[0] for each in said)
    assert client.get("/api/v1/me", headers=officer.headers).status_code == 200
