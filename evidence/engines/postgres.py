"""Use the embedded PostgreSQL: `with attached(home) as cluster: ...`.

Server, worker and commands share one cluster.  Whoever comes first makes and starts it; it runs
under a keeper (keeper.py) until the last one has left or was killed.  A server that is killed is
started again, and what was committed is there.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

import evidence
from evidence.engines import flocks
from evidence.engines.cluster import APP_ROLE, DATABASE, OWNER_ROLE, SUPERUSER, ClusterFiles, server_user
from evidence.errors import SetupError

_READY_WITHIN = 60.0
_LOOK_EVERY = 0.03
_KEEPER_WITHIN = 10.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running PostgreSQL with our database and our two roles."""

    files: ClusterFiles

    @property
    def owner_url(self) -> str:
        """The address for the role that owns the tables and migrates them."""
        return self.files.url(OWNER_ROLE)

    @property
    def app_url(self) -> str:
        """The address for the role of the application."""
        return self.files.url(APP_ROLE)

    @property
    def superuser_url(self) -> str:
        """The address for the server's administrator; for tests and maintenance, not for the program."""
        return self.files.url(SUPERUSER)


@contextmanager
def attached(home: Path, *, create: bool = True) -> Iterator[Cluster]:
    """Have PostgreSQL running, with database and roles, for as long as the block lasts.

    Raises SetupError when it cannot be started, saying what to do; and, unless it may `create`
    one, when there is none in the folder: a mistyped name makes nothing.
    """
    if not create:
        require_cluster(home)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = ClusterFiles(home.resolve())
    left = threading.Event()
    # While a keeper is stopping the server it holds the users' lock alone: we wait here until it has gone.
    with flocks.shared(files.users_lock):
        with flocks.exclusive(files.start_lock):
            _start(files)
            _make_roles(files)
        threading.Thread(target=_watch, args=(files, left), name="postgres-keeper-watch", daemon=True).start()
        try:
            yield Cluster(files)
        finally:
            left.set()


def require_cluster(home: Path) -> None:
    """Raise SetupError unless a cluster was made in the folder."""
    if not ClusterFiles(home.resolve()).exists:
        raise SetupError(
            f"there is no installation in {home}",
            next_step="check EVIDENCE_HOME, or run `evidence migrate` to make one",
        )


def _start(files: ClusterFiles) -> None:
    """Have a keeper running and the server ready. The caller holds the start lock."""
    if not files.exists:
        files.create()
    files.prepare_socket_folder()
    if not flocks.is_held(files.keeper_lock):
        server_user()  # says here, and not in a log, that root needs user namespaces
        _start_keeper(files)
    until = time.monotonic() + _READY_WITHIN
    while not _is_ready(files):
        if time.monotonic() > until or not flocks.is_held(files.keeper_lock):
            raise SetupError("PostgreSQL did not start", next_step=files.read_the_log)
        time.sleep(_LOOK_EVERY)


def _start_keeper(files: ClusterFiles) -> None:
    """Start the keeper as nobody's child, so that it neither dies with us nor stays behind as a zombie."""
    command = [sys.executable, "-m", "evidence.engines.keeper", str(files.home)]
    with files.log.open("ab") as log:
        subprocess.run(
            ["sh", "-c", '"$@" &', "sh", *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=Path(evidence.__file__).parents[1],
            start_new_session=True,
            check=True,
        )
    until = time.monotonic() + _KEEPER_WITHIN
    while not flocks.is_held(files.keeper_lock):
        if time.monotonic() > until:
            raise SetupError("the keeper of PostgreSQL did not start", next_step=files.read_the_log)
        time.sleep(_LOOK_EVERY)


def _is_ready(files: ClusterFiles) -> bool:
    try:
        with _administrator(files):
            return True
    except psycopg.OperationalError:
        return False


def _make_roles(files: ClusterFiles) -> None:
    """Make the two roles and the database where they are missing. Nobody is a superuser but the administrator."""
    with _administrator(files) as connection:
        for role in (OWNER_ROLE, APP_ROLE):
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            create_database(connection, DATABASE)


def create_database(connection: psycopg.Connection, name: str, *, template: str = "template0") -> None:
    """Make a database that belongs to the owner role and that the application role may connect to."""
    database = sql.Identifier(name)
    connection.execute(
        sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
            database, sql.Identifier(OWNER_ROLE), sql.Identifier(template)
        )
    )
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, sql.Identifier(APP_ROLE)))


def _administrator(files: ClusterFiles) -> psycopg.Connection:
    url = files.url(SUPERUSER, SUPERUSER).replace("+psycopg", "")
    return psycopg.connect(url, autocommit=True, connect_timeout=5)


def _watch(files: ClusterFiles, left: threading.Event) -> None:
    """Start another keeper whenever there is none, until we have left."""
    while not left.is_set():
        with flocks.shared(files.keeper_lock):
            pass  # the keeper holds it alone: that we got it means that it is gone
        if left.is_set():
            return
        with flocks.exclusive(files.start_lock):
            if left.is_set():
                return
            try:
                _start(files)
            except (SetupError, OSError):
                left.wait(5)  # the log says why; callers meanwhile find that the database does not answer
