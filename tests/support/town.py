"""A town for tests over HTTP: somebody of every role, and things of every standing to ask for.

Two police departments in one installation.  Every name, number and text that a thing may not show
holds the word by which a leak is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, get_args
from uuid import UUID, uuid4

import psycopg
from sqlalchemy.orm import Session

from auth import units
from auth.models import Account, Agency, RoleAssignment, Unit
from auth.principals import Role
from auth.roles import FOR_NO_ACCOUNT
from evidence.access import incidents, lists
from evidence.cases import assignments, case_files, exhibits, referrals
from evidence.cases.models import CaseFile
from evidence.database import unit_of_work
from evidence.ids import new_id
from evidence.ingest import cameras, manifests, uploads
from evidence.items.models import AccessClass, EvidenceItem
from evidence.room import Room
from tests.support.builders import an_item_on_the_books
from tests.support.database import driver_url
from tests.support.people import Person, a_dock, a_person
from tests.support.uploading import signed

OURS = "Riverbend Police Department"
THEIRS = "Millbrook Police Department"
OFFICE = "District Attorney"
ROLES: tuple[Role, ...] = get_args(Role)


NOT_MADE = ("viewing", "approval", "glass", "expectation", "system", "external", "provider")
"""What nobody has made of anything here: it is asked for by names that could be."""


@dataclass(frozen=True, slots=True)
class Things:
    """One thing of each kind that an address or a body may name, all of one standing.

    `secrets` are texts that stand in them and nowhere else.
    """

    named: Mapping[str, str]
    secrets: tuple[str, ...] = ()

    def __getitem__(self, kind: str) -> str:
        return self.named[kind]


@dataclass(slots=True)
class Town:
    """Who lives there, by role, and what there is."""

    room: Room
    keeper: Person
    """An evidence technician of ours who brought and opened what nobody else did."""
    stranger: Person
    """The same of the other agency."""
    stranger_admin: Person
    helper: Person
    """An officer of ours, and one of theirs, about whom others ask."""
    their_helper: Person
    nobody: Person
    """An account of ours without any role."""
    people: dict[Role, Person]


def a_town(room: Room) -> Town:
    """Found the town."""
    return Town(
        room,
        keeper=a_person(room, "evidence_tech"),
        stranger=a_person(room, "evidence_tech", agency=THEIRS),
        stranger_admin=a_person(room, "agency_admin", agency=THEIRS),
        helper=a_person(room, "officer"),
        their_helper=a_person(room, "officer", agency=THEIRS),
        nobody=a_person(room),
        people={role: _somebody(room, role) for role in ROLES},
    )


def _somebody(room: Room, role: Role) -> Person:
    if role == "dock":
        return a_dock(room, "dock-0")
    if role not in FOR_NO_ACCOUNT:
        return a_person(room, role, badge=f"badge-{role}")
    # No account can be given it: it is as if somebody had found a way.
    person = a_person(room, badge=f"badge-{role}")
    with unit_of_work(room.sessions) as session:
        granted = RoleAssignment(id=new_id(), account_id=person.principal.id, role=role, granted_at=room.clock())
        session.add(granted)
    return replace(person, principal=replace(person.principal, roles=frozenset({role})))


def things(
    town: Town,
    by: Person,
    *,
    word: str,
    of: Person | None = None,
    attorney: Person | None = None,
    access_class: AccessClass = "unrestricted",
) -> Things:
    """Make one thing of every kind, brought or opened by `by`; everything there is speaks for `of`, if given.

    They recorded and brought it, supervise its unit, work its case, which is of internal affairs and lies
    before their agency, and stand on its access list.  For an `attorney` there is a referral of the case to
    their agency and an assignment to it, and nothing else; who else works it and is on its list is of their agency.
    """
    room = town.room
    agency = by.principal.agency_id
    secret = f"{word}-{new_id().hex[-12:]}"
    is_theirs = agency == town.stranger.principal.agency_id
    helper = town.their_helper if is_theirs else town.helper
    dock = a_dock(room, f"{secret} dock", agency=THEIRS if is_theirs else OURS)
    other = a_person(room, "paralegal", agency=OFFICE) if attorney else helper
    with unit_of_work(room.sessions) as session:
        at = room.clock()
        how: dict[str, Any] = {"by": by.principal, "at": at, "request_id": str(new_id())}
        unit = Unit(agency_id=agency, name=f"Unit-{new_id().hex[-12:]}", founded_at=at)  # of an agency, without a class
        session.add(unit)
        session.flush()
        item = an_item_on_the_books(
            session,
            room,
            (of or by).principal,
            filename=f"{secret}.mp4",
            officer_badge=of.principal.badge if of and of.principal.badge else secret,
            incident=secret,
            camera_serial=secret,
        )
        opener = of if of and of.principal.kind == "account" else by
        opened = how | {"by": opener.principal, "kind": "internal_affairs" if of else "criminal"}
        case = case_files.open_new(session, number=f"26-{new_id().hex[-12:]}", title=secret, **opened)
        item.access_class = case.access_class = access_class
        session.flush()
        exhibit = exhibits.link(session, case, item, **how)
        work = assignments.make(session, case, session.get_one(Account, other.principal.id), capacity="works it", **how)
        office = attorney.principal.agency_id if attorney else agency
        referral = referrals.make(session, case, session.get_one(Agency, office), due_on=None, **how)
        if attorney:
            prosecutes = session.get_one(Account, attorney.principal.id)
            assignments.make(session, case, prosecutes, capacity="prosecutes", **how)
        said = {"filename": secret, "sha256": "00" * 32}
        upload = uploads.open_upload(
            session,
            room.vault,
            by=(of or by).principal,
            size=3,
            announced=manifests.write(said),
            signed=signed(of, 3, said) if of and of.key else None,
            largest=1000,
            life=timedelta(hours=1),
            at=at,
            request_id=str(new_id()),
        )
        about = session.get_one(Account, helper.principal.id)
        on_list = session.get_one(Account, other.principal.id)
        entry = lists.put(session, item, on_list, extent="view", reason="helps", **how)
        declared = incidents.declare(session, secret, reason="shots fired", **how)
        listing = incidents.enlist(session, declared, about, "involved", reason="fired", **how)
        loose = an_item_on_the_books(session, room, (of or by).principal, filename=f"{secret}.mp4", incident=secret)
        loose.access_class = access_class
        if of and of.principal.kind == "account":
            _speak_for(session, room, of, item, loose, case, unit, how)
        session.flush()
        camera = cameras.enrol(session, serial=secret, model=None, **how)
        unit_id, ids = unit.id, (item.id, loose.id, case.id, declared.id)
        made = Things(
            {
                "item": str(item.id),
                "loose_item": str(loose.id),
                "case": str(case.id),
                "exhibit": str(exhibit.number),
                "assignment": str(work.id),
                "referral": str(referral.id),
                "upload": str(upload.id),
                "account": str(helper.principal.id),
                "email": f"{helper.principal.name}@riverbend.example",
                "dock": str(dock.principal.id),
                "camera": str(camera.id),
                "unit": unit.name,
                "entry": str(entry.id),
                "incident": str(declared.id),
                "listing": str(listing.id),
                **{kind: str(uuid4()) for kind in NOT_MADE},
            },
            (secret, str(item.id), str(loose.id), str(case.id), str(upload.id), str(dock.principal.id)),
        )
    _put_into(room, unit_id, ids)
    return made


def _put_into(room: Room, unit_id: UUID, ids: tuple[UUID, ...]) -> None:
    """Put things into a unit they were not made in, which is nobody's right who runs the application."""
    assert room.settings.owner_database_url is not None
    with psycopg.connect(driver_url(room.settings.owner_database_url.get_secret_value())) as connection:
        for table in ("evidence_item", "case_file", "critical_incident"):
            connection.execute(f"UPDATE {table} SET unit_id = %s WHERE id = ANY(%s)", [unit_id, list(ids)])


def missing() -> Things:
    """Name what is not there, by names that could be."""
    kinds = ("item", "loose_item", "case", "assignment", "referral", "upload", "account", "dock", "unit")
    more = ("entry", "incident", "listing", "camera")
    return Things(
        {kind: str(uuid4()) for kind in (*kinds, *more, *NOT_MADE)}
        | {"email": "nobody@riverbend.example", "exhibit": "4711"}
    )


def _speak_for(
    session: Session,
    room: Room,
    of: Person,
    item: EvidenceItem,
    loose: EvidenceItem,
    case: CaseFile,
    unit: Unit,
    how: dict[str, Any],
) -> None:
    account = session.get_one(Account, of.principal.id)
    units.join(session, room.recorder, unit, account, supervises=True, **how)
    assignments.make(session, case, account, capacity="works it", **how)
    for each in (item, loose, case):
        lists.put(session, each, account, extent="work", reason="helps", **how)
