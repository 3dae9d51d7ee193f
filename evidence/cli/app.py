"""The tree of commands, and the running of one."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from evidence import __version__
from evidence.cli.exits import ExitCode
from evidence.cli.output import Output


def _show_version(asked: bool) -> None:
    if asked:
        Output("evidence").say(f"evidence {__version__}")
        raise typer.Exit


def build() -> typer.Typer:
    """Put the tree together. Loads no server, no database and no HTTP client."""
    from evidence.cli import (
        accounts,
        admin,
        agency,
        approvals,
        cameras,
        cases,
        custody,
        demo,
        docks,
        doctor,
        exports,
        glass,
        groups,
        incidents,
        items,
        openapi,
        restrictions,
        server,
        setup,
        signing_in,
        trust,
        units,
        verification,
    )

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
    tree.callback()(_begin)
    people = (admin, signing_in, agency, accounts, groups, units, approvals)
    held = (docks, cameras, items, cases, custody, restrictions, incidents, glass)
    for module in (demo, setup, server, doctor, *people, trust, *held, exports, verification, openapi):
        module.add_to(tree)
    return tree


def _begin(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and end.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Take what stands before the command."""


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
    """Return the leading words of a command line that name a command or a noun."""
    words: list[str] = []
    tree: typer.Typer | None = build()
    for each in given:
        if tree is None:
            break
        nouns = {group.name: group.typer_instance for group in tree.registered_groups}
        if each not in nouns and each not in {known.name for known in tree.registered_commands}:
            break
        words.append(each)
        tree = nouns.get(each)
    return words
