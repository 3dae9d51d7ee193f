"""What the tests of auth share: a key ring, an issuer, people and docks."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy.orm import Session

from auth import accounts, agencies, machines, sessions
from auth.events import Remembered
from auth.keys import KeyRing, jwk_of
from auth.models import Account, Agency, Dock
from auth.principals import Principal
from auth.sessions import Begun
from auth.settings import AuthSettings
from auth.tokens import TokenIssuer
from evidence.storage.keyring import AgencyKeyring
from tests.conftest import NOON
from tests.support.forging import World, dock_statement, read

ISSUER = "https://evidence.example"
AUDIENCE = "urn:evidence-room:api"
TOKENS_URL = "https://evidence.example/api/v1/tokens"
PASSWORD = "twelve angry jurors"


def issuer_over(folder: Path) -> TokenIssuer:
    return TokenIssuer(
        KeyRing.open(folder, at=NOON),
        issuer=ISSUER,
        audience=AUDIENCE,
        life=timedelta(minutes=55),
        leeway=timedelta(seconds=30),
    )


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing.open(tmp_path / "tokens", at=NOON)


@pytest.fixture
def issuer(tmp_path: Path, ring: KeyRing) -> TokenIssuer:
    return issuer_over(tmp_path / "tokens")


@pytest.fixture
def world(ring: KeyRing, issuer: TokenIssuer) -> World:
    return world_of(ring, issuer, a_person(), dock_id=uuid4(), dock_key=ec.generate_private_key(ec.SECP256R1()))


def world_of(
    ring: KeyRing,
    issuer: TokenIssuer,
    person: Principal,
    *,
    dock_id: UUID,
    dock_key: ec.EllipticCurvePrivateKey,
    at: datetime = NOON,
) -> World:
    token = issuer.issue(person, at=at).text
    header, claims = read(token)
    return World(token, header, claims, ring.current().private, dock_id, dock_key, at)


def a_person(agency_id: UUID | None = None) -> Principal:
    """Somebody who has just proved who they are, whether or not the database knows them."""
    return Principal(
        kind="account",
        id=uuid4(),
        agency_id=agency_id or uuid4(),
        roles=frozenset(),
        name="Rosa Alvarez",
        method="password",
        session=str(uuid4()),
    )


_KEY_ID = "00" * 8
SEALER = AgencyKeyring(Path("not-written"), current=_KEY_ID, keys={_KEY_ID: bytes(32)})
"""What the application hands in, with a key that everybody knows."""


def begun(session: Session, account: Account, *, at: datetime = NOON, rules: AuthSettings | None = None) -> Begun:
    """A session that began without anybody having been asked for anything."""
    return sessions.begin(
        session,
        Remembered(),
        account,
        rules=rules or AuthSettings(),
        method="password",
        amr=("pwd",),
        at=at,
        request_id="test",
    )


def the_console(agency_id: UUID) -> Principal:
    """Whoever sits at the server itself."""
    return Principal(
        kind="system",
        id=UUID(int=0),
        agency_id=agency_id,
        roles=frozenset(),
        name="console",
        method="console",
    )


@dataclass(frozen=True)
class EnrolledDock:
    """A dock and the private key that only it has."""

    row: Dock
    key: ec.EllipticCurvePrivateKey

    def statement(self, dock_id: UUID | None = None) -> str:
        """Say at NOON that one is this dock, or another, with this dock's key."""
        return dock_statement(dock_id or self.row.id, self.key, audience=TOKENS_URL, at=NOON)


@pytest.fixture
def recorder() -> Remembered:
    return Remembered()


@pytest.fixture
def agency(session: Session) -> Agency:
    return agencies.create(session, f"Police of {uuid4()}", at=NOON)


@pytest.fixture
def officer(session: Session, agency: Agency) -> Account:
    return an_account(session, agency)


@pytest.fixture
def dock(session: Session, agency: Agency) -> EnrolledDock:
    return an_enrolled_dock(session, agency)


def an_account(session: Session, agency: Agency, *, password: str = PASSWORD) -> Account:
    return accounts.create(
        session,
        Remembered(),
        agency_id=agency.id,
        email=f"{uuid4().hex}@police.example",
        name="Rosa Alvarez",
        badge="4471",
        password=password,
        roles=["officer"],
        by=the_console(agency.id),
        at=NOON,
        request_id="test",
    )


def an_enrolled_dock(session: Session, agency: Agency, name: str | None = None) -> EnrolledDock:
    key = ec.generate_private_key(ec.SECP256R1())
    invitation = machines.invite(
        session,
        Remembered(),
        agency_id=agency.id,
        dock_name=name or f"dock {uuid4()}",
        by=the_console(agency.id),
        at=NOON,
        life=timedelta(minutes=15),
        request_id="test",
    )
    row = machines.enrol(
        session, Remembered(), code=invitation.code, public_key=jwk_of(key.public_key()), at=NOON, request_id="test"
    )
    return EnrolledDock(row, key)
