"""Two case files that were one: everything goes over, who sees more is said, and nobody else sees anything."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from evidence.database import unit_of_work
from evidence.room import Room
from tests.support.case_work import BECAUSE, CASES, OFFICE, a_number, acts, done, email, items_of, numbers, opened
from tests.support.people import Person, a_person, an_agency

SECOND_OFFICE = "District Attorney of Mill County"


@pytest.fixture
def technician(one_room: Room) -> Person:
    return a_person(one_room, "evidence_tech")


@pytest.fixture
def detective(one_room: Room) -> Person:
    return a_person(one_room, "detective")


def a_pair(client: TestClient, room: Room, detective: Person, technician: Person) -> tuple[str, str, list[str]]:
    """Two cases of the detective: one with items 0 and 1, of which 0 is withdrawn and linked anew, one with 1 and 2."""
    items = items_of(room, technician, 3)
    cases = [opened(client, detective, a_number()) for _ in range(2)]
    for case, linked in zip(cases, (items[:2], items[1:]), strict=True):
        for item in linked:
            done(client.post(f"{case}/exhibits", json={"item": item}, headers=technician.headers), 201)
    done(client.post(f"{cases[0]}/exhibits/1/withdraw", json=BECAUSE, headers=technician.headers))
    done(client.post(f"{cases[0]}/exhibits", json={"item": items[0]}, headers=technician.headers), 201)
    return cases[0], cases[1], items


def merged(client: TestClient, by: Person, one: str, into: str, **more: Any) -> Any:
    named = into.rpartition("/")[2]
    return client.post(f"{one}/merge", json={"into": named, **BECAUSE, **more}, headers=by.headers)


def test_exhibits_people_and_referrals_go_over_and_the_old_number_finds_the_case_that_remains(
    one_room: Room, one_client: TestClient, detective: Person, technician: Person
) -> None:
    room, client = one_room, one_client
    one, into, items = a_pair(client, room, detective, technician)
    attorney, office = (a_person(room, role, agency=OFFICE) for role in ("prosecutor", "agency_admin"))
    colleague, left = a_person(room, "detective"), a_person(room, "detective")
    admin = a_person(room, "agency_admin")
    an_agency(room, SECOND_OFFICE)
    for case, agency, due in ((one, OFFICE, "2026-04-01"), (into, OFFICE, "2026-05-01"), (one, SECOND_OFFICE, None)):
        asked = {"agency": agency, "due_on": due}
        done(client.post(f"{case}/referrals", json=asked, headers=detective.headers), 201)
    assign = f"{one}/assignments"
    done(client.post(assign, json={"email": email(attorney), "capacity": "lead"}, headers=office.headers), 201)
    for each in (colleague, left):
        done(client.post(assign, json={"email": email(each), "capacity": "partner"}, headers=admin.headers), 201)
    refresh = a_person(room, "agency_admin")
    client.post(f"/api/v1/accounts/{left.principal.id}/suspend", json={"reason": "x"}, headers=refresh.headers)
    old, remaining = (done(client.get(each, headers=detective.headers)) for each in (one, into))
    referral = next(each for each in old["referrals"] if each["agency"] == OFFICE)
    line = {"what": "second angle", "recordings": 2}
    expected = f"{one}/referrals/{referral['id']}/expected"
    listed = done(client.post(expected, json=line, headers=detective.headers), 201)
    expectation = next(each for each in listed["referrals"] if each["agency"] == OFFICE)["expected"][0]["id"]
    done(client.post(f"{one}/expected/{expectation}/fulfil", json={"exhibit": 3}, headers=detective.headers))
    done(client.post(f"{one}/incidents", json={"number": "I-1"}, headers=detective.headers))
    put = client.put(f"{CASES}/external/rms/{old['number']}", json={"case": old["id"]}, headers=detective.headers)
    done(put, 200)

    wanted = done(merged(client, detective, one, into, dry_run=True))
    assert sorted(numbers(client, attorney)) == sorted(items[:2]), "a dry run opens nothing"
    answer = done(merged(client, detective, one, into))

    gains = {each["name"] or each["agency"]: each["exhibits"] for each in answer["gains"]}
    assert gains == {attorney.principal.name: 1, colleague.principal.name: 1, SECOND_OFFICE: 1}
    assert wanted["gains"] == answer["gains"]
    assert wanted["carried"] == []
    shown = answer["case"]
    assert shown["number"] == remaining["number"]
    known = [(each["number"], each["item_number"], each["former"]) for each in shown["exhibits"]]
    assert known == [
        (1, items[1], [{"case": old["number"], "number": 2}]),
        (2, items[2], []),
        (3, items[0], [{"case": old["number"], "number": 3}]),
    ]
    assert [each["number"] for each in answer["carried"]] == [3]
    standing = {each["name"] for each in shown["assignments"] if each["ended_at"] is None}
    assert standing == {detective.principal.name, attorney.principal.name, colleague.principal.name}
    referred = {each["agency"]: each for each in shown["referrals"] if each["ended_at"] is None}
    assert {name: each["due_on"] for name, each in referred.items()} == {OFFICE: "2026-04-01", SECOND_OFFICE: None}
    (carried,) = referred[OFFICE]["expected"]
    assert (carried["what"], carried["exhibits"], carried["missing"]) == ("second angle", [3], 1)
    assert (shown["incidents"], [each["id"] for each in shown["references"]]) == (["I-1"], [old["number"]])
    assert [each["number"] for each in shown["merged"]] == [old["number"]]

    assert sorted(numbers(client, attorney)) == sorted(items)
    for person in (attorney, detective, technician):
        assert done(client.get(f"{CASES}/{old['number']}", headers=person.headers))["number"] == shown["number"]
    history = done(client.get(f"{CASES}/{old['id']}", headers=attorney.headers))
    assert (history["number"], history["merged_into"]) == (old["number"], shown["id"])
    assert [each["withdrawn_at"] is not None for each in history["exhibits"]] == [True] * 3
    found = done(client.get(f"{CASES}/external/rms/{old['number']}", headers=detective.headers))
    assert found["number"] == shown["number"]
    item = done(client.get(f"/api/v1/items/{items[0]}", headers=technician.headers))["id"]
    with unit_of_work(room.sessions) as session:
        chains = {each: acts(session, f"case/{each}") for each in (old["id"], shown["id"])}
        last = acts(session, f"item/{item}")[-1]
    assert last == "exhibit.carried_over"
    for chain in chains.values():
        assert chain.count("exhibit.carried_over") == 2
        assert chain[-1] == "case.merged"


def test_another_agencys_reference_names_the_case_that_remains(
    one_room: Room, one_client: TestClient, technician: Person, detective: Person
) -> None:
    client = one_client
    attorney, admin = (a_person(one_room, role, agency=OFFICE) for role in ("prosecutor", "agency_admin"))
    one, into, _ = a_pair(client, one_room, detective, technician)
    for case in (one, into):
        done(client.post(f"{case}/referrals", json={"agency": OFFICE}, headers=technician.headers), 201)
        asked = {"email": email(attorney), "capacity": "lead"}
        done(client.post(f"{case}/assignments", json=asked, headers=admin.headers), 201)
    old, new = (done(client.get(each, headers=attorney.headers)) for each in (one, into))
    theirs = f"{CASES}/external/prosecutor-by/{a_number()}"
    done(client.put(theirs, json={"case": old["number"], "title": old["title"]}, headers=attorney.headers), 200)

    done(merged(client, detective, one, into))

    assert done(client.get(theirs, headers=attorney.headers))["id"] == new["id"]


def test_a_merged_case_takes_nothing_and_is_not_reopened(
    one_room: Room, one_client: TestClient, detective: Person, technician: Person
) -> None:
    client = one_client
    one, into, items = a_pair(client, one_room, detective, technician)
    third = opened(client, detective, a_number())
    done(merged(client, detective, one, into))

    refused = [
        merged(client, detective, one, third),
        merged(client, detective, into, one),
        client.post(f"{one}/reopen", json=BECAUSE, headers=detective.headers),
        client.post(f"{one}/exhibits", json={"item": items[2]}, headers=technician.headers),
        client.post(f"{one}/incidents", json={"number": "7"}, headers=detective.headers),
    ]
    assert [each.status_code for each in refused] == [409] * 5
    assert merged(client, detective, into, into).status_code == 409

    # And when the case that remains is merged in turn, the first one's number goes with it.
    done(merged(client, detective, into, third))
    shown = done(client.get(third, headers=detective.headers))
    assert len(shown["merged"]) == 2
    first = done(client.get(one, headers=detective.headers))
    assert first["merged_into"] == shown["id"]
    assert done(client.get(f"{CASES}/{first['number']}", headers=detective.headers))["id"] == shown["id"]
    assert [len(each["former"]) for each in shown["exhibits"]] == [2, 1, 2]


def test_whoever_may_not_close_the_one_link_to_the_other_or_refer_them_merges_nothing(
    one_room: Room, one_client: TestClient, detective: Person, technician: Person
) -> None:
    room, client = one_room, one_client
    one, into, _ = a_pair(client, room, detective, technician)
    other = opened(client, a_person(room, "detective"), a_number())
    elsewhere = opened(client, a_person(room, "detective", agency="Millbrook Police Department"), a_number())

    assert merged(client, technician, one, into).status_code == 403, "a technician closes no case"
    assert merged(client, detective, one, other).status_code == 404
    assert merged(client, detective, other, one).status_code == 404
    assert merged(client, detective, one, elsewhere).status_code == 404
    assert merged(client, detective, one, into, reason=" ").status_code == 422
    assert client.post(f"{one}/merge", json={"into": "\0", **BECAUSE}, headers=detective.headers).status_code == 404

    attorney, office = (a_person(room, role, agency=OFFICE) for role in ("prosecutor", "agency_admin"))
    an_agency(room, SECOND_OFFICE)
    for case, agency in ((one, OFFICE), (into, OFFICE), (into, SECOND_OFFICE)):
        done(client.post(f"{case}/referrals", json={"agency": agency}, headers=detective.headers), 201)
    for case in (one, into):
        asked = {"email": email(attorney), "capacity": "lead"}
        done(client.post(f"{case}/assignments", json=asked, headers=office.headers), 201)
    refused = merged(client, attorney, one, into)
    assert (refused.status_code, "case.refer" in refused.json()["detail"]) == (403, True)
    with unit_of_work(room.sessions) as session:
        assert acts(session, f"account/{attorney.principal.id}")[-1] == "access.refused"
    shown = done(client.get(into, headers=detective.headers))
    second = next(each["id"] for each in shown["referrals"] if each["agency"] == SECOND_OFFICE)
    done(client.post(f"{into}/referrals/{second}/end", json=BECAUSE, headers=detective.headers))
    done(merged(client, attorney, one, into))


def test_of_two_mergers_and_links_at_once_each_is_done_or_refused_and_nothing_is_lost(
    one_room: Room, one_client: TestClient, detective: Person, technician: Person
) -> None:
    client = one_client
    one, into, items = a_pair(client, one_room, detective, technician)
    late = items_of(one_room, technician, 4)

    def link(item: str) -> int:
        return client.post(f"{one}/exhibits", json={"item": item}, headers=technician.headers).status_code

    with ThreadPoolExecutor(6) as people:
        mergers = [people.submit(merged, client, detective, *each) for each in ((one, into), (into, one))]
        links = list(people.map(link, late))
    codes = sorted(each.result().status_code for each in mergers)

    assert codes == [200, 409]
    assert set(links) <= {201, 409}
    remaining = next(each.result().json()["case"] for each in mergers if each.result().status_code == 200)
    shown = done(client.get(f"{CASES}/{remaining['id']}", headers=detective.headers))
    expected = {*items, *(item for item, code in zip(late, links, strict=True) if code == 201)}
    linked = [each["item_number"] for each in shown["exhibits"] if each["withdrawn_at"] is None]
    assert sorted(linked) == sorted(expected)
    both = [done(client.get(each, headers=technician.headers)) for each in (one, into)]
    assert sorted(each["merged_into"] is None for each in both) == [False, True]
