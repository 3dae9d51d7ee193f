"""People and docks with their sign-ins, made as an administrator of the console makes them."""

from collections.abc import Generator
from dataclasses import dataclass
from functools import cache
from unittest.mock import patch
from uuid import UUID

import httpx2
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy.orm import Session

from auth import accounts, agencies, machines, passwords, sessions
from auth.keys import fingerprint, jwk_of
from auth.models import Account
from auth.principals import Principal, Role
from evidence.database import unit_of_work
from evidence.ids import new_id
from evidence.room import Room
from tests.support.forging import dock_proof

PASSWORD = "correct horse battery staple"


class Shown(httpx2.Auth):
    """Shows who asks: a person's token as it is, a dock's with a new proof for every request."""

    def __init__(self, room: Room, token: str, key: ec.EllipticCurvePrivateKey | None = None) -> None:
        self.room, self.token, self.key = room, token, key

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        kind = "Bearer" if self.key is None else "DPoP"
        request.headers["Authorization"] = f"{kind} {self.token}"
        if self.key is not None:
            address = self.room.settings.url + request.url.raw_path.partition(b"?")[0].decode()
            request.headers["DPoP"] = dock_proof(
                self.key, request.method, address, at=self.room.clock(), token=self.token
            )
        yield request


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can sign in: a person with the header that says they have, a dock with its key.

    `auth` shows either to a client.
    """

    principal: Principal
    headers: dict[str, str]
    auth: Shown
    key: ec.EllipticCurvePrivateKey | None = None


def an_agency(room: Room, name: str = "Riverbend Police Department") -> UUID:
    """Return the agency of this name, made if it is missing."""
    with unit_of_work(room.sessions) as session:
        found = agencies.by_name(session, name) or agencies.create(session, name, at=room.clock())
        return found.id


def console(agency_id: UUID) -> Principal:
    """Return the server's own console."""
    return Principal(
        kind="system", id=UUID(int=0), agency_id=agency_id, roles=frozenset(), name="console", method="console"
    )


def a_person(room: Room, *roles: Role, agency: str = "Riverbend Police Department", badge: str | None = None) -> Person:
    """Make an account with these roles and sign it in."""
    agency_id = an_agency(room, agency)
    name = f"{'-'.join(roles) or 'nobody'}-{new_id().hex[-8:]}"
    with unit_of_work(room.sessions) as session, patch.object(passwords, "digest", _digest_once):
        account = accounts.create(
            session,
            room.recorder,
            agency_id=agency_id,
            email=f"{name}@riverbend.example",
            name=name,
            password=PASSWORD,
            roles=roles,
            badge=badge,
            by=console(agency_id),
            at=room.clock(),
            request_id=str(new_id()),
        )
        principal = begun(session, room, account)
    return person_with(room, principal)


def person_with(room: Room, principal: Principal) -> Person:
    """Give somebody who has a session a token of it."""
    token = room.tokens.issue(principal, at=room.clock()).text
    return Person(principal, {"Authorization": f"Bearer {token}"}, Shown(room, token))


def begun(session: Session, room: Room, account: Account, *, strong: bool = True) -> Principal:
    """Begin a session as a sign-in with a second factor does, or one without. Earlier ones go on, however many."""
    return sessions.begin(
        session,
        room.recorder,
        account,
        rules=room.settings.auth.model_copy(update={"most_sessions": None}),
        method="password",
        amr=("pwd", "otp") if strong else ("pwd",),
        strong_at=room.clock() if strong else None,
        at=room.clock(),
        request_id=str(new_id()),
    ).principal


def signed_in(room: Room, principal: Principal) -> Person:
    """Sign somebody in again, now."""
    with unit_of_work(room.sessions) as session:
        again = begun(session, room, session.get_one(Account, principal.id))
    return person_with(room, again)


def a_dock(room: Room, name: str = "dock-1", *, agency: str = "Riverbend Police Department") -> Person:
    """Enrol a dock with a key of its own and sign it in."""
    agency_id = an_agency(room, agency)
    key = ec.generate_private_key(ec.SECP256R1())
    with unit_of_work(room.sessions) as session:
        invitation = machines.invite(
            session,
            room.recorder,
            agency_id=agency_id,
            dock_name=name,
            by=console(agency_id),
            at=room.clock(),
            life=room.settings.auth.enrolment_life,
            request_id=str(new_id()),
        )
        dock = machines.enrol(
            session,
            room.recorder,
            code=invitation.code,
            public_key=jwk_of(key.public_key()),
            at=room.clock(),
            request_id=str(new_id()),
        )
        dock_id = dock.id
    principal = Principal(
        kind="dock",
        id=dock_id,
        agency_id=agency_id,
        roles=frozenset({"dock"}),
        name=name,
        method="private_key_jwt",
        signed_in_at=room.clock(),
    )
    token = room.tokens.issue(principal, at=room.clock(), bound_to=fingerprint(jwk_of(key.public_key()))).text
    return Person(principal, {}, Shown(room, token, key), key)


@cache
def _digest_once(password: str) -> str:
    """Hash the one password of these people as a server does, but once a run: each time costs a tenth of a second."""
    return _digest(password)


_digest = passwords.digest
