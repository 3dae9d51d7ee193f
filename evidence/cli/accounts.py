"""`evidence account`: the accounts of your agency, and your own."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evidence.cli import approvals, lists, profiles, secret_input
from evidence.cli.boundary import command
from evidence.cli.exits import ExitCode
from evidence.cli.lists import Cursor, Limit
from evidence.cli.output import Output, Step
from evidence.cli.profiles import ProfileName
from evidence.cli.secret_input import PasswordFile
from evidence.cli.sending import DryRun
from evidence.errors import InvalidError, NotFoundError

if TYPE_CHECKING:
    from evidence.docking.connection import Connection

ACCOUNTS = "/api/v1/accounts"
OWN_FACTOR = f"{ACCOUNTS}/me/second-factor"

EmailNamed = Annotated[str, typer.Argument(metavar="ADDRESS", help="The account's address.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    noun = typer.Typer(help="Accounts of your agency, and your own.", no_args_is_help=True, rich_markup_mode=None)
    command(noun, "create", noun="account")(create)
    command(noun, "list", noun="account")(list_accounts)
    command(noun, "roles", noun="account")(change_roles)
    command(noun, "suspend", noun="account")(suspend)
    command(noun, "release", noun="account")(release)
    command(noun, "password", noun="account")(change_password)
    factor = typer.Typer(help="Your own second factor.", no_args_is_help=True, rich_markup_mode=None)
    command(factor, "enrol", noun="account second-factor")(enrol)
    command(factor, "confirm", noun="account second-factor")(confirm)
    command(factor, "recovery-codes", noun="account second-factor")(recovery_codes)
    noun.add_typer(factor, name="second-factor")
    app.add_typer(noun, name="account")


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
        account = connection.post(ACCOUNTS, asked)
    out.say(f"{account['email']} is an account.")
    secret_input.show(out, made)
    approvals.say_it_waits(out, account["approval"])
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
    approvals.say_it_waits(out, waiting)
    out.sum_up(approval=waiting)


def list_accounts(out: Output, limit: Limit = 50, cursor: Cursor = None, profile: ProfileName = "default") -> None:
    """List the accounts of your agency, and what each may do; suspended ones too."""
    with profiles.signed_in(profile) as connection:
        found, cursor = lists.read(out, connection, ACCOUNTS, "accounts", limit=limit, cursor=cursor)
    out.table(("name", "address", "badge", "roles", "since", "suspended", "locked out"), [_row(each) for each in found])
    if cursor is not None:
        out.remark(f"There are more: evidence account list --cursor {cursor}")
    out.sum_up(count=len(found), cursor=cursor)


def suspend(
    out: Output,
    email: EmailNamed,
    reason: Annotated[str, typer.Option("--reason", help="Why; it enters the chain of custody.")],
    profile: ProfileName = "default",
) -> None:
    """Let an account in no more, from its next request on; its sessions end."""
    with profiles.signed_in(profile) as connection:
        account = connection.post(f"{_address(connection, email)}/suspend", {"reason": reason})
    out.say(f"{account['email']} may come in no more.")
    out.sum_up(account=account["id"], email=account["email"])


def release(
    out: Output,
    email: EmailNamed,
    reason: Annotated[str, typer.Option("--reason", help="Why; it enters the chain of custody.")],
    profile: ProfileName = "default",
) -> None:
    """Let an account in again that was locked out, or idle for too long."""
    with profiles.signed_in(profile) as connection:
        account = connection.post(f"{_address(connection, email)}/release", {"reason": reason})
    out.say(f"{account['email']} may come in again.")
    out.sum_up(account=account["id"], email=account["email"])


def _address(connection: "Connection", email: str) -> str:
    found = connection.get(ACCOUNTS, email=email)["accounts"]
    if not found:
        raise NotFoundError(f"your agency has no account {email}", next_step="check the address")
    return f"{ACCOUNTS}/{found[0]['id']}"


def _row(account: dict[str, Any]) -> tuple[str, ...]:
    instants = (lists.minute(account[name]) for name in ("created_at", "suspended_at", "locked_at"))
    return (account["name"], account["email"], account["badge"] or "", ", ".join(account["roles"]), *instants)


def change_password(
    out: Output,
    password_file: PasswordFile = None,
    new_password_file: Annotated[
        Path | None, typer.Option("--new-password-file", help="File with the new password in its first line.")
    ] = None,
    profile: ProfileName = "default",
) -> None:
    """Change your own password; your other sessions end."""
    old = secret_input.given(password_file)
    if old is None:
        old = secret_input.asked("Your password: ")
    if new_password_file is not None:
        new = secret_input.first_line(new_password_file)
    else:
        new = secret_input.asked("New password: ", what="a new password", how="give --new-password-file")
        if secret_input.asked("Again: ") != new:
            raise InvalidError("the two are not the same", next_step="run the command again")
    with profiles.signed_in(profile) as connection:
        connection.request("POST", "/api/v1/accounts/me/password", json={"password": old, "new_password": new})
    out.say("Your password is changed; your other sessions have ended.")


def enrol(out: Output, profile: ProfileName = "default") -> None:
    """Get a second factor for your account: an authenticator on your phone, confirmed with a code of it."""
    with profiles.signed_in(profile) as connection:
        offered = connection.post(OWN_FACTOR, None)
        show_factor(out, offered)
        if not sys.stdin.isatty():
            out.say("It counts when you confirm it: evidence account second-factor confirm --totp CODE")
            out.sum_up(**offered)
            return
        codes = _confirm(connection, secret_input.asked("Code that it shows: "))
    show_codes(out, codes)
    out.sum_up(recovery_codes=codes)


def confirm(
    out: Output,
    totp: secret_input.Totp = None,
    totp_file: secret_input.TotpFile = None,
    profile: ProfileName = "default",
) -> None:
    """Confirm the second factor that you were offered; it counts from now on."""
    with profiles.signed_in(profile) as connection:
        given = secret_input.factor(totp, totp_file, None)
        code = (
            given["totp"] if given else secret_input.asked("Code that it shows: ", what="its code", how="give --totp")
        )
        codes = _confirm(connection, code)
    show_codes(out, codes)
    out.sum_up(recovery_codes=codes)


def recovery_codes(out: Output, profile: ProfileName = "default") -> None:
    """Get new recovery codes; those you have count no longer."""
    with profiles.signed_in(profile) as connection:
        codes = connection.post("/api/v1/accounts/me/recovery-codes", None)["recovery_codes"]
    show_codes(out, codes)
    out.sum_up(recovery_codes=codes)


def _confirm(connection: "Connection", code: str) -> list[str]:
    codes: list[str] = connection.post(f"{OWN_FACTOR}/confirm", {"totp": code})["recovery_codes"]
    return codes


def show_factor(out: Output, offered: Any) -> None:
    """Tell people what their authenticator needs, this once."""
    out.say(
        "For the authenticator, shown only now:",
        f"  {offered['uri']}",
        f"  or typed in: {offered['secret']} (time-based, six digits, 30 seconds)",
    )


def show_codes(out: Output, codes: Sequence[str]) -> None:
    """Tell people their recovery codes, this once."""
    out.say("Recovery codes, shown only now; each stands in for your authenticator once:")
    out.say(*(f"  {code}" for code in codes))


def require_roles(given: Sequence[str]) -> None:
    """Raise InvalidError naming what is no role, and the roles that an account can hold."""
    from auth.roles import FOR_NO_ACCOUNT, ROLES

    known = sorted(ROLES - FOR_NO_ACCOUNT)
    if wrong := [each for each in given if each not in known]:
        raise InvalidError(f"no role of an account: {', '.join(wrong)}", next_step=f"the roles are {', '.join(known)}")
