"""One real provider, and an installation whose people sign in there."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sqlalchemy import text
from starlette.testclient import TestClient

from auth import accounts
from auth.models import Account
from auth.principals import Role
from auth.settings import AuthSettings, ProviderSettings
from evidence.database import unit_of_work
from evidence.engines.postgres import Cluster
from evidence.ids import new_id
from evidence.main import create_app
from evidence.room import Room
from tests.support.clock import SetAheadClock
from tests.support.database import Database, database_from
from tests.support.identity_provider import (
    AUDIENCE,
    CLIENT,
    SECRET,
    Browser,
    IdentityProvider,
    installed,
    private_jwk,
)
from tests.support.people import an_agency, console
from tests.support.rooms import room_for

HOME = "http://127.0.0.1:8400"
AGENCY = "Riverbend Police Department"

KEY_A = private_jwk(rsa.generate_private_key(65_537, 2048), "key-a")
KEY_B = private_jwk(ec.generate_private_key(ec.SECP256R1()), "key-b")


@pytest.fixture(scope="session")
def running() -> Iterator[IdentityProvider]:
    """The provider, for all tests of this process."""
    installed()
    provider = IdentityProvider([f"{HOME}/api/v1/sign-in/city/callback"])
    yield provider
    provider.stop()


@pytest.fixture
def provider(running: IdentityProvider) -> IdentityProvider:
    """The provider, just started with key A."""
    running.start(KEY_A)
    return running


@dataclass
class City:
    """An installation, its provider, and the way people take between them."""

    room: Room
    client: TestClient
    provider: IdentityProvider
    clock: SetAheadClock

    def account(self, email: str, *roles: Role, **more: Any) -> Account:
        """Make an account from the console, expected at the provider unless told otherwise."""
        agency = an_agency(self.room)
        with unit_of_work(self.room.sessions) as session:
            return accounts.create(
                session,
                self.room.recorder,
                agency_id=agency,
                email=email,
                name="Somebody",
                roles=roles,
                by=console(agency),
                at=self.clock(),
                request_id=str(new_id()),
                **more,
            )

    def expected(self, email: str = "rosa@riverbend.example", *roles: Role) -> Account:
        """Make an account that waits for the owner of its address."""
        return self.account(email, *roles, provider=self.room.providers.named("city"))

    def begin(self, user: str = "rosa", *, amr: str = "pwd", **asked: Any) -> tuple[str, dict[str, str]]:
        """Begin here, sign in there, and return what the browser brings back."""
        begun = self.client.get("/api/v1/sign-in/city", params=asked, follow_redirects=False)
        assert begun.status_code == 303, begun.text
        return Browser(self.provider, user, amr).go(begun.headers["location"])

    def come_back(self, brought: dict[str, str]) -> httpx2.Response:
        """Come back from the provider."""
        return self.client.get("/api/v1/sign-in/city/callback", params=brought, follow_redirects=False)

    def sign_in(self, user: str = "rosa", **asked: Any) -> httpx2.Response:
        """Sign somebody in, all the way."""
        return self.come_back(self.begin(user, **asked)[1])

    def records(self, chain: str) -> list[dict[str, Any]]:
        """The bodies of the records on a chain, in order."""
        asked = text("SELECT raw FROM custody_record WHERE chain = :chain ORDER BY seq")
        with unit_of_work(self.room.sessions) as session:
            kept = session.execute(asked, {"chain": chain}).scalars().all()
        return [json.loads(bytes(raw).decode().partition("\n{")[2].join(("{", ""))) for raw in kept]

    def refusals(self) -> list[str]:
        """Why strangers were refused, in order."""
        return [each["facts"]["reason"] for each in self.records("_refused")]

    def me(self, token: str) -> httpx2.Response:
        """Ask who a token is."""
        return self.client.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})

    def renew(self, token: str) -> httpx2.Response:
        """Renew a token."""
        return self.client.post("/api/v1/sign-in/renewal", headers={"Authorization": f"Bearer {token}"})


@contextmanager
def city_at(
    provider: IdentityProvider, database: Database, folder: Path, *, rules: dict[str, Any] | None = None, **more: Any
) -> Iterator[City]:
    people = {
        "profile": "generic",
        "issuer": provider.url,
        "client_id": CLIENT,
        "client_secret": SECRET,
        "agencies": [AGENCY],
        **more,
    }
    machines = {"profile": "rfc9068", "issuer": provider.url, "audience": AUDIENCE, "agencies": [AGENCY]}
    settings = AuthSettings(
        providers={
            "city": ProviderSettings.model_validate(people),
            "city-machines": ProviderSettings.model_validate(machines),
        },
        **(rules or {}),
    )
    clock = SetAheadClock()
    with (
        room_for(database, folder / "home", clock=clock, auth=settings) as room,
        TestClient(create_app(room), base_url=HOME) as client,
    ):
        an_agency(room)
        yield City(room, client, provider, clock)


@pytest.fixture(scope="module")
def long_running(running: IdentityProvider) -> IdentityProvider:
    """The provider for a whole module, which does not stop it."""
    running.start(KEY_A)
    return running


@pytest.fixture(scope="module")
def city(
    long_running: IdentityProvider, cluster: Cluster, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[City]:
    """An installation whose people sign in at the provider. Each test brings people of its own."""
    folder = tmp_path_factory.mktemp("city")
    with (
        database_from(cluster, template) as database,
        city_at(long_running, database, folder) as city,
    ):
        yield city


@pytest.fixture(autouse=True)
def _everybody_at_home(request: pytest.FixtureRequest) -> None:
    """Each test begins with an empty browser, and with the time that it is."""
    if "city" in request.fixturenames:
        city: City = request.getfixturevalue("city")
        city.client.cookies.clear()
        city.clock.set_right()


@pytest.fixture
def user() -> str:
    """Somebody at the provider whom no other test knows."""
    return f"u{new_id().hex[-12:]}"


@pytest.fixture
def lone_city(provider: IdentityProvider, database: Database, tmp_path: Path) -> Iterator[City]:
    """An installation of one's own, for whoever stops its provider."""
    with city_at(provider, database, tmp_path) as city:
        yield city
