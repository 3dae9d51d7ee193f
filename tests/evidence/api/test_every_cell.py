"""The cells of the permission matrix over HTTP: what a role may do it does, by its own token, and what not it may not.

An action without a route is on a list; one that gets a route leaves the list and comes in here.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from auth.principals import Role
from evidence.access import Action
from evidence.ids import new_id
from evidence.ingest import manifests
from evidence.main import create_app
from tests.evidence.access.matrix import MATRIX, alternatives
from tests.support import routes as table
from tests.support.database import database_from
from tests.support.people import a_person
from tests.support.rooms import room_for
from tests.support.town import OFFICE, Things, Town, a_town, things
from tests.support.uploading import signed

UNREACHABLE: set[Action] = {
    "evidence.download_derivative",
    "evidence.correct_meta",
    "evidence.annotate",
    "evidence.clip",
    "evidence.redact",
    "redaction.approve",
    "disclose.external",
    "disclose.revoke",
    "disclose.public",
    "hold.place",
    "hold.release",
    "deletion.request",
    "deletion.approve",
    "deletion.undo",
    "custody.verify",
    "retention.configure",
    "agencies.manage",
    "system.operate",
}
"""Actions that no route carries out yet: their cells are tried on the decision alone (tests/evidence/access)."""

OF_THE_ACT = {"A", "why", "step", "sod", "noevid", "scope", "two"}
"""Conditions that every request here meets, whatever it is about; `two` is answered with a request to a second."""

OF_THE_THING = {"own", "self", "unit", "case", "caseP", "iac", "grant", "dockown"}
"""Conditions that everything a person has to do with meets for them. The others nobody can meet over HTTP yet."""

WHY = "?reason=the trial"
BECAUSE = {"reason": "the trial"}
TUS = {"Tus-Resumable": "1.0.0"}

Ask = Callable[[TestClient, Town, httpx2.Auth, Things], Any]


def posting(address: str, body: Callable[[Town, Things], dict[str, Any]]) -> Ask:
    """Return a way to post what `body` makes to an address with the case in it."""
    return lambda client, town, auth, of: client.post(address.format(**of.named), json=body(town, of), auth=auth)


def getting(address: str, **more: str) -> Ask:
    return lambda client, _town, auth, of: client.get(address.format(**of.named), headers=more, auth=auth)


def opening(client: TestClient, town: Town, auth: httpx2.Auth, _of: Things) -> Any:
    """Open an upload; a dock signs what it is about to send."""
    said, dock = {"filename": "a", "sha256": "00" * 32}, town.people["dock"]
    manifest = {"Upload-Manifest": signed(dock, 3, said)} if auth is dock.auth else {}
    announced = {"Upload-Length": "3", "Upload-Metadata": manifests.write(said)}
    return client.post("/api/v1/uploads", headers={**TUS, **announced, **manifest}, auth=auth)


HOW: Mapping[Action, Ask] = {
    "evidence.read_meta": getting("/api/v1/items/{item}"),
    "case.read": getting("/api/v1/cases/{case}"),
    "evidence.stream": posting("/api/v1/items/{item}/viewings", lambda _town, _of: BECAUSE),
    "evidence.download_original": posting("/api/v1/items/{item}/downloads", lambda _town, _of: BECAUSE),
    "audit.read": getting("/api/v1/items/{item}/who"),
    "access.grant": posting("/api/v1/items/{item}/access-list/{entry}/end", lambda _town, _of: BECAUSE),
    "evidence.categorise": posting("/api/v1/items/{item}/incidents", lambda _town, _of: {"number": "26-4711"}),
    "evidence.reassign": posting("/api/v1/items/{item}/officer", lambda _town, of: BECAUSE | {"officer": of["email"]}),
    "custody.read": getting("/api/v1/items/{item}/custody"),
    "upload.append": getting("/api/v1/uploads/{upload}"),
    "upload.finish": lambda client, _town, auth, of: client.delete(
        f"/api/v1/uploads/{of['upload']}", headers=TUS, auth=auth
    ),
    "custody.export": posting("/api/v1/exports", lambda _town, of: {"items": [of["item"]], **BECAUSE}),
    "case.link": posting("/api/v1/cases/{case}/exhibits", lambda _town, of: {"item": of["loose_item"]}),
    "case.unlink": posting("/api/v1/cases/{case}/exhibits/{exhibit}/withdraw", lambda _town, _of: BECAUSE),
    "case.assign": posting("/api/v1/cases/{case}/assignments/{assignment}/end", lambda _town, _of: BECAUSE),
    "case.refer": posting("/api/v1/cases/{case}/referrals/{referral}/end", lambda _town, _of: BECAUSE),
    "statement.record": posting(
        "/api/v1/incidents/{incident}/listings/{listing}/statement", lambda _town, _of: BECAUSE
    ),
    "case.close": posting("/api/v1/cases/{case}/close", lambda _town, _of: BECAUSE),
    "access.restrict": posting("/api/v1/cases/{case}/restrict", lambda _town, _of: BECAUSE | {"to": "restricted"}),
    "access.unrestrict": posting(
        "/api/v1/cases/{case}/unrestrict", lambda _town, _of: BECAUSE | {"to": "unrestricted"}
    ),
    "roles.assign": posting(
        "/api/v1/role-changes", lambda _town, of: BECAUSE | {"emails": [of["email"]], "grant": ["paralegal"]}
    ),
}
"""Of actions on a thing: how it is asked. In this order, for some end what others need."""

NAMES_NOTHING: set[tuple[Action, Role]] = {("audit.read", "system_admin")}
"""Allowed, and yet answered as missing: the rows are asked for by an item, and this role knows of none."""

HOW_AT_ALL: Mapping[Action, Ask] = {
    "evidence.list": getting("/api/v1/items"),
    "case.create": lambda client, _town, auth, _of: client.post(
        "/api/v1/cases", json={"number": str(new_id()), "title": "A case"}, auth=auth
    ),
    "upload.open": opening,
    "users.manage": getting("/api/v1/accounts"),
    "devices.manage": getting("/api/v1/docks"),
}
"""Of actions on nothing that is there already."""


@pytest.fixture(scope="module")
def town(cluster: Any, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with database_from(cluster, template) as database, room_for(database, tmp_path_factory.mktemp("town")) as room:
        yield a_town(room)


@pytest.fixture(scope="module")
def client(town: Town) -> Iterator[TestClient]:
    with TestClient(create_app(town.room), raise_server_exceptions=False) as client:
        yield client


def test_every_action_has_a_route_that_is_tried_here_or_is_listed_as_having_none() -> None:
    reachable = {action for route in table.routes(create_app()) for action in route.actions}

    assert reachable == HOW.keys() | HOW_AT_ALL.keys(), "say in HOW how the action is asked for over HTTP"
    assert reachable.isdisjoint(UNREACHABLE), "an action with a route is not unreachable: take it off the list"
    assert reachable | UNREACHABLE == MATRIX.keys()


def met(action: Action, role: Role, conditions: set[str]) -> bool:
    """Whether the cell allows where exactly these conditions are met."""
    return any(set(each) <= conditions for each in alternatives(MATRIX[action][role]))


@pytest.mark.parametrize("role", MATRIX["evidence.list"])
def test_a_role_does_what_its_cells_allow_and_nothing_else(client: TestClient, town: Town, role: Role) -> None:
    person = town.people[role]
    own = things(town, town.keeper, word="own", of=person)
    bare = things(town, town.keeper, word="bare")
    foreign = things(town, town.stranger, word="foreign")
    is_account = person.principal.kind == "account"
    everything = OF_THE_ACT | (OF_THE_THING if is_account else {"own", "self", "dockown"})
    wrong = []
    for action, ask in HOW.items():
        for of, conditions in ((foreign, set[str]()), (bare, OF_THE_ACT), (own, everything)):
            answer = ask(client, town, person.auth, of)
            if (action, role) in NAMES_NOTHING:
                assert answer.status_code == 404
                continue
            if (answer.status_code < 300) != met(action, role, conditions) or (
                answer.status_code >= 300 and answer.status_code not in (403, 404)
            ):
                wrong.append((action, of.secrets[0], answer.status_code, answer.text))
    for action, ask in HOW_AT_ALL.items():
        answer = ask(client, town, person.auth, own)
        allowed = met(action, role, everything | {"disc", "rel"})  # a list that may be asked for, and holds nothing
        if answer.status_code != (403 if not allowed else answer.status_code) or answer.status_code >= 500:
            wrong.append((action, "at all", answer.status_code, answer.text))
        if allowed and answer.status_code >= 300:
            wrong.append((action, "at all", answer.status_code, answer.text))

    assert wrong == []


def test_nobody_without_a_role_does_anything(client: TestClient, town: Town) -> None:
    bare = things(town, town.keeper, word="bare")
    for ask in (*HOW.values(), *HOW_AT_ALL.values()):
        assert ask(client, town, town.nobody.auth, bare).status_code in (403, 404)
        assert ask(client, town, httpx2.Auth(), bare).status_code == 401


@pytest.mark.parametrize("role", ["auditor", "agency_admin"])
def test_a_role_that_sees_no_content_sees_none_of_its_fields(client: TestClient, town: Town, role: Role) -> None:
    """`noevid` as a projection: rows without file name, officer, incident, camera, title, exhibits, disclosures."""
    made = things(town, town.keeper, word="content")
    headers = town.people[role].headers

    item = client.get(f"/api/v1/items/{made['item']}", headers=headers)
    case = client.get(f"/api/v1/cases/{made['case']}", headers=headers)
    lists = [client.get(f"/api/v1/{each}", headers=headers, params={"limit": 200}) for each in ("items", "cases")]

    assert (item.status_code, case.status_code) == (200, 200)
    assert item.json()["content"] is None
    assert [case.json()[name] for name in ("title", "exhibits", "referrals")] == [None, None, None]
    assert [each["content"] for each in lists[0].json()["items"] if each["id"] == made["item"]] == [None]
    assert [each["title"] for each in lists[1].json()["cases"] if each["id"] == made["case"]] == [None]
    for answer in (item, case, *lists):
        assert made.secrets[0] not in answer.text
    if role == "auditor":
        chain = client.get(f"/api/v1/items/{made['item']}/custody", headers=headers)
        assert {each["disclosures"] for each in chain.json()["records"]} == {None}
        assert made.secrets[0] not in chain.text
    seen = client.get(f"/api/v1/items/{made['item']}", headers=town.keeper.headers)
    assert made.secrets[0] in seen.text, "the control: somebody who sees content sees it"


@pytest.mark.parametrize("role", ["prosecutor", "paralegal"])
def test_who_prosecutes_for_another_agency_does_what_a_referral_allows_and_nothing_else(
    client: TestClient, town: Town, role: Role
) -> None:
    """Their agency is not the item's: what they do crosses the wall between agencies, in both directions."""
    attorney = a_person(town.room, role, agency=OFFICE)
    colleague = a_person(town.room, role, agency=OFFICE)
    wrong = []
    for action, ask in HOW.items():
        for person, conditions in ((colleague, OF_THE_ACT), (attorney, OF_THE_ACT | {"case", "caseP"})):
            # Each on things of its own: one act ends what another needs.
            answer = ask(client, town, person.auth, things(town, town.keeper, word="referred", attorney=attorney))
            # The item that is to be linked is no exhibit yet: they do not know of it.
            allowed = met(action, role, conditions) and action != "case.link"
            if (answer.status_code < 300) != allowed or (not allowed and answer.status_code not in (403, 404)):
                wrong.append((action, person is attorney, answer.status_code, answer.text))

    assert wrong == []
