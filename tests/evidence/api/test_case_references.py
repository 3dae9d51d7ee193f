"""Incident numbers and other systems' references: the same request twice is one effect, also at once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from evidence.database import unit_of_work
from evidence.room import Room
from tests.support.case_work import BECAUSE, CASES, OFFICE, a_number, acts, done, email, items_of, opened
from tests.support.people import Person, a_person

EXTERNAL = f"{CASES}/external"


@pytest.fixture
def technician(one_room: Room) -> Person:
    return a_person(one_room, "evidence_tech")


def chain_of(room: Room, case_id: str) -> list[str]:
    with unit_of_work(room.sessions) as session:
        return acts(session, f"case/{case_id}")


def test_the_same_request_twice_opens_one_case_and_records_it_once(
    one_room: Room, one_client: TestClient, technician: Person
) -> None:
    client, where = one_client, f"{EXTERNAL}/rms/2026/CR/{a_number()}"
    said = {
        "number": a_number(),
        "title": "State v. Marsh",
        "incidents": ["I-7", "I-8"],
        "address": "https://rms.city.example/cases/7?tab=1",
    }

    first = client.put(where, json=said, headers=technician.headers)
    again = client.put(where, json=said, headers=technician.headers)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    case = first.json()
    assert case["incidents"] == ["I-7", "I-8"]
    assert [(each["system"], each["address"], each["own"]) for each in case["references"]] == [
        ("rms", "https://rms.city.example/cases/7?tab=1", True)
    ]
    before = chain_of(one_room, case["id"])
    assert before == ["case.opened", "case.assigned", "incident.added", "incident.added", "reference.added"]
    assert done(client.get(where, headers=technician.headers))["id"] == case["id"]

    changed = {"title": "State v. Marsh et al.", "address": "https://rms.city.example/new"}
    done(client.put(where, json=changed, headers=technician.headers), 200)
    assert chain_of(one_room, case["id"])[len(before) :] == [
        "case.described",
        "reference.withdrawn",
        "reference.added",
    ]
    other = client.put(where, json={"number": a_number()}, headers=technician.headers)
    assert (other.status_code, "given once" in other.json()["detail"]) == (409, True)


def test_requests_at_once_open_one_case(one_room: Room, one_client: TestClient, technician: Person) -> None:
    where, said = f"{EXTERNAL}/cms/{a_number()}", {"number": a_number(), "title": "At once", "incidents": ["I-9"]}

    def put(_: int) -> Any:
        return one_client.put(where, json=said, headers=technician.headers)

    with ThreadPoolExecutor(8) as people:
        answers = list(people.map(put, range(8)))

    assert sorted(each.status_code for each in answers) == [200] * 7 + [201]
    (case,) = {each.json()["id"] for each in answers}
    assert chain_of(one_room, case) == ["case.opened", "case.assigned", "incident.added", "reference.added"]


def test_a_number_that_is_here_is_found_and_another_agencys_case_is_not(
    one_room: Room, one_client: TestClient, technician: Person
) -> None:
    client, number = one_client, a_number()
    case = done(client.get(opened(client, technician, number), headers=technician.headers))
    where = f"{EXTERNAL}/cms/{a_number()}"

    found = done(client.put(where, json={"number": number}, headers=technician.headers), 200)
    assert found["id"] == case["id"]
    detective = a_person(one_room, "detective")
    hidden = client.put(f"{EXTERNAL}/cms/x", json={"number": number, "title": "x"}, headers=detective.headers)
    assert (hidden.status_code, number in hidden.text) == (409, False)
    stranger = a_person(one_room, "evidence_tech", agency="Millbrook Police Department")
    missing = f"{EXTERNAL}/cms/{a_number()}"
    answers = [client.get(each, headers=stranger.headers) for each in (where, missing)]
    assert [each.status_code for each in answers] == [404, 404]
    assert len({each.json()["detail"] for each in answers}) == 1
    by_id = client.put(where, json={"case": case["id"]}, headers=stranger.headers)
    assert by_id.status_code == 404
    # The same name is free in another agency, and means another case there.
    theirs = done(client.put(where, json={"number": number, "title": "Theirs"}, headers=stranger.headers), 201)
    assert theirs["id"] != case["id"]
    assert done(client.get(where, headers=technician.headers))["id"] == case["id"]


def test_a_prosecuting_agency_puts_its_own_reference_on_a_case_that_is_referred_to_it(
    one_room: Room, one_client: TestClient, technician: Person
) -> None:
    client = one_client
    attorney, office = (a_person(one_room, role, agency=OFFICE) for role in ("prosecutor", "agency_admin"))
    police, law = f"{EXTERNAL}/rms/{a_number()}", f"{EXTERNAL}/prosecutor-by/{a_number()}"
    case = done(client.put(police, json={"number": a_number(), "title": "T"}, headers=technician.headers), 201)
    done(client.post(f"{CASES}/{case['id']}/referrals", json={"agency": OFFICE}, headers=technician.headers), 201)
    asked = {"email": email(attorney), "capacity": "lead"}
    done(client.post(f"{CASES}/{case['id']}/assignments", json=asked, headers=office.headers), 201)

    put = done(client.put(law, json={"case": case["number"], "title": "T"}, headers=attorney.headers), 200)

    assert [(each["system"], each["own"]) for each in put["references"]] == [("rms", False), ("prosecutor-by", True)]
    ours = done(client.get(f"{CASES}/{case['id']}", headers=technician.headers))
    assert [each["system"] for each in ours["references"]] == ["rms"], "each agency sees its own and the owner's"
    name = law.rpartition("/")[2]
    chains = [client.get(f"{CASES}/{case['id']}/custody", headers=each.headers).text for each in (technician, attorney)]
    assert [name in chain for chain in chains] == [False, True], "on the chain as in the case"
    for where in (police, law):
        assert done(client.get(where, headers=attorney.headers))["id"] == case["id"]
    assert client.get(law, headers=technician.headers).status_code == 404
    renamed = client.put(law, json={"title": "Another"}, headers=attorney.headers)
    assert renamed.status_code == 409
    known = done(client.get(f"{CASES}/{case['id']}", headers=office.headers))
    assert (known["references"], known["incidents"], known["title"]) == (None, None, None)
    assert client.get(law, headers=office.headers).status_code == 404, "not by what may not be read"
    paralegal = a_person(one_room, "paralegal", agency=OFFICE)
    new = client.put(f"{law}-2", json={"number": a_number(), "title": "T"}, headers=paralegal.headers)
    assert new.status_code == 403

    referral = ours["referrals"][0]["id"]
    done(client.post(f"{CASES}/{case['id']}/referrals/{referral}/end", json=BECAUSE, headers=technician.headers))
    after = [client.get(law, headers=attorney.headers), client.put(law, json={}, headers=attorney.headers)]
    assert [each.status_code for each in after] == [404, 404]


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "ftp://x.example/",
        "//x.example",
        "https://",
        "https://user:secret@x.example/",
        "https://x.example/\u202e",
        "https://x example/",
        "https://x.example:99999/",
        "http://[::1",
        "http://x.example\\@evil.example/",
        "https://x.example/" + "a" * 1990,
        "\0",
        "",
    ],
)
def test_what_is_no_address_of_the_web_is_refused_and_opens_nothing(
    one_client: TestClient, technician: Person, address: str
) -> None:
    where, said = f"{EXTERNAL}/rms/{a_number()}", {"number": a_number(), "title": "T", "address": address}

    assert one_client.put(where, json=said, headers=technician.headers).status_code in (400, 422)
    assert one_client.get(where, headers=technician.headers).status_code == 404


@pytest.mark.parametrize("where", ["rms/%00", "%00/x", "r/%E2%80%AE", f"{'x' * 65}/1", f"r/{'x' * 129}", "r/%ED%A0%80"])
def test_a_name_that_cannot_be_is_never_a_failure_of_ours(
    one_client: TestClient, technician: Person, where: str
) -> None:
    said = {"number": a_number(), "title": "T"}
    answers = [
        one_client.get(f"{EXTERNAL}/{where}", headers=technician.headers),
        one_client.put(f"{EXTERNAL}/{where}", json=said, headers=technician.headers),
    ]
    assert {each.status_code for each in answers} <= {400, 404, 422} or where.endswith("%ED%A0%80")
    assert all(each.status_code < 500 for each in answers)


def test_incident_numbers_and_references_of_items_stand_on_their_chains(
    one_room: Room, one_client: TestClient, technician: Person
) -> None:
    client = one_client
    item, other = items_of(one_room, technician, 2)
    where = f"/api/v1/items/{item}"
    named = {"system": "cad", "id": a_number()}

    for _ in range(2):
        done(client.post(f"{where}/incidents", json={"number": "I-77"}, headers=technician.headers), 200)
        labels = done(client.post(f"{where}/references", json=named, headers=technician.headers), 200)
    assert (labels["incidents"], [each["id"] for each in labels["references"]]) == (["I-77"], [named["id"]])
    taken = client.post(f"/api/v1/items/{other}/references", json=named, headers=technician.headers)
    case = client.put(f"{EXTERNAL}/cad/{named['id']}", json={"title": "T"}, headers=technician.headers)
    assert (taken.status_code, case.status_code) == (409, 409)
    officer = a_person(one_room, "officer")
    assert client.post(f"{where}/incidents", json={"number": "x"}, headers=officer.headers).status_code == 404
    auditor = a_person(one_room, "auditor")
    assert client.post(f"{where}/incidents", json={"number": "x"}, headers=auditor.headers).status_code == 403
    assert done(client.get(f"{where}/labels", headers=auditor.headers)) == {"incidents": None, "references": None}

    done(client.post(f"{where}/incidents/withdraw", json={"number": "I-77", **BECAUSE}, headers=technician.headers))
    done(client.post(f"{where}/references/withdraw", json={**named, **BECAUSE}, headers=technician.headers))
    again = client.post(f"{where}/references/withdraw", json={**named, **BECAUSE}, headers=technician.headers)
    assert again.status_code == 404
    assert done(client.get(f"{where}/labels", headers=technician.headers)) == {"incidents": [], "references": []}
    item_id = done(client.get(where, headers=technician.headers))["id"]
    with unit_of_work(one_room.sessions) as session:
        assert acts(session, f"item/{item_id}") == [
            "incident.added",
            "reference.added",
            "incident.withdrawn",
            "reference.withdrawn",
        ]


def test_an_agency_sets_how_its_cases_are_numbered(one_room: Room, one_client: TestClient) -> None:
    client, agency = one_client, "Ford Police Department"
    admin, detective = (a_person(one_room, role, agency=agency) for role in ("agency_admin", "detective"))
    where, pattern = "/api/v1/agency/case-numbers", {"pattern": "FPD-{seq:4}"}

    assert client.put(where, json=pattern, headers=detective.headers).status_code == 403
    unnumbered = client.post(CASES, json={"title": "T"}, headers=detective.headers)
    assert (unnumbered.status_code, "number is needed" in unnumbered.json()["detail"]) == (400, True)
    assert done(client.put(where, json=pattern, headers=admin.headers))["example"] == "FPD-0123"
    assert client.put(where, json={"pattern": "x"}, headers=admin.headers).status_code == 400
    assert done(client.get("/api/v1/agency", headers=detective.headers))["case_numbers"] == "FPD-{seq:4}"
    case = done(client.post(CASES, json={"title": "T"}, headers=detective.headers), 201)
    typed = client.post(CASES, json={"title": "T", "number": "26-1"}, headers=detective.headers)
    assert (case["number"], typed.status_code) == ("FPD-0001", 400)
    done(client.put(where, json={"pattern": None}, headers=admin.headers))
    done(client.post(CASES, json={"title": "T", "number": "26-1"}, headers=detective.headers), 201)
