"""A process that has imported the commands already and forks one for each that is run.

A command is a process of its own, with its own environment and its own standard streams, as it is when a
shell runs it; only the second of importing, which every command would spend again, is spent once.
"""

import array
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

WARM = ["evidence.cli.app", "evidence.docking.client", "evidence.verify.__main__", "evidence.room"]
"""What commands import; what is missing here is imported by each that needs it."""


class Zygote:
    """One such process, for one test process."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.zygote", str(theirs.fileno())], pass_fds=[theirs.fileno()]
            )
        self._line = ours

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], *, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run one command to its end, as subprocess.run does with captured output."""
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr, tempfile.TemporaryFile() as asked:
            asked.write(json.dumps([list(arguments), dict(environment), str(Path.cwd())]).encode())
            asked.flush()
            self._line.settimeout(timeout)
            fds = array.array("i", [asked.fileno(), stdout.fileno(), stderr.fileno()])
            self._line.sendmsg([b"run"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
            code = int(self._line.recv(16))
            said = [_text(stdout.fileno()), _text(stderr.fileno())]
        return subprocess.CompletedProcess(list(arguments), code, *said)


@cache
def zygote() -> Zygote:
    """Return this test process's own; it ends with it."""
    return Zygote()


def _text(descriptor: int) -> str:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode()


def _serve(line: socket.socket) -> None:
    """Fork a command for each that is asked for, until whoever asks is gone."""
    for name in WARM:
        __import__(name)
    while True:
        _, fds, _, _ = socket.recv_fds(line, 16, 3)
        if not fds:
            return
        if (child := os.fork()) == 0:
            line.close()
            _become(*fds)
        for descriptor in fds:
            os.close(descriptor)
        line.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())


def _become(asked: int, stdout: int, stderr: int) -> None:
    """Be the command from here on."""
    arguments, environment, folder = json.loads(_text(asked))
    with Path(os.devnull).open() as nothing:
        for descriptor, number in ((nothing.fileno(), 0), (stdout, 1), (stderr, 2)):
            os.dup2(descriptor, number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["evidence", *arguments]
    code = 1
    try:
        from evidence.cli import run

        run()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
