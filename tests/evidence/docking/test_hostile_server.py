"""A server that answers anything at all ends in words, and soon. The server is a real one that answers so."""

import gzip
import io
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from evidence.clock import system_clock
from evidence.docking import client, receipts
from evidence.docking.connection import LONGEST_ANSWER, Connection, ServerProblem
from evidence.docking.identity import Dock, DockKey, DockToken, token_of
from evidence.docking.patience import Patience
from evidence.errors import EvidenceError, IntegrityError, NotCarriedOutError, UnavailableError
from evidence.proof.trust import Trust

SIZE = 1000


@dataclass
class Answer:
    """What is answered: with `endless` the body is sent over and over."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    endless: bool = False


@dataclass
class Server:
    """A running server: `answers` by method, `asked` how often, `written` bytes of bodies that were taken."""

    url: str = ""
    answers: dict[str, Callable[[int], Answer]] = field(default_factory=dict)
    asked: int = 0
    written: int = 0


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that answers what it is told to."""
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            told.asked += 1
            given = told.answers.get(self.command, told.answers["GET"])(told.asked)
            self.send_response(given.status)
            for name, value in given.headers.items():
                self.send_header(name, value)
            if given.endless:
                self.send_header("Connection", "close")
            elif given.status != 204:
                self.send_header("Content-Length", str(len(given.body)))
            self.end_headers()
            if self.command == "HEAD" or given.status == 204:
                return
            try:
                while True:
                    self.wfile.write(given.body)
                    told.written += len(given.body)
                    if not given.endless:
                        return
            except OSError:
                self.close_connection = True  # the client has had enough

        do_GET = do_POST = do_HEAD = do_PATCH = answer  # noqa: N815 -- names that http.server looks for

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        told.url = f"http://127.0.0.1:{running.server_port}"
        serving = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield told
        running.shutdown()
        serving.join()


def send(connection: Connection, clock: list[float]) -> client.UploadStatus:
    def sleep(seconds: float) -> None:
        clock[0] += seconds

    return client.send(
        connection,
        "u",
        io.BytesIO(b"x" * SIZE),
        size=SIZE,
        show=lambda _position: None,
        kept=lambda _offset: None,
        patience=Patience(timedelta(seconds=20), sleep=sleep, now=lambda: clock[0]),
        pace=client.Pace(),
    )


UNREADABLE = {
    "deep": Answer(body=b"[" * 100_000),
    "half a character": Answer(body=b'{"record": "\\ud800"}'),
    "a number of thousands of digits": Answer(body=b"9" * 5000),
    "longer than anything": Answer(body=b" " * 65_536, endless=True),
    "a byte too long": Answer(body=b'"' + b" " * (LONGEST_ANSWER - 1) + b'"'),
    "compressed": Answer(body=gzip.compress(b" " * (64 << 20)), headers={"Content-Encoding": "gzip"}),
    "compressed beyond reading": Answer(body=b"no gzip", headers={"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("given", UNREADABLE.values(), ids=UNREADABLE)
def test_an_answer_that_cannot_be_read_is_said_to_be_so(server: Server, given: Answer) -> None:
    server.answers["GET"] = lambda _asked: given

    with Connection(server.url) as connection, pytest.raises(IntegrityError, match="answer cannot be read"):
        connection.get("/x")


def test_an_answer_of_the_longest_kind_is_read(server: Server) -> None:
    server.answers["GET"] = lambda _asked: Answer(body=b'"' + b" " * (LONGEST_ANSWER - 2) + b'"')

    with Connection(server.url) as connection:
        assert connection.get("/x") == " " * (LONGEST_ANSWER - 2)


@pytest.mark.parametrize(
    "body", [b"[" * 60_000, b'{"detail": "\\ud800"}', b" " * 200_000], ids=["deep", "half a character", "long"]
)
def test_a_problem_that_cannot_be_read_still_says_the_status(server: Server, body: bytes) -> None:
    server.answers["GET"] = lambda _asked: Answer(503, body, {"Retry-After": "9" * 5000})

    with Connection(server.url) as connection, pytest.raises(UnavailableError, match="answered 503") as caught:
        connection.get("/x")

    assert isinstance(caught.value.__cause__, ServerProblem)
    assert caught.value.__cause__.retry_after is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [(status, UnavailableError) for status in (429, 502, 503, 504, 507)]
    + [(status, NotCarriedOutError) for status in (500, 501, 599)],
)
def test_one_request_that_failed_is_told_from_a_server_that_is_away(
    server: Server, status: int, kind: type[EvidenceError]
) -> None:
    server.answers["GET"] = lambda _asked: Answer(status, headers={"Retry-After": "17"})

    with Connection(server.url) as connection, pytest.raises(UnavailableError) as caught:
        connection.get("/x")

    assert type(caught.value) is kind
    assert caught.value.retry_after == 17, "both are worth another try"


def test_a_sign_in_that_failed_is_no_failure_of_one_request(server: Server, tmp_path: Path) -> None:
    server.answers["GET"] = lambda _asked: Answer(500, b'{"detail": "odd", "request_id": "r"}')
    dock = Dock(name="d", id="i", url=server.url, fingerprint="f", enrolled_at="2026-01-01")
    token = DockToken(dock, DockKey.load_or_create(tmp_path), clock=system_clock)

    with Connection(server.url, token) as connection, pytest.raises(UnavailableError, match="odd") as caught:
        connection.get("/x")

    assert type(caught.value) is UnavailableError
    assert isinstance(caught.value.__cause__, ServerProblem)
    assert caught.value.__cause__.request_id == "r"


def test_a_server_that_keeps_nothing_is_left_when_patience_ends(server: Server) -> None:
    still = {"Upload-Offset": "0"}
    server.answers = {
        "HEAD": lambda _asked: Answer(headers=still),
        "PATCH": lambda _asked: Answer(204, headers=still),
        "GET": lambda _asked: Answer(body=b'{"state": "open"}'),
    }

    with Connection(server.url) as connection, pytest.raises(UnavailableError, match="keeps nothing"):
        send(connection, [0.0])

    assert server.asked < 40


def test_a_server_that_forgets_what_it_kept_is_left_when_patience_ends(server: Server) -> None:
    """Every PATCH moves on, and every HEAD begins anew: only what was never kept before is progress."""
    server.answers = {
        "HEAD": lambda _asked: Answer(headers={"Upload-Offset": "0"}),
        "PATCH": lambda _asked: Answer(204, headers={"Upload-Offset": str(SIZE)}),
        "GET": lambda _asked: Answer(body=b'{"state": "open"}'),
    }

    with Connection(server.url) as connection, pytest.raises(UnavailableError, match="still sealing"):
        send(connection, [0.0])

    assert server.asked < 60


@pytest.mark.parametrize("offset", ["9" * 5000, "-1", "", "²"])
def test_an_offset_that_cannot_be_read_is_an_error_in_words(server: Server, offset: str) -> None:
    server.answers = {
        "HEAD": lambda _asked: Answer(headers={"Upload-Offset": offset}),
        "GET": lambda _asked: Answer(body=b'{"state": "open"}'),
    }

    with Connection(server.url) as connection, pytest.raises(IntegrityError, match="how far"):
        send(connection, [0.0])


def test_a_receipt_that_is_no_text_is_an_error_in_words(server: Server) -> None:
    said = json.dumps({"state": "received", "item": "i", "record": "r"}).encode()
    server.answers["GET"] = lambda asked: Answer(body=said if asked == 1 else b"\xed\xa0\x80")

    with Connection(server.url) as connection, pytest.raises(IntegrityError, match="no text"):
        client.status(connection, "u")


@pytest.mark.parametrize(("signed", "sealed"), [("\ud800", "a"), ("a", "\ud800")])
def test_a_receipt_with_half_a_character_is_not_accepted(signed: str, sealed: str) -> None:
    with pytest.raises(IntegrityError, match="whole characters"):
        receipts.check(signed, trusted=Trust("o", ()), item="i", sealed=sealed, sha256="0", size=1)


def test_metadata_that_cannot_be_sent_is_refused_in_words(server: Server) -> None:
    with Connection(server.url) as connection, pytest.raises(EvidenceError, match=r"UTF-8"):
        client.open_upload(connection, size=1, metadata={"camera": "\udcff"}, patience=Patience(timedelta(0)))
    assert server.asked == 0


@pytest.mark.parametrize(
    "said",
    [
        [],
        {"access_token": "t"},
        {"access_token": 5, "expires_in": 60},
        {"access_token": "t\u00e9", "expires_in": 60},
        {"access_token": "t\n", "expires_in": 60},
        {"access_token": "t", "expires_in": "soon"},
        {"access_token": "t", "expires_in": 10**30},
        {"access_token": "t", "expires_in": float("inf")},
        {"access_token": "t", "expires_in": 10**11},
    ],
)
def test_a_sign_in_that_cannot_be_read_is_an_error_in_words(said: object) -> None:
    assert token_of({"access_token": "t", "expires_in": 60}) == ("t", timedelta(seconds=60))
    with pytest.raises(IntegrityError, match="sign-in cannot be read"):
        token_of(said)
