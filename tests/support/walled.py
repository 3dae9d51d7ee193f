"""Two agencies and an office of attorneys, with a row of everything there is, and somebody who has no part in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from auth import machines, units
from auth.models import Account, Agency
from auth.principals import Principal
from evidence.access import classes, incidents, lists
from evidence.cases import assignments, exhibits, opening, referrals
from evidence.cases.models import CaseFile
from evidence.database import unit_of_work
from evidence.ids import new_id
from evidence.items.models import EvidenceItem
from evidence.main import create_app
from evidence.room import Room
from tests.support.builders import an_item_on_the_books
from tests.support.database import Database, driver_url
from tests.support.people import Person, a_dock, a_person
from tests.support.uploading import Sender, footage_like

OFFICE = "City Attorney of Riverbend"
ELSEWHERE = "Millbrook Police Department"


@dataclass(frozen=True, kw_only=True)
class World:
    """What an agency holds, and who stands how to it. `referral` is of the case with the plain item."""

    room: Room
    client: TestClient
    technician: Person
    officer: Principal
    investigator: Principal
    attorney: Principal
    stranger: Person
    dock: Person
    plain: UUID
    loose: UUID
    confidential: UUID
    case: UUID
    hidden_case: UUID
    referral: UUID
    unit: UUID
    upload: str

    @property
    def marks(self) -> set[str]:
        """What nobody of another agency may ever read."""
        with unit_of_work(self.room.sessions) as session:
            items = [session.get_one(EvidenceItem, each) for each in (self.plain, self.loose, self.confidential)]
            cases = [session.get_one(CaseFile, each) for each in (self.case, self.hidden_case)]
            return {
                *(said for item in items for said in (str(item.id), item.sha256.hex(), item.filename)),
                *(said for case in cases for said in (str(case.id), case.number, case.title)),
                *(str(each.principal.id) for each in (self.technician, self.dock)),
                *(each.principal.name for each in (self.technician, self.dock)),
                self.upload.rpartition("/")[2],
            }


@contextmanager
def a_world(room: Room) -> Iterator[World]:
    """Fill the room, and have the server over it."""
    with TestClient(create_app(room)) as client:
        technician, officer = a_person(room, "evidence_tech"), a_person(room, "officer").principal
        investigator = a_person(room, "ia_investigator").principal
        attorney = a_person(room, "prosecutor", agency=OFFICE).principal
        dock = a_dock(room, "dock of riverbend")
        by: dict[str, Any] = {"at": room.clock(), "request_id": str(new_id())}
        reason: dict[str, Any] = {"reason": "because"}
        tech = technician.principal
        upload = Sender(client, technician.headers).opened(footage_like(100))
        with unit_of_work(room.sessions) as session:
            items = [
                an_item_on_the_books(session, room, tech, filename=f"riverbend-{number}.mp4", incident=number)
                for number in ("R-1", "R-2", "R-3")
            ]
            plain, loose, confidential = items
            case = opening.open_for(session, tech, number="RB-26-1", title="State v. Marsh", **by)
            matter = opening.open_for(
                session, investigator, number="RB-IA-1", title="Matter of Doe", kind="internal_affairs", **by
            )
            exhibits.link(session, case, plain, by=tech, **by)
            exhibits.link(session, matter, confidential, by=investigator, **by)
            office = session.get_one(Agency, attorney.agency_id)
            referral = referrals.make(session, case, office, due_on=None, by=tech, **by)
            assignments.make(session, case, session.get_one(Account, attorney.id), capacity="lead", by=attorney, **by)
            unit = units.found(session, room.recorder, "Precinct 1", by=tech, **by)
            account = session.get_one(Account, officer.id)
            units.join(session, room.recorder, unit, account, supervises=False, by=tech, **by)
            incident = incidents.declare(session, "R-9", by=tech, **reason, **by)
            incidents.cover(session, incident, loose, by=tech, **reason, **by)
            incidents.enlist(session, incident, account, "witness", by=tech, **reason, **by)
            lists.put(session, loose, account, extent="view", by=tech, **reason, **by)
            life = room.settings.auth.enrolment_life
            machines.invite(
                session, room.recorder, agency_id=tech.agency_id, dock_name="next", life=life, by=tech, **by
            )
            classes.change(session, confidential, "confidential", by=investigator, request_id=str(new_id()), **reason)
            ids = [*(each.id for each in items), case.id, matter.id, referral.id, unit.id]
        names = ("plain", "loose", "confidential", "case", "hidden_case", "referral", "unit")
        yield World(
            room=room,
            client=client,
            technician=technician,
            officer=officer,
            investigator=investigator,
            attorney=attorney,
            stranger=a_person(room, "evidence_tech", "agency_admin", "prosecutor", agency=ELSEWHERE),
            dock=dock,
            upload=upload,
            **dict(zip(names, ids, strict=True)),
        )


@contextmanager
def without_wall(database: Database) -> Iterator[None]:
    """Take the wall away as the owner of the tables, and put it up again."""
    with psycopg.connect(driver_url(database.owner_url), autocommit=True) as owner:
        walled = owner.execute("SELECT relname FROM pg_class WHERE relrowsecurity").fetchall()
        try:
            for (table,) in walled:
                owner.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
            yield
        finally:
            for (table,) in walled:
                owner.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")


def seen_items(session: Session) -> set[UUID]:
    """Return the ids of all items that the session is shown when it asks for all."""
    return {row.id for row in session.query(EvidenceItem)}
