"""Lists narrowed, and items proposed for a case: never anything that the principal could not see without asking."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from evidence.database import unit_of_work
from evidence.ids import new_id
from evidence.room import Room
from tests.support.builders import an_item_on_the_books
from tests.support.case_work import BECAUSE, CASES, OFFICE, a_number, acts, done, email, items_of, numbers, opened
from tests.support.people import Person, a_person

AT = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)


@pytest.fixture
def technician(one_room: Room) -> Person:
    return a_person(one_room, "evidence_tech")


def cases(client: TestClient, by: Person, **asked: Any) -> list[str]:
    return [each["number"] for each in done(client.get(CASES, params=asked, headers=by.headers))["cases"]]


def proposed(client: TestClient, by: Person, case: str, **asked: Any) -> dict[str, list[dict[str, Any]]]:
    found = done(client.get(f"{case}/proposals", params=asked, headers=by.headers))["proposals"]
    return {each["item"]["number"]: each["reasons"] for each in found}


def test_items_are_narrowed_within_what_may_be_seen(one_room: Room, one_client: TestClient, technician: Person) -> None:
    client, badge, incident = one_client, new_id().hex, a_number()
    (mine,) = items_of(one_room, technician, 1, officer_badge=badge, incident=incident, recorded_at=AT)
    (other,) = items_of(one_room, technician, 1, camera_serial=badge, recorded_at=AT + timedelta(days=1))
    done(client.post(f"/api/v1/items/{other}/incidents", json={"number": incident}, headers=technician.headers))
    case = opened(client, technician, a_number())
    done(client.post(f"{case}/exhibits", json={"item": other}, headers=technician.headers))
    officer, auditor = a_person(one_room, "officer", badge=badge), a_person(one_room, "auditor")

    by_incident = {"incident": f" {incident} "}
    assert sorted(numbers(client, technician, **by_incident)) == sorted([mine, other])
    assert numbers(client, technician, officer=badge) == [mine]
    assert numbers(client, technician, camera=badge) == [other]
    assert numbers(client, technician, case=case.rpartition("/")[2]) == [other]
    period = {"recorded_from": AT.isoformat(), "recorded_to": (AT + timedelta(days=1)).isoformat()}
    assert numbers(client, technician, **by_incident, **period) == [mine]
    assert numbers(client, technician, officer=badge, received_to="2020-01-01T00:00:00Z") == []
    assert numbers(client, technician, officer=badge, received_from="2020-01-01T00:00:00Z") == [mine]

    assert numbers(client, officer, **by_incident) == [mine]
    assert mine in numbers(client, auditor, limit=200), "the auditor knows that it is there"
    for asked in (by_incident, {"officer": badge}, {"camera": badge}, period):
        assert numbers(client, auditor, **asked) == [], "and not what it says"
    assert client.get("/api/v1/items", params={"case": case[-36:]}, headers=auditor.headers).status_code == 403
    foreign = a_person(one_room, "evidence_tech", agency="Millbrook Police Department")
    assert numbers(client, foreign, **by_incident) == []
    assert client.get("/api/v1/items", params={"case": case[-36:]}, headers=foreign.headers).status_code == 404


def test_a_page_of_a_narrowed_list_goes_on_where_it_ended(
    one_room: Room, one_client: TestClient, technician: Person
) -> None:
    badge = new_id().hex
    wanted = items_of(one_room, technician, 5, officer_badge=badge)
    items_of(one_room, technician, 5)
    found: list[str] = []
    where: str | None = f"/api/v1/items?officer={badge}&limit=2"
    while where:
        answer = one_client.get(where, headers=technician.headers)
        found += [each["number"] for each in done(answer)["items"]]
        where = answer.links.get("next", {}).get("url")
    assert found == wanted


@pytest.mark.parametrize(
    "asked",
    [
        "incident=%00",
        "officer=%E2%80%AE",
        "camera=" + "x" * 256,
        "recorded_from=yesterday",
        "recorded_from=2026-01-01T00:00:00",
        "case=" + "x" * 65,
    ],
)
def test_what_nobody_can_have_meant_is_refused(one_client: TestClient, technician: Person, asked: str) -> None:
    assert one_client.get(f"/api/v1/items?{asked}", headers=technician.headers).status_code in (400, 422)


@pytest.mark.parametrize(
    "asked", ["recorded_from=0001-01-01T00:00:00%2B14:00", "recorded_to=9999-12-31T23:59:59-14:00"]
)
def test_the_ends_of_time_can_be_asked_for(one_client: TestClient, technician: Person, asked: str) -> None:
    done(one_client.get(f"/api/v1/items?{asked}", headers=technician.headers))


def test_cases_are_narrowed_within_what_may_be_seen(one_room: Room, one_client: TestClient, technician: Person) -> None:
    client, prefix, incident = one_client, a_number(), a_number()
    detective, auditor = a_person(one_room, "detective"), a_person(one_room, "auditor")
    one, two = (opened(client, by, f"{prefix}{end}") for by, end in ((detective, "%-1"), (technician, "_-2")))
    done(client.post(f"{one}/incidents", json={"number": incident}, headers=technician.headers))
    done(client.post(f"{one}/referrals", json={"agency": "Riverbend Police Department"}, headers=detective.headers))
    done(client.post(f"{one}/close", json=BECAUSE, headers=detective.headers))

    first, second = f"{prefix}%-1", f"{prefix}_-2"
    assert cases(client, technician, number=prefix) == [first, second]
    assert cases(client, technician, number=f"{prefix}%") == [first], "a sign of SQL is a sign like others"
    assert cases(client, technician, number=prefix, state="open") == [second]
    assert cases(client, technician, number=prefix, state="closed") == [first]
    assert cases(client, technician, number=prefix, referred=True) == [first]
    assert cases(client, technician, number=prefix, referred=False) == [second]
    assert cases(client, technician, number=prefix, mine=True) == [second]
    assert cases(client, technician, incident=incident) == [first]
    assert cases(client, detective, number=prefix) == [first], "and not the technician's"
    assert cases(client, detective, number=prefix, state="open") == []
    assert cases(client, auditor, number=prefix) == [first, second]
    assert cases(client, auditor, incident=incident) == []
    assert cases(client, auditor, number=prefix, referred=True) == []
    assert client.get(f"{CASES}?number=%00", headers=technician.headers).status_code == 400
    assert client.get(f"{CASES}?due_by=9999-12-31", headers=technician.headers).status_code == 200
    assert done(client.get(two, headers=technician.headers))["closed_at"] is None


def test_items_are_proposed_with_the_reason_and_accepted_in_one_act(
    one_room: Room, one_client: TestClient, technician: Person
) -> None:
    client, number, incident, badge = one_client, a_number(), a_number(), new_id().hex
    case = opened(client, technician, number)
    done(client.post(f"{case}/incidents", json={"number": incident}, headers=technician.headers))

    def item(**described: Any) -> str:
        return items_of(one_room, technician, 1, **described)[0]

    with unit_of_work(one_room.sessions) as session:
        long = an_item_on_the_books(session, one_room, technician.principal, officer_badge=badge, recorded_at=AT)
        long.media = {"duration_us": 2 * 3_600_000_000}
        exhibit = long.number
    done(client.post(f"{case}/exhibits", json={"item": exhibit}, headers=technician.headers))
    by_number, by_incident, by_hand = item(incident=number), item(incident=incident), item()
    done(client.post(f"/api/v1/items/{by_hand}/incidents", json={"number": incident}, headers=technician.headers))
    both = item(incident=number, officer_badge=badge, recorded_at=AT - timedelta(minutes=59))
    after = item(officer_badge=badge, recorded_at=AT + timedelta(hours=2, minutes=59))
    item(officer_badge=badge, recorded_at=AT + timedelta(hours=3, minutes=1))
    item(officer_badge=badge, recorded_at=AT - timedelta(hours=2))
    item(officer_badge=badge)
    item(officer_badge=badge + "x", recorded_at=AT)
    items_of(one_room, a_person(one_room, "officer", agency="Millbrook Police Department"), 1, incident=incident)

    found = proposed(client, technician, case)

    assert found == {
        by_number: [{"incident": number, "exhibit": None}],
        by_incident: [{"incident": incident, "exhibit": None}],
        by_hand: [{"incident": incident, "exhibit": None}],
        both: [{"incident": number, "exhibit": None}, {"incident": None, "exhibit": 1}],
        after: [{"incident": None, "exhibit": 1}],
    }
    answer = client.get(f"{case}/proposals?limit=2", headers=technician.headers)
    rest = done(client.get(answer.links["next"]["url"], headers=technician.headers))["proposals"]
    assert [*(each["item"]["number"] for each in answer.json()["proposals"])] == [by_number, by_incident]
    assert rest[0]["item"]["number"] == by_hand
    assert len(done(client.get(case, headers=technician.headers))["exhibits"]) == 1, "nothing is linked by itself"

    accept = f"{case}/proposals/accept"
    wrong = client.post(accept, json={"items": [by_number, "2020-1"]}, headers=technician.headers)
    assert wrong.status_code == 404
    assert len(done(client.get(case, headers=technician.headers))["exhibits"]) == 1, "all or none"
    linked = done(client.post(accept, json={"items": [by_number, both, both]}, headers=technician.headers), 201)
    assert [(each["number"], each["item_number"]) for each in linked["exhibits"]] == [(2, by_number), (3, both)]
    assert set(proposed(client, technician, case)) == {by_incident, by_hand, after}
    assert client.post(accept, json={"items": [both]}, headers=technician.headers).status_code == 409
    assert client.post(accept, json={"items": []}, headers=technician.headers).status_code == 422


def test_nothing_is_proposed_to_those_who_may_not_know_of_it(
    one_room: Room, one_client: TestClient, technician: Person
) -> None:
    client, badge = one_client, new_id().hex
    detective = a_person(one_room, "detective", badge=badge)
    number = a_number()
    case = opened(client, detective, number)
    (mine,) = items_of(one_room, technician, 1, incident=number, officer_badge=badge)
    (hidden,) = items_of(one_room, technician, 1, incident=number)

    assert set(proposed(client, technician, case)) == {mine, hidden}
    assert set(proposed(client, detective, case)) == {mine}
    auditor, officer = a_person(one_room, "auditor"), a_person(one_room, "officer")
    assert client.get(f"{case}/proposals", headers=auditor.headers).status_code == 403
    assert client.get(f"{case}/proposals", headers=officer.headers).status_code == 404


def test_what_is_expected_is_there_or_missing_and_late_for_both_agencies(
    one_room: Room, one_client: TestClient, technician: Person
) -> None:
    client = one_client
    attorney, office = (a_person(one_room, role, agency=OFFICE) for role in ("prosecutor", "agency_admin"))
    number, (first, second, third) = a_number(), items_of(one_room, technician, 3)
    case = opened(client, technician, number)
    done(client.post(f"{case}/referrals", json={"agency": OFFICE, "due_on": "2026-01-02"}, headers=technician.headers))
    done(client.post(f"{case}/assignments", json={"email": email(attorney), "capacity": "x"}, headers=office.headers))

    def shown(by: Person) -> dict[str, Any]:
        referral: dict[str, Any] = done(client.get(case, headers=by.headers))["referrals"][0]
        return referral

    def late(by: Person) -> bool:
        listed = cases(client, by, number=number, overdue=True) == [number]
        assert (listed, listed) == (shown(by)["overdue"], done(client.get(case, headers=by.headers))["overdue"])
        return listed

    assert late(technician), "the day is past and there is nothing"
    done(client.post(f"{case}/exhibits", json={"item": first}, headers=technician.headers))
    assert not late(technician), "nothing is listed, and something is there"
    where = f"{case}/referrals/{shown(attorney)['id']}/expected"
    done(
        client.post(where, json={"what": "911 call", "recordings": 2, "incident": "I-1"}, headers=attorney.headers), 201
    )
    (line,) = shown(technician)["expected"]
    assert (line["what"], line["missing"], line["exhibits"]) == ("911 call", 2, [])
    assert late(technician)
    assert late(attorney)

    fulfil = f"{case}/expected/{line['id']}/fulfil"
    for _ in range(2):
        done(client.post(fulfil, json={"exhibit": 1}, headers=technician.headers))
    assert shown(attorney)["missing"] == 1
    asked = {"item": second, "fulfils": line["id"]}
    done(client.post(f"{case}/exhibits", json=asked, headers=technician.headers), 201)
    assert (shown(attorney)["expected"][0]["exhibits"], late(attorney)) == ([1, 2], False)
    done(client.post(f"{case}/exhibits/2/withdraw", json=BECAUSE, headers=technician.headers))
    assert late(attorney), "what is withdrawn is missing again"
    assert client.post(fulfil, json={"exhibit": 2}, headers=technician.headers).status_code == 409
    assert client.post(fulfil, json={"exhibit": 9}, headers=technician.headers).status_code == 404
    unknown = client.post(
        f"{case}/exhibits", json={"item": third, "fulfils": str(new_id())}, headers=technician.headers
    )
    assert unknown.status_code == 404
    assert numbers(client, attorney) == [first], "the link was not made either"

    due = f"{case}/referrals/{shown(attorney)['id']}/due"
    assert client.post(due, json={"due_on": "2099-01-01", **BECAUSE}, headers=attorney.headers).status_code == 403
    done(client.post(due, json={"due_on": "2099-01-01", **BECAUSE}, headers=technician.headers))
    assert not late(technician)
    assert cases(client, attorney, number=number, due_by="2099-01-01") == [number]
    assert cases(client, attorney, number=number, due_by="2098-12-31") == []
    done(client.post(due, json={"due_on": "2026-01-02", **BECAUSE}, headers=technician.headers))
    gone = f"{case}/expected/{line['id']}/withdraw"
    done(client.post(gone, json=BECAUSE, headers=attorney.headers))
    assert client.post(gone, json=BECAUSE, headers=attorney.headers).status_code == 404
    assert not late(attorney)
    case_id = case.rpartition("/")[2]
    with unit_of_work(one_room.sessions) as session:
        chain = acts(session, f"case/{case_id}")
    assert [each for each in chain if each.startswith("expectation.")] == [
        "expectation.added",
        "expectation.fulfilled",
        "expectation.fulfilled",
        "expectation.withdrawn",
    ]
    assert chain.count("case.due_set") == 2


def test_what_one_office_expects_is_not_told_to_another(
    one_room: Room, one_client: TestClient, technician: Person
) -> None:
    client, other = one_client, "District Attorney of Mill County"
    case = opened(client, technician, a_number())
    attorneys = {}
    for agency in (OFFICE, other):
        attorney, office = (a_person(one_room, role, agency=agency) for role in ("prosecutor", "agency_admin"))
        asked = {"agency": agency, "due_on": "2026-01-02"}
        done(client.post(f"{case}/referrals", json=asked, headers=technician.headers))
        assign = {"email": email(attorney), "capacity": "x"}
        done(client.post(f"{case}/assignments", json=assign, headers=office.headers))
        attorneys[agency] = attorney
    referrals = done(client.get(case, headers=technician.headers))["referrals"]
    where = {each["agency"]: f"{case}/referrals/{each['id']}/expected" for each in referrals}

    wanted = {"what": "the informant's interview"}
    done(client.post(where[OFFICE], json=wanted, headers=attorneys[OFFICE].headers), 201)
    foreign = client.post(where[OFFICE], json=wanted, headers=attorneys[other].headers)

    assert foreign.status_code == 404
    seen = client.get(case, headers=attorneys[other].headers)
    assert "informant" not in seen.text
    chain = client.get(f"{case}/custody", headers=attorneys[other].headers)
    assert (chain.status_code, "informant" in chain.text) == (200, False), "nor by the chain"
    for by in (attorneys[OFFICE], technician):
        assert "informant" in client.get(f"{case}/custody", headers=by.headers).text
    told = {each["agency"]: each["expected"] for each in seen.json()["referrals"]}
    assert (told[OFFICE], told[other]) == (None, [])
    line = done(client.get(case, headers=technician.headers))["referrals"][0]["expected"][0]["id"]
    assert (
        client.post(f"{case}/expected/{line}/withdraw", json=BECAUSE, headers=attorneys[other].headers).status_code
        == 404
    )
