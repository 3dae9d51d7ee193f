"""Nobody learns by any route that a thing is there which they may not know of, nor what it says.

Every route of the application is asked by somebody of every role, by nobody, and by an administrator
of another agency, about things that are foreign, missing, confidential and restricted.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import APIRouter
from starlette.testclient import TestClient

from evidence.cases import exhibits
from evidence.cases.models import CaseFile
from evidence.database import reading, unit_of_work
from evidence.items.models import EvidenceItem
from evidence.main import create_app
from tests.evidence.access.worlds import ACTIONS
from tests.support import routes as table
from tests.support.database import database_from
from tests.support.rooms import room_for
from tests.support.routes import Route
from tests.support.town import Things, Town, a_town, missing, things

APP = create_app()
ROUTES = list(table.routes(APP))
NAMING = [route for route in ROUTES if route.named]

WORD = "unheard-of"
"""Begins every text that nobody of ours may be shown."""


@pytest.fixture(scope="module")
def town(cluster: Any, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with database_from(cluster, template) as database, room_for(database, tmp_path_factory.mktemp("town")) as room:
        yield a_town(room)


@pytest.fixture(scope="module")
def client(town: Town) -> Iterator[TestClient]:
    with TestClient(create_app(town.room)) as client:
        yield client


@pytest.fixture(scope="module")
def own(town: Town) -> Things:
    return things(town, town.keeper, word="ours")


@pytest.fixture(scope="module")
def foreign(town: Town) -> Things:
    return things(town, town.stranger, word=WORD)


@pytest.fixture(scope="module")
def confidential(town: Town) -> Things:
    return things(town, town.keeper, word=WORD, access_class="confidential")


@pytest.fixture(scope="module")
def restricted(town: Town) -> Things:
    return things(town, town.keeper, word=WORD, access_class="restricted")


ASKING_FURTHER_IN = {
    ("GET", "/api/v1/approvals/{approval_id}"),
    ("POST", "/api/v1/approvals/{approval_id}/approve"),
    ("POST", "/api/v1/approvals/{approval_id}/refuse"),
    ("POST", "/api/v1/approvals/{approval_id}/withdraw"),
    ("GET", "/api/v1/break-glass/{glass_id}"),
    ("GET", "/api/v1/sign-in/{provider}"),
    ("GET", "/api/v1/sign-in/{provider}/callback"),
    ("POST", "/api/v1/docks/{dock_id}/key"),
}
"""Which action these are, what they name says: the request has one of its own, and the glass has `bg`. The last three
are asked without a token."""

OPENS_WHAT_IS_MISSING = "/api/v1/cases/external/{system}/{external_id}"
"""A missing case is no error there, but one to open, which asks for more."""

BEHIND_GLASS = "break-glass"
"""Whoever may break the glass may name any item of the agency to do so, and is on record for each."""


def test_every_route_declares_what_it_does() -> None:
    assert {action for route in ROUTES for action in route.actions} <= set(ACTIONS)
    assert {(route.method, route.path) for route in NAMING if not route.actions} == ASKING_FURTHER_IN
    assert len(NAMING) > 15


def askers(town: Town) -> Mapping[str, httpx2.Auth]:
    asking: dict[str, httpx2.Auth] = {role: person.auth for role, person in town.people.items()}
    return asking | {"nobody": town.nobody.auth, "anonymous": httpx2.Auth()}


def told(answer: Any) -> tuple[int, Any, Mapping[str, str]]:
    """Return all of an answer that may not differ: status, body and headers but for the id of the request."""
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    body = {**answer.json(), "request_id": ""} if answer.content else None
    return answer.status_code, body, headers


def where(route: Route, own: Things, name: str, other: Things) -> Mapping[str, Things]:
    """Name every thing of a route out of our own, and this one out of the others."""
    return {each: other if each == name else own for each in route.named}


@pytest.mark.parametrize("route", NAMING, ids=lambda route: f"{route.method} {route.path}")
def test_a_foreign_thing_and_a_missing_one_answer_the_same(
    client: TestClient, town: Town, own: Things, foreign: Things, route: Route
) -> None:
    gone = missing()
    for asker, auth in askers(town).items():
        for name in set(route.named) - {"number"}:  # the number of an exhibit is one in its case only
            first = route.ask(client, auth, where(route, own, name, foreign))
            second = route.ask(client, auth, where(route, own, name, gone))
            assert told(first) == told(second), (asker, name)
            asks_for_more = {400, 409} if (route.method, route.path) == ("PUT", OPENS_WHAT_IS_MISSING) else set()
            assert first.status_code in {401, 403, 404} | asks_for_more, (asker, name, first.text)
            require_silence(first, foreign)


@pytest.mark.parametrize("route", NAMING, ids=lambda route: f"{route.method} {route.path}")
def test_an_administrator_of_another_agency_learns_nothing_of_ours(
    client: TestClient, town: Town, own: Things, confidential: Things, route: Route
) -> None:
    gone = missing()
    auth = town.stranger_admin.auth
    for ours in (own, confidential):
        first = route.ask(client, auth, dict.fromkeys(route.named, ours))
        second = route.ask(client, auth, dict.fromkeys(route.named, gone))
        assert told(first) == told(second)
        require_silence(first, ours)


CLASSED = ("item", "case", "body.item", "body.items")


@pytest.mark.parametrize(
    "route",
    [each for each in NAMING if set(each.named) & set(CLASSED)],
    ids=lambda route: f"{route.method} {route.path}",
)
def test_a_confidential_thing_is_missing_and_a_restricted_one_says_nothing(
    client: TestClient, town: Town, own: Things, confidential: Things, restricted: Things, route: Route
) -> None:
    gone = missing()
    manages = BEHIND_GLASS in route.path or any(action.startswith("access.") for action in route.actions)
    for asker, auth in askers(town).items():
        for name in set(route.named) & set(CLASSED):
            if not manages:  # whoever opens a thing again has to be able to name it
                first = route.ask(client, auth, where(route, own, name, confidential))
                second = route.ask(client, auth, where(route, own, name, gone))
                assert told(first) == told(second), (asker, name)
                require_silence(first, confidential)
            # Its id and number may be known; what it says may not.
            said = route.ask(client, auth, where(route, own, name, restricted))
            assert restricted.secrets[0] not in said.text, (asker, name)


@pytest.mark.parametrize(
    "route", [each for each in ROUTES if not each.named and each.method == "GET"], ids=lambda route: route.path
)
def test_no_list_says_anything_of_what_is_foreign_or_confidential(
    client: TestClient, town: Town, foreign: Things, confidential: Things, restricted: Things, route: Route
) -> None:
    for auth in askers(town).values():
        answer = route.ask(client, auth, {})
        assert answer.status_code < 500
        require_silence(answer, foreign)
        # A dock or camera is of its agency and has no class; and who broke the glass before what, everybody is told.
        if not route.path.endswith(("/docks", "/cameras")) and BEHIND_GLASS not in route.path:
            require_silence(answer, confidential)
            assert restricted.secrets[0] not in answer.text


def test_a_case_that_one_works_does_not_tell_of_its_confidential_exhibits(
    client: TestClient, town: Town, own: Things, confidential: Things
) -> None:
    with unit_of_work(town.room.sessions) as session:
        case = session.get_one(CaseFile, UUID(own["case"]))
        item = session.get_one(EvidenceItem, UUID(confidential["item"]))
        exhibits.link(session, case, item, by=town.keeper.principal, at=town.room.clock(), request_id="r")

    shown = client.get(f"/api/v1/cases/{own['case']}", headers=town.keeper.headers)

    assert shown.status_code == 200
    assert [each["item"] for each in shown.json()["exhibits"]] == [own["item"]]
    require_silence(shown, confidential)


def require_silence(answer: Any, of: Things) -> None:
    said = answer.text + str(dict(answer.headers))
    assert [secret for secret in of.secrets if secret in said] == []


def test_a_route_that_forgets_to_ask_is_caught(town: Town, foreign: Things) -> None:
    """The negative control: a careless route gives the foreign item away, and the sweep says so."""
    app = create_app(town.room)
    careless = APIRouter()

    @careless.get("/items/{item}/name")
    def show_name(item: str) -> str:
        with reading(town.room.sessions) as session:
            found = session.get(EvidenceItem, UUID(item))
            return found.filename if found else "nothing"

    app.include_router(careless, prefix="/api/v1")
    (route,) = [each for each in table.routes(app) if each.path.endswith("/name")]
    assert route.actions == ()
    with TestClient(app) as client:
        answers = [route.ask(client, httpx2.Auth(), {"item": each}) for each in (foreign, missing())]

    assert answers[0].text != answers[1].text
    with pytest.raises(AssertionError):
        require_silence(answers[0], foreign)


def test_a_parameter_that_nobody_knows_is_asked_about() -> None:
    with pytest.raises(KeyError, match=r"tests/support/routes.py what \{riddle\} names"):
        _ = Route("GET", "/api/v1/riddles/{riddle}", (), None).named
