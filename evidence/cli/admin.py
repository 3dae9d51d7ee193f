"""`evidence admin`: the server's own console, for the account that comes before all others and for lost ways in."""

from getpass import getuser
from typing import TYPE_CHECKING, Annotated, Any, cast
from uuid import UUID

import typer

from evidence.cli import secret_input
from evidence.cli.accounts import require_roles, show_codes, show_factor
from evidence.cli.boundary import command
from evidence.cli.exits import ExitCode
from evidence.cli.output import Output, Step
from evidence.cli.secret_input import PasswordFile
from evidence.cli.sending import DryRun
from evidence.errors import NotFoundError

if TYPE_CHECKING:
    from auth.principals import Principal, Role

CONSOLE = UUID(int=0)
"""The id of the server's own console in custody: whoever sits there is no account."""


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    noun = typer.Typer(
        help="The server's console: accounts before anybody can sign in.", no_args_is_help=True, rich_markup_mode=None
    )
    command(noun, "create", noun="admin")(create)
    command(noun, "reset", noun="admin")(reset)
    command(noun, "release-source", noun="admin")(release_source)
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
    account_id, factor = create_account(email, name=name, agency=agency, roles=roles, badge=badge, password=password)
    out.say(f"{email} is an account of {agency}: {', '.join(roles)}.")
    secret_input.show(out, made)
    if factor:
        show_factor(out, factor)
        show_codes(out, factor["recovery_codes"])
    out.sum_up(account=account_id, email=email, agency=agency, roles=roles, **made, **factor)
    return ExitCode.OK


def reset(
    out: Output,
    email: Annotated[str, typer.Argument(help="The address of the account.")],
    password_file: PasswordFile = None,
    dry_run: DryRun = False,
) -> ExitCode:
    """Reset an account from the server's console: a one-time password, no second factor, no session, no lock.

    For whoever has lost password or authenticator. It enters custody as done at the console, and the agency's
    other administrators are told.
    """
    out.plan([Step(act="reset", name=email, why="one-time password, no second factor")], dry_run=dry_run)
    if dry_run:
        out.sum_up(ExitCode.OK, "dry_run")
        return ExitCode.OK
    password, made = secret_input.given_or_made(password_file)
    account_id, hours = _reset(email, password=password)
    out.say(f"{email} can sign in with a one-time password for {hours} hours, and then chooses another.")
    out.say("Then: evidence account second-factor enrol")
    secret_input.show(out, made)
    out.sum_up(account=account_id, email=email, **made)
    return ExitCode.OK


def release_source(
    out: Output,
    address: Annotated[str, typer.Argument(help="The network address.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it enters the chain of custody.")],
) -> ExitCode:
    """Let a network address in again that was locked out after too many failures."""
    if not _release_source(address, reason=reason):
        out.say(f"{address} is not locked out.")
        out.sum_up(ExitCode.NOTHING_TO_DO)
        return ExitCode.NOTHING_TO_DO
    out.say(f"Sign-ins from {address} are taken again.")
    out.sum_up(source=address)
    return ExitCode.OK


def _console(agency_id: UUID) -> "Principal":
    from auth.principals import Principal

    return Principal(
        kind="system",
        id=CONSOLE,
        agency_id=agency_id,
        roles=frozenset(),
        name=f"console, {getuser()}",
        method="console",
    )


def create_account(
    email: str, *, name: str, agency: str, roles: list[str], badge: str | None, password: str
) -> tuple[str, dict[str, Any]]:
    """Make the account; return its id and, where step-up needs one, its second factor, which counts at once."""
    from auth import accounts, agencies, second_factors
    from evidence.cli.server import read_settings
    from evidence.database import unit_of_work
    from evidence.ids import new_id
    from evidence.room import open_room

    request_id = str(new_id())
    with open_room(read_settings()) as room, unit_of_work(room.sessions) as session:
        at = room.clock()
        held = agencies.by_name(session, agency) or agencies.create(session, agency, at=at)
        console = _console(held.id)
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
        if room.settings.auth.second_factor == "optional":
            return str(account.id), {}
        offered = second_factors.offer(session, account, sealer=room.vault.keyring, issuer=room.origin, at=at)
        codes = second_factors.confirm(
            session,
            room.recorder,
            account,
            code=None,
            sealer=room.vault.keyring,
            by=console,
            at=at,
            request_id=request_id,
        )
        return str(account.id), {"uri": offered.uri, "secret": offered.secret, "recovery_codes": codes}


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


def _reset(email: str, *, password: str) -> tuple[str, int]:
    from auth import accounts, recovery
    from evidence import notices
    from evidence.cli.server import read_settings
    from evidence.database import unit_of_work
    from evidence.ids import new_id
    from evidence.room import open_room

    with open_room(read_settings()) as room, unit_of_work(room.sessions) as session:
        account = accounts.by_email(session, email)
        if account is None:
            raise NotFoundError(f"there is no account {email}", next_step="check the address")
        life, at = room.settings.auth.one_time_password_life, room.clock()
        recovery.reset(
            session,
            room.recorder,
            account,
            password=password,
            life=life,
            by=_console(account.agency_id),
            at=at,
            request_id=str(new_id()),
        )
        # Whoever sits at the server can become anybody by this: the others hear of it.
        notices.to_administrators(
            session, "account.reset", account.id, agency_id=account.agency_id, at=at, but={account.id}
        )
        return str(account.id), int(life.total_seconds() // 3600)


def _release_source(address: str, *, reason: str) -> bool:
    from auth import recovery
    from evidence.cli.server import read_settings
    from evidence.database import unit_of_work
    from evidence.ids import new_id
    from evidence.room import open_room

    with open_room(read_settings()) as room, unit_of_work(room.sessions) as session:
        return recovery.release_source(
            session,
            room.recorder,
            address,
            by=_console(CONSOLE),
            at=room.clock(),
            request_id=str(new_id()),
            reason=reason,
        )
