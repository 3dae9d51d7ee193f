"""Where failures of a command end: in words, a next step and an exit code; never in a traceback.

`command` makes a function a command: it gives it its Output, the options every command has
(--json, --quiet), and this boundary.  EVIDENCE_DEBUG=1 shows the traceback of what nobody
expected.
"""

import inspect
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from auth.errors import AccountError, AuthError, NotPermittedError, NotSignedInError, PasswordError
from evidence.cli.exits import ExitCode
from evidence.cli.output import Output
from evidence.errors import (
    BusyError,
    EvidenceError,
    IntegrityError,
    InvalidError,
    RefusedError,
    UnavailableError,
)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout, for programs.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress; only results and problems.")]

BEGINS_AFRESH = "it begins afresh"

RESUMES: Mapping[str, str] = {
    "dock upload": "it goes on where it stopped",
    "item add": "it goes on where it stopped",
    "migrate": "what was applied stays",
}
"""What a command that was interrupted does when it is run again; every other one begins afresh."""

_OURS = Path(__file__).parents[2]

EXIT_CODES: tuple[tuple[type[Exception], ExitCode], ...] = (
    (RefusedError, ExitCode.REFUSED),
    (NotSignedInError, ExitCode.REFUSED),
    (NotPermittedError, ExitCode.REFUSED),
    (InvalidError, ExitCode.USAGE),
    (PasswordError, ExitCode.USAGE),
    (AccountError, ExitCode.USAGE),
    (IntegrityError, ExitCode.INTEGRITY),
    (UnavailableError, ExitCode.TEMPORARY),
    (BusyError, ExitCode.TEMPORARY),
)
"""The first that fits; any other error that was expected is ERROR."""


def exit_code_of(error: EvidenceError | AuthError) -> ExitCode:
    """Return the exit code of a failure that was expected."""
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), ExitCode.ERROR)


def report(error: BaseException, out: Output, *, name: str | None = None) -> ExitCode:
    """Tell the reader what went wrong (with the thing `name`) and return the exit code."""
    if isinstance(error, (EvidenceError, AuthError)):
        code = exit_code_of(error)
        out.problem(
            str(error),
            exit_code=code,
            next_step=getattr(error, "next_step", ""),
            name=name,
            # A connection raises its errors from what the server said, which has the request's id.
            request_id=getattr(error.__cause__, "request_id", None),
        )
        return code
    if isinstance(error, KeyboardInterrupt):
        out.problem(
            "stopped before the end",
            exit_code=ExitCode.INTERRUPTED,
            next_step=f"run the same command again: {RESUMES.get(out.command, BEGINS_AFRESH)}",
        )
        return ExitCode.INTERRUPTED
    if isinstance(error, OSError):
        return _report_system(error, out, name)
    return _report_unexpected(error, out)


def _report_system(error: OSError, out: Output, name: str | None) -> ExitCode:
    where = f"{error.filename}: " if error.filename and not name else ""
    # A file named on the command line that is not there is a mistake in the command.
    usage = isinstance(error, (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError))
    code = ExitCode.USAGE if usage else ExitCode.ERROR
    next_step = "check the name, the permissions and the free space, and run the command again"
    if _is_in_home(error.filename):
        code = ExitCode.ERROR
        next_step = "check EVIDENCE_HOME: it must name a folder that you may write in, on a disk with room"
    _show_traceback(error)
    out.problem(
        f"{where}{(error.strerror or 'the system refused').lower()}",
        exit_code=code,
        name=name,
        next_step=next_step,
    )
    return code


def _is_in_home(file: object) -> bool:
    """Whether the file is the folder of the installation, in it, or on the way to it."""
    home = os.environ.get("EVIDENCE_HOME")
    if not home or not isinstance(file, (str, Path)):
        return False
    folder, path = Path(home).absolute(), Path(file).absolute()
    return folder == path or folder in path.parents or path in folder.parents


def _report_unexpected(error: BaseException, out: Output) -> ExitCode:
    _show_traceback(error)
    out.problem(
        f"an unexpected failure ({type(error).__name__}); nothing acknowledged is lost",
        exit_code=ExitCode.ERROR,
        next_step="run it again with EVIDENCE_DEBUG=1 and report what it prints, with the reference",
        reference=_place(error),
    )
    return ExitCode.ERROR


def _place(error: BaseException) -> str:
    """Return where in our own code it happened: enough for whoever knows the code, and nobody's secret."""
    ours = [each for each in traceback.extract_tb(error.__traceback__) if _OURS in Path(each.filename).parents]
    return f"{Path(ours[-1].filename).relative_to(_OURS)}:{ours[-1].lineno}" if ours else type(error).__name__


def _show_traceback(error: BaseException) -> None:
    if os.environ.get("EVIDENCE_DEBUG"):
        traceback.print_exception(error, file=sys.stderr)


def command(app: typer.Typer, name: str, *, noun: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a function the command `name` of `app` (of the noun `noun`).

    The function takes its Output first and returns an ExitCode, or None for OK.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def run(*, as_json: bool, quiet: bool, **arguments: Any) -> None:
            out = Output(f"{noun} {name}".strip(), as_json=as_json, quiet=quiet)
            raise typer.Exit(_run_reporting(lambda: function(out, **arguments), out))

        _, *own = inspect.signature(function).parameters.values()
        common = [
            inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=AsJson),
            inspect.Parameter("quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Quiet),
        ]
        parameters = [*own, *common]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads its options here
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        app.command(name)(run)
        return function

    return register


def _run_reporting(act: Callable[[], ExitCode | None], out: Output) -> ExitCode:
    try:
        code = act() or ExitCode.OK
    except (typer.Exit, typer.TyperException):
        raise
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody left to tell.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 -- stands in for stdout until the process ends
        return ExitCode.ERROR
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 -- the boundary: nothing may end in a traceback
        code = report(error, out)
    out.sum_up(code)
    return code
