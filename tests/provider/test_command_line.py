"""The command line signs in with a browser: what the browser is handed is worth nothing to anybody else."""

import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn

from auth.single_sign_on import challenge_of
from evidence.ids import new_id
from evidence.main import create_app
from tests.provider.conftest import City
from tests.provider.test_real_provider import refused, token_of
from tests.support.identity_provider import Browser
from tests.support.installation import free_port
from tests.support.people import Person, a_person

pytestmark = pytest.mark.node

WAITING = "http://127.0.0.1:9/answer"
VERIFIER = "v" * 43


@contextmanager
def listening(city: City) -> Iterator[str]:
    """Have the application listen on a port of its own."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(create_app(city.room), host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


def through_the_browser(city: City, user: str, url: str, address: str) -> str:
    """Open the address, sign in at the provider, and return where the browser is sent in the end."""
    with httpx2.Client(follow_redirects=False) as browser:
        begun = browser.get(address)
        assert begun.status_code == 303, begun.text
        _, brought = Browser(city.provider, user).go(begun.headers["location"])
        answer = browser.get(f"{url}/api/v1/sign-in/city/callback", params=brought)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def test_the_command_line_signs_in_and_is_renewed(city: City, user: str, tmp_path: Path) -> None:
    account = city.expected(f"{user}@riverbend.example", "officer")
    environment = {**os.environ, "EVIDENCE_CONFIG_DIR": str(tmp_path), "BROWSER": "true"}
    evidence = [sys.executable, "-m", "evidence.cli"]
    with listening(city) as url:
        asked = [*evidence, "sign-in", "--provider", "city", "--url", url, "--json"]
        with subprocess.Popen(asked, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            address = next(word for value in said.values() for word in str(value).split() if word.startswith(url))
            sent = through_the_browser(city, user, url, address)
            assert httpx2.get(sent.replace("state=", "state=x")).status_code == 404, "not the answer it waits for"
            assert httpx2.get(sent).status_code == 200
            summary = json.loads(process.stdout.read().splitlines()[-1])

        assert (process.returncode, summary["exit_code"]) == (0, 0)
        kept = tmp_path / "profiles" / "default.json"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        profile: dict[str, Any] = json.loads(kept.read_text())
        assert city.me(profile["token"]).json()["id"] == str(account.id)

        kept.write_text(json.dumps({**profile, "expires": (city.clock() + timedelta(minutes=5)).isoformat()}))
        listed = subprocess.run([*evidence, "item", "list"], env=environment, capture_output=True, text=True)
        assert listed.returncode in (0, 4), listed.stderr
        assert json.loads(kept.read_text())["token"] != profile["token"], "renewed, as it was about to end"
        wrong = subprocess.run([*asked[:5], "elsewhere", *asked[6:]], env=environment, capture_output=True, text=True)
        assert wrong.returncode == 5
        assert "it has city" in wrong.stdout


def test_two_administrators_map_a_group_at_the_command_line(city: City, tmp_path: Path) -> None:
    asker, second = (a_person(city.room, "agency_admin") for _ in range(2))
    group = f"Squad {new_id().hex[-12:]}"
    with listening(city) as url:

        def run(by: Person, *words: str) -> dict[str, Any]:
            token = by.headers["Authorization"].removeprefix("Bearer ")
            own = {**os.environ, "EVIDENCE_CONFIG_DIR": str(tmp_path), "EVIDENCE_URL": url, "EVIDENCE_TOKEN": token}
            command = [sys.executable, "-m", "evidence.cli", *words, "--json"]
            ended = subprocess.run(command, env=own, capture_output=True, text=True, check=False)
            assert ended.returncode == 0, ended.stdout + ended.stderr
            result: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])["result"]
            return result

        def mapped() -> list[list[str]]:
            return [each["roles"] for each in run(second, "group", "list")["mappings"] if each["group"] == group]

        here = [group, "--provider", "city", "--reason", "New squad"]
        waiting = run(asker, "group", "map", *here, "--role", "officer", "--role", "records_clerk")["approval"]
        assert mapped() == []
        run(second, "approval", "approve", waiting["id"], "--sha256", waiting["sha256"])
        assert mapped() == [["officer", "records_clerk"]]
        run(asker, "group", "end", *here)
        assert mapped() == []


def begun_at_a_desk(city: City, user: str) -> str:
    """Sign in for a program that waits, and return its code."""
    asked = {"return_to": WAITING, "code_challenge": challenge_of(VERIFIER), "state": "state-of-the-desk"}
    answer = city.come_back(city.begin(user, **asked)[1])
    sent = httpx2.URL(answer.headers["location"])
    assert (str(sent.copy_with(query=None)), sent.params["state"]) == (WAITING, "state-of-the-desk")
    return str(sent.params["code"])


def redeem(city: City, code: str, verifier: str = VERIFIER) -> httpx2.Response:
    return city.client.post("/api/v1/sign-in/code", json={"code": code, "code_verifier": verifier})


def test_a_code_is_good_for_its_program_once_and_a_second_use_ends_the_session(city: City, user: str) -> None:
    city.expected(f"{user}@riverbend.example")
    code = begun_at_a_desk(city, user)

    assert refused(redeem(city, code, "x" * 43)), "without the verifier it is worth nothing"
    token = token_of(redeem(city, code))
    assert city.me(token).status_code == 200
    assert refused(redeem(city, code))
    assert refused(city.me(token)), "it was stolen: nobody keeps what it gave"


def test_a_code_is_good_for_a_minute(city: City, user: str) -> None:
    city.expected(f"{user}@riverbend.example")
    code = begun_at_a_desk(city, user)
    city.clock.advance(timedelta(seconds=60))

    assert refused(redeem(city, code))


@pytest.mark.parametrize(
    "change",
    [
        {"return_to": "https://attacker.example/"},
        {"return_to": "http://127.0.0.1.attacker.example:80/"},
        {"return_to": "http://127.0.0.1:80@attacker.example/"},
        {"return_to": "http://127.0.0.1/no-port"},
        {"return_to": "http://127.0.0.1:99999/"},
        {"return_to": "http://127.0.0.1:80/?x=1"},
        {"return_to": "http://127.0.0.1:80/\r\nSet-Cookie:x"},
        {"return_to": "http://localhost:80/"},
        {"return_to": None},
        {"code_challenge": None},
        {"code_challenge": "short"},
        {"state": None},
        {"state": "\0" * 8},
    ],
    ids=str,
)
def test_a_program_waits_on_this_machine_and_with_a_challenge_or_not_at_all(
    city: City, change: dict[str, str | None]
) -> None:
    good = {"return_to": WAITING, "code_challenge": challenge_of(VERIFIER), "state": "state-of-the-desk"}
    asked = {name: value for name, value in {**good, **change}.items() if value is not None}

    answers = [city.client.get("/api/v1/sign-in/city", params=each, follow_redirects=False) for each in (good, asked)]

    assert [each.status_code for each in answers] == [303, 400]
