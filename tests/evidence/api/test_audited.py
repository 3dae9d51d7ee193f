"""Each class of event that has to be audited gives exactly one custody record, done or denied, that says what, when,
where, by whom and how it ended."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from starlette.testclient import TestClient

from evidence.custody import history
from evidence.custody.history import Entry
from evidence.custody.models import CustodyRecordRow
from evidence.database import reading
from evidence.ids import new_id
from evidence.room import Room
from tests.support.people import PASSWORD, Person, a_person

Act = Callable[[TestClient, Person], Any]


def signing_in(password: str) -> Act:
    return lambda client, person: client.post(
        "/api/v1/tokens",
        json={
            "grant_type": "password",
            "username": f"{person.principal.name}@riverbend.example",
            "password": password,
        },
    )


def posting(address: str, **body: Any) -> Act:
    return lambda client, person: client.post(f"/api/v1/{address}", json=body, headers=person.headers)


ACCOUNT = {"email": f"{new_id().hex}@riverbend.example", "name": "New Person", "password": "a long enough phrase 77"}

CLASSES: list[tuple[str, str, Act, int, str]] = [
    ("log on", "agency_admin", signing_in(PASSWORD), 200, "account.signed_in"),
    ("log on, denied", "agency_admin", signing_in("not the password at all"), 401, "account.sign_in_refused"),
    ("make an account", "agency_admin", posting("accounts", **ACCOUNT), 201, "account.created"),
    ("make an account, denied", "officer", posting("accounts", **ACCOUNT), 403, "access.refused"),
    ("let a device in", "agency_admin", posting("docks/invitations", name="Dock 7"), 201, "dock.invited"),
    ("let a device in, denied", "auditor", posting("docks/invitations", name="Dock 7"), 403, "access.refused"),
    ("make a case, denied", "auditor", posting("cases", number="26-1", title="x"), 403, "access.refused"),
    ("take a copy, denied", "officer", posting("exports", items=["x"], reason="mine"), 403, "access.refused"),
]


@pytest.mark.parametrize(
    ("role", "act", "status", "expected"), [each[1:] for each in CLASSES], ids=[c[0] for c in CLASSES]
)
def test_it_gives_one_record_that_says_what_is_to_be_said(
    room: Room, client: TestClient, role: Any, act: Act, status: int, expected: str
) -> None:
    person = a_person(room, role)
    before, began = count(room), room.clock()

    answer = act(client, person)

    assert answer.status_code == status, answer.text
    assert count(room) == before + 1
    entry = last(room, person)
    body = entry.body
    assert body["act"] == expected
    assert body["req"] == answer.headers["X-Request-Id"]
    at = datetime.fromisoformat(entry.record.at)
    assert began - timedelta(seconds=1) <= at <= room.clock() + timedelta(seconds=1)
    assert at.utcoffset() == timedelta(0)
    assert len(entry.record.at.partition(".")[2]) >= 3, "a hundredth of a second or finer"
    assert entry.record.origin == room.origin
    said = {each.name: each.value for each in entry.disclosures}
    if expected == "account.sign_in_refused":
        assert body["actor"]["type"] == "unknown"
        assert body["facts"]["reason"]
    else:
        assert (body["actor"]["type"], body["actor"]["id"]) == ("account", str(person.principal.id))
    if expected.startswith("account.sign"):
        assert said["source"]
    if expected == "access.refused":
        assert body["facts"]["action"] in ("users.manage", "devices.manage", "case.create", "custody.export")
        assert said["reason"]


def count(room: Room) -> int:
    with reading(room.sessions) as session:
        return session.scalar(select(func.count()).select_from(CustodyRecordRow)) or 0


def last(room: Room, person: Person) -> Entry:
    with reading(room.sessions) as session:
        return list(history.whole(session, f"account/{person.principal.id}"))[-1]
