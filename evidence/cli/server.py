"""`evidence serve`, `evidence worker` and `evidence migrate`: the processes of an installation."""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evidence.cli import logs
from evidence.cli.boundary import command
from evidence.cli.exits import ExitCode
from evidence.cli.output import Output, Step
from evidence.cli.sending import DryRun
from evidence.errors import SetupError

if TYPE_CHECKING:
    from evidence.settings import Settings

GRACE_SECONDS = 10
"""How long requests may take to end when the server stops; uploads resume by themselves later."""


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    command(app, "serve")(serve)
    command(app, "worker")(work)
    command(app, "migrate")(migrate)


def read_settings(**given: Any) -> "Settings":
    """Read the settings of this installation; raise SetupError naming what is wrong, never a value."""
    from pydantic import ValidationError

    from evidence.settings import Settings

    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        wrong = "; ".join(_setting(each) for each in error.errors(include_input=False, include_url=False))
        raise SetupError(
            f"The settings are wrong: {wrong}", next_step="correct the environment or EVIDENCE_CONFIG"
        ) from None


def serve(
    out: Output,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65535, help="Port to listen on.")] = None,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Run no worker; one runs elsewhere.")] = False,
) -> ExitCode:
    """Run the server, with a worker beside it, until it is told to stop."""
    from evidence.engines.supervisor import Supervised
    from evidence.main import create_app
    from evidence.room import open_room

    logs.configure()
    settings = read_settings(host=host, port=port)
    with _listening(settings) as listener, _stop_signals() as received, open_room(settings) as room:
        worker = Supervised(_worker_command(), name="worker", tell=out.remark)
        with nullcontext() if no_worker else worker:
            _serve_until_stopped(out, create_app(room), listener, settings.url, received)
    return ExitCode.INTERRUPTED if signal.SIGINT in received else ExitCode.OK


def work(
    out: Output, parent: Annotated[int | None, typer.Option("--parent", hidden=True, help="Ends with it.")] = None
) -> None:
    """Run a worker: what is done later, such as reading what a recording is."""
    from evidence import worker
    from evidence.engines.supervisor import end_with_parent

    logs.configure()
    if parent is not None and not end_with_parent(parent):
        return
    worker.run(read_settings())


def migrate(out: Output, dry_run: DryRun = False) -> ExitCode:
    """Bring the database to the schema of this program, and make the keys that are missing."""
    from evidence import room

    settings = read_settings()
    steps = _pending(settings)
    out.plan([Step(act="apply", name=each) for each in steps], dry_run=dry_run)
    if dry_run:
        out.sum_up(ExitCode.OK, "dry_run", steps=steps)
        return ExitCode.OK
    new_keys = not settings.agency_key_path.exists()
    origin = room.prepare(settings)
    for each in steps:
        out.verified(each, "applied")
    out.say(f"{origin} is ready." if steps else f"{origin} was up to date.")
    if new_keys:
        out.say(
            f"Keep a copy of {settings.agency_key_path} elsewhere, apart from the copies of database and objects: "
            "without it nothing stored can ever be read."
        )
    # Not NOTHING_TO_DO: whoever runs this before every start wants to hear that all is well.
    out.sum_up(origin=origin, steps=steps, new_keys=new_keys)
    return ExitCode.OK


def _pending(settings: "Settings") -> list[str]:
    """Return the steps to come, without making a database where there is none."""
    from evidence.database import connect
    from evidence.engines import schema
    from evidence.engines.cluster import ClusterFiles
    from evidence.room import database_url

    if settings.embedded_database and not ClusterFiles(settings.home.resolve()).exists:
        return schema.pending(None)
    with database_url(settings) as url:
        engine = connect(url, pool_size=1)
        try:
            return schema.pending(engine)
        finally:
            engine.dispose()


def _serve_until_stopped(
    out: Output, app: Any, listener: socket.socket, url: str, received: set[signal.Signals]
) -> None:
    import uvicorn

    class Announcing(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            # A signal that came before uvicorn minded them was only noted.
            self.should_exit = self.should_exit or bool(received)
            out.note(f"Listening on {url}")

    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE_SECONDS, server_header=False
    )
    server = Announcing(config)
    server.run(sockets=[listener])
    if not server.started:
        raise SetupError("the server did not start", next_step="read what it logged, above")
    out.remark("Stopped.")


@contextmanager
def _listening(settings: "Settings") -> Iterator[socket.socket]:
    """Take the address before anything else is started, or say who it is that has it."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            raise SetupError(
                f"cannot listen on {settings.host}:{settings.port}: {(error.strerror or 'refused').lower()}",
                next_step="choose another --host or --port, or stop what listens there",
            ) from None
        yield listener


@contextmanager
def _stop_signals() -> Iterator[set[signal.Signals]]:
    """Note SIGTERM and SIGINT instead of dying of them.

    uvicorn stops on both and then raises them again for whoever called it: with the default
    handlers that would be our end, before the worker and the database were told.
    """
    received: set[signal.Signals] = set()

    def note(number: int, _frame: Any) -> None:
        received.add(signal.Signals(number))

    before = {each: signal.signal(each, note) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _worker_command() -> list[str]:
    return [sys.executable, "-m", "evidence.cli", "worker", "--quiet", "--parent", str(os.getpid())]


def _setting(wrong: Any) -> str:
    where = "__".join(str(part) for part in wrong["loc"]).upper()
    return f"EVIDENCE_{where}: {wrong['msg']}" if where else str(wrong["msg"])
