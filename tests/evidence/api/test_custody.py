"""The history of an item, a case and an actor: what is asked for and what is not told takes records out, whole, and
alters nothing of the others."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from auth.models import Account
from evidence.access import lists
from evidence.cases import exhibits, opening
from evidence.database import unit_of_work
from evidence.ids import new_id
from evidence.items.models import EvidenceItem
from evidence.proof import record
from evidence.room import Room
from tests.support.builders import an_item_on_the_books
from tests.support.people import Person, a_dock, a_person, signed_in

BECAUSE = {"reason": "because of the trial"}
ITEMS, CASES, ACCOUNTS, DOCKS = ("/api/v1/" + each for each in ("items", "cases", "accounts", "docks"))


def done(answer: Any, status: int = 200) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    said: dict[str, Any] = answer.json()
    return said


def read(client: TestClient, by: Person, address: str, **asked: Any) -> dict[str, Any]:
    return done(client.get(address, params=asked, headers=by.headers))


def pages(client: TestClient, by: Person, address: str, **asked: Any) -> list[dict[str, Any]]:
    """Follow the Link headers, and return the records of all pages."""
    found: list[dict[str, Any]] = []
    query: dict[str, Any] = asked
    while True:
        answer = client.get(address, params=query, headers=by.headers)
        found += done(answer)["records"]
        if "Link" not in answer.headers:
            return found
        query = parse_qs(urlsplit(answer.headers["Link"].partition(">")[0].strip("<")).query)


@pytest.fixture(scope="module")
def technician(one_room: Room) -> Person:
    return a_person(one_room, "evidence_tech")


@pytest.fixture(scope="module")
def auditor(one_room: Room) -> Person:
    return a_person(one_room, "auditor")


def items_of(room: Room, by: Person, count: int, **said: Any) -> list[str]:
    with unit_of_work(room.sessions) as session:
        return [str(an_item_on_the_books(session, room, by.principal, **said).id) for _ in range(count)]


def a_case_with(client: TestClient, by: Person, items: list[str]) -> str:
    number = f"26-{new_id().hex}"
    case = done(client.post(CASES, json={"number": number, "title": "t"}, headers=by.headers), 201)
    for item in items:
        done(client.post(f"{CASES}/{case['id']}/exhibits", json={"item": item}, headers=by.headers), 201)
    return str(case["id"])


def restrict(client: TestClient, by: Person, item: str, to: str = "confidential") -> None:
    done(client.post(f"{ITEMS}/{item}/restrict", json={"to": to, **BECAUSE}, headers=by.headers))


def test_a_record_about_a_hidden_exhibit_is_left_out_of_its_case_and_the_others_stand(
    one_room: Room, one_client: TestClient, technician: Person, auditor: Person
) -> None:
    plain, hidden, last = items_of(one_room, technician, 3)
    case = a_case_with(one_client, technician, [plain, hidden, last])
    where = f"{CASES}/{case}/custody"
    before = read(one_client, technician, where)
    assert [(each["seq"], each["act"]) for each in before["records"]][2:] == [
        (3, "exhibit.linked"),
        (4, "exhibit.linked"),
        (5, "exhibit.linked"),
    ]
    assert before["left_out"] == 0

    restrict(one_client, technician, hidden)

    for by in (technician, auditor):
        after = read(one_client, by, where)
        assert hidden not in str(after)
        assert [each["seq"] for each in after["records"]] == [1, 2, 3, 5]
        assert after["left_out"] == 1
        assert [each["record"] for each in after["records"]] == [
            each["record"] for each in before["records"] if each["seq"] != 4
        ]
        assert after["records"][-1]["prev"] == before["records"][3]["hash"], "the gap is there to be seen"
        for limit in (1, 3, 4):
            assert pages(one_client, by, where, limit=limit) == after["records"]

    with unit_of_work(one_room.sessions) as session:
        item, at = session.get_one(EvidenceItem, UUID(hidden)), one_room.clock()
        named = a_person(one_room, "evidence_tech")
        account = session.get_one(Account, named.principal.id)
        by_whom: dict[str, Any] = {"by": technician.principal, "request_id": str(new_id()), "at": at}
        lists.put(session, item, account, extent="view", reason="works it", **by_whom)
    assert [each["seq"] for each in read(one_client, named, where)["records"]] == [1, 2, 3, 4, 5]


def test_what_is_left_out_at_the_end_of_a_chain_shows_nowhere(
    one_room: Room, one_client: TestClient, technician: Person
) -> None:
    plain, hidden = items_of(one_room, technician, 2)
    case = a_case_with(one_client, technician, [plain, hidden])
    restrict(one_client, technician, hidden)

    answer = one_client.get(f"{CASES}/{case}/custody", headers=technician.headers)

    assert [each["seq"] for each in done(answer)["records"]] == [1, 2, 3]
    assert (answer.json()["left_out"], "Link" in answer.headers) == (0, False)


def test_an_item_does_not_tell_of_the_matter_it_is_an_exhibit_of(
    one_room: Room, one_client: TestClient, technician: Person, auditor: Person
) -> None:
    investigator = a_person(one_room, "ia_investigator")
    [item] = items_of(one_room, technician, 1)
    with unit_of_work(one_room.sessions) as session:
        how: dict[str, Any] = {
            "at": one_room.clock(),
            "request_id": str(new_id()),
        }
        matter = opening.open_for(
            session, investigator.principal, number=f"IA-{new_id().hex}", title="t", kind="internal_affairs", **how
        )
        exhibits.link(session, matter, session.get_one(EvidenceItem, UUID(item)), by=investigator.principal, **how)
        number, matter_id = matter.number, str(matter.id)
    case = a_case_with(one_client, technician, [item])

    for by in (technician, auditor):
        shown = read(one_client, by, f"{ITEMS}/{item}/custody")
        assert number not in str(shown)
        assert matter_id not in str(shown)
        assert case in str(shown)
        assert shown["left_out"] == 1
    seen = read(one_client, investigator, f"{ITEMS}/{item}/custody")
    assert matter_id in str(seen)
    assert seen["left_out"] == 0


NARROWED: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], Callable[[dict[str, Any], Any], bool]]] = {
    "act": (lambda it: {"act": it["act"]}, lambda each, it: each["act"] == it["act"]),
    "acts": (
        lambda _it: {"act": ["case.opened", "exhibit.linked"]},
        lambda each, _it: each["act"] in ("case.opened", "exhibit.linked"),
    ),
    "actor": (
        lambda it: {"actor": it["body"]["actor"]["id"]},
        lambda each, it: each["body"]["actor"]["id"] == it["body"]["actor"]["id"],
    ),
    "from": (lambda it: {"at_from": it["at"]}, lambda each, it: each["at"] >= it["at"]),
    "to": (lambda it: {"at_to": it["at"]}, lambda each, it: each["at"] < it["at"]),
    "kind": (lambda _it: {"kind": "case"}, lambda each, _it: each["chain"].startswith("case/")),
    "request": (
        lambda it: {"request_id": it["body"]["req"]},
        lambda each, it: each["body"]["req"] == it["body"]["req"],
    ),
    "fact": (
        lambda it: {"facts.item": it["body"]["facts"]["item"]},
        lambda each, it: each["body"].get("facts", {}).get("item") == it["body"]["facts"]["item"],
    ),
    "all": (
        lambda it: {"act": it["act"], "facts.exhibit": it["body"]["facts"]["exhibit"], "kind": "case"},
        lambda each, it: (each["chain"], each["seq"]) == (it["chain"], it["seq"]),
    ),
}


@pytest.mark.parametrize("narrowed", NARROWED)
def test_what_is_asked_for_takes_records_out_and_alters_none(
    one_room: Room, one_client: TestClient, technician: Person, auditor: Person, narrowed: str
) -> None:
    items = items_of(one_room, technician, 3)
    case = a_case_with(one_client, technician, items)
    asked, matches = NARROWED[narrowed]
    for by, where in (
        (technician, f"{CASES}/{case}/custody"),
        (auditor, f"{ACCOUNTS}/{technician.principal.id}/custody"),
    ):
        everything = pages(one_client, by, where, limit=200)
        it = next(each for each in everything if each["chain"] == f"case/{case}" and each["act"] == "exhibit.linked")
        for limit in (2, 200):
            found = pages(one_client, by, where, limit=limit, **asked(it))
            assert found == [each for each in everything if matches(each, it)]
        assert found
    expected = read(one_client, technician, f"{CASES}/{case}/custody", **asked(it))
    seqs = [each["seq"] for each in expected["records"]]
    assert expected["left_out"] == seqs[-1] - len(seqs) if seqs else 0


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({"act": "item.stolen"}, 400, "item.received"),
        ({"act": "x\x00"}, 400, "characters"),
        ({"facts.no": "x"}, 400, "exhibit"),
        ({"facts.": "x"}, 400, "exhibit"),
        ({"facts.item": ["a", "b"]}, 400, "once"),
        ({"at_from": "2026-01-01T00:00:00"}, 422, "at_from"),
        ({"at_to": "0001-01-01T00:00:00+14:00"}, 400, "years"),
        ({"kind": "_keys"}, 422, "kind"),
        ({"limit": 0}, 422, "limit"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_what_can(
    one_room: Room,
    one_client: TestClient,
    technician: Person,
    auditor: Person,
    asked: dict[str, Any],
    status: int,
    said: str,
) -> None:
    case = a_case_with(one_client, technician, [])
    for by, where in (
        (technician, f"{CASES}/{case}/custody"),
        (auditor, f"{ACCOUNTS}/{technician.principal.id}/custody"),
    ):
        problem = done(one_client.get(where, params=asked, headers=by.headers), status)
        assert said in str(problem)
        assert problem["next_step"]
    bad = one_client.get(where, params={"cursor": "!"}, headers=auditor.headers)
    assert bad.status_code == 400


def test_a_cursor_beyond_every_record_ends_the_list(
    one_room: Room, one_client: TestClient, technician: Person, auditor: Person
) -> None:
    where = f"{ACCOUNTS}/{technician.principal.id}/custody"
    assert read(one_client, auditor, where, cursor="_____________________w")["records"] == []


def test_an_actors_history_is_everything_they_did_in_the_order_of_the_log(
    one_room: Room, one_client: TestClient, auditor: Person
) -> None:
    person = a_person(one_room, "evidence_tech")
    [item] = items_of(one_room, person, 1)
    case = a_case_with(one_client, person, [item])
    assert one_client.get(f"{ITEMS}/{item}/who", headers=person.headers).status_code == 403
    other = a_person(one_room, "evidence_tech")
    done(one_client.post(f"{ITEMS}/{item}/do-not-disclose", json=BECAUSE, headers=other.headers))

    for named in (person.principal.id, f"{person.principal.name}@riverbend.example"):
        shown = read(one_client, auditor, f"{ACCOUNTS}/{named}/custody")
        assert shown["actor"] == str(person.principal.id)
        acts = [(each["chain"].partition("/")[0], each["act"]) for each in shown["records"]]
        assert acts[-5:] == [
            ("case", "case.opened"),
            ("case", "case.assigned"),
            ("case", "exhibit.linked"),
            ("item", "exhibit.linked"),
            ("account", "access.refused"),
        ]
        assert {each["body"]["actor"]["id"] for each in shown["records"]} == {str(person.principal.id)}
    for each in shown["records"]:
        sealed = record.parse(each["record"].encode())
        assert record.leaf_hash(each["record"].encode()).hex() == each["hash"]
        assert (sealed.chain, sealed.seq, sealed.prev.hex()) == (each["chain"], each["seq"], each["prev"])
        if each["chain"] in (f"item/{item}", f"case/{case}"):
            assert each["disclosures"] is None, "an auditor sees no content"
    refusal = shown["records"][-1]
    assert (refusal["body"]["facts"], refusal["disclosures"]) == ({"action": "audit.read"}, None)


def test_an_auditor_is_told_of_sign_ins_what_they_disclose(
    one_room: Room, one_client: TestClient, auditor: Person
) -> None:
    person = a_person(one_room, "officer")
    asked = {
        "grant_type": "password",
        "username": f"{person.principal.name}@riverbend.example",
        "password": "correct horse battery staple",
    }
    done(one_client.post("/api/v1/tokens", json=asked))

    where = f"{ACCOUNTS}/{person.principal.id}/custody"
    signed = read(one_client, auditor, where, act="account.signed_in")["records"][-1]
    assert signed["disclosures"]["source"]
    assert signed["disclosures"]["actor"]["name"] == person.principal.name
    bare = read(one_client, a_person(one_room, "system_admin"), where, act="account.signed_in")["records"][-1]
    assert bare == signed | {"disclosures": None}, "whoever runs the system sees rows without what they disclose"


@pytest.mark.parametrize("role", ["auditor", "agency_admin", "system_admin", "ia_investigator"])
def test_an_actors_history_tells_of_no_confidential_thing(
    one_room: Room, one_client: TestClient, technician: Person, role: Any
) -> None:
    person, reader = a_person(one_room, "evidence_tech"), a_person(one_room, role)
    plain, hidden = items_of(one_room, technician, 2)
    case = a_case_with(one_client, person, [plain, hidden])
    restrict(one_client, person, hidden)
    restrict(one_client, person, plain, "restricted")

    shown = pages(one_client, reader, f"{ACCOUNTS}/{person.principal.id}/custody", limit=1)

    told = {each["chain"] for each in shown}
    assert hidden not in str(shown)
    if role in ("auditor", "agency_admin"):
        assert {f"item/{plain}", f"case/{case}"} <= told
        assert all(each["disclosures"] is None for each in shown if each["chain"].startswith(("item/", "case/")))
    else:
        assert not any(each.startswith(("item/", "case/")) for each in told)


def test_a_use_of_break_glass_is_told_to_those_who_watch_over_it(
    one_room: Room, one_client: TestClient, technician: Person, auditor: Person
) -> None:
    [hidden] = items_of(one_room, technician, 1)
    restrict(one_client, technician, hidden)
    admin = signed_in(one_room, a_person(one_room, "agency_admin").principal)
    done(one_client.post(f"{ITEMS}/{hidden}/break-glass", json=BECAUSE, headers=admin.headers), 201)

    where = f"{ACCOUNTS}/{admin.principal.id}/custody"
    for by, told in ((auditor, ["glass.broken"]), (a_person(one_room, "system_admin"), [])):
        shown = read(one_client, by, where, act="glass.broken")["records"]
        assert [each["act"] for each in shown] == told
        assert all(each["chain"].startswith("account/") for each in shown)


def test_what_defence_counsel_does_is_told_to_no_auditor(
    one_room: Room, one_client: TestClient, auditor: Person
) -> None:
    counsel = a_person(one_room, "defence")
    done(one_client.get(f"{ITEMS}/{new_id()}", headers=counsel.headers), 404)
    done(one_client.get(ACCOUNTS, headers=counsel.headers), 403)

    assert read(one_client, auditor, f"{ACCOUNTS}/{counsel.principal.id}/custody")["records"] == []


def test_an_investigator_reads_what_was_done_in_their_matters(one_room: Room, one_client: TestClient) -> None:
    investigator = a_person(one_room, "ia_investigator")
    number = f"IA-{new_id().hex}"
    asked = {"number": number, "title": "t", "kind": "internal_affairs"}
    matter = done(one_client.post(CASES, json=asked, headers=investigator.headers), 201)["id"]

    where = f"{ACCOUNTS}/{investigator.principal.id}/custody"
    mine = read(one_client, investigator, where)["records"]
    assert {each["chain"] for each in mine} == {f"case/{matter}"}
    assert mine[0]["disclosures"]["number"] == number
    other = a_person(one_room, "ia_investigator", "auditor")
    assert matter not in str(read(one_client, other, where))


def test_a_docks_history_and_who_may_not_read_any(
    one_room: Room, one_client: TestClient, technician: Person, auditor: Person
) -> None:
    dock = a_dock(one_room, f"dock {new_id().hex}")
    where = f"{DOCKS}/{dock.principal.id}/custody"
    assert [each["act"] for each in read(one_client, auditor, where)["records"]][:1] == ["dock.enrolled"]

    stranger = a_person(one_room, "auditor", agency="Millbrook Police Department")
    for address in (where, f"{ACCOUNTS}/{technician.principal.id}/custody"):
        foreign = one_client.get(address, headers=stranger.headers)
        gone = one_client.get(f"{address.rpartition('/')[0][:-36]}{new_id()}/custody", headers=stranger.headers)
        assert (foreign.status_code, {**foreign.json(), "request_id": ""}) == (
            404,
            {**gone.json(), "request_id": ""},
        )
        for role in ("officer", "evidence_tech", "prosecutor"):
            assert one_client.get(address, headers=a_person(one_room, role).headers).status_code == 403


def test_time_is_asked_in_any_zone(one_room: Room, one_client: TestClient, technician: Person) -> None:
    case = a_case_with(one_client, technician, [])
    now = one_room.clock()

    def seqs(**asked: Any) -> list[int]:
        return [each["seq"] for each in read(one_client, technician, f"{CASES}/{case}/custody", **asked)["records"]]

    assert seqs(at_from=(now - timedelta(hours=1)).isoformat()) == seqs() == [1, 2]
    assert seqs(at_to="2099-01-01T00:00:00-05:00") == [1, 2]
    assert seqs(at_from="2099-01-01T00:00:00+05:00") == []
