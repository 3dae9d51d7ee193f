"""A whole installation as a city would run it: its own processes, its own folder, reached by commands and HTTP only."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tests.support.zygote import zygote

PASSWORD = "only-for-the-tests-2026"
AGENCY = "Riverbend Police Department"
ADMIN, TECHNICIAN, OFFICER = "admin@riverbend.example", "tech@riverbend.example", "officer@riverbend.example"
CLERK = "clerk@riverbend.example"
READY_WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How one command ended, and all it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of --json; every line of stdout has to be one."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """The lines of one kind."""
        return [line for line in self.lines if line["kind"] == kind]

    @property
    def summary(self) -> dict[str, Any]:
        """The last line."""
        last = self.lines[-1]
        assert last["kind"] == "summary", last
        return last


@dataclass
class Installation:
    """An installation under `folder`, with its own profiles and docks; `settings` are further ones of its own."""

    folder: Path
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    config: Path = field(init=False)

    def __post_init__(self) -> None:
        self.config = self.folder / "config"

    @property
    def url(self) -> str:
        """Where its server answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def home(self) -> Path:
        """Where its database, objects and keys are."""
        return self.folder / "home"

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of its commands. An empty value takes a name out."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("EVIDENCE_")}
        ours = {
            "EVIDENCE_HOME": str(self.home),
            "EVIDENCE_CONFIG_DIR": str(self.config),
            "EVIDENCE_PORT": str(self.port),
            "EVIDENCE_URL": self.url,
            "EVIDENCE_PASSWORD": PASSWORD,
            # Most tests are about something else; cli/test_signing_in.py has an installation as it should be.
            "EVIDENCE_ENVIRONMENT": "development",
            "EVIDENCE_AUTH__SECOND_FACTOR": "optional",
            "COLUMNS": "200",
        }
        return {name: value for name, value in (kept | ours | dict(self.settings) | more).items() if value}

    def run(
        self,
        *arguments: str | Path,
        expect: Sequence[int] = (0,),
        environment: Mapping[str, str] | None = None,
        under: Sequence[str] = (),
    ) -> Ended:
        """Run one command to its end; `under` another program as a process from scratch."""
        own = self.environment(**(environment or {}))
        if under:
            ended = subprocess.run(
                [*under, *command(*arguments)],
                env=own,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                check=False,
                timeout=120,
            )
        else:
            ended = zygote().run(list(map(str, arguments)), own, timeout=120)
        assert ended.returncode in expect, (arguments, ended.returncode, ended.stdout[-2000:], ended.stderr[-2000:])
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def start(self, *arguments: str | Path, log: Path | None = None) -> subprocess.Popen[str]:
        """Start one command, whose stdout can be read while it runs."""
        with (log or self.folder / "commands.log").open("ab") as heard:
            return subprocess.Popen(
                command(*arguments),
                env=self.environment(),
                stdout=subprocess.PIPE,
                stderr=heard,
                stdin=subprocess.DEVNULL,
                text=True,
            )

    @contextmanager
    def serving(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Run the server for as long as the block lasts."""
        server = self.start("serve", *arguments, log=self.folder / "server.log")
        try:
            self.wait_until_ready(server)
            yield server
        finally:
            stop(server)

    def wait_until_ready(self, server: subprocess.Popen[str]) -> None:
        """Wait until the server answers; fail with its log when it ended."""
        until = time.monotonic() + READY_WITHIN
        while not self.answers():
            assert server.poll() is None, (self.folder / "server.log").read_text()[-3000:]
            assert time.monotonic() < until, (self.folder / "server.log").read_text()[-3000:]
            time.sleep(0.1)

    def answers(self) -> bool:
        """Whether the server is ready at this moment."""
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=5).is_success
        except httpx2.TransportError:
            return False

    def prepare(self) -> None:
        """Make database and keys, and the account that makes the others."""
        two = ["--administrator", f"A. Admin <{ADMIN}>", "--administrator", f"C. Clerk <{CLERK}>"]
        self.run("init", "--agency", AGENCY, *two)

    def people(self) -> None:
        """Sign in an administrator, a technician and an officer, each under a profile; enrol a dock."""
        self.run("sign-in", "--email", ADMIN, "--profile", "admin")
        self.run("sign-in", "--email", CLERK, "--profile", "clerk")
        for email, role in ((TECHNICIAN, "evidence_tech"), (OFFICER, "officer")):
            badge = ["--badge", "4711"] if role == "officer" else []
            self.account("--email", email, "--name", role, "--role", role, *badge)
            self.run("sign-in", "--email", email, "--profile", "officer" if role == "officer" else "default")
        self.run("dock", "enrol", "east-1")

    def account(self, *arguments: str) -> dict[str, Any]:
        """Make an account and have its roles approved; return the approved request."""
        made = self.run("account", "create", *arguments, "--profile", "admin", "--json").summary["result"]["approval"]
        approve = ("approval", "approve", made["id"], "--sha256", made["sha256"], "--profile", "clerk", "--json")
        approved: dict[str, Any] = self.run(*approve).summary["result"]["request"]
        return approved

    def post(self, where: str, asked: Any, *, profile: str) -> dict[str, Any]:
        """Ask the server with a profile's token: what a test needs beforehand, without a process for each step."""
        token = json.loads((self.config / "profiles" / f"{profile}.json").read_text())["token"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx2.post(f"{self.url}/api/v1{where}", json=asked, headers=headers, timeout=60)
        said: dict[str, Any] = answer.raise_for_status().json()
        return said

    def sign_in_quickly(self, email: str, *, profile: str) -> None:
        """Sign in and keep a profile, as `evidence sign-in` does."""
        form = {"grant_type": "password", "username": email, "password": PASSWORD}
        answer = httpx2.post(f"{self.url}/api/v1/tokens", data=form, timeout=60).raise_for_status().json()
        kept = {"url": self.url, "email": email, "token": answer["access_token"], "expires": "2099-01-01T00:00:00Z"}
        (self.config / "profiles" / f"{profile}.json").write_text(json.dumps(kept))


@contextmanager
def installed(folder: Path) -> Iterator[Installation]:
    """Have an installation ready and its server running, with people and a dock."""
    folder.mkdir(parents=True, exist_ok=True)
    installation = Installation(folder, free_port())
    installation.prepare()
    with installation.serving():
        installation.people()
        yield installation


def command(*arguments: str | Path) -> list[str]:
    """The command line of one `evidence` command."""
    return [sys.executable, "-m", "evidence.cli", *map(str, arguments)]


def stop(process: subprocess.Popen[str]) -> int:
    """Ask a process to stop, and kill it when it does not; return how it ended."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
    finally:
        if process.stdout is not None:
            process.stdout.close()


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
