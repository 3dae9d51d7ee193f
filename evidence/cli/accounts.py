"""`evidence sign-in`, `evidence sign-out` and `evidence account`: accounts and who is signed in."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from evidence.cli import profiles, secret_input
from evidence.cli.boundary import command
from evidence.cli.exits import ExitCode
from evidence.cli.output import Output, Step
from evidence.cli.profiles import Profile, ProfileName
from evidence.cli.secret_input import PasswordFile
from evidence.cli.sending import DryRun
from evidence.clock import system_clock
from evidence.errors import InvalidError, RefusedError


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    command(app, "sign-in")(sign_in)
    command(app, "sign-out")(sign_out)
    noun = typer.Typer(help="Accounts of your agency.", no_args_is_help=True, rich_markup_mode=None)
    command(noun, "create", noun="account")(create)
    command(noun, "roles", noun="account")(change_roles)
    app.add_typer(noun, name="account")


def sign_in(
    out: Output,
    email: Annotated[str, typer.Option("--email", help="The account's address.", prompt=True)],
    url: Annotated[str | None, typer.Option("--url", help="Address of the evidence room.")] = None,
    password_file: PasswordFile = None,
    profile: ProfileName = "default",
) -> None:
    """Sign in; the token is kept for the commands that follow, until it ends or you sign out."""
    from evidence.docking.connection import Connection, read_json
    from evidence.docking.identity import TOKENS, token_of

    address = profiles.url_for(profile, url)
    password = secret_input.given(password_file)
    if password is None:
        password = secret_input.asked(f"Password of {email} at {address}: ")
    with Connection(address) as connection:
        form = {"grant_type": "password", "username": email, "password": password}
        try:
            token, life = token_of(read_json(connection.request("POST", TOKENS, data=form)))
        except RefusedError as error:
            raise RefusedError(
                "the e-mail address or the password is wrong",
                next_step="try again; an administrator of your agency can say whether the account is good",
            ) from error.__cause__
    expires = system_clock() + life
    profiles.keep(profile, Profile(url=address, email=email, token=token, expires=expires.isoformat()))
    out.say(f"Signed in to {address} as {email} until {expires:%H:%M} UTC.")
    out.sum_up(url=address, email=email, profile=profile, expires=expires.isoformat())


def sign_out(out: Output, profile: ProfileName = "default") -> ExitCode:
    """Forget the token on this machine."""
    if not profiles.forget(profile):
        out.say("You were not signed in.")
        return ExitCode.NOTHING_TO_DO
    out.say("Signed out.")
    return ExitCode.OK


def create(
    out: Output,
    email: Annotated[str, typer.Option("--email", help="The address the person signs in with.")],
    name: Annotated[str, typer.Option("--name", help="The person's name.")],
    role: Annotated[list[str], typer.Option("--role", help="Role; may be given several times.")],
    badge: Annotated[str | None, typer.Option("--badge", help="Badge number.")] = None,
    password_file: PasswordFile = None,
    dry_run: DryRun = False,
    profile: ProfileName = "default",
) -> ExitCode:
    """Create an account in your agency; without a password given, one is made and shown once."""
    require_roles(role)
    out.plan([Step(act="create", name=email, why=", ".join(role))], dry_run=dry_run)
    if dry_run:
        out.sum_up(ExitCode.OK, "dry_run")
        return ExitCode.OK
    password, made = secret_input.given_or_made(password_file)
    asked = {"email": email, "name": name, "password": password, "badge": badge, "roles": role}
    with profiles.signed_in(profile) as connection:
        account = connection.post("/api/v1/accounts", asked)
    out.say(f"{account['email']} is an account.")
    secret_input.show(out, made)
    _say_it_waits(out, account["approval"])
    out.sum_up(
        account=account["id"], email=account["email"], roles=account["roles"], approval=account["approval"], **made
    )
    return ExitCode.OK


def change_roles(
    out: Output,
    emails: Annotated[list[str], typer.Argument(metavar="ADDRESS...", help="Addresses of accounts of your agency.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept with the request.")],
    grant: Annotated[list[str] | None, typer.Option("--grant", help="Role to grant; may be repeated.")] = None,
    end: Annotated[list[str] | None, typer.Option("--end", help="Role to end; may be repeated.")] = None,
    profile: ProfileName = "default",
) -> None:
    """Ask for roles to be granted or ended, for one account or many: another administrator approves it."""
    require_roles([*(grant or []), *(end or [])])
    asked = {"emails": emails, "grant": grant or [], "end": end or [], "reason": reason}
    with profiles.signed_in(profile) as connection:
        waiting = connection.post("/api/v1/role-changes", asked)
    _say_it_waits(out, waiting)
    out.sum_up(approval=waiting)


def _say_it_waits(out: Output, waiting: dict[str, Any]) -> None:
    out.say(
        "The roles wait until another administrator approves them:",
        f"  evidence approval approve {waiting['id']}",
    )


def require_roles(given: Sequence[str]) -> None:
    """Raise InvalidError naming what is no role, and the roles that an account can hold."""
    from auth.roles import FOR_NO_ACCOUNT, ROLES

    known = sorted(ROLES - FOR_NO_ACCOUNT)
    if wrong := [each for each in given if each not in known]:
        raise InvalidError(f"no role of an account: {', '.join(wrong)}", next_step=f"the roles are {', '.join(known)}")
