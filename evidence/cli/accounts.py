"""`evidence sign-in`, `evidence sign-out` and `evidence account`: accounts and who is signed in."""

from collections.abc import Sequence
from typing import Annotated

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
    app.add_typer(noun, name="account")


def sign_in(
    out: Output,
    email: Annotated[str | None, typer.Option("--email", help="The account's address. [asked for if missing]")] = None,
    provider: Annotated[
        str | None, typer.Option("--provider", help="Sign in with the browser, at this identity provider.")
    ] = None,
    url: Annotated[str | None, typer.Option("--url", help="Address of the evidence room.")] = None,
    password_file: PasswordFile = None,
    profile: ProfileName = "default",
) -> None:
    """Sign in; the token is kept for the commands that follow, until it ends or you sign out."""
    from evidence.docking.connection import Connection, read_json
    from evidence.docking.identity import TOKENS, token_of

    address = profiles.url_for(profile, url)
    if provider is not None:
        if email is not None or password_file is not None:
            raise InvalidError("--provider goes without --email and --password-file", next_step="give one of them")
        _sign_in_at(out, address, provider, profile)
        return
    if email is None:
        email = str(typer.prompt("Email", err=True))
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


def _sign_in_at(out: Output, address: str, provider: str, profile: str) -> None:
    from evidence.cli import browser
    from evidence.docking.connection import Connection, read_json
    from evidence.docking.identity import token_of

    def show(where: str) -> None:
        out.note(f"Open {where}")
        if not browser.open_in_browser(where):
            out.remark("This machine has no browser: open the address above in one on this machine.")

    with Connection(address) as connection:
        browser.require_known(provider, read_json(connection.request("GET", "/api/v1/sign-in")))
        code = browser.sign_in(address, provider, show=show)
        token, life = token_of(read_json(connection.request("POST", "/api/v1/sign-in/code", json=code)))
    expires = system_clock() + life
    kept = Profile(url=address, email="", token=token, expires=expires.isoformat(), provider=provider)
    profiles.keep(profile, kept)
    out.say(f"Signed in to {address} by {provider}; it is renewed while you work, until {provider} says otherwise.")
    out.sum_up(url=address, provider=provider, profile=profile, expires=expires.isoformat())


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
    provider: Annotated[
        str | None, typer.Option("--provider", help="Instead of a password: the identity provider to sign in at.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", help="Who it is there. [default: the owner of the address]")
    ] = None,
    dry_run: DryRun = False,
    profile: ProfileName = "default",
) -> ExitCode:
    """Create an account in your agency; without a password or provider given, a password is made and shown once."""
    require_roles(role)
    if provider is not None and password_file is not None:
        raise InvalidError("an account has a password or signs in at a provider", next_step="give one of them")
    out.plan([Step(act="create", name=email, why=", ".join(role))], dry_run=dry_run)
    if dry_run:
        out.sum_up(ExitCode.OK, "dry_run")
        return ExitCode.OK
    asked: dict[str, object] = {"email": email, "name": name, "badge": badge, "roles": role}
    made: dict[str, str] = {}
    if provider is None:
        asked["password"], made = secret_input.given_or_made(password_file)
    else:
        asked |= {"provider": provider, "subject": subject}
    with profiles.signed_in(profile) as connection:
        account = connection.post("/api/v1/accounts", asked)
    out.say(f"{account['email']} is an account: {', '.join(account['roles'])}.")
    secret_input.show(out, made)
    out.sum_up(account=account["id"], email=account["email"], roles=account["roles"], **made)
    return ExitCode.OK


def require_roles(given: Sequence[str]) -> None:
    """Raise InvalidError naming what is no role, and the roles that an account can hold."""
    from auth.roles import FOR_NO_ACCOUNT, ROLES

    known = sorted(ROLES - FOR_NO_ACCOUNT)
    if wrong := [each for each in given if each not in known]:
        raise InvalidError(f"no role of an account: {', '.join(wrong)}", next_step=f"the roles are {', '.join(known)}")
