"""`evidence agency`: how your agency numbers its cases."""

from typing import Annotated

import typer

from evidence.cli import profiles
from evidence.cli.boundary import command
from evidence.cli.output import Output
from evidence.cli.profiles import ProfileName
from evidence.errors import InvalidError


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    noun = typer.Typer(help="Your agency: case-numbers.", no_args_is_help=True, rich_markup_mode=None)
    command(noun, "case-numbers", noun="agency")(case_numbers)
    app.add_typer(noun, name="agency")


def case_numbers(
    out: Output,
    pattern: Annotated[
        str | None, typer.Argument(help="Such as {year}-{seq:6}; left out: show the one that is set.")
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="Set none: numbers are as people type them.")] = False,
    profile: ProfileName = "default",
) -> None:
    """Show or set the pattern by which your agency's cases are numbered."""
    if none and pattern is not None:
        raise InvalidError("a pattern and --none are two things", next_step="give one of them")
    with profiles.signed_in(profile) as connection:
        if none or pattern is not None:
            shown = connection.put("/api/v1/agency/case-numbers", {"pattern": pattern})
        else:
            shown = connection.get("/api/v1/agency")
    if shown["case_numbers"] is None:
        out.say(f"{shown['name']} has set no pattern: case numbers are as people type them.")
    else:
        out.say(f"{shown['name']} numbers its cases as {shown['case_numbers']}: {shown['example']}")
    out.sum_up(agency=shown)
