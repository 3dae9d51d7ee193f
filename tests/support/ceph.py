"""A real S3 server for the tests: Ceph RGW of the Debian packages, one node, in memory, on loopback.

As root after `apt-get install --no-install-recommends radosgw ceph-mon ceph-osd`; as anybody, after
`python -m tests.support.ceph fetch FOLDER`, with CEPH_ROOT=FOLDER.  Three processes: monitor, one
OSD, gateway; no manager, no systemd.  They end with the process that started them.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

PACKAGES = ("radosgw", "ceph-mon", "ceph-osd")
_MEMORY = 6 << 30  # a full memstore blocks instead of refusing
_PATIENCE = 60.0

# One copy, one OSD and quick rounds of the monitor: this is what makes the start seconds, not a minute.
_CONFIGURATION = """\
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{monitor_port}]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_msgr1 = false
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
auth_allow_insecure_global_id_reclaim = false
keyring = {folder}/keyring
mon_data = {folder}/mon
osd_data = {folder}/osd
rgw_data = {folder}/rgw
run_dir = {folder}/run
admin_socket = {folder}/run/$name.asok
log_file = {folder}/log/$name.log
mon_cluster_log_file = {folder}/log/cluster.log
crash_dir = {folder}/log
{plugins}
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_warn_on_pool_no_redundancy = false
mon_data_avail_crit = 1
mon_data_avail_warn = 2
mon_osd_full_ratio = 0.97
paxos_propose_interval = 0.02
paxos_min_wait = 0.01
[osd]
osd_objectstore = memstore
memstore_device_bytes = {memory}
[client.rgw.a]
rgw_frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw_gc_obj_min_wait = 5
rgw_gc_processor_period = 10
rgw_gc_processor_max_time = 10
"""


@dataclass(frozen=True, slots=True)
class S3Server:
    """Where a running server is reached, and with which credentials."""

    endpoint: str
    access_key: str
    secret_key: str


@dataclass
class _Installation:
    """Ceph as the system has it, or unpacked under CEPH_ROOT."""

    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    plugins: str = ""

    @classmethod
    def found(cls) -> "_Installation | None":
        installation = cls()
        if root := os.environ.get("CEPH_ROOT"):
            installation._unpacked(Path(root).resolve())
        path = installation.environment.get("PATH")
        return installation if all(shutil.which(name, path=path) for name in PACKAGES) else None

    def _unpacked(self, root: Path) -> None:
        libraries = next((root / "usr/lib").glob("*-linux-gnu"))
        self.environment |= {
            "PATH": f"{root}/usr/bin:{root}/usr/sbin:{os.environ['PATH']}",
            "LD_LIBRARY_PATH": f"{libraries}:{libraries}/ceph:{root}/lib/{libraries.name}",
            "PYTHONPATH": f"{root}/usr/lib/python3/dist-packages",
        }
        self.plugins = (
            f"osd_class_dir = {libraries}/rados-classes\n"
            f"erasure_code_dir = {libraries}/ceph/erasure-code\n"
            f"plugin_dir = {libraries}/ceph"
        )

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def start(self, log: Path, *command: str) -> subprocess.Popen[bytes]:
        with log.open("wb") as output:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )


def is_installed() -> bool:
    """Whether there is a Ceph to run."""
    return _Installation.found() is not None


@contextmanager
def running() -> Iterator[S3Server]:
    """Start a server on free ports, hand it over, and end it with all it holds."""
    ceph = _Installation.found()
    if ceph is None:
        raise RuntimeError("radosgw is not installed")
    # Its sockets want a short path.
    with tempfile.TemporaryDirectory(prefix="ceph-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        processes: list[subprocess.Popen[bytes]] = []
        try:
            yield _up(ceph, folder, processes)
        finally:
            for process in reversed(processes):
                process.kill()
                process.wait()


def _up(ceph: _Installation, folder: Path, processes: list[subprocess.Popen[bytes]]) -> S3Server:
    port, monitor_port = _free_ports(2)
    server = S3Server(f"http://127.0.0.1:{port}", secrets.token_hex(10), secrets.token_hex(20))
    fsid, configuration, keyring = str(uuid4()), str(folder / "ceph.conf"), str(folder / "keyring")
    for name in ("mon", "osd", "rgw", "run", "log"):
        (folder / name).mkdir()
    Path(configuration).write_text(
        _CONFIGURATION.format(
            fsid=fsid, folder=folder, port=port, monitor_port=monitor_port, memory=_MEMORY, plugins=ceph.plugins
        )
    )

    ceph.run("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
    for name in ("client.admin", "client.rgw.a", "osd.0"):
        rights = [word for what in ("mon", "osd", "mgr") for word in ("--cap", what, "allow *")]
        ceph.run("ceph-authtool", keyring, "--gen-key", "-n", name, *rights)
    monitors = str(folder / "monmap")
    ceph.run(
        *("monmaptool", "--create", "--set-min-mon-release", "pacific", "--enable-all-features"),
        *("--addv", "a", f"[v2:127.0.0.1:{monitor_port}]", "--fsid", fsid, monitors),
    )
    ceph.run("ceph-mon", "-c", configuration, "--mkfs", "-i", "a", "--monmap", monitors, "--keyring", keyring)
    processes.append(ceph.start(folder / "log/mon.out", "ceph-mon", "-c", configuration, "-i", "a", "-f"))
    ceph.run("ceph", "-c", configuration, "mon", "stat")

    osd = str(uuid4())
    ceph.run("ceph", "-c", configuration, "osd", "new", osd)
    ceph.run("ceph-osd", "-c", configuration, "-i", "0", "--mkfs", "--osd-uuid", osd)
    processes.append(ceph.start(folder / "log/osd.out", "ceph-osd", "-c", configuration, "-i", "0", "-f"))
    _wait_until(lambda: " 1 up" in ceph.run("ceph", "-c", configuration, "osd", "stat"), "the OSD is up")

    gateway = ("radosgw", "-c", configuration, "-n", "client.rgw.a", "-f")
    processes.append(ceph.start(folder / "log/rgw.out", *gateway))
    _wait_until(lambda: _answers(server.endpoint), "the gateway answers")
    ceph.run(
        *("radosgw-admin", "-c", configuration, "user", "create", "--uid=app", "--display-name=app"),
        *(f"--access-key={server.access_key}", f"--secret-key={server.secret_key}"),
    )
    return server


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _answers(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(endpoint, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _wait_until(true: Callable[[], bool], what: str) -> None:
    given_up = time.monotonic() + _PATIENCE
    while not true():
        if time.monotonic() > given_up:
            raise RuntimeError(f"gave up waiting until {what}")
        time.sleep(0.05)


def fetch(folder: Path) -> None:
    """Download the packages and unpack them under the folder; needs apt-get and no root."""
    planned = subprocess.run(
        ["apt-get", "install", "-s", "--no-install-recommends", *PACKAGES], capture_output=True, text=True, check=True
    )
    names = [line.split()[1] for line in planned.stdout.splitlines() if line.startswith("Inst ")]
    with tempfile.TemporaryDirectory() as downloads:
        subprocess.run(["apt-get", "download", *names], cwd=downloads, check=True)
        for package in Path(downloads).glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(package), str(folder)], check=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["fetch", to]:
            fetch(Path(to))
        case ["up"]:
            with running() as up:
                print(f"endpoint={up.endpoint} access={up.access_key} secret={up.secret_key}", flush=True)
                sys.stdin.read()  # until the end of input
        case _:
            sys.exit("usage: python -m tests.support.ceph fetch FOLDER | up")
