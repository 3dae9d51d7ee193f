"""The tree of commands, and the running of one."""

import sys
from collections.abc import Sequence

import typer

from evidence.cli.exits import ExitCode
from evidence.cli.output import Output


def build() -> typer.Typer:
    """Put the tree together. Loads no server, no database and no HTTP client."""
    from evidence.cli import accounts, admin, demo, docks, doctor, exports, items, openapi, server, trust, verification

    tree = typer.Typer(
        name="evidence",
        help="The open evidence room: footage whose chain of custody anybody can check.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        epilog="Exit codes: 0 ok, 1 error, 2 usage, 3 some failed, 4 nothing to do, 5 sign-in or permission, "
        "6 temporary, 7 integrity mismatch, 8 incomplete, 130 interrupted.",
    )
    for module in (demo, server, doctor, admin, accounts, trust, docks, items, exports, verification, openapi):
        module.add_to(tree)
    return tree


def run(arguments: Sequence[str] | None = None) -> ExitCode:
    """Run one command line and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = build()(given, prog_name="evidence", standalone_mode=False)
    except typer.TyperException as error:
        return _misunderstood(error, given)
    except typer.Abort:
        return ExitCode.INTERRUPTED
    return ExitCode(code or 0)


def _misunderstood(error: typer.TyperException, given: list[str]) -> ExitCode:
    words = " ".join(_words(given))
    out = Output(words or "evidence", as_json="--json" in given)
    said = error.format_message()
    if said.startswith("Usage:"):
        # No command was given: what typer says is the whole help.
        sys.stderr.write(said + "\n")
        said = "a command is missing"
    out.problem(said, exit_code=ExitCode.USAGE, next_step=f"evidence {words} --help".replace("  ", " "))
    out.sum_up(ExitCode.USAGE)
    return ExitCode.USAGE


def _words(given: list[str]) -> list[str]:
    """Return the leading words of a command line that name a command, at most two."""
    words = []
    for each in given[:2]:
        if not each.isalpha() and "-" not in each[1:]:
            break
        words.append(each)
    return words
