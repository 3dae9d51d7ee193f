"""The processes of an installation: what they refuse, how they end, and that nobody is left behind."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evidence.cli.exits import ExitCode
from tests.support.installation import Installation, free_port, stop


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation of one's own, made ready and not running."""
    installation = Installation(tmp_path_factory.mktemp("apart"), free_port())
    installation.prepare()
    yield installation
    assert wait_for(lambda: not ours(installation)), ours(installation)


def ours(installation: Installation) -> dict[int, list[str]]:
    """Every process that works on this installation, with its command line."""
    marker = f"EVIDENCE_HOME={installation.home}".encode()
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if marker in (process / "environ").read_bytes().split(b"\0"):
                found[int(process.name)] = (process / "cmdline").read_text().split("\0")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it ended while we looked, or is none of ours
    return found


def workers(installation: Installation) -> list[int]:
    return [number for number, command in ours(installation).items() if "worker" in command]


def wait_for(done: Callable[[], object], *, seconds: float = 30) -> bool:
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def test_a_server_without_a_database_says_what_to_run(tmp_path: Path) -> None:
    empty = Installation(tmp_path, free_port())

    ended = empty.run("serve", expect=[ExitCode.ERROR])

    assert "there is no installation" in ended.stderr
    assert "evidence migrate" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("port", ["-1", "0", "99999"])
def test_a_port_that_is_none_is_a_usage_error(tmp_path: Path, port: str) -> None:
    Installation(tmp_path, free_port()).run("serve", "--port", port, expect=[ExitCode.USAGE])


def test_a_demo_keeps_others_out_of_its_folder_and_ends_in_order(tmp_path: Path) -> None:
    demo = Installation(tmp_path, free_port())
    with demo.start("demo", "--folder", demo.folder / "demo") as running:
        assert wait_for(lambda: (demo.folder / "demo" / "story.json").exists(), seconds=180)
        second = demo.run("demo", "--once", "--folder", demo.folder / "demo", expect=[ExitCode.ERROR])
        assert "a demo is running" in second.stderr
        assert stop(running) == ExitCode.INTERRUPTED

    shown = replace(demo, folder=demo.folder / "demo")
    assert wait_for(lambda: not ours(shown)), ours(shown)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, ExitCode.OK), (signal.SIGINT, ExitCode.INTERRUPTED)])
def test_a_server_that_is_told_to_stop_leaves_nobody(apart: Installation, sent: signal.Signals, code: ExitCode) -> None:
    with apart.serving() as server:
        assert wait_for(lambda: workers(apart))

        server.send_signal(sent)

        assert server.wait(timeout=60) == code
    assert wait_for(lambda: not ours(apart)), ours(apart)


def test_a_server_that_is_killed_takes_its_worker_along_and_starts_again(apart: Installation) -> None:
    with apart.serving() as server:
        assert wait_for(lambda: workers(apart))
        server.kill()
        server.wait()
        assert wait_for(lambda: workers(apart) == []), "the worker outlived its server"

    with apart.serving():
        assert apart.answers()


def test_a_worker_that_is_killed_is_started_again(apart: Installation) -> None:
    with apart.serving():
        assert wait_for(lambda: workers(apart))
        (first,) = workers(apart)
        os.kill(first, signal.SIGKILL)

        assert wait_for(lambda: workers(apart) not in ([], [first]))


def test_a_server_without_worker_is_possible(apart: Installation) -> None:
    with apart.serving("--no-worker"):
        assert workers(apart) == []


def test_a_port_that_is_taken_is_named(apart: Installation) -> None:
    with apart.serving("--no-worker"):
        ended = apart.run("serve", expect=[ExitCode.ERROR])

    assert f":{apart.port}" in ended.stderr
    assert "--port" in ended.stderr


def test_migrating_again_changes_nothing(apart: Installation) -> None:
    keys = {path: path.read_bytes() for path in (apart.home / "keys").rglob("*") if path.is_file()}

    ended = apart.run("migrate", "--json")

    assert ended.summary["result"]["steps"] == []
    assert {path: path.read_bytes() for path in keys} == keys


def test_a_dry_run_of_migrate_makes_nothing(tmp_path: Path) -> None:
    empty = Installation(tmp_path / "new", free_port())

    ended = empty.run("migrate", "--dry-run", "--json")

    assert len(ended.of_kind("plan")[0]["steps"]) > 3
    assert not empty.home.exists()


def test_a_worker_runs_by_itself_and_stops_when_told(apart: Installation) -> None:
    worker = apart.start("worker")
    try:
        assert wait_for(lambda: any((apart.home / "scratch").glob("*/")))
    finally:
        assert stop(worker) == ExitCode.OK

    assert not any((apart.home / "scratch").glob("*/"))


def test_programs_read_where_the_server_listens(apart: Installation) -> None:
    server = apart.start("serve", "--no-worker", "--json")
    try:
        assert server.stdout is not None
        assert apart.url in server.stdout.readline()
    finally:
        assert stop(server) == ExitCode.OK
