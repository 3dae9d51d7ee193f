"""What tests of case files over HTTP do all the time."""

from typing import Any

from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from evidence.custody import history
from evidence.database import unit_of_work
from evidence.ids import new_id
from evidence.room import Room
from tests.support.builders import an_item_on_the_books
from tests.support.people import Person

OFFICE = "City Attorney of Riverbend"
BECAUSE = {"reason": "because of the trial"}
CASES = "/api/v1/cases"


def items_of(room: Room, by: Person, count: int, **described: Any) -> list[str]:
    """Take so many items onto the books and return their evidence numbers."""
    with unit_of_work(room.sessions) as session:
        return [an_item_on_the_books(session, room, by.principal, **described).number for _ in range(count)]


def email(of: Person) -> str:
    return f"{of.principal.name}@riverbend.example"


def a_number() -> str:
    """Return a case number that nobody has given."""
    return f"26-{new_id().hex[-12:]}"


def opened(client: TestClient, by: Person, number: str | None = "26-004711", title: str = "State v. Marsh") -> str:
    """Open a case and return its address."""
    made = client.post(CASES, json={"number": number, "title": title}, headers=by.headers)
    assert made.status_code == 201, made.text
    return f"{CASES}/{made.json()['id']}"


def done(answer: Any, status: int | None = None) -> dict[str, Any]:
    """Return what was answered, if it went well."""
    assert answer.is_success if status is None else answer.status_code == status, (answer.status_code, answer.text)
    said: dict[str, Any] = answer.json()
    return said


def numbers(client: TestClient, by: Person, **asked: Any) -> list[str]:
    """Return the evidence numbers that the person is shown."""
    return [each["number"] for each in done(client.get("/api/v1/items", params=asked, headers=by.headers))["items"]]


def acts(session: Session, chain: str) -> list[str]:
    """Return the acts on a chain, in order."""
    return [entry.body["act"] for entry in history.whole(session, chain)]
