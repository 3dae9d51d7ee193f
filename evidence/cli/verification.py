"""`evidence verify`: the offline verifier, the very same as `python -m evidence.verify`."""

from pathlib import Path
from typing import Annotated

import typer

from evidence.cli.exits import ExitCode


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("verify")(check)


def check(
    package: Annotated[Path, typer.Argument(help="The package: a zip file or the folder unpacked from it.")],
    trust: Annotated[Path, typer.Option("--trust", help="The agency's public keys, from another source.")],
    receipt: Annotated[
        list[Path] | None,
        typer.Option("--receipt", metavar="<path>", help="A receipt that somebody else kept. Repeatable."),
    ] = None,
    history: Annotated[bool, typer.Option("--history", help="Tell all that each record says, in words.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout, for programs.")] = False,
) -> None:
    """Check a package offline: what is altered, missing or out of order is named with its place.

    Exit status: 0 verified, 2 nothing was verified, 7 broken, 8 a required part is still to come.
    """
    from evidence.verify import __main__ as verifier

    asked = [str(package), "--trust", str(trust), *(f"--receipt={path}" for path in receipt or [])]
    asked += [*(["--history"] if history else []), *(["--json"] if as_json else [])]
    raise typer.Exit(ExitCode(verifier.main(asked)))
