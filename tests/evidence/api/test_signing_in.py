"""Sign-in as a person meets it over HTTP, on a whole installation; every act of it in the chain of custody."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi.testclient import TestClient
from sqlalchemy import text

from auth.keys import jwk_of
from auth.settings import AuthSettings
from evidence.database import unit_of_work
from evidence.main import create_app
from evidence.proof import canonical, record
from evidence.room import Room
from tests.conftest import NOON
from tests.support.application import application_over
from tests.support.authenticator import Authenticator
from tests.support.clock import FixedClock
from tests.support.database import Database
from tests.support.people import PASSWORD, Person, a_dock, a_person
from tests.support.rooms import room_for

pytestmark = pytest.mark.usefixtures("quick_passwords")

STEP = timedelta(seconds=30)


@dataclass
class Lobby:
    """One installation, a person of it, and what they know."""

    client: TestClient
    room: Room
    clock: FixedClock
    person: Person
    secrets: list[Authenticator] = field(default_factory=list)

    @property
    def email(self) -> str:
        return f"{self.person.principal.name}@riverbend.example"

    @property
    def code(self) -> str:
        return self.secrets[-1].code(at=self.clock())

    def ask(self, password: str = PASSWORD, **more: str) -> Any:
        asked = {"grant_type": "password", "username": self.email, "password": password, **more}
        return self.client.post("/api/v1/tokens", json=asked)

    def bearer(self, answer: Any) -> dict[str, str]:
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def post(self, where: str, headers: dict[str, str], asked: Any = None) -> Any:
        return self.client.post(f"/api/v1{where}", json=asked, headers=headers)

    def is_in(self, headers: dict[str, str]) -> bool:
        return bool(self.client.get("/api/v1/me", headers=headers).status_code == 200)

    def enrol(self, headers: dict[str, str]) -> list[str]:
        offered = self.post("/accounts/me/second-factor", headers).json()
        self.secrets.append(Authenticator(offered["secret"]))
        confirmed = self.post("/accounts/me/second-factor/confirm", headers, {"totp": self.code})
        assert confirmed.status_code == 200, confirmed.text
        codes: list[str] = confirmed.json()["recovery_codes"]
        return codes

    def acts(self, chain: str | None = None) -> list[str]:
        return [body["act"] for body in self.bodies(chain)]

    def bodies(self, chain: str | None = None) -> list[Any]:
        chain = chain or f"account/{self.person.principal.id}"
        with unit_of_work(self.room.sessions) as session:
            asked = text("SELECT raw FROM custody_record WHERE chain = :c ORDER BY seq")
            rows = session.execute(asked, {"c": chain}).scalars()
            return [canonical.decode(record.parse(bytes(raw)).body) for raw in rows]


@contextmanager
def opened(database: Database, folder: Path, **rules: Any) -> Iterator[Lobby]:
    clock = FixedClock(NOON)
    with (
        room_for(database, folder, clock=clock, auth=AuthSettings.model_validate(rules)) as room,
        TestClient(application_over(room)) as client,
    ):
        yield Lobby(client, room, clock, a_person(room, "officer"))


@pytest.fixture
def lobby(database: Database, tmp_path: Path) -> Iterator[Lobby]:
    with opened(database, tmp_path / "home") as lobby:
        yield lobby


@pytest.fixture
def admin(lobby: Lobby) -> Person:
    return a_person(lobby.room, "agency_admin")


def kind(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


def without_id(answer: Any) -> tuple[int, dict[str, Any]]:
    return answer.status_code, {**answer.json(), "request_id": ""}


def test_a_person_enrols_signs_in_strongly_proves_again_and_signs_out(lobby: Lobby) -> None:
    first = lobby.bearer(lobby.ask())
    codes = lobby.enrol(first)
    assert len(codes) == 10
    lobby.clock.advance(STEP)

    assert kind(lobby.ask()) == (401, "second-factor-needed")
    assert kind(lobby.ask("wrong password here")) == (401, "not-signed-in")
    assert kind(lobby.ask(totp=lobby.secrets[-1].code(-3, at=lobby.clock()))) == (401, "not-signed-in")
    strong = lobby.bearer(lobby.ask(totp=lobby.code))
    assert lobby.bearer(lobby.ask(recovery_code=codes[3]))
    lobby.clock.advance(timedelta(minutes=16))
    proved = lobby.post("/tokens/step-up", strong, {"totp": lobby.code})
    assert proved.status_code == 200
    assert lobby.client.delete("/api/v1/tokens/current", headers=strong).status_code == 204

    assert not lobby.is_in(strong)
    assert lobby.is_in(first), "control: the other session goes on"
    assert lobby.acts()[3:] == [
        "account.signed_in",
        "second_factor.enrolled",
        "recovery_codes.made",
        "account.sign_in_refused",
        "account.sign_in_refused",
        "account.sign_in_refused",
        "account.signed_in",
        "recovery_code.used",
        "account.signed_in",
        "account.proved_again",
        "session.ended",
    ]
    reasons = [body["facts"]["reason"] for body in lobby.bodies() if body["act"] == "account.sign_in_refused"]
    assert reasons == ["second_factor_missing", "wrong_password", "wrong_code"]
    ended = lobby.bodies()[-1]
    assert (ended["facts"]["reason"], ended["facts"]["session"]) == ("signed_out", ended["actor"]["session"])
    assert [body["facts"]["amr"] for body in lobby.bodies() if body["act"] == "account.signed_in"][1:] == [
        "pwd",
        "pwd otp",
        "pwd recovery",
    ]


def test_what_asks_for_a_fresh_second_factor_is_refused_without_and_says_how_to_get_one(
    lobby: Lobby, admin: Person
) -> None:
    chief = Lobby(lobby.client, lobby.room, lobby.clock, admin)
    weak = chief.bearer(chief.ask())
    refused = chief.client.get("/api/v1/accounts", headers=weak)
    assert refused.status_code == 403
    assert "evidence account second-factor enrol" in refused.json()["detail"]
    assert chief.acts()[-1] == "access.refused"

    chief.enrol(weak)

    assert chief.client.get("/api/v1/accounts", headers=weak).status_code == 200, "the code was just proved"
    chief.clock.advance(timedelta(minutes=15, seconds=1))
    assert chief.client.get("/api/v1/accounts", headers=weak).status_code == 403
    assert chief.post("/tokens/step-up", weak, {"totp": chief.code}).status_code == 200
    assert chief.client.get("/api/v1/accounts", headers=weak).status_code == 200


def test_a_session_is_renewed_for_twelve_hours_and_a_copied_renewal_token_ends_it(lobby: Lobby) -> None:
    def renewed(token: str) -> Any:
        return lobby.client.post("/api/v1/tokens", data={"grant_type": "refresh_token", "refresh_token": token})

    answer = lobby.ask()
    for _ in range(24):
        lobby.clock.advance(timedelta(minutes=29))
        answer = renewed(answer.json()["refresh_token"])
        assert lobby.is_in(lobby.bearer(answer))
    stolen, last = answer.json()["refresh_token"], renewed(answer.json()["refresh_token"])
    assert lobby.is_in(lobby.bearer(last))

    refused = renewed(stolen)

    assert without_id(refused) == without_id(lobby.client.get("/api/v1/me"))
    assert not lobby.is_in(lobby.bearer(last))
    assert renewed(last.json()["refresh_token"]).status_code == 401
    assert lobby.acts()[-3:] == ["session.ended", "account.sign_in_refused", "account.sign_in_refused"]
    assert lobby.ask().json()["session_ends_at"] == "2026-03-03T11:36:00Z"


def test_a_session_nobody_uses_ends_and_one_that_is_used_goes_on(lobby: Lobby) -> None:
    used, idle = lobby.bearer(lobby.ask()), lobby.bearer(lobby.ask())
    lobby.clock.advance(timedelta(minutes=20))
    assert lobby.is_in(used)
    lobby.clock.advance(timedelta(minutes=20))

    assert lobby.is_in(used)
    assert not lobby.is_in(idle)


def test_five_failures_lock_and_nobody_can_tell_but_the_record(lobby: Lobby, admin: Person) -> None:
    wrong = [without_id(lobby.ask("wrong password here")) for _ in range(5)]
    right = without_id(lobby.ask())

    assert all(each == right for each in wrong)
    assert right[0] == 401
    assert lobby.acts()[-3:] == ["account.sign_in_refused", "account.locked_out", "account.sign_in_refused"]
    assert lobby.bodies()[-1]["facts"]["reason"] == "locked"
    listed = lobby.client.get("/api/v1/accounts", params={"email": lobby.email}, headers=admin.headers).json()
    assert [each["locked_at"] for each in listed["accounts"]] == ["2026-03-02T12:00:00Z"]
    where = f"/accounts/{lobby.person.principal.id}/release"
    assert lobby.post(where, lobby.person.headers, {"reason": "mine"}).status_code == 403
    assert lobby.post(where, admin.headers, {"reason": " "}).status_code == 422
    released = lobby.post(where, admin.headers, {"reason": "called in"})
    assert (released.status_code, released.json()["locked_at"]) == (200, None)
    assert lobby.bearer(lobby.ask())
    assert lobby.acts(f"account/{admin.principal.id}")[-1] == "account.released"


def test_another_agencys_account_is_released_by_nobody_here(lobby: Lobby) -> None:
    stranger = a_person(lobby.room, "agency_admin", agency="Springfield Police Department")

    answer = lobby.post(f"/accounts/{lobby.person.principal.id}/release", stranger.headers, {"reason": "for a friend"})

    assert kind(answer) == (404, "not-found")


def test_an_address_that_guesses_enrolment_codes_is_locked_and_released(lobby: Lobby, admin: Person) -> None:
    key = jwk_of(ec.generate_private_key(ec.SECP256R1()).public_key())
    invited = lobby.post("/docks/invitations", admin.headers, {"name": "dock-1"}).json()
    wrong = [without_id(lobby.post("/docks", {}, {"code": "wrong", "public_key": key})) for _ in range(5)]

    locked = without_id(lobby.post("/docks", {}, {"code": invited["code"], "public_key": key}))

    assert all(each == locked for each in wrong)
    assert lobby.acts("_refused") == [*["account.sign_in_refused"] * 5, "account.locked_out", "account.sign_in_refused"]
    release = {"source": "testclient", "reason": "a new dock"}
    assert lobby.post("/sources/release", lobby.person.headers, release).status_code == 403
    assert lobby.post("/sources/release", admin.headers, release).status_code == 204
    assert lobby.post("/sources/release", admin.headers, release).status_code == 404
    assert lobby.post("/docks", {}, {"code": invited["code"], "public_key": key}).status_code == 201


def test_a_password_is_changed_by_who_knows_it_and_other_sessions_end(lobby: Lobby) -> None:
    mine, other = lobby.bearer(lobby.ask()), lobby.bearer(lobby.ask())
    where, new = "/accounts/me/password", "chosen by myself 7"

    assert lobby.post(where, mine, {"password": "wrong password", "new_password": new}).status_code == 403
    assert lobby.post(where, mine, {"password": PASSWORD, "new_password": "short"}).status_code == 400
    assert lobby.post(where, mine, {"password": PASSWORD, "new_password": new}).status_code == 204

    assert (lobby.is_in(mine), lobby.is_in(other), lobby.is_in(lobby.person.headers)) == (True, False, False)
    assert lobby.ask().status_code == 401
    assert lobby.bearer(lobby.ask(new))
    assert lobby.acts().count("account.password_changed") == 1


def test_a_second_factor_is_enrolled_after_a_fresh_sign_in_only(lobby: Lobby) -> None:
    mine = lobby.bearer(lobby.ask())
    assert lobby.post("/accounts/me/recovery-codes", mine).status_code == 403
    assert lobby.post("/accounts/me/second-factor/confirm", mine, {"totp": "000000"}).status_code == 400
    lobby.clock.advance(timedelta(minutes=16))
    assert lobby.post("/accounts/me/second-factor", mine).status_code == 403
    fresh = lobby.bearer(lobby.ask())
    lobby.enrol(fresh)
    assert lobby.post("/accounts/me/second-factor", fresh).status_code == 400, "there is one"
    assert lobby.post("/accounts/me/recovery-codes", fresh).status_code == 201
    assert lobby.post("/accounts/me/recovery-codes", mine).status_code == 403, "that session proved nothing"


def test_docks_have_no_session_and_no_second_factor(lobby: Lobby) -> None:
    dock = a_dock(lobby.room)
    code, change = {"totp": "000000"}, {"password": "a", "new_password": "b"}

    answers = [
        lobby.client.request(method, f"/api/v1{path}", json=sent, auth=dock.auth)
        for method, path, sent in (
            ("DELETE", "/tokens/current", None),
            ("POST", "/tokens/step-up", code),
            ("POST", "/accounts/me/second-factor", None),
            ("POST", "/accounts/me/second-factor/confirm", code),
            ("POST", "/accounts/me/recovery-codes", None),
            ("POST", "/accounts/me/password", change),
        )
    ]

    assert {answer.status_code for answer in answers} == {403}


def test_the_notice_is_shown_to_anybody_and_acknowledged_by_everybody(database: Database, tmp_path: Path) -> None:
    with opened(database, tmp_path / "home", banner="Authorised use only.\nYou are recorded.") as lobby:
        banner = lobby.client.get("/api/v1/banner").json()

        assert kind(lobby.ask()) == (403, "banner-not-acknowledged")
        assert kind(lobby.ask("wrong password here")) == (403, "banner-not-acknowledged")
        assert lobby.bearer(lobby.ask(banner_acknowledged=banner["sha256"]))

        assert banner["text"] == "Authorised use only.\nYou are recorded."
        assert lobby.bodies()[-1]["facts"] == {"amr": "pwd", "banner": banner["sha256"]}
        assert [body["facts"]["reason"] for body in lobby.bodies("_refused")] == ["banner_not_acknowledged"] * 2


def test_without_a_notice_nothing_is_to_be_acknowledged(lobby: Lobby) -> None:
    assert lobby.client.get("/api/v1/banner").json() == {"text": None, "sha256": None}
    lobby.bearer(lobby.ask())
    assert "banner" not in lobby.bodies()[-1]["facts"]


def test_a_role_bound_to_the_citys_network_is_set_aside_elsewhere_and_the_refusal_says_so(
    database: Database, tmp_path: Path
) -> None:
    with opened(database, tmp_path / "home", role_networks={"evidence_tech": ["10.1.0.0/16"]}) as lobby:
        technician = a_person(lobby.room, "evidence_tech", "officer")

        elsewhere = lobby.client.get("/api/v1/docks", headers=technician.headers)
        assert elsewhere.status_code == 403
        assert "your role evidence_tech does not count from this network address" in elsewhere.json()["detail"]
        assert lobby.client.get("/api/v1/me", headers=technician.headers).json()["roles"] == ["officer"]
        with TestClient(create_app(lobby.room), client=("10.1.2.3", 50000)) as inside:
            assert inside.get("/api/v1/docks", headers=technician.headers).status_code == 200


STRANGE: list[dict[str, str]] = [
    {"totp": "\0"},
    {"totp": "１２３４５６"},
    {"totp": "9" * 1000},
    {"totp": "\N{SNOWMAN}", "recovery_code": "\0"},
    {"recovery_code": "\N{SNOWMAN}" * 50},
    {"recovery_code": "\0"},
    {"new_password": "\0"},
    {"banner_acknowledged": "\0"},
]


def test_strange_texts_are_refused_in_words(lobby: Lobby) -> None:
    lobby.enrol(lobby.bearer(lobby.ask()))

    for asked in STRANGE:
        assert kind(lobby.ask(**asked))[0] in (400, 401)
        for where in ("/tokens/step-up", "/accounts/me/second-factor/confirm"):
            answer = lobby.post(where, lobby.person.headers, asked)
            assert answer.status_code in (400, 401, 403, 422), answer.text
