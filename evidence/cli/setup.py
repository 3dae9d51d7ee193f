"""`evidence init`: from nothing to an installation that a city can work with, on the server's own console."""

from email.utils import parseaddr
from typing import Annotated

import typer

from evidence.cli import admin, secret_input, server
from evidence.cli.accounts import show_codes, show_factor
from evidence.cli.boundary import command
from evidence.cli.exits import ExitCode
from evidence.cli.output import Output, Step
from evidence.cli.secret_input import PasswordFile
from evidence.cli.sending import DryRun
from evidence.errors import InvalidError

NEEDED = 2
"""Living administrators an agency cannot do without: what one asks for, another approves."""


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    command(app, "init")(init)


def init(
    out: Output,
    agency: Annotated[str, typer.Option("--agency", help="The agency; made if there is none of this name.")],
    administrator: Annotated[
        list[str] | None,
        typer.Option("--administrator", help="'Name <address>' of an administrator; give two."),
    ] = None,
    password_file: PasswordFile = None,
    dry_run: DryRun = False,
) -> ExitCode:
    """Prepare database and keys, and make the first two administrators; harmless to repeat."""
    from evidence import room

    people = [_person(each) for each in administrator or []]
    steps = [Step(act="prepare", name="database and keys"), *(Step(act="create", name=email) for _, email in people)]
    out.plan(steps, dry_run=dry_run)
    if dry_run:
        out.sum_up(ExitCode.OK, "dry_run")
        return ExitCode.OK
    origin = room.prepare(server.read_settings())
    out.say(f"{origin} is ready.")
    made = []
    for name, email in people:
        if admin.is_known(email):
            out.remark(f"{email} is an account already.")
            continue
        password, shown = secret_input.given_or_made(password_file)
        account, factor = admin.create_account(
            email, name=name, agency=agency, roles=["agency_admin"], badge=None, password=password
        )
        out.say(f"{email} is an administrator of {agency}.")
        secret_input.show(out, shown)
        if factor:
            show_factor(out, factor)
            show_codes(out, factor["recovery_codes"])
        made.append({"account": account, "email": email, **shown, **factor})
    living = admin.administrators_of(agency)
    if living < NEEDED:
        out.problem(
            f"{agency} has {living} administrator{'' if living == 1 else 's'}, and what one asks for another approves",
            exit_code=ExitCode.INCOMPLETE,
            next_step="name another with --administrator; a clerk or chief who only ever approves will do",
        )
        out.sum_up(ExitCode.INCOMPLETE, origin=origin, administrators=living, made=made)
        return ExitCode.INCOMPLETE
    out.sum_up(origin=origin, administrators=living, made=made)
    return ExitCode.OK


def _person(said: str) -> tuple[str, str]:
    name, email = parseaddr(said)
    if not name or "@" not in email:
        raise InvalidError(
            f"{said!r} is not 'Name <address>'", next_step="write it like 'Rosa Alvarez <r@city.example>'"
        )
    return name, email
