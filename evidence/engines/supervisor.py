"""A child process that is started again whenever it ends, and that never outlives us.

The child is told who its parent is and asks the kernel itself to be ended with it
(`end_with_parent`): so it goes with us also when we are killed with signal 9, and nothing has to
run between fork and exec in a process that has threads.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

_PR_SET_PDEATHSIG = 1

_PAUSES_SECONDS = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
"""Before a child is started again: the more often it has ended soon after its start, the longer."""

_LIVED_SECONDS = 60.0
"""A child that ran for so long was well: pauses begin anew."""

_STOP_WITHIN_SECONDS = 30.0
"""How long a child may take to finish when it is asked to, before it is killed."""


class Supervised:
    """Keeps one child running for as long as the block lasts, then asks it to stop and waits.

    `command` is what to run, `tell` is told in a sentence when the child ended by itself.  To
    be entered by a thread that outlives the block: the kernel takes the end of the thread that
    started a child for the end of its parent.
    """

    def __init__(self, command: Sequence[str], *, name: str, tell: Callable[[str], None]) -> None:
        self._command = list(command)
        self._name = name
        self._tell = tell
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._keep_running, name=f"{name}-supervisor", daemon=True)
        self._child: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()
        with self._starting:
            if self._child is not None:
                self._child.terminate()
        self._thread.join(_STOP_WITHIN_SECONDS)
        if self._thread.is_alive() and self._child is not None:
            self._child.kill()
            self._thread.join()

    @property
    def pid(self) -> int | None:
        """The child's process id, if it is running at this moment."""
        return self._child.pid if self._child is not None and self._child.poll() is None else None

    def _keep_running(self) -> None:
        quick = 0
        while self._start():
            begun = time.monotonic()
            assert self._child is not None
            code = self._child.wait()
            if self._leaving.is_set():
                return
            quick = 0 if time.monotonic() - begun > _LIVED_SECONDS else quick + 1
            pause = _PAUSES_SECONDS[min(quick, len(_PAUSES_SECONDS)) - 1] if quick else 0.0
            self._tell(f"The {self._name} ended ({_how(code)}) and is started again.")
            self._leaving.wait(pause)

    def _start(self) -> bool:
        with self._starting:
            if self._leaving.is_set():
                return False
            self._child = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)
            return True


def end_with_parent(parent: int) -> bool:
    """Have the kernel ask this process to end when the thread that started it ends.

    Returns False when the parent has gone already, and nobody is left to work for.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    return os.getppid() == parent


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
