"""A real server, and clients written by others that upload to it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import httpx2
import pytest

from evidence.engines.postgres import Cluster
from evidence.ids import new_id
from evidence.room import Room
from tests.support import npm
from tests.support.database import database_from
from tests.support.people import a_person
from tests.support.rooms import room_for
from tests.support.server import Server, serving
from tests.support.uploading import Sender, footage_like, require_receipt, stored_original

HERE = Path(__file__).parent
TOOLS = HERE.parents[1] / ".tools" / "clients"
"""Where npm puts what it installs; outside of the tree, and kept between runs."""

SIZE = 24 << 20

ClientName = Literal["tus-js-client", "tuspy"]


class Installation:
    """One installation and a server process on it, in which an officer uploads."""

    def __init__(self, room: Room, server: Server) -> None:
        self.room = room
        self.server = server
        self.headers = a_person(room, "officer", agency=f"Police Department {new_id()}").headers

    @property
    def token(self) -> str:
        return self.headers["Authorization"].removeprefix("Bearer ")

    def require_received(self, url: str, body: bytes) -> None:
        """Check that the upload at this address is an item with these bytes and a good receipt."""
        where = httpx2.URL(url).path
        with httpx2.Client(base_url=self.server.url) as client:
            receipt = Sender(client, self.headers).receipt(where)
        assert receipt.status_code == 200, receipt.text
        require_receipt(self.room, where, receipt.text)
        assert sha256(stored_original(self.room, where)).digest() == sha256(body).digest()


@dataclass
class Client:
    """One run of a client, in a process of its own."""

    process: subprocess.Popen[str]
    said: list[dict[str, Any]]

    def until(self, step: str) -> dict[str, Any]:
        """Read what it says until it says this; fail if it ends before."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(json.loads(line))
            if self.said[-1]["step"] == step:
                return self.said[-1]
        raise AssertionError(f"the client ended with {self.process.wait()} after {self.said}")

    def go_on(self) -> None:
        """Let a client that paused go on."""
        assert self.process.stdin is not None
        self.process.stdin.write("x")
        self.process.stdin.close()

    def kill(self) -> None:
        """Kill it without warning."""
        self.process.kill()
        self.process.wait()


class Clients:
    """Starts clients that upload one file."""

    def __init__(self, installation: Installation, folder: Path) -> None:
        self.installation = installation
        self.body = footage_like(SIZE, seed=int(new_id()))
        self.file = folder / "stop.mp4"
        self.file.write_bytes(self.body)
        self.urls = folder / "urls.json"
        self.digest = sha256(self.body).hexdigest()
        self._running: list[Client] = []

    def start(self, name: ClientName, *, chunk_size: int | None, pause_at: int | None = None, **more: Any) -> Client:
        given = {
            "endpoint": f"{self.installation.server.url}/api/v1/uploads{'/' if name == 'tuspy' else ''}",
            "token": self.installation.token,
            "file": str(self.file),
            "sha256": self.digest,
            "urls": str(self.urls),
            "chunkSize": chunk_size,
            "pauseAt": pause_at,
            "checksum": False,
            **more,
        }
        command = {
            "tus-js-client": ["node", str(TOOLS / "upload.mjs")],
            "tuspy": [sys.executable, str(HERE / "upload_with_tuspy.py")],
        }[name]
        process = subprocess.Popen(
            [*command, json.dumps(given)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._running.append(Client(process, []))
        return self._running[-1]

    def end(self) -> None:
        for client in self._running:
            client.kill()
            for pipe in (client.process.stdin, client.process.stdout):
                if pipe is not None:
                    pipe.close()


@pytest.fixture(scope="session")
def tus_js_client() -> None:
    """Have tus-js-client installed as the lock file says, or leave the test out."""
    npm.install(HERE, TOOLS, script="upload.mjs")


@pytest.fixture(scope="module")
def room(cluster: Cluster, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """One installation for all clients."""
    home = tmp_path_factory.mktemp("clients") / "home"
    with database_from(cluster, template) as database, room_for(database, home) as room:
        yield room


@pytest.fixture(scope="module")
def server(room: Room, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server process for all clients; some have it killed and started again."""
    with serving(room.settings, tmp_path_factory.mktemp("server") / "log") as server:
        yield server


@pytest.fixture
def installation(room: Room, server: Server) -> Installation:
    """An officer in an agency of their own, and a server that runs."""
    server.start()
    return Installation(room, server)


@pytest.fixture
def clients(installation: Installation, tmp_path: Path) -> Iterator[Clients]:
    """Clients that upload one file of 24 MiB."""
    clients = Clients(installation, tmp_path)
    yield clients
    clients.end()
