"""Bring bytes in over HTTP, in the shortest way tus has."""

import base64
from hashlib import sha256
from uuid import UUID

from starlette.testclient import TestClient

from tests.support.people import Person


def received(client: TestClient, by: Person, body: bytes, *, declare: bool = True, **said: str) -> UUID:
    """Upload the bytes in one request and return the item they became."""
    announced = {"filename": "clip.mp4"} | said
    if declare:
        announced["sha256"] = sha256(body).hexdigest()
    answer = client.post(
        "/api/v1/uploads",
        content=body,
        headers=by.headers
        | {
            "Tus-Resumable": "1.0.0",
            "Upload-Length": str(len(body)),
            "Upload-Metadata": metadata(announced),
            "Content-Type": "application/offset+octet-stream",
        },
    )
    assert answer.status_code == 201, answer.text
    return UUID(answer.headers["Evidence-Item"])


def metadata(announced: dict[str, str]) -> str:
    """Write the header in which tus announces things."""
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in announced.items())
