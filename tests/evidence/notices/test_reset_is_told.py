"""Whoever sits at the server can become anybody by a reset: it is on record, and the others hear of it by mail."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from aiosmtpd.controller import Controller

from evidence.engines import postgres
from evidence.proof import record
from tests.evidence.notices.test_delivery import SENDER, Inbox
from tests.support.database import driver_url
from tests.support.installation import ADMIN, CLERK, Installation, free_port
from tests.support.waiting import until


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """A mail server on this machine."""
    inbox = Inbox()
    server = Controller(inbox, hostname="127.0.0.1", port=free_port())
    server.start()
    inbox.port = server.port
    yield inbox
    server.stop()


def acts(house: Installation, account: str) -> list[str]:
    with postgres.attached(house.home) as cluster, psycopg.connect(driver_url(cluster.app_url)) as connection:
        rows = connection.execute(
            "SELECT raw FROM custody_record WHERE chain = %s ORDER BY seq", [f"account/{account}"]
        ).fetchall()
    return [record.parse(bytes(raw)).body.decode() for (raw,) in rows]


def test_a_reset_at_the_console_is_on_record_and_told_to_the_other_administrators(inbox: Inbox, tmp_path: Path) -> None:
    mail = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(inbox.port), "SMTP_SECURITY": "none", "SENDER": SENDER}
    settings = {f"EVIDENCE_NOTICES__{name}": value for name, value in mail.items()}
    house = Installation(tmp_path, free_port(), settings=settings)
    house.prepare()
    house.run("admin", "reset", "nobody@riverbend.example", expect=[1])

    reset = house.run("admin", "reset", ADMIN, "--json").summary["result"]

    assert any('"act":"account.reset"' in body for body in acts(house, reset["account"]))
    with house.serving():
        until(lambda: len(inbox.taken) > 0, what="the mail")
        house.run("sign-in", "--email", CLERK, "--profile", "clerk")
        (notice,) = house.run("tasks", "--profile", "clerk", "--json").summary["result"]["notices"]
        assert (notice["kind"], notice["about"]) == ("account.reset", reset["account"])
    ((to, content, _),) = inbox.taken
    assert to == [CLERK], "and not who was reset, nor anybody for the reset that was none"
    assert f"/api/v1/accounts/{reset['account']}" in content.decode()
    assert ADMIN not in content.decode()
