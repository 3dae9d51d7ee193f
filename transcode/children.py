"""A child process under a wall clock: argument lists, bounded output, nobody left behind.

Everything this package starts is started here.  Both output pipes are read all the time (a full
pipe nobody reads stops the child for ever), what exceeds the bounds is dropped or ends the
child, and the whole process group is killed at the end of its time.
"""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from transcode.errors import ChildError

LAST_WORDS: Final = 4096
"""Bytes kept of what a child complains about (the end of its standard error)."""

_PIECE = 65_536


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended. `code` is its exit code, or minus the signal that killed it."""

    code: int
    output: bytes
    last_words: str
    out_of_time: bool
    too_much_output: bool

    @property
    def well(self) -> bool:
        """Whether it ended by itself and said that all went well."""
        return self.code == 0 and not self.out_of_time and not self.too_much_output


def run(
    arguments: list[str],
    *,
    folder: Path,
    wall_seconds: float,
    environment: Mapping[str, str] | None = None,
    output_limit: int = 1 << 20,
    feed: Iterable[bytes] = (),
) -> Ended:
    """Run the child in the folder until it ends or its time is up; `feed` goes to its standard input.

    Its environment is bare unless given: nothing of ours, credentials above all, is inherited.
    ChildError if it cannot be started.
    """
    bare = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(folder), "TMPDIR": str(folder)}
    try:
        child = subprocess.Popen(  # argument list, no shell
            arguments,
            cwd=folder,
            env=bare if environment is None else dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise ChildError(f"{Path(arguments[0]).name} could not be started") from error
    return _Watch(child, time.monotonic() + wall_seconds, output_limit, iter(feed)).until_it_ends()


class _Watch:
    """One child being fed, read and timed."""

    def __init__(self, child: subprocess.Popen[bytes], deadline: float, limit: int, feed: Iterator[bytes]) -> None:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        self._child = child
        self._input, self._answer, self._complaint = child.stdin, child.stdout, child.stderr
        self._deadline = deadline
        self._limit = limit
        self._feed = feed
        self._unwritten = memoryview(b"")
        self._output = bytearray()
        self._words = bytearray()
        self._too_much = False

    def until_it_ends(self) -> Ended:
        out_of_time = False
        try:
            self._exchange()
            if not self._too_much:
                self._child.wait(timeout=self._left())
        except (TimeoutError, subprocess.TimeoutExpired):
            out_of_time = True
        finally:
            self._make_sure_it_is_gone()
        words = self._words[-LAST_WORDS:].decode("utf-8", "replace")
        return Ended(self._child.returncode, bytes(self._output), words, out_of_time, self._too_much)

    def _left(self) -> float:
        return max(self._deadline - time.monotonic(), 0.0)

    def _exchange(self) -> None:
        """Feed and read until the child has closed its pipes. TimeoutError when its time is up."""
        with selectors.DefaultSelector() as waiting:
            for pipe in (self._input, self._answer, self._complaint):
                os.set_blocking(pipe.fileno(), False)
            waiting.register(self._input, selectors.EVENT_WRITE, self._write)
            waiting.register(self._answer, selectors.EVENT_READ, self._read_answer)
            waiting.register(self._complaint, selectors.EVENT_READ, self._read_complaint)
            while not self._too_much and _somebody_talks(waiting):
                ready = waiting.select(self._left())
                if not self._left():
                    raise TimeoutError
                for key, _ in ready:
                    if not key.data():
                        waiting.unregister(key.fileobj)
                        if key.fileobj is self._input:
                            self._input.close()

    def _write(self) -> bool:
        """Write a little. False when there is no more, or nobody to read it."""
        self._unwritten = self._unwritten or memoryview(next(self._feed, b""))
        try:
            written = os.write(self._input.fileno(), self._unwritten[:_PIECE])
        except BrokenPipeError:  # it has read all it wanted
            written = 0
        if not written:
            return False
        self._unwritten = self._unwritten[written:]
        return True

    def _read_answer(self) -> bool:
        piece = os.read(self._answer.fileno(), _PIECE)
        room = self._limit - len(self._output)
        self._output += piece[:room]
        self._too_much = len(piece) > room
        return bool(piece)

    def _read_complaint(self) -> bool:
        piece = os.read(self._complaint.fileno(), _PIECE)
        self._words += piece
        del self._words[: -2 * LAST_WORDS]
        return bool(piece)

    def _make_sure_it_is_gone(self) -> None:
        for pipe in (self._input, self._answer, self._complaint):
            pipe.close()
        if self._child.poll() is None:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()


def _somebody_talks(waiting: selectors.BaseSelector) -> bool:
    return any(key.events == selectors.EVENT_READ for key in waiting.get_map().values())
