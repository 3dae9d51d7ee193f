"""Sign-in over HTTP: every false token gets the same words, refusals are committed, no bytes cause a 5xx."""

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import select
from sqlalchemy.orm import Session

from auth import agencies, http, sessions
from auth.events import AuthEvent, DockSignedIn, SignedIn, SignInRefused
from auth.http import TokenDoors, shown_by
from auth.keys import KeyRing
from auth.models import Account, Agency
from auth.settings import AuthSettings
from auth.tokens import TokenIssuer
from evidence.api import problems
from evidence.api.middleware import RequestStamp
from evidence.database import Sessions, connect, standing_alone, unit_of_work
from evidence.database import sessions as session_factory
from evidence.engines.postgres import Cluster
from tests.auth.conftest import (
    PASSWORD,
    SEALER,
    TOKENS_URL,
    EnrolledDock,
    an_account,
    an_enrolled_dock,
    begun,
    issuer_over,
    world_of,
)
from tests.conftest import NOON
from tests.support.clock import FixedClock
from tests.support.database import database_from
from tests.support.forging import World, attacks, dock_proof, dock_statement, read, strangers

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
RULES = AuthSettings(most_sessions=None)
URL = TOKENS_URL.removesuffix("/api/v1/tokens")


@dataclass
class Committed:
    """A Recorder that keeps only what was reported in a transaction that was committed."""

    events: list[AuthEvent] = field(default_factory=list)

    def record(self, session: Session, event: AuthEvent) -> None:
        sqlalchemy_event.listen(session, "after_commit", lambda _: self.events.append(event), once=True)


@dataclass(frozen=True)
class House:
    """A small application with the real token route, one guarded route, and somebody who may come in."""

    client: TestClient
    recorder: Committed
    agency: Agency
    officer: Account
    dock: EnrolledDock
    ring: KeyRing
    world: World

    def ask(self, token: str) -> Any:
        return self.client.get("/guarded", headers=[(b"Authorization", b"Bearer " + token.encode())])

    def post(self, body: bytes, content_type: str = FORM) -> Any:
        """Send what may be anything; with a good proof, so that it is the body that is judged."""
        proof = dock_proof(self.dock.key, "POST", TOKENS_URL, at=NOON)
        return self.client.post("/api/v1/tokens", content=body, headers={"Content-Type": content_type, "DPoP": proof})

    def sign_in(self, *, key: Any = None, **members: str) -> Any:
        """Sign in; a dock with the proof that belongs to it."""
        proof = dock_proof(key or self.dock.key, "POST", TOKENS_URL, at=NOON)
        headers = {"Content-Type": FORM} | ({"DPoP": proof} if "client_assertion" in members else {})
        return self.client.post("/api/v1/tokens", content=urlencode(members).encode(), headers=headers)

    def prove(self, token: str, **changes: Any) -> str:
        """Prove, for the guarded route at NOON, what `changes` alter."""
        asked: dict[str, Any] = {"method": "GET", "address": f"{URL}/guarded", "at": NOON, "token": token}
        return dock_proof(changes.pop("key", self.dock.key), **(asked | changes))

    def ask_with(self, token: str, *proofs: str, kind: str = "DPoP", to: str = "/guarded") -> Any:
        headers = [("Authorization", f"{kind} {token}"), *(("DPoP", proof) for proof in proofs)]
        return self.client.get(to, headers=headers)

    def dock_token(self) -> str:
        return str(self.sign_in(**self.statement()).json()["access_token"])

    def statement(self) -> dict[str, str]:
        text = dock_statement(self.dock.row.id, self.dock.key, audience=TOKENS_URL, at=NOON)
        return statement_form(text)


def statement_form(text: str) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": http.JWT_BEARER,
        "client_assertion": text,
    }


@contextmanager
def opened(sessions_: Sessions, ring: KeyRing, issuer: TokenIssuer, clock: FixedClock) -> Iterator[House]:
    recorder = Committed()

    def unit() -> AbstractContextManager[Session]:
        return unit_of_work(sessions_)

    doors = TokenDoors(
        unit_of_work=unit,
        recorder=recorder,
        tokens=issuer,
        rules=RULES,
        sealer=SEALER,
        audiences=(TOKENS_URL,),
        url=URL,
        clock=clock,
        request_id=lambda request: str(request.state.request_id),
    )
    app = FastAPI()
    app.add_middleware(RequestStamp)
    problems.install(app)

    async def handed(request: Request) -> TokenDoors:
        return doors

    app.include_router(http.router(handed), prefix="/api/v1")

    @app.get("/guarded")
    def guarded(request: Request) -> str:
        with standing_alone(sessions_) as session:
            known = sessions.recognise(
                session,
                shown_by(request, url=URL),
                issuer.verifier,
                at=clock(),
                rules=RULES,
                source=http.source_of(request),
            )
        return known.principal.name

    with unit() as session:
        agency = agencies.create(session, "Police", at=NOON)
        officer, dock = an_account(session, agency), an_enrolled_dock(session, agency)
        person = begun(session, officer).principal
    recorder.events.clear()
    world = world_of(ring, issuer, person, dock_id=dock.row.id, dock_key=dock.key)
    with TestClient(app) as client:
        yield House(client, recorder, agency, officer, dock, ring, world)


@pytest.fixture(scope="module")
def standing_house(
    cluster: Cluster, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[House, FixedClock]]:
    """One house for all tests here: who may come in is not changed by coming in."""
    folder, clock = tmp_path_factory.mktemp("keys") / "tokens", FixedClock(NOON)
    with database_from(cluster, template) as database:
        engine = connect(database.app_url, for_system=True)
        with opened(session_factory(engine), KeyRing.open(folder, at=NOON), issuer_over(folder), clock) as house:
            yield house, clock
        engine.dispose()


@pytest.fixture
def house(standing_house: tuple[House, FixedClock]) -> House:
    house, clock = standing_house
    house.recorder.events.clear()
    clock.now = NOON
    return house


@pytest.fixture
def clock(standing_house: tuple[House, FixedClock]) -> FixedClock:
    return standing_house[1]


def test_a_person_signs_in_and_is_let_in(house: House) -> None:
    answer = house.sign_in(grant_type="password", username=house.officer.email, password=PASSWORD)

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    said = answer.json()
    assert (said["token_type"], said["expires_in"]) == ("Bearer", 3300)
    assert said["principal"] == {
        "kind": "account",
        "id": str(house.officer.id),
        "agency_id": str(house.agency.id),
        "name": "Rosa Alvarez",
        "roles": ["officer"],
    }
    assert house.ask(said["access_token"]).json() == "Rosa Alvarez"
    assert [type(event) for event in house.recorder.events] == [SignedIn]


def test_a_dock_signs_in_and_is_let_in_and_its_statement_is_spent(house: House) -> None:
    form = house.statement()
    first, second = (house.sign_in(**form) for _ in range(2))

    assert (first.status_code, second.status_code) == (200, 401)
    assert first.json()["principal"]["kind"] == "dock"
    token = first.json()["access_token"]
    assert first.json()["token_type"] == "DPoP"
    assert house.ask_with(token, house.prove(token)).json() == house.dock.row.name
    assert [type(event) for event in house.recorder.events] == [DockSignedIn, SignInRefused]


def test_json_says_the_same_as_a_form(house: House) -> None:
    asked = {"grant_type": "password", "username": house.officer.email, "password": PASSWORD}

    assert house.post(json.dumps(asked).encode(), JSON).status_code == 200
    assert house.post(json.dumps(asked).encode(), "Application/JSON; charset=utf-8").status_code == 200
    assert house.post(json.dumps(house.statement()).encode(), JSON).status_code == 200


def without_id(answer: Any) -> dict[str, Any]:
    said: dict[str, Any] = answer.json()
    assert said.pop("request_id") == answer.headers["X-Request-Id"]
    return said


def test_every_false_token_gets_the_same_answer(house: House) -> None:
    false = {**attacks(house.world), **strangers(house.world)}
    answers = {name: house.ask(token) for name, token in false.items()}

    assert {name: answer.status_code for name, answer in answers.items() if answer.status_code != 401} == {}
    said = [without_id(answer) for answer in answers.values()]
    assert len(said) >= 80
    assert all(each == said[0] for each in said)
    assert {answer.headers["WWW-Authenticate"] for answer in answers.values()} == {"Bearer"}
    assert house.ask(house.world.token).status_code == 200


def test_without_one_token_nobody_is_let_in(house: House) -> None:
    token = house.world.token
    tries: list[list[tuple[str, str]]] = [
        [],
        [("Authorization", "")],
        [("Authorization", token)],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer ")],
        [("Authorization", f"Basic {token}")],
        [("Authorization", f"Bearer  {token}")],
        [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")],
        [("Cookie", f"access_token={token}")],
    ]

    answers = [house.client.get("/guarded", headers=headers) for headers in tries]
    answers.append(house.client.get("/guarded", params={"access_token": token}))

    assert {answer.status_code for answer in answers} == {401}
    assert house.client.get("/guarded", headers={"Authorization": f"bearer {token}"}).status_code == 200


def test_every_refused_sign_in_gets_the_same_answer_and_is_committed(house: House) -> None:
    refused = [
        {"grant_type": "password", "username": house.officer.email, "password": "wrong password"},
        {"grant_type": "password", "username": "nobody@police.example", "password": PASSWORD},
        {"grant_type": "password", "username": "\0", "password": "\0"},
        {"grant_type": "password", "username": "x" * 5000, "password": "y" * 5000},
        statement_form("no statement"),
        statement_form(house.world.token),
        statement_form(dock_statement(house.dock.row.id, house.world.key, audience=TOKENS_URL, at=NOON)),
    ]

    answers = [house.sign_in(**members) for members in refused]

    assert {answer.status_code for answer in answers} == {401}
    said = [without_id(answer) for answer in answers]
    assert all(each == said[0] for each in said)
    assert said[0] == without_id(house.ask("no token")), "and the same as without a token"
    assert len(house.recorder.events) == len(refused)
    assert all(isinstance(event, SignInRefused) for event in house.recorder.events)


def test_no_attack_on_tokens_signs_a_dock_in_over_http(house: House) -> None:
    false = {name: text for name, text in attacks(house.world).items() if name != "a dock's statement as token"}

    answers = {name: house.sign_in(**statement_form(text)).status_code for name, text in false.items()}

    # Empty or too large: that cannot be read as a request at all.
    unreadable = {
        name for name, text in false.items() if not text or len(urlencode(statement_form(text))) > http.LARGEST_BODY
    }
    assert {name for name, status in answers.items() if status == 400} == unreadable
    assert {name for name, status in answers.items() if status not in (400, 401)} == set()


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (FORM, b""),
        (FORM, b"grant_type"),
        (FORM, b"grant_type=password"),
        (FORM, b"grant_type=password&username=a"),
        (FORM, b"grant_type=password&username=a&password="),
        (FORM, b"grant_type=password&grant_type=password&username=a&password=b"),
        (FORM, b"grant_type=password&username=a&username=b&password=c"),
        (FORM, b"grant_type=password&username=%ff&password=%ff"),
        (FORM, b"\xff\xfe"),
        (FORM, b"&".join(b"a%d=b" % n for n in range(1000))),
        (FORM, b"grant_type=password&username=a&password=" + b"b" * 20_000),
        (FORM, b"grant_type=client_credentials"),
        (FORM, b"grant_type=client_credentials&client_assertion=x"),
        (FORM, b"grant_type=client_credentials&client_assertion_type=other&client_assertion=x"),
        (FORM, b"grant_type=client_credentials&client_id=a&client_secret=b"),
        (JSON, b""),
        (JSON, b"{"),
        (JSON, b"[]"),
        (JSON, b"null"),
        (JSON, b'{"grant_type":"password","username":1,"password":true}'),
        (JSON, b'{"grant_type":["password"]}'),
        (JSON, b'{"grant_type":"password","username":"a","username":"b","password":"c"}'),
        (JSON, b'{"grant_type":"password","username":"\\ud800","password":"\\ud800"}'),
        (JSON, b"[" * 10_000),
        (JSON, b'{"grant_type":' + b"9" * 6000 + b"}"),
        ("text/plain", b"grant_type=password&username=a&password=b"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n--x--"),
        ("", b"grant_type=password&username=a&password=b"),
    ],
)
def test_what_cannot_be_read_is_said_to_be_so(house: House, content_type: str, body: bytes) -> None:
    answer = house.post(body, content_type)

    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert house.recorder.events == []


@pytest.mark.parametrize("grant_type", ["authorization_code", "Password", "password ", "none"])
def test_other_grants_are_not_taken(house: House, grant_type: str) -> None:
    answer = house.sign_in(grant_type=grant_type, username=house.officer.email, password=PASSWORD)

    assert answer.status_code == 400
    assert "grant types" in answer.json()["detail"]


def test_no_bytes_cause_a_failure_of_ours(house: House) -> None:
    draw = random.Random(11)
    good = urlencode(statement_form("a.b.c")).encode()
    seen = set()
    for _ in range(400):
        body = bytearray(draw.choice((good, json.dumps(statement_form("a.b.c")).encode(), draw.randbytes(50))))
        for _ in range(draw.randrange(6)):
            at = draw.randrange(len(body) + 1)
            body[at:at] = draw.choice((b"\0", b"%00", b"%", b"&", b"=", b"\xff", b'"', b"\\u0000", draw.randbytes(3)))
        seen.add(house.post(bytes(body), draw.choice((FORM, JSON))).status_code)

    assert seen <= {400, 401}
    assert seen == {400, 401}, "some were read and refused, some were not read"


def test_a_password_is_never_in_an_answer(house: House) -> None:
    for content_type in (FORM, JSON, "text/plain"):
        answer = house.post(b"grant_type=password&username=a&password=hunter2hunter2&password=again", content_type)
        assert b"hunter2hunter2" not in answer.content


def test_a_token_is_over_when_its_time_is(house: House, clock: FixedClock) -> None:
    token = house.sign_in(grant_type="password", username=house.officer.email, password=PASSWORD).json()["access_token"]
    assert house.ask(token).status_code == 200

    clock.advance(timedelta(minutes=55, seconds=30))

    assert house.ask(token).status_code == 401


def test_a_report_that_is_rolled_back_is_not_committed(sessions: Sessions) -> None:
    """Control: the Recorder of these tests forgets what a transaction did not keep."""
    recorder = Committed()
    event = SignInRefused(reason="unknown_account", agency_id=None, at=NOON, request_id="r1")

    with sessions() as session:
        recorder.record(session, event)
        session.execute(select(1))
        session.rollback()

    assert recorder.events == []


def test_a_key_made_by_another_process_signs_tokens_that_count(house: House) -> None:
    house.ring.rotate(NOON + timedelta(seconds=1))

    token = house.sign_in(grant_type="password", username=house.officer.email, password=PASSWORD).json()["access_token"]

    assert read(token)[0]["kid"] == house.ring.current().kid != house.world.header["kid"]
    assert house.ask(token).status_code == 200
    assert house.ask(house.world.token).status_code == 200


def test_a_dock_without_a_proof_is_told_what_is_missing(house: House) -> None:
    bare = house.client.post("/api/v1/tokens", data=house.statement())
    assert (bare.status_code, bare.headers["Content-Type"]) == (400, "application/problem+json")
    assert "DPoP proof" in bare.json()["detail"]
    token = house.dock_token()

    for answer in (house.ask(token), house.ask_with(token), house.ask_with(token, house.prove(token), kind="Bearer")):
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'DPoP algs="ES256"'
        assert "DPoP proof" in answer.json()["detail"]
    assert house.ask_with(token, house.prove(token), kind="dpop").status_code == 200


def test_a_token_of_a_dock_is_good_with_a_fresh_proof_of_its_key_and_with_nothing_else(house: House) -> None:
    token, person = house.dock_token(), house.world.token
    used = house.prove(token)
    assert house.ask_with(token, used).status_code == 200
    thief = house.world.key
    proofs = {
        "replayed": [used],
        "two": [house.prove(token), house.prove(token)],
        "empty": [""],
        "by another key": [house.prove(token, key=thief)],
        "for another method": [house.prove(token, method="POST")],
        "for another address": [house.prove(token, address=TOKENS_URL)],
        "for where the server listens": [house.prove(token, address="http://testserver/guarded")],
        "old": [house.prove(token, at=NOON - timedelta(seconds=61))],
        "of the future": [house.prove(token, at=NOON + timedelta(seconds=61))],
        "for no token": [house.prove(token, leave_out=("ath",))],
        "for another token": [house.prove(person)],
        "unreadable": ["."],
    }

    answers = {name: house.ask_with(token, *each) for name, each in proofs.items()}

    assert {name: answer.status_code for name, answer in answers.items() if answer.status_code != 401} == {}
    assert {answer.headers["WWW-Authenticate"] for answer in answers.values()} == {'DPoP algs="ES256"'}
    assert house.ask_with(person, house.prove(person, key=thief)).status_code == 401, "a person's token needs none"
    assert house.ask_with(token, house.prove(token), to="/guarded?a=b").status_code == 200, "a query is not proved"


def test_a_sign_in_with_a_false_proof_gives_no_token_and_spends_no_statement(house: House) -> None:
    form = house.statement()

    refused = [
        house.sign_in(**form, key=house.world.key),
        house.client.post("/api/v1/tokens", data=form, headers={"DPoP": house.prove("t")}),
    ]

    assert [answer.status_code for answer in refused] == [401, 401]
    assert [getattr(event, "reason", "") for event in house.recorder.events] == ["bad_proof", "bad_proof"]
    assert house.sign_in(**form).status_code == 200


def test_a_proof_asked_for_by_many_at_once_lets_one_in(house: House) -> None:
    token = house.dock_token()
    proof = house.prove(token)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: house.ask_with(token, proof).status_code, range(24)))

    assert sorted(answers) == [200] + [401] * 23
