"""`evidence admin`: the server's own console, for the account that comes before all others."""

from getpass import getuser
from typing import TYPE_CHECKING, Annotated, cast
from uuid import UUID

import typer

from evidence.cli import secret_input
from evidence.cli.accounts import require_roles
from evidence.cli.boundary import command
from evidence.cli.exits import ExitCode
from evidence.cli.output import Output, Step
from evidence.cli.secret_input import PasswordFile
from evidence.cli.sending import DryRun

if TYPE_CHECKING:
    from auth.principals import Role

CONSOLE = UUID(int=0)
"""The id of the server's own console in custody: whoever sits there is no account."""


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    noun = typer.Typer(
        help="The server's console: accounts before anybody can sign in.", no_args_is_help=True, rich_markup_mode=None
    )
    command(noun, "create", noun="admin")(create)
    app.add_typer(noun, name="admin")


def create(
    out: Output,
    email: Annotated[str, typer.Option("--email", help="The address the person signs in with.")],
    name: Annotated[str, typer.Option("--name", help="The person's name.")],
    agency: Annotated[str, typer.Option("--agency", help="The agency; made if there is none of this name.")],
    role: Annotated[
        list[str] | None, typer.Option("--role", help="Role; may be given several times. [default: agency_admin]")
    ] = None,
    badge: Annotated[str | None, typer.Option("--badge", help="Badge number.")] = None,
    password_file: PasswordFile = None,
    dry_run: DryRun = False,
) -> ExitCode:
    """Create an account from the server's console; it enters custody as made there."""
    roles = role or ["agency_admin"]
    require_roles(roles)
    out.plan([Step(act="create", name=email, why=f"{', '.join(roles)} of {agency}")], dry_run=dry_run)
    if dry_run:
        out.sum_up(ExitCode.OK, "dry_run")
        return ExitCode.OK
    password, made = secret_input.given_or_made(password_file)
    account_id = create_account(email, name=name, agency=agency, roles=roles, badge=badge, password=password)
    out.say(f"{email} is an account of {agency}: {', '.join(roles)}.")
    secret_input.show(out, made)
    out.sum_up(account=account_id, email=email, agency=agency, roles=roles, **made)
    return ExitCode.OK


def create_account(email: str, *, name: str, agency: str, roles: list[str], badge: str | None, password: str) -> str:
    """Create the account, and the agency if it is missing, as the console; return the account's id."""
    from auth import accounts, agencies
    from auth.principals import Principal
    from evidence.cli.server import read_settings
    from evidence.database import unit_of_work
    from evidence.ids import new_id
    from evidence.room import open_room

    request_id = str(new_id())
    with open_room(read_settings()) as room, unit_of_work(room.sessions) as session:
        at = room.clock()
        held = agencies.by_name(session, agency) or agencies.create(session, agency, at=at)
        console = Principal(
            kind="system",
            id=CONSOLE,
            agency_id=held.id,
            roles=frozenset(),
            name=f"console, {getuser()}",
            method="console",
        )
        account = accounts.create(
            session,
            room.recorder,
            agency_id=held.id,
            email=email,
            name=name,
            password=password,
            roles=[cast("Role", role) for role in roles],  # an unknown one is refused there
            badge=badge,
            by=console,
            at=at,
            request_id=request_id,
        )
        return str(account.id)


def is_known(email: str) -> bool:
    """Say whether there is an account of this address."""
    from auth import accounts
    from evidence.cli.server import read_settings
    from evidence.database import reading
    from evidence.room import open_room

    with open_room(read_settings()) as room, reading(room.sessions) as session:
        return accounts.by_email(session, email) is not None


def administrators_of(agency: str) -> int:
    """Count the living administrators of the agency of that name."""
    from auth import agencies
    from evidence import notices
    from evidence.cli.server import read_settings
    from evidence.database import reading
    from evidence.room import open_room

    with open_room(read_settings()) as room, reading(room.sessions) as session:
        found = agencies.by_name(session, agency)
        return 0 if found is None else len(notices.holders(session, found.id, ["agency_admin"], at=room.clock()))
