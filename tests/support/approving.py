"""A second person's yes, over HTTP."""

from typing import Any

from starlette.testclient import TestClient

from tests.support.people import Person


def approved(client: TestClient, by: Person, waiting: dict[str, Any]) -> Any:
    """Approve the request that an act answered with, as somebody who read it."""
    read = client.get(f"/api/v1/approvals/{waiting['id']}", headers=by.headers)
    assert read.status_code == 200, read.text
    where = f"/api/v1/approvals/{waiting['id']}/approve"
    return client.post(where, json={"sha256": read.json()["sha256"]}, headers=by.headers)
