"""Notices reach a real mail server and a real webhook, hold nothing of evidence, and fail aloud."""

import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from fastapi.testclient import TestClient
from pydantic import ValidationError
from sqlalchemy import text
from standardwebhooks import Webhook, WebhookVerificationError

from evidence import doctor, notices
from evidence.access import approvals, glass
from evidence.access.approved_acts import LowerClass
from evidence.access.classes import change
from evidence.database import unit_of_work
from evidence.ids import new_id
from evidence.items.models import EvidenceItem
from evidence.main import create_app
from evidence.notices import channels
from evidence.notices.channels import NotDeliveredError
from evidence.notices.jobs import MOST_RETRIES, deliver
from evidence.notices.models import Notice
from evidence.notices.words import SAID
from evidence.proof import disclosure
from evidence.room import Room
from evidence.settings import NoticeSettings
from tests.support.builders import an_item_on_the_books
from tests.support.database import Database
from tests.support.installation import free_port
from tests.support.people import a_person
from tests.support.rooms import room_for
from tests.support.tls import Certificate, a_certificate

SECRET = "whsec_" + b64encode(bytes(range(32))).decode()
SENDER = "evidence@riverbend.example"


class Inbox:
    """What a real mail server took, and over what: aiosmtpd calls this."""

    port = 0

    def __init__(self) -> None:
        self.taken: list[tuple[list[str], bytes, bool]] = []

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
        self.taken.append((envelope.rcpt_tos, envelope.content, session.ssl is not None))
        return "250 taken"


class Hook(BaseHTTPRequestHandler):
    """A webhook's receiver, which checks nothing itself."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((dict(self.headers), body))  # type: ignore[attr-defined]
        self.send_response(self.server.answer)  # type: ignore[attr-defined]
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def a_hook(answer: int = 204) -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Hook)
    server.heard, server.answer = [], answer  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return a_certificate(tmp_path_factory.mktemp("tls"), "localhost")


@contextmanager
def a_mail_server(certificate: Certificate) -> Iterator[tuple[Inbox, int]]:
    """A mail server that takes mail only after STARTTLS."""
    walls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    walls.load_cert_chain(certificate.chain, certificate.key)
    inbox = Inbox()
    server = Controller(inbox, hostname="127.0.0.1", port=free_port(), tls_context=walls, require_starttls=True)
    server.start()
    try:
        yield inbox, server.port
    finally:
        server.stop()


def mailing(port: int, certificate: Certificate, **more: Any) -> NoticeSettings:
    return NoticeSettings(
        smtp_host="localhost", smtp_port=port, smtp_ca_file=certificate.authority, sender=SENDER, **more
    )


def posting(port: int) -> NoticeSettings:
    return NoticeSettings(
        webhook_url=f"http://127.0.0.1:{port}/hook",
        webhook_secret=SECRET,
        webhook_loopback=True,
    )


@pytest.fixture
def room(database: Database, tmp_path: Path) -> Iterator[Room]:
    with room_for(database, tmp_path / "home") as room:
        yield room


def with_notices(room: Room, settings: NoticeSettings) -> None:
    object.__setattr__(room.settings, "notices", settings)


def waiting(room: Room) -> list[UUID]:
    with unit_of_work(room.sessions) as session:
        return list(session.scalars(text("SELECT id FROM notice WHERE state = 'waiting' ORDER BY id")))


def states(room: Room) -> list[tuple[bool, str]]:
    with unit_of_work(room.sessions) as session:
        found = session.execute(text("SELECT account_id IS NULL, state FROM notice ORDER BY id"))
        return [(row[0], row[1]) for row in found]


def secrets_told(room: Room) -> list[str]:
    """Every value that custody keeps as a disclosure."""
    with unit_of_work(room.sessions) as session:
        rows = session.scalars(text("SELECT disclosure FROM custody_disclosure")).all()
    values = [disclosure.parse(row).value for row in rows]
    return [each for each in values if isinstance(each, str) and len(each) > 3]


def a_story(room: Room) -> None:
    """A request and a break-glass, with everything that must not be told in them."""
    technician, admin = a_person(room, "evidence_tech").principal, a_person(room, "agency_admin").principal
    now: dict[str, Any] = {"at": room.clock(), "request_id": str(new_id())}
    with unit_of_work(room.sessions) as session:
        item = an_item_on_the_books(session, room, technician, filename="marsh_arrest.mp4", incident="26-118204")
        change(session, item, "confidential", reason="Informant Marsh", by=technician, request_id=str(new_id()))
        act = LowerClass("item", item.id, "restricted")
        asked = approvals.required_or_done(session, room.recorder, act, by=technician, reason="Marsh moved", **now)
        assert asked is not None
    with unit_of_work(room.sessions) as session:
        found = session.get_one(EvidenceItem, item.id)
        glass.shatter(session, found, reason="Officer missing on Elm Street", by=admin, **now)


def test_mails_and_posts_arrive_and_tell_nothing(room: Room, certificate: Certificate) -> None:
    a_story(room)
    with a_mail_server(certificate) as (inbox, port), a_hook() as hook:
        both = mailing(port, certificate).model_dump() | {
            name: value for name, value in posting(hook.server_port).model_dump().items() if name.startswith("webhook")
        }
        with_notices(room, NoticeSettings(**both))
        for each in waiting(room):
            deliver(room, each)
            deliver(room, each)

    assert len(inbox.taken) == 2, "the administrator is told of the request and of the broken glass, once each"
    assert all(encrypted for _, _, encrypted in inbox.taken)
    heard = hook.heard  # type: ignore[attr-defined]
    assert [Webhook(SECRET).verify(body, headers)["type"] for headers, body in heard] == [
        "approval.requested",
        "glass.broken",
    ]
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(heard[0][1].replace(b"requested", b"carried_out"), heard[0][0])
    assert {state for _, state in states(room)} == {"sent"}
    said = secrets_told(room)
    assert {"Marsh moved", "Officer missing on Elm Street", "Informant Marsh"} <= set(said)
    for to, content, _ in inbox.taken:
        # Whoever is told is named in the head of their own mail, and nowhere else.
        rest = content.replace(to[0].encode(), b"").decode()
        assert not [each for each in said if each in rest]
    for _, body in heard:
        assert not [each for each in said if each in body.decode() and not _is_agency(each)]
    for hidden in ("marsh", "26-118204", "2026-0", "elm street"):
        assert not [each for _, each, _ in inbox.taken if hidden in each.decode().lower()]
        assert not [each for _, each in heard if hidden in each.decode().lower()]


def _is_agency(said: str) -> bool:
    """The id of the agency is a disclosure of every actor, and the address of the webhook's reader to file it by."""
    try:
        UUID(said)
    except ValueError:
        return False
    return True


def test_without_a_mail_server_notices_are_kept_and_the_doctor_says_so(room: Room) -> None:
    a_story(room)
    for each in waiting(room):
        deliver(room, each)

    assert {state for _, state in states(room)} == {"kept"}
    found = next(each for each in doctor.examine(room.settings) if each.subject == "notices")
    assert (found.health, "nobody is mailed" in found.sentence) == ("note", True)


def test_what_is_not_taken_is_tried_again_told_and_given_up(room: Room) -> None:
    a_story(room)
    with TestClient(create_app(room)) as client, a_hook(answer=503) as hook:
        with_notices(room, posting(hook.server_port))
        posted = next(each for each in waiting(room) if _account(room, each) is None)
        assert client.get("/readyz").json()["status"] == "ready"
        for _ in range(MOST_RETRIES):
            with pytest.raises(NotDeliveredError, match="answered 503"):
                deliver(room, posted)
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        deliver(room, posted)

    assert (True, "failed") in states(room)
    found = next(each for each in doctor.examine(room.settings) if each.subject == "notices")
    assert found.health == "wrong"
    assert "answered 503" in found.sentence


def _account(room: Room, notice_id: UUID) -> UUID | None:
    with unit_of_work(room.sessions) as session:
        return session.get_one(Notice, notice_id).account_id


def test_where_a_notice_sends_people_there_is_something_to_read() -> None:
    described = create_app().openapi()["paths"]
    read = {path.rpartition("/{")[0] for path, methods in described.items() if "get" in methods and "{" in path}

    assert {f"/api/v1/{resource}" for _, _, resource in SAID.values()} <= read


def test_a_rolled_back_act_tells_nobody(room: Room) -> None:
    admin = a_person(room, "agency_admin").principal
    with suppress(ZeroDivisionError), unit_of_work(room.sessions) as session:
        notices.to_administrators(session, "account.reset", new_id(), agency_id=admin.agency_id, at=room.clock())
        raise ZeroDivisionError
    assert states(room) == []

    with unit_of_work(room.sessions) as session:
        notices.to_administrators(session, "account.reset", new_id(), agency_id=admin.agency_id, at=room.clock())
    assert len(states(room)) == 2, "the control"


def test_a_redirect_is_not_followed() -> None:
    with a_hook(answer=307) as hook, pytest.raises(NotDeliveredError, match="307"):
        channels.webhook(posting(hook.server_port), {}, id="1", at=datetime.now(UTC))

    assert len(hook.heard) == 1  # type: ignore[attr-defined]


def test_nothing_is_sent_to_a_mail_server_nobody_vouches_for(certificate: Certificate) -> None:
    message = EmailMessage()
    message["From"], message["To"] = SENDER, "a@riverbend.example"
    with a_mail_server(certificate) as (inbox, port):
        strange = NoticeSettings(smtp_host="localhost", smtp_port=port, sender=SENDER)
        with pytest.raises(NotDeliveredError, match="SSL"):
            channels.mail(strange, message)
        assert inbox.taken == []
        channels.mail(mailing(port, certificate), message)

    assert len(inbox.taken) == 1, "the control"


def test_the_signature_is_that_of_the_specification() -> None:
    """The example that the libraries of Standard Webhooks are tested with."""
    settings = NoticeSettings(
        webhook_url="https://city.example/hook",
        webhook_secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )

    headers = channels.signed(
        settings.webhook_key,
        b'{"test": 2432232314}',
        id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at=datetime.fromtimestamp(1614265330, UTC),
    )

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhook_url": "http://city.example/hook", "webhook_secret": SECRET},
        {"webhook_url": "http://127.0.0.1/hook", "webhook_secret": SECRET},
        {"webhook_url": "http://city.example/hook", "webhook_secret": SECRET, "webhook_loopback": True},
        {"webhook_url": "https://me:secret@city.example/hook", "webhook_secret": SECRET},
        {"webhook_url": "file:///etc/passwd", "webhook_secret": SECRET},
        {"webhook_url": "https://city.example/hook"},
        {"webhook_url": "https://city.example/hook", "webhook_secret": "whsec_c2hvcnQ="},
        {"smtp_host": "mail.example"},
        {"smtp_host": "mail.example", "sender": SENDER, "smtp_security": "none"},
    ],
    ids=str,
)
def test_unsafe_ways_out_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NoticeSettings(**wrong)
