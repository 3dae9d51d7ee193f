"""Why a server is not reached, in one word of cause each. The servers are real ones."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from evidence.cli import profiles
from evidence.docking.connection import Connection
from evidence.errors import EvidenceError, InvalidError, RefusedError, UnavailableError


class Refusing(BaseHTTPRequestHandler):
    """Knows nobody."""

    def do_GET(self) -> None:
        """Answer 401, whoever asks."""
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    """The port of a server that speaks http and knows nobody."""
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield server.server_port
        server.shutdown()
        serving.join()


@pytest.mark.parametrize(
    ("url", "kind", "why"),
    [
        ("http://127.0.0.1:9", UnavailableError, "refused"),
        ("http://nowhere.invalid", UnavailableError, "no host of this name"),
        ("https://127.0.0.1:{port}", UnavailableError, "does not speak https"),
        ("foo", InvalidError, "not an address"),
        ("http://host:many", InvalidError, "not an address"),
    ],
)
def test_who_cannot_be_reached_is_named_with_the_cause(
    port: int, url: str, kind: type[EvidenceError], why: str
) -> None:
    with Connection(url.format(port=port)) as connection, pytest.raises(kind, match=why):
        connection.get("/readyz")


def test_a_sign_in_that_the_server_ended_is_to_be_made_again(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVIDENCE_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("EVIDENCE_TOKEN", "old")

    with profiles.signed_in("default") as connection:
        with pytest.raises(RefusedError, match="EVIDENCE_TOKEN is not good"):
            connection.get("/api/v1/me")
        with pytest.raises(RefusedError, match="EVIDENCE_TOKEN is not good"), connection.stream("GET", "/x"):
            pass
