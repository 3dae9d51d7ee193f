"""What a command says: text and tables for people, one JSON object a line for programs.

People read results on stdout and progress on stderr.  Under `--json` stdout carries only lines
of the five kinds below and stderr nothing; `output.schema.json` is their schema.  Every line
names its command; the last line of every command is its summary.
"""

import dataclasses
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

from evidence.cli.exits import ExitCode

if TYPE_CHECKING:
    from rich.console import Console

Unit = Literal["byte", "item", "check"]
Outcome = Literal["done", "dry_run", "nothing_to_do", "some_failed", "failed", "stopped"]

PROGRESS_EVERY_SECONDS = 1.0
"""A line of progress for programs at most this often."""

PLAIN_PROGRESS_EVERY_SECONDS = 10.0
"""The same for people whose stderr is a file and not a terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing a command is about to do. `size` in bytes."""

    act: str
    name: str
    size: int | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a command is about to do, before it does it."""

    kind: Literal["plan"] = "plan"
    command: str
    dry_run: bool = False
    steps: list[Step] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far it is; or, in a list, the next thing found (`item`)."""

    kind: Literal["progress"] = "progress"
    command: str
    unit: Unit
    done: int
    total: int | None = None
    name: str | None = None
    note: str | None = None
    item: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """One thing that was checked and found right; `detail` says what was checked."""

    kind: Literal["verified"] = "verified"
    command: str
    name: str
    detail: str
    item: str | None = None
    number: str | None = None
    size: int | None = None
    sha256: str | None = None
    receipt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that went wrong: what, why and the next step. `reference` finds it in the log."""

    kind: Literal["problem"] = "problem"
    command: str
    what: str
    next_step: str = ""
    exit_code: ExitCode
    name: str | None = None
    request_id: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How the command ended, and what came of it."""

    kind: Literal["summary"] = "summary"
    command: str
    exit_code: ExitCode
    outcome: Outcome
    result: dict[str, Any] = field(default_factory=dict)


Line = Plan | Progress | Verified | Problem | Summary

OUTCOMES: Mapping[ExitCode, Outcome] = {
    ExitCode.OK: "done",
    ExitCode.SOME_FAILED: "some_failed",
    ExitCode.NOTHING_TO_DO: "nothing_to_do",
    ExitCode.INTERRUPTED: "stopped",
}
"""What the summary calls an exit code; every other one is `failed`."""

Advance = Callable[[int], None]
"""Say how many more units are done."""


_HALF = re.compile("[\ud800-\udfff]")


def printable(text: str) -> str:
    """Return the text with everything that could steer a terminal, or turn its reading, written out.

    File names come from cameras and strangers: escape sequences, line ends and right-to-left
    overrides are shown as `\\x1b` and the like.
    """
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def readable_size(size: int) -> str:
    """Write a size in bytes as people read it: `4.2 GB`, in powers of ten."""
    amount = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def _as_json(line: Line) -> str:
    text = json.dumps(dataclasses.asdict(line, dict_factory=_said), ensure_ascii=False, default=str)
    # Bytes of a name that are no UTF-8 are half characters in it, which no stream takes: JSON writes them out.
    return _HALF.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _said(members: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in members if value is not None}


class Output:
    """The way to the terminal for one command."""

    def __init__(self, command: str, *, as_json: bool = False, quiet: bool = False) -> None:
        self.command = command
        self.as_json = as_json
        self.quiet = quiet
        self._summed_up = False

    def plan(self, steps: Sequence[Step], *, dry_run: bool = False) -> None:
        """Say what is about to be done; the whole answer of a dry run."""
        if self.as_json:
            self._line(Plan(command=self.command, dry_run=dry_run, steps=list(steps)))
        elif dry_run:
            for step in steps:
                size = f"  {readable_size(step.size)}" if step.size is not None else ""
                why = f"  ({step.why})" if step.why else ""
                self.say(f"would {step.act}  {step.name}{size}{why}")

    def say(self, *sentences: str) -> None:
        """Tell people a result, on stdout. Silent under --json."""
        if not self.as_json:
            for sentence in sentences:
                self._print("\n".join(printable(line) for line in sentence.split("\n")), sys.stdout)

    def remark(self, sentence: str) -> None:
        """Tell people what is going on, on stderr. Silent under --json and --quiet."""
        if not self.as_json and not self.quiet:
            self._print(printable(sentence), sys.stderr)

    def note(self, sentence: str) -> None:
        """Tell both people and programs what has come to pass, on stdout: a line of progress without a count."""
        if self.as_json:
            self._line(Progress(command=self.command, unit="item", done=0, note=sentence))
        else:
            self.say(sentence)

    def waiting(self, error: Exception, seconds: float) -> None:
        """Tell both people (on stderr) and programs what is waited for, before another try."""
        sentence = f"{str(error).rstrip('.')}; trying again in {max(1, round(seconds))} s"
        if self.as_json:
            self.note(sentence)
        else:
            self.remark(sentence)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show people a table on stdout. Silent under --json."""
        if self.as_json or not rows:
            return
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False)
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        self._console(sys.stdout).print(table)

    def found(self, item: dict[str, Any], *, done: int, total: int | None = None) -> None:
        """Give programs the next thing of a list."""
        if self.as_json:
            self._line(Progress(command=self.command, unit="item", done=done, total=total, item=item))

    def verified(self, name: str, detail: str, **more: Any) -> None:
        """Say that one thing was checked and found right; `more` are members of Verified."""
        if self.as_json:
            self._line(Verified(command=self.command, name=name, detail=detail, **more))
        else:
            self.say(f"{printable(name)}: {detail}")

    def problem(
        self,
        what: str,
        *,
        exit_code: ExitCode,
        next_step: str = "",
        name: str | None = None,
        request_id: str | None = None,
        reference: str | None = None,
    ) -> None:
        """Say what went wrong, why, and what the reader can do; on stderr for people."""
        if self.as_json:
            self._line(
                Problem(
                    command=self.command,
                    what=what,
                    next_step=next_step,
                    exit_code=exit_code,
                    name=name,
                    request_id=request_id,
                    reference=reference,
                )
            )
            return
        subject = f"{printable(name)}: " if name else ""
        self._print(f"{subject}{printable(what)}", sys.stderr)
        if next_step:
            self._print(f"  next: {printable(next_step)}", sys.stderr)
        for label, value in (("request", request_id), ("reference", reference)):
            if value:
                self._print(f"  {label}: {printable(value)}", sys.stderr)

    def sum_up(self, exit_code: ExitCode = ExitCode.OK, outcome: Outcome | None = None, /, **result: Any) -> None:
        """Give programs the last line; the first summary counts and later ones are dropped."""
        if self.as_json and not self._summed_up:
            ended = outcome or OUTCOMES.get(exit_code, "failed")
            self._line(Summary(command=self.command, exit_code=exit_code, outcome=ended, result=result))
        self._summed_up = True

    @contextmanager
    def progress(self, name: str, *, total: int | None, unit: Unit = "byte", done: int = 0) -> Iterator[Advance]:
        """Show one thing's progress while the block runs: a bar with rate and time left, or lines."""
        if self.as_json:
            yield _Paced(
                lambda now: self._line(
                    Progress(command=self.command, unit=unit, done=now, total=total, name=name),
                ),
                every=PROGRESS_EVERY_SECONDS,
                done=done,
            )
        elif self.quiet:
            yield lambda _more: None
        elif sys.stderr.isatty():
            with self._bar(name, total=total, unit=unit, done=done) as advance:
                yield advance
        else:
            yield _Paced(
                lambda now: self.remark(f"{name}: {_fraction(now, total, unit)}"),
                every=PLAIN_PROGRESS_EVERY_SECONDS,
                done=done,
            )

    @contextmanager
    def _bar(self, name: str, *, total: int | None, unit: Unit, done: int) -> Iterator[Advance]:
        from rich import progress as rich_progress

        counts: tuple[rich_progress.ProgressColumn, ...] = (rich_progress.MofNCompleteColumn(),)
        if unit == "byte":
            counts = (rich_progress.DownloadColumn(), rich_progress.TransferSpeedColumn())
        bar = rich_progress.Progress(
            rich_progress.TextColumn("{task.description}", markup=False),
            rich_progress.BarColumn(),
            *counts,
            rich_progress.TimeRemainingColumn(),
            console=self._console(sys.stderr),
            transient=True,
        )
        with bar:
            task = bar.add_task(printable(name), total=total, completed=done)
            yield lambda more: bar.advance(task, more)

    def kept(self, name: str, done: int, total: int) -> None:
        """Give programs the offset up to which the server keeps an upload, whatever may happen to us."""
        if self.as_json:
            self._line(Progress(command=self.command, unit="byte", done=done, total=total, name=name, note="kept"))

    def _line(self, line: Line) -> None:
        sys.stdout.write(_as_json(line) + "\n")
        sys.stdout.flush()

    @staticmethod
    def _print(text: str, stream: Any) -> None:
        stream.write(text + "\n")
        stream.flush()

    @staticmethod
    def _console(stream: Any) -> "Console":
        from rich.console import Console

        # A pipe has no width: rows then stay whole, so that other programs can cut them.
        width = None if stream.isatty() or "COLUMNS" in os.environ else 400
        return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


class _Paced:
    """Counts, and reports at most once in `every` seconds."""

    def __init__(self, report: Callable[[int], None], *, every: float, done: int) -> None:
        self._report = report
        self._every = every
        self._done = done
        self._last = monotonic()

    def __call__(self, more: int) -> None:
        self._done += more
        if monotonic() - self._last >= self._every:
            self._last = monotonic()
            self._report(self._done)


def _fraction(done: int, total: int | None, unit: Unit) -> str:
    write = readable_size if unit == "byte" else str
    return f"{write(done)} of {write(total)}" if total is not None else write(done)


def advancing(blocks: Iterable[bytes], advance: Advance) -> Iterator[bytes]:
    """Yield the blocks, and move a bar on by each."""
    for block in blocks:
        yield block
        advance(len(block))
