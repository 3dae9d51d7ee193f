"""A real server process in a test: started, killed without warning, started again on the same port and data."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import uvicorn

from evidence.main import create_app
from evidence.room import open_room
from evidence.settings import Settings


class Server:
    """`evidence.main` under uvicorn, in a process of its own."""

    def __init__(self, settings: Settings, log: Path, *, module: str = __name__) -> None:
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = log
        self._module = module
        self._environment = {
            **os.environ,
            **_as_environment(settings),
            "EVIDENCE_PORT": str(self.port),
            # Tokens are issued under this name, by the test for the server and the other way round.
            "EVIDENCE_PUBLIC_URL": settings.url,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start, unless it runs, and return when it answers."""
        if self._process is not None:
            return
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module], env=self._environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 120
        while not self._answers():
            assert self._process.poll() is None, f"the server ended: {self._log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill it as a power cut would: no signal it could hear."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to stop, and wait."""
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(60)
            self._process = None

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/healthz", timeout=5).status_code == 200
        except httpx2.TransportError:
            return False


@contextmanager
def serving(settings: Settings, log: Path, *, module: str = __name__) -> Iterator[Server]:
    """Have a server for as long as the block lasts: this module's own, or another that ends in `serve`."""
    server = Server(settings, log, module=module)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def _as_environment(settings: Settings) -> dict[str, str]:
    said = settings.model_dump(exclude_unset=True)
    secrets = {name: value.get_secret_value() for name, value in said.items() if hasattr(value, "get_secret_value")}
    return {f"EVIDENCE_{name.upper()}": str(value) for name, value in {**said, **secrets}.items() if value is not None}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve() -> None:
    """Serve until told to stop, by the settings of the environment."""
    settings = Settings()
    with open_room(settings) as room:
        uvicorn.run(
            create_app(room),
            host="127.0.0.1",
            port=settings.port,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=2,
        )


if __name__ == "__main__":
    serve()
