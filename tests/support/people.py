"""People and docks with their sign-ins, made as an administrator of the console makes them."""

from dataclasses import dataclass
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy.orm import Session

from auth import accounts, agencies, machines, sessions
from auth.keys import jwk_of
from auth.models import Account
from auth.principals import Principal, Role
from evidence.database import unit_of_work
from evidence.ids import new_id
from evidence.room import Room

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can sign in, and the header that says they have."""

    principal: Principal
    headers: dict[str, str]


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
    with unit_of_work(room.sessions) as session:
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
        principal = signed_in(session, room, account)
    return Person(principal, _headers(room, principal))


def signed_in(session: Session, room: Room, account: Account, *, strong: bool = True) -> Principal:
    """Begin a session as a sign-in with a second factor does, or one without."""
    begun = sessions.begin(
        session,
        room.recorder,
        account,
        rules=room.settings.auth,
        method="password",
        amr=("pwd", "otp") if strong else ("pwd",),
        strong_at=room.clock() if strong else None,
        at=room.clock(),
        request_id=str(new_id()),
    )
    return begun.principal


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
    return Person(principal, _headers(room, principal))


def _headers(room: Room, principal: Principal) -> dict[str, str]:
    return {"Authorization": f"Bearer {room.tokens.issue(principal, at=room.clock()).text}"}
