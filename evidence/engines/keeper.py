"""The keeper of an embedded PostgreSQL: a small process that outlives whoever started it.

It runs the server as its child and starts it again when it is killed.  When nobody uses the
cluster any more (the lock of users is free, also after `kill -9` of all of them) it stops the
server cleanly and ends.  If the keeper itself is killed, the kernel asks the server to stop,
and whoever is still attached starts another keeper.

    python -m evidence.engines.keeper HOME
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import IO

from evidence.engines import flocks
from evidence.engines.cluster import ClusterFiles

_LOOK_EVERY = 0.2
_GIVE_UP_AFTER = 30.0
"""Seconds of starts that fail.  After a kill the old shared memory is busy for a moment, so that one
refused start means nothing."""
_STOP_WITHIN = 60.0
_PR_SET_PDEATHSIG = 1


def keep(files: ClusterFiles) -> int:
    """Run the server until nobody uses it; return the exit code of the process."""
    # Closed in this order: whoever gets the lock of users after us must find no keeper.
    with files.users_lock.open("ab") as users, files.keeper_lock.open("ab") as alive:
        if not _take_within(alive, seconds=5):
            return 0  # another keeper was quicker
        failing_since = None
        while not flocks.take(users):
            begun = time.monotonic()
            server = _start(files)
            try:
                _watch(server, users)
            finally:
                _stop(server)
            if time.monotonic() - begun > _GIVE_UP_AFTER:
                failing_since = None
            failing_since = failing_since or begun
            if time.monotonic() - failing_since > _GIVE_UP_AFTER:
                return 1
            time.sleep(_LOOK_EVERY)
        return 0


def _watch(server: subprocess.Popen[bytes], users: IO[bytes]) -> None:
    """Return when the server has ended or nobody uses it; then hold the lock of users alone."""
    while not flocks.take(users):
        try:
            server.wait(_LOOK_EVERY)
        except subprocess.TimeoutExpired:
            continue
        return


def _start(files: ClusterFiles) -> subprocess.Popen[bytes]:
    with files.log.open("ab") as log:
        return subprocess.Popen(
            files.server_command(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=partial(_die_with, os.getpid()) if sys.platform == "linux" else None,
        )


def _die_with(keeper: int) -> None:
    """Ask the kernel for SIGINT, PostgreSQL's fast shutdown, when the keeper is gone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
    if os.getppid() != keeper:  # gone before we asked
        os._exit(1)


def _stop(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is not None:
        return
    server.send_signal(signal.SIGINT)
    try:
        server.wait(_STOP_WITHIN)
    except subprocess.TimeoutExpired:
        server.send_signal(signal.SIGQUIT)
        server.wait()


def _take_within(file: IO[bytes], *, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not flocks.take(file):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _leave(_signal: int, _frame: object) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _leave)
    sys.exit(keep(ClusterFiles(Path(sys.argv[1]))))
