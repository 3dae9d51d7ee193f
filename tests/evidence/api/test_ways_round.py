"""Ways round a rule, by acts that are each allowed: every one of these led past it once."""

import base64
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from auth.models import Account, Agency
from evidence.cases import assignments, exhibits, referrals
from evidence.cases.models import CaseFile
from evidence.database import unit_of_work
from evidence.engines.postgres import Cluster
from evidence.ids import new_id
from evidence.items.models import EvidenceItem
from evidence.main import create_app
from evidence.room import Room
from tests.support.approving import approved
from tests.support.database import database_from
from tests.support.people import Person, a_person
from tests.support.received import an_item_with
from tests.support.rooms import room_for

WHY = {"reason": "x"}


@pytest.fixture(scope="module")
def room(cluster: Cluster, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with database_from(cluster, template) as database, room_for(database, tmp_path_factory.mktemp("home")) as room:
        yield room


@pytest.fixture(scope="module")
def client(room: Room) -> Iterator[TestClient]:
    with TestClient(create_app(room), raise_server_exceptions=False) as client:
        yield client


class House:
    """Who asks whom for what."""

    def __init__(self, room: Room, client: TestClient) -> None:
        self.room, self.client = room, client
        self.technician = a_person(room, "evidence_tech")

    def ask(self, who: Person, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return self.client.request(method, f"/api/v1{path}", json=body, headers=who.headers)

    def item(self, of: Person) -> UUID:
        return an_item_with(self.room, of.principal, new_id().bytes * 100)

    def case(self, by: Person, **more: str) -> str:
        return str(self.ask(by, "POST", "/cases", {"number": f"26-{new_id().hex}", "title": "t", **more}).json()["id"])

    def link(self, by: Person, case: str, item: UUID) -> None:
        with unit_of_work(self.room.sessions) as session:
            of, what = session.get_one(CaseFile, UUID(case)), session.get_one(EvidenceItem, item)
            exhibits.link(session, of, what, by=by.principal, at=self.room.clock(), request_id="r")

    def lay_before(self, case: str, *attorneys: Person) -> None:
        """Refer the case to their agencies and assign them to it."""
        how: dict[str, Any] = {"at": self.room.clock(), "request_id": "r"}
        with unit_of_work(self.room.sessions) as session:
            of = session.get_one(CaseFile, UUID(case))
            for agency in {each.principal.agency_id for each in attorneys}:
                to = session.get_one(Agency, agency)
                referrals.make(session, of, to, due_on=None, by=self.technician.principal, **how)
            for each in attorneys:
                account = session.get_one(Account, each.principal.id)
                assignments.make(session, of, account, capacity="prosecutes", by=each.principal, **how)

    def watches(self, who: Person, item: UUID) -> int:
        return int(self.ask(who, "POST", f"/items/{item}/viewings", WHY).status_code)


@pytest.fixture
def house(room: Room, client: TestClient) -> House:
    return House(room, client)


def email(of: Person) -> str:
    return f"{of.principal.name}@riverbend.example"


def test_an_involved_officer_does_not_take_back_the_number_that_bars_them(house: House) -> None:
    officer, number = a_person(house.room, "officer"), f"26-{new_id().hex}"
    item = house.item(officer)
    house.ask(house.technician, "POST", f"/items/{item}/incidents", {"number": number})
    house.ask(house.technician, "POST", "/incidents", {"number": number, **WHY})
    listed = {"email": email(officer), "part": "involved", **WHY}
    house.ask(house.technician, "POST", f"/incidents/{number}/listings", listed)
    assert house.watches(officer, item) == 403

    taken = house.ask(officer, "POST", f"/items/{item}/incidents/withdraw", {"number": number, **WHY})

    assert taken.status_code == 200
    assert house.watches(officer, item) == 403


@pytest.mark.parametrize("role", ["records_clerk", "prosecutor"])
def test_what_an_export_discloses_names_no_confidential_matter(house: House, role: Any) -> None:
    investigator, agency = a_person(house.room, "ia_investigator"), f"City Attorney {new_id().hex}"
    who = a_person(house.room, role, agency=agency) if role == "prosecutor" else a_person(house.room, role)
    item, matter = house.item(house.technician), house.case(investigator, kind="internal_affairs")
    house.link(investigator, matter, item)
    case = house.case(house.technician)
    house.link(house.technician, case, item)
    if role == "prosecutor":
        house.lay_before(case, who)

    package = house.ask(who, "POST", "/exports", {"items": [str(item)], **WHY})

    assert package.status_code == 200
    said = disclosed(package.content)
    assert investigator.principal.name not in said
    assert house.technician.principal.name in said, "the control: what may be told is disclosed"


def disclosed(package: bytes) -> str:
    """Return all that the disclosures of a package say, as one text."""
    with zipfile.ZipFile(io.BytesIO(package)) as zipped:
        lists = [zipped.read(name) for name in zipped.namelist() if name.endswith("disclosures.json")]
    texts = [text for each in lists for text in _strings(json.loads(each))]
    return " ".join(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode() for text in texts)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _strings(each)


def test_nobody_opens_a_restricted_item_to_themselves_by_linking_it(house: House) -> None:
    officer = a_person(house.room, "officer")
    item = house.item(officer)
    house.ask(house.technician, "POST", f"/items/{item}/restrict", {"to": "restricted", **WHY})
    case = house.case(officer)
    house.ask(house.technician, "POST", f"/cases/{case}/access-list", {"email": email(officer), **WHY})

    linked = house.ask(officer, "POST", f"/cases/{case}/exhibits", {"item": str(item)})

    assert linked.status_code == 403
    assert house.watches(officer, item) == 403


def test_what_was_asked_by_somebody_since_suspended_is_void(house: House) -> None:
    first, second, about = (a_person(house.room, role) for role in ("agency_admin", "agency_admin", "officer"))
    change = {"emails": [email(about)], "grant": ["evidence_tech"], **WHY}
    asked = house.ask(first, "POST", "/role-changes", change).json()
    house.ask(second, "POST", f"/accounts/{first.principal.id}/suspend", WHY)

    assert approved(house.client, second, asked).status_code == 409


def test_an_office_ends_no_assignment_of_another_agency(house: House) -> None:
    ours, theirs = (a_person(house.room, "prosecutor", agency=f"Office {new_id().hex}") for _ in range(2))
    case = house.case(house.technician)
    house.lay_before(case, ours, theirs)
    working = house.ask(house.technician, "GET", f"/cases/{case}").json()["assignments"]
    works = {each["account"]: each["id"] for each in working}

    def end(who: Person, by: Person) -> int:
        address = f"/cases/{case}/assignments/{works[str(who.principal.id)]}/end"
        return int(house.ask(by, "POST", address, WHY).status_code)

    assert [end(each, ours) for each in (theirs, house.technician, ours)] == [403, 403, 200]


@pytest.mark.parametrize("kind", ["items", "cases"])
def test_an_access_list_that_names_another_agencys_people_is_shown_and_theirs_to_end(house: House, kind: str) -> None:
    detective, agency = a_person(house.room, "detective"), f"Office {new_id().hex}"
    attorney, colleague = (a_person(house.room, "prosecutor", agency=agency) for _ in range(2))
    item, case = house.item(house.technician), house.case(house.technician)
    house.link(house.technician, case, item)
    house.lay_before(case, attorney, colleague)
    address = f"/{kind}/{item if kind == 'items' else case}/access-list"
    (entry,) = house.ask(house.technician, "POST", address, {"email": email(detective), **WHY}).json()["entries"]

    shown = house.ask(attorney, "POST", address, {"email": email(colleague), **WHY})

    assert [each["name"] for each in shown.json()["entries"]] == ["of another agency", colleague.principal.name]
    assert house.ask(attorney, "POST", f"{address}/{entry['id']}/end", WHY).status_code == 403
    assert house.ask(house.technician, "POST", f"{address}/{entry['id']}/end", WHY).status_code == 200


def test_odd_names_and_instants_end_in_no_error_of_ours(house: House) -> None:
    admin, detective = a_person(house.room, "agency_admin"), a_person(house.room, "detective")
    ending = {"provider": "a\0b", "group": "Officers", **WHY}
    item = house.item(house.technician)
    last = {"email": email(detective), "expires_at": "9999-12-31T23:59:59-14:00", **WHY}

    assert house.ask(admin, "POST", "/group-mappings/end", ending).status_code in (404, 422)
    assert house.ask(house.technician, "POST", f"/items/{item}/access-list", last).status_code == 400
