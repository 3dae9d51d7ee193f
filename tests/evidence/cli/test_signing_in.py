"""Sign-in at the command line, on an installation as it should be: second factors required, with a notice."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import httpx2
import pytest

from evidence.cli.exits import ExitCode
from tests.support.authenticator import Authenticator
from tests.support.installation import ADMIN, AGENCY, CLERK, PASSWORD, Installation, free_port

NOTICE = "Authorised use only."
REQUIRED = {"EVIDENCE_ENVIRONMENT": "", "EVIDENCE_AUTH__SECOND_FACTOR": "", "EVIDENCE_AUTH__BANNER": NOTICE}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, Authenticator, list[str]]]:
    """An installation whose first administrator has an authenticator and recovery codes, as `init` shows them."""
    house = Installation(tmp_path_factory.mktemp("house"), free_port(), settings=REQUIRED)
    two = ("--administrator", f"A. Admin <{ADMIN}>", "--administrator", f"C. Clerk <{CLERK}>")
    result, other = house.run("init", "--agency", AGENCY, *two, "--json").summary["result"]["made"]
    assert result["secret"] != other["secret"]
    with house.serving("--no-worker"):
        yield house, Authenticator(result["secret"]), result["recovery_codes"]


def test_a_person_signs_in_with_a_code_and_the_profile_renews_itself(
    house: tuple[Installation, Authenticator, list[str]], tmp_path: Path
) -> None:
    room, authenticator, _ = house
    signing_in = ("sign-in", "--email", ADMIN)
    unread = room.run(*signing_in, expect=[ExitCode.USAGE])
    assert "system-use notice" in unread.stderr
    wrong = room.run(*signing_in, "--acknowledge", "--recovery-code", "wrong", expect=[ExitCode.REFUSED])
    assert "the code is wrong" in wrong.stderr
    file = tmp_path / "code"
    file.write_text(authenticator.code() + "\n")
    file.chmod(0o600)
    shown = room.run(*signing_in, "--acknowledge", "--totp-file", file)
    assert NOTICE in shown.stdout
    profile = room.config / "profiles" / "default.json"
    assert profile.stat().st_mode & 0o777 == 0o600

    before = json.loads(profile.read_text())
    profile.write_text(json.dumps({**before, "expires": datetime.now(UTC).isoformat()}))
    with ThreadPoolExecutor(3) as several:
        listed = list(several.map(lambda number: room.run("dock", "code", f"dock-{number}"), range(3)))

    after = json.loads(profile.read_text())
    assert len(listed) == 3, "of three at once one renewed and all went on"
    assert after["renewal"] != before["renewal"]
    room.run("sign-out")
    assert not profile.exists()
    profile.write_text(json.dumps(after))
    ended = room.run("item", "list", expect=[ExitCode.REFUSED])
    assert "your sign-in has ended" in ended.stderr, "the session is over, not only forgotten"
    profile.unlink()


def test_the_console_lets_in_whoever_has_lost_everything(
    house: tuple[Installation, Authenticator, list[str]], tmp_path: Path
) -> None:
    room, _, _ = house
    email = "lost@riverbend.example"
    room.run("admin", "create", "--email", email, "--name", "L", "--agency", AGENCY)
    digest = sha256(NOTICE.encode()).hexdigest()
    guess = {"grant_type": "password", "username": email, "password": "x", "banner_acknowledged": digest}
    assert [httpx2.post(f"{room.url}/api/v1/tokens", data=guess).status_code for _ in range(5)] == [401] * 5

    made = room.run("admin", "reset", email, "--json", environment={"EVIDENCE_PASSWORD": ""}).summary["result"]

    own, once = tmp_path / "own", tmp_path / "once"
    for file, text in ((own, "chosen by myself 7"), (once, made["password"])):
        file.write_text(text + "\n")
        file.chmod(0o600)
    signing_in = ("sign-in", "--email", email, "--acknowledge", "--profile", "lost")
    room.run(*signing_in, "--password-file", once, "--new-password-file", own)
    refused = room.run("dock", "code", "dock-2", "--profile", "lost", expect=[ExitCode.REFUSED])
    assert "evidence account second-factor enrol" in refused.stderr
    offered = room.run("account", "second-factor", "enrol", "--profile", "lost", "--json").summary["result"]
    code = Authenticator(offered["secret"]).code()
    room.run("account", "second-factor", "confirm", "--profile", "lost", environment={"EVIDENCE_TOTP": code})
    room.run("dock", "code", "dock-2", "--profile", "lost")
    assert PASSWORD not in (room.config / "profiles" / "lost.json").read_text()


def test_no_installation_for_evidence_does_without_second_factors(tmp_path: Path) -> None:
    weak = Installation(tmp_path, free_port(), settings={"EVIDENCE_ENVIRONMENT": ""})

    ended = weak.run("migrate", expect=[ExitCode.ERROR, ExitCode.USAGE])

    assert "EVIDENCE_AUTH__SECOND_FACTOR" in ended.stderr
