"""Case files over HTTP: who may do what, on record, and over at once when an assignment or referral ends."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from auth.principals import Role
from evidence.database import unit_of_work
from evidence.room import Room
from tests.support.builders import an_item_on_the_books
from tests.support.case_work import BECAUSE, OFFICE, a_number, acts, done, email, items_of, numbers, opened
from tests.support.people import Person, a_person, an_agency

ELSEWHERE = "Millbrook Police Department"


@pytest.fixture
def technician(room: Room) -> Person:
    return a_person(room, "evidence_tech")


@pytest.fixture
def attorney(room: Room) -> Person:
    return a_person(room, "prosecutor", agency=OFFICE)


@pytest.fixture
def office(room: Room) -> Person:
    return a_person(room, "agency_admin", agency=OFFICE)


def referred(client: TestClient, technician: Person, attorney: Person, office: Person, items: list[str]) -> str:
    """Open a case, link the items, refer it, and let the office assign its attorney."""
    case = opened(client, technician)
    for item in items:
        done(client.post(f"{case}/exhibits", json={"item": item}, headers=technician.headers), 201)
    done(
        client.post(f"{case}/referrals", json={"agency": OFFICE, "due_on": "2026-12-01"}, headers=technician.headers),
        201,
    )
    assign = {"email": email(attorney), "capacity": "lead attorney"}
    done(client.post(f"{case}/assignments", json=assign, headers=office.headers), 201)
    return case


def test_an_attorney_sees_the_referred_case_and_nothing_else(
    room: Room, client: TestClient, technician: Person, attorney: Person, office: Person
) -> None:
    mine, other, loose = items_of(room, technician, 3)
    assert numbers(client, attorney) == []

    case = referred(client, technician, attorney, office, [mine])
    another = opened(client, technician, "26-004712")
    done(client.post(f"{another}/exhibits", json={"item": other}, headers=technician.headers), 201)

    assert numbers(client, attorney) == [mine]
    shown = done(client.get(case, headers=attorney.headers))
    assert (shown["number"], shown["title"]) == ("26-004711", "State v. Marsh")
    assert [(each["number"], each["item_number"]) for each in shown["exhibits"]] == [(1, mine)]
    assert [each["agency"] for each in shown["referrals"]] == [OFFICE]
    listed = done(client.get("/api/v1/cases", headers=attorney.headers))["cases"]
    assert [each["number"] for each in listed] == ["26-004711"]
    custody = done(client.get(f"/api/v1/items/{mine}/custody", headers=attorney.headers))
    assert [each["act"] for each in custody["records"]] == ["exhibit.linked"]
    hidden = [
        client.get(where, headers=attorney.headers)
        for where in (another, f"/api/v1/items/{other}", f"/api/v1/items/{loose}", f"{another}/custody")
    ]
    assert {each.status_code for each in hidden} == {404}


@pytest.mark.parametrize("end", ["assignment", "referral", "exhibit"])
def test_what_a_case_showed_is_over_at_once(
    room: Room, client: TestClient, technician: Person, attorney: Person, office: Person, end: str
) -> None:
    (item,) = items_of(room, technician, 1)
    case = referred(client, technician, attorney, office, [item])
    shown = done(client.get(case, headers=attorney.headers))
    assert numbers(client, attorney) == [item]

    assignment = next(each["id"] for each in shown["assignments"] if each["name"] == attorney.principal.name)
    where, by = {
        "assignment": (f"assignments/{assignment}/end", office),
        "referral": (f"referrals/{shown['referrals'][0]['id']}/end", technician),
        "exhibit": ("exhibits/1/withdraw", technician),
    }[end]
    done(client.post(f"{case}/{where}", json=BECAUSE, headers=by.headers))

    assert numbers(client, attorney) == []
    assert client.get(f"/api/v1/items/{item}", headers=attorney.headers).status_code == 404
    assert client.get(case, headers=attorney.headers).status_code == (200 if end == "exhibit" else 404)
    again = client.post(f"{case}/{where}", json=BECAUSE, headers=by.headers)
    assert again.status_code == (409 if end == "exhibit" else 404), "what has ended cannot end again"


def test_every_act_stands_on_the_chains_it_concerns(
    room: Room, client: TestClient, technician: Person, attorney: Person, office: Person
) -> None:
    (item,) = items_of(room, technician, 1)
    detective = a_person(room, "detective")
    case = referred(client, technician, attorney, office, [item])
    admin = a_person(room, "agency_admin")
    assign = {"email": email(detective), "capacity": "investigator"}
    shown = done(client.post(f"{case}/assignments", json=assign, headers=admin.headers), 201)
    assert (shown["title"], shown["exhibits"]) == (None, None), "an administrator sees that there is a case, not what"
    assert {each["name"] for each in shown["assignments"]} == {technician.principal.name, detective.principal.name}
    done(client.post(f"{case}/exhibits/1/withdraw", json=BECAUSE, headers=technician.headers))
    done(client.post(f"{case}/close", json=BECAUSE, headers=detective.headers))
    done(client.post(f"{case}/reopen", json=BECAUSE, headers=detective.headers))
    assert [each["number"] for each in done(client.get(case, headers=detective.headers))["exhibits"]] == [1]

    item_id = done(client.get(f"/api/v1/items/{item}", headers=technician.headers))["id"]
    with unit_of_work(room.sessions) as session:
        assert acts(session, f"item/{item_id}") == ["exhibit.linked", "exhibit.withdrawn"]
    custody = done(client.get(f"{case}/custody", headers=technician.headers))
    assert [each["act"] for each in custody["records"]] == [
        "case.opened",
        "case.assigned",
        "exhibit.linked",
        "case.referred",
        "case.assigned",
        "case.assigned",
        "exhibit.withdrawn",
        "case.closed",
        "case.reopened",
    ]
    assert custody["records"][0]["disclosures"]["title"] == "State v. Marsh"
    assert "Marsh" not in custody["records"][0]["record"]
    blind = done(client.get(f"{case}/custody", headers=a_person(room, "auditor").headers))
    assert {each["disclosures"] for each in blind["records"]} == {None}


def test_a_closed_case_is_read_as_before_and_takes_nothing(
    room: Room, client: TestClient, technician: Person, attorney: Person, office: Person
) -> None:
    item, late = items_of(room, technician, 2)
    case = referred(client, technician, attorney, office, [item])
    done(client.post(f"{case}/close", json=BECAUSE, headers=attorney.headers))

    assert numbers(client, attorney) == [item]
    refusals = [
        client.post(f"{case}/exhibits", json={"item": late}, headers=technician.headers),
        client.post(f"{case}/exhibits/1/withdraw", json=BECAUSE, headers=technician.headers),
        client.post(f"{case}/referrals", json={"agency": OFFICE}, headers=technician.headers),
        client.post(f"{case}/close", json=BECAUSE, headers=attorney.headers),
        client.post(
            f"{case}/assignments",
            json={"email": email(a_person(room, "paralegal", agency=OFFICE)), "capacity": "paralegal"},
            headers=attorney.headers,
        ),
    ]
    assert [each.status_code for each in refusals] == [409] * 5
    assert {each.json()["next_step"] for each in refusals} == {"Reopen it first."}


def test_a_foreign_case_and_a_missing_one_answer_the_same(
    room: Room, client: TestClient, technician: Person, office: Person
) -> None:
    stranger = a_person(room, "evidence_tech", agency=ELSEWHERE)
    foreign, missing = opened(client, technician), f"/api/v1/cases/{uuid4()}"

    def asked(case: str, by: Person) -> list[Any]:
        answers = [
            client.get(case, headers=by.headers),
            client.get(f"{case}/custody", headers=by.headers),
            client.post(f"{case}/exhibits", json={"item": "2026-000001"}, headers=by.headers),
            client.post(f"{case}/exhibits/1/withdraw", json=BECAUSE, headers=by.headers),
            client.post(f"{case}/assignments", json={"email": "a@b.example", "capacity": "x"}, headers=by.headers),
            client.post(f"{case}/referrals", json={"agency": OFFICE}, headers=by.headers),
            client.post(f"{case}/close", json=BECAUSE, headers=by.headers),
            client.post(f"{case}/merge", json={"into": "26-1", **BECAUSE}, headers=by.headers),
            client.get(f"{case}/proposals", headers=by.headers),
            client.post(f"{case}/proposals/accept", json={"items": ["2026-000001"]}, headers=by.headers),
            client.post(f"{case}/incidents", json={"number": "1"}, headers=by.headers),
            client.post(f"{case}/references", json={"system": "a", "id": "b"}, headers=by.headers),
            client.post(f"{case}/referrals/{uuid4()}/due", json={"due_on": None, **BECAUSE}, headers=by.headers),
            client.post(f"{case}/referrals/{uuid4()}/expected", json={"what": "x"}, headers=by.headers),
            client.post(f"{case}/expected/{uuid4()}/fulfil", json={"exhibit": 1}, headers=by.headers),
            client.put("/api/v1/cases/external/a/b", json={"case": case[-36:]}, headers=by.headers),
            client.get("/api/v1/items", params={"case": case[-36:]}, headers=by.headers),
        ]
        return [(each.status_code, {**each.json(), "request_id": ""}) for each in answers]

    for by in (stranger, office, a_person(room, "prosecutor", "detective", agency=ELSEWHERE)):
        assert asked(foreign, by) == asked(missing, by)
        assert 200 not in {status for status, _ in asked(foreign, by)}
    assert done(client.get(foreign, headers=technician.headers))["exhibits"] == []


@pytest.mark.parametrize("role", ["officer", "supervisor", "records_clerk", "paralegal", "auditor", "detective"])
def test_what_a_role_may_not_do_to_a_case_is_refused_and_recorded(
    one_room: Room, one_client: TestClient, role: Role
) -> None:
    room, client = one_room, one_client
    case, someone = opened(client, a_person(room, "evidence_tech"), a_number()), a_person(room, role)

    refused = client.post(f"{case}/referrals", json={"agency": OFFICE}, headers=someone.headers)

    assert refused.status_code in (403, 404)
    with unit_of_work(room.sessions) as session:
        last = acts(session, f"account/{someone.principal.id}")[-1]
    # To whoever may not know of the case it is missing, and there is nothing to refuse.
    assert (last == "access.refused") is (refused.status_code == 403)


def test_people_are_assigned_by_their_own_agency(
    room: Room, client: TestClient, technician: Person, attorney: Person, office: Person
) -> None:
    case = opened(client, technician)
    admin = a_person(room, "agency_admin")
    assign = {"email": email(attorney), "capacity": "spy"}

    assert client.post(f"{case}/assignments", json=assign, headers=admin.headers).status_code == 404
    assert client.post(f"{case}/assignments", json=assign, headers=office.headers).status_code == 404
    done(client.post(f"{case}/referrals", json={"agency": OFFICE}, headers=technician.headers), 201)
    seen = done(client.get(case, headers=office.headers))
    assert (seen["title"], seen["exhibits"], seen["assignments"], seen["referrals"]) == (None, None, [], None)
    done(client.post(f"{case}/assignments", json=assign, headers=office.headers), 201)
    assert client.post(f"{case}/assignments", json=assign, headers=office.headers).status_code == 409


def test_whoever_opens_a_case_works_it(room: Room, client: TestClient) -> None:
    openers: tuple[Role, ...] = ("officer", "detective", "prosecutor", "supervisor", "evidence_tech")
    for number, role in enumerate(openers):
        opener = a_person(room, role)
        case = opened(client, opener, f"26-{number}")

        shown = done(client.get(case, headers=opener.headers))
        assert [each["name"] for each in shown["assignments"]] == [opener.principal.name]
    assert [each["agency"] for each in done(client.get(case, headers=opener.headers))["referrals"]] == []


def test_a_detective_brings_into_a_case_what_is_theirs_to_know_of(
    room: Room, client: TestClient, technician: Person
) -> None:
    detective = a_person(room, "detective", badge="77")
    with unit_of_work(room.sessions) as session:
        own = an_item_on_the_books(session, room, technician.principal, officer_badge="77").number
    (other,) = items_of(room, technician, 1)
    case = opened(client, detective)

    first = client.post(f"{case}/exhibits", json={"item": own}, headers=detective.headers)
    again = client.post(f"{case}/exhibits", json={"item": own}, headers=detective.headers)
    unknown = client.post(f"{case}/exhibits", json={"item": other}, headers=detective.headers)

    assert (first.status_code, again.status_code, unknown.status_code) == (201, 409, 404)
    assert first.json()["number"] == 1


def test_an_exhibits_number_is_given_once(room: Room, client: TestClient, technician: Person) -> None:
    item, other = items_of(room, technician, 2)
    case = opened(client, technician)
    link = f"{case}/exhibits"

    given = [done(client.post(link, json={"item": item}, headers=technician.headers), 201)["number"]]
    done(client.post(f"{link}/1/withdraw", json=BECAUSE, headers=technician.headers))
    given += [
        done(client.post(link, json={"item": each}, headers=technician.headers), 201)["number"]
        for each in (other, item)
    ]

    assert given == [1, 2, 3]
    assert client.post(f"{link}/9/withdraw", json=BECAUSE, headers=technician.headers).status_code == 404


def test_an_item_of_another_agency_is_no_exhibit(
    room: Room, client: TestClient, technician: Person, attorney: Person, office: Person
) -> None:
    """Even of somebody who sees both: the attorney's own case does not swallow the police's item."""
    (item,) = items_of(room, technician, 1)
    referred(client, technician, attorney, office, [item])
    own = opened(client, attorney, "DA-1")

    assert client.post(f"{own}/exhibits", json={"item": item}, headers=attorney.headers).status_code == 409


def test_a_number_that_two_agencies_gave_is_asked_for_by_id(
    room: Room, client: TestClient, technician: Person, attorney: Person, office: Person
) -> None:
    case = referred(client, technician, attorney, office, [])
    own = opened(client, attorney, "26-004711")

    twice = client.get("/api/v1/cases/26-004711", headers=attorney.headers)

    assert (twice.status_code, "id" in twice.json()["next_step"]) == (409, True)
    assert {done(client.get(each, headers=attorney.headers))["number"] for each in (case, own)} == {"26-004711"}


@pytest.mark.parametrize(
    ("where", "asked", "status"),
    [
        ("", {"number": "", "title": "x"}, 400),
        ("", {"number": "26-1\0", "title": "x"}, 400),
        ("", {"number": "26-1", "title": "x\u202e"}, 400),
        ("", {"number": "x" * 65, "title": "x"}, 422),
        ("", {"number": 7}, 422),
        ("/CASE/close", {"reason": "  "}, 422),
        ("/CASE/close", {}, 422),
        ("/CASE/exhibits/1/withdraw", {"reason": "\ud800"}, 422),
        ("/CASE/exhibits", {"item": "\ud800"}, 422),
        ("/CASE/exhibits", {"item": "\0"}, 404),
        ("/CASE/exhibits", {"item": "'; drop table exhibit; --"}, 404),
        ("/CASE/exhibits/0/withdraw", BECAUSE, 422),
        ("/CASE/exhibits/99999999999/withdraw", BECAUSE, 422),
        ("/CASE/assignments", {"email": "\0", "capacity": "x"}, 403),
        ("/CASE/referrals", {"agency": "\0"}, 404),
        ("/CASE/referrals", {"agency": OFFICE, "due_on": "soon"}, 422),
        ("/CASE/referrals", {"agency": OFFICE, "due_on": 0}, 422),
        ("/CASE/referrals", {"agency": OFFICE, "due_on": "2026-02-30"}, 422),
        ("", {"number": "..", "title": "x"}, 400),
        ("/CASE/referrals/x/end", BECAUSE, 422),
        ("/%00/close", BECAUSE, 404),
    ],
    ids=str,
)
def test_what_cannot_be_accepted_is_said_and_changes_nothing(
    one_room: Room, one_client: TestClient, where: str, asked: Any, status: int
) -> None:
    client, technician = one_client, a_person(one_room, "evidence_tech")
    an_agency(one_room, OFFICE)
    case = opened(client, technician, a_number())

    answer = client.post(
        "/api/v1/cases" + where.replace("CASE", case.rpartition("/")[2]),
        content=json.dumps(asked),  # ASCII, so that even half a character gets there
        headers={**technician.headers, "Content-Type": "application/json"},
    )

    assert answer.status_code == status, answer.text
    shown = done(client.get(case, headers=technician.headers))
    assert (shown["closed_at"], shown["exhibits"], shown["referrals"]) == (None, [], [])


def test_a_number_is_one_case_of_an_agency(room: Room, client: TestClient, technician: Person) -> None:
    opened(client, technician)
    again = client.post("/api/v1/cases", json={"number": " 26-004711 ", "title": "x"}, headers=technician.headers)
    opened(client, a_person(room, "evidence_tech", agency=ELSEWHERE))

    assert again.status_code == 409
    assert len(done(client.get("/api/v1/cases", headers=technician.headers))["cases"]) == 1


@pytest.mark.parametrize(
    ("number", "asked"),
    [
        ("CR/26/", "CR%2F26%2F"),
        ("26/7 ü", "26%2f7%20u%CC%88"),
        ("?#&", "%3F%23%26"),
        ("external", "external"),
        ("\N{GRINNING FACE}", "%F0%9F%98%80"),
    ],
)
def test_a_case_is_found_by_every_number_that_can_be_given(
    one_room: Room, one_client: TestClient, number: str, asked: str
) -> None:
    """A slash in a number divided the address, and a letter in two signs was another letter."""
    client, technician = one_client, a_person(one_room, "evidence_tech", agency=f"Agency of {a_number()}")
    case = opened(client, technician, number)

    shown = done(client.get(f"/api/v1/cases/{asked}", headers=technician.headers))
    assert f"/api/v1/cases/{shown['id']}" == case
    done(client.get(f"/api/v1/cases/{asked}/custody", headers=technician.headers))
    added = client.post(f"/api/v1/cases/{asked}/incidents", json={"number": " I "}, headers=technician.headers)
    assert done(added)["incidents"] == ["I"]
    gone = {"number": " I ", **BECAUSE}
    client.post(f"/api/v1/cases/{asked}/incidents/withdraw", json=gone, headers=technician.headers)
    assert done(client.get(case, headers=technician.headers))["incidents"] == []


def test_of_acts_at_once_on_one_case_each_takes_place_once(one_room: Room, one_client: TestClient) -> None:
    room, client, number = one_room, one_client, a_number()
    detective, technician, admin = (a_person(room, role) for role in ("detective", "evidence_tech", "agency_admin"))
    officer = a_person(room, "officer")
    an_agency(room, OFFICE)
    case = opened(client, detective, number)
    (item,) = items_of(room, technician, 1)
    done(client.post(f"{case}/exhibits", json={"item": item}, headers=technician.headers))

    def at_once(where: str, asked: dict[str, Any], by: Person) -> list[int]:
        with ThreadPoolExecutor(4) as people:
            answers = people.map(lambda _: client.post(f"{case}/{where}", json=asked, headers=by.headers), range(4))
            return sorted(each.status_code for each in answers)

    assign = {"email": email(officer), "capacity": "x"}
    assert at_once("assignments", assign, admin) == [201, 409, 409, 409]
    assert at_once("referrals", {"agency": OFFICE}, detective) == [201, 409, 409, 409]
    shown = done(client.get(case, headers=technician.headers))
    assignment = next(each["id"] for each in shown["assignments"] if each["name"] == officer.principal.name)
    assert at_once("exhibits/1/withdraw", BECAUSE, technician) == [200, 409, 409, 409]
    assert at_once(f"assignments/{assignment}/end", BECAUSE, admin) == [200, 404, 404, 404]
    assert at_once(f"referrals/{shown['referrals'][0]['id']}/end", BECAUSE, detective) == [200, 404, 404, 404]
    assert at_once("close", BECAUSE, detective) == [200, 409, 409, 409]
    assert at_once("reopen", BECAUSE, detective) == [200, 409, 409, 409]
    with unit_of_work(room.sessions) as session:
        chain = acts(session, f"case/{shown['id']}")
    assert len(chain) == 10, chain
