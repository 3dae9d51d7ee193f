"""The embedded PostgreSQL: shared by whoever comes, started again when killed, gone when nobody is left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from evidence.engines import flocks, postgres
from evidence.engines.cluster import APP_ROLE, OWNER_ROLE, ClusterFiles, server_user
from evidence.errors import SetupError
from tests.support.database import driver_url

ATTACH = """
import sys, pathlib
from evidence.engines import postgres
with postgres.attached(pathlib.Path(sys.argv[1])):
    print("attached", flush=True)
    sys.stdin.read()
"""


def server_pid(home: Path) -> int:
    return int((home / "postgres" / "postmaster.pid").read_text().split()[0])


def starts(home: Path) -> int:
    return (home / "postgres.log").read_text().count("starting PostgreSQL")


def eventually(claim: Callable[[], bool], *, seconds: float = 30) -> bool:
    until = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def answers(url: str) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(driver_url(url)) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)
    return False


def attacher(home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ATTACH, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def nothing_runs(home: Path) -> bool:
    """Nobody holds a lock, and the server has taken its file of its process id away."""
    return not flocks.is_held(home / "postgres.keeper") and not (home / "postgres" / "postmaster.pid").exists()


def test_gives_a_server_with_our_database_and_nothing_runs_afterwards(tmp_path: Path) -> None:
    with postgres.attached(tmp_path) as cluster:
        assert answers(cluster.app_url)
        assert answers(cluster.owner_url)

    assert eventually(lambda: nothing_runs(tmp_path))


def test_neither_of_our_roles_is_more_than_it_must_be(tmp_path: Path) -> None:
    with postgres.attached(tmp_path) as cluster, psycopg.connect(driver_url(cluster.superuser_url)) as connection:
        rows = connection.execute(
            "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls FROM pg_roles"
            " WHERE rolname IN (%s, %s)",
            [OWNER_ROLE, APP_ROLE],
        ).fetchall()

        assert rows == [(False,), (False,)]


def test_pages_carry_checksums_and_commits_are_durable(tmp_path: Path) -> None:
    with postgres.attached(tmp_path) as cluster, psycopg.connect(driver_url(cluster.app_url)) as connection:
        said = {
            name: connection.execute(f"SHOW {name}").fetchone()
            for name in ("data_checksums", "fsync", "synchronous_commit", "full_page_writes", "listen_addresses")
        }

    assert said == {
        "data_checksums": ("on",),
        "fsync": ("on",),
        "synchronous_commit": ("on",),
        "full_page_writes": ("on",),
        "listen_addresses": ("",),
    }


def test_of_four_that_race_from_nothing_one_starts_and_all_attach(tmp_path: Path) -> None:
    racers = [attacher(tmp_path) for _ in range(4)]

    said = [racer.stdout.readline() if racer.stdout else "" for racer in racers]
    servers = starts(tmp_path)
    for racer in racers:
        racer.communicate()

    assert said == ["attached\n"] * 4
    assert servers == 1
    assert eventually(lambda: nothing_runs(tmp_path))


def test_stays_for_the_others_when_the_first_leaves(tmp_path: Path) -> None:
    first = attacher(tmp_path)
    assert first.stdout is not None
    first.stdout.readline()
    with postgres.attached(tmp_path) as cluster:
        first.communicate()
        time.sleep(1)

        assert answers(cluster.app_url)
        assert starts(tmp_path) == 1


def test_a_killed_server_is_started_again_with_what_was_committed(tmp_path: Path) -> None:
    with postgres.attached(tmp_path) as cluster:
        with psycopg.connect(driver_url(cluster.owner_url)) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        killed = server_pid(tmp_path)
        os.kill(killed, signal.SIGKILL)

        assert eventually(lambda: answers(cluster.app_url) and server_pid(tmp_path) != killed)
        with psycopg.connect(driver_url(cluster.owner_url)) as connection:
            assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


def test_is_stopped_when_all_its_users_were_killed(tmp_path: Path) -> None:
    users = [attacher(tmp_path) for _ in range(2)]
    for user in users:
        assert user.stdout is not None
        user.stdout.readline()
    for user in users:
        user.kill()
        user.communicate()

    assert eventually(lambda: nothing_runs(tmp_path))
    assert "database system is shut down" in (tmp_path / "postgres.log").read_text()


def test_another_keeper_comes_when_the_keeper_is_killed(tmp_path: Path) -> None:
    with postgres.attached(tmp_path) as cluster:
        killed = server_pid(tmp_path)
        os.kill(keeper_pid(tmp_path), signal.SIGKILL)

        assert eventually(lambda: answers(cluster.app_url) and server_pid(tmp_path) != killed)
    assert eventually(lambda: nothing_runs(tmp_path))


def keeper_pid(home: Path) -> int:
    """The parent of the server."""
    return int(Path(f"/proc/{server_pid(home)}/stat").read_text().rsplit(")", 1)[1].split()[1])


def test_can_be_attached_again_while_it_is_stopping(tmp_path: Path) -> None:
    for _ in range(5):
        with postgres.attached(tmp_path) as cluster:
            assert answers(cluster.app_url)


def test_a_folder_with_a_long_name_gets_its_socket_elsewhere(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 30)
    with postgres.attached(home) as cluster:
        folder = cluster.files.socket_folder

        assert not folder.is_relative_to(home)
        assert folder.stat().st_mode & 0o777 == 0o700
        assert answers(cluster.app_url)


def test_a_socket_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    files = ClusterFiles(tmp_path / ("long" * 30))
    files.socket_folder.mkdir(mode=0o755)
    try:
        with pytest.raises(SetupError, match="not ours alone"):
            files.prepare_socket_folder()
    finally:
        files.socket_folder.rmdir()


def test_a_killed_making_of_the_cluster_is_not_taken_for_one(tmp_path: Path) -> None:
    half_made = tmp_path / "postgres.new-1234"
    half_made.mkdir()
    (half_made / "PG_VERSION").write_text("18\n")

    with postgres.attached(tmp_path) as cluster:
        assert answers(cluster.app_url)
    assert not half_made.exists()


def test_a_server_that_cannot_start_is_reported_with_where_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres.attached(tmp_path):
        pass
    assert eventually(lambda: nothing_runs(tmp_path))
    (tmp_path / "postgres" / "global" / "pg_control").unlink()
    monkeypatch.setattr(postgres, "_READY_WITHIN", 2.0)

    with pytest.raises(SetupError, match="did not start") as refused, postgres.attached(tmp_path):
        pass

    assert "postgres.log" in refused.value.next_step


def test_a_cluster_of_a_version_we_do_not_have_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("9\n")

    with pytest.raises(SetupError, match="PostgreSQL 9"):
        ClusterFiles(tmp_path).server_command()


def test_root_without_user_namespaces_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(SetupError, match="root") as refused:
        server_user()

    assert "EVIDENCE_DATABASE_URL" in refused.value.next_step


def test_an_ordinary_user_needs_no_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert server_user() == ()
