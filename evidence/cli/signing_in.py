"""`evidence sign-in`, `sign-out` and `step-up`: who is signed in on this machine, and how strongly."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evidence.cli import profiles, secret_input
from evidence.cli.boundary import command
from evidence.cli.exits import ExitCode
from evidence.cli.output import Output
from evidence.cli.profiles import ProfileName
from evidence.cli.secret_input import PasswordFile, RecoveryCode, Totp, TotpFile
from evidence.errors import EvidenceError, InvalidError, RefusedError

if TYPE_CHECKING:
    from evidence.docking.connection import Connection


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    command(app, "sign-in")(sign_in)
    command(app, "sign-out")(sign_out)
    command(app, "step-up")(step_up)


def sign_in(
    out: Output,
    email: Annotated[str | None, typer.Option("--email", help="The account's address. [asked for if missing]")] = None,
    provider: Annotated[
        str | None, typer.Option("--provider", help="Sign in with the browser, at this identity provider.")
    ] = None,
    url: Annotated[str | None, typer.Option("--url", help="Address of the evidence room.")] = None,
    password_file: PasswordFile = None,
    totp: Totp = None,
    totp_file: TotpFile = None,
    recovery_code: RecoveryCode = None,
    new_password_file: Annotated[
        Path | None,
        typer.Option("--new-password-file", help="File with the password that takes a one-time password's place."),
    ] = None,
    acknowledge: Annotated[
        bool,
        typer.Option("--acknowledge", envvar="EVIDENCE_ACKNOWLEDGE", help="Acknowledge the system-use notice shown."),
    ] = False,
    profile: ProfileName = "default",
) -> None:
    """Sign in; the session is kept for the commands that follow, until it ends or you sign out."""
    from evidence.docking.connection import Connection

    address = profiles.url_for(profile, url)
    if provider is not None:
        if any(each is not None for each in (email, password_file, totp, totp_file, recovery_code, new_password_file)):
            raise InvalidError("--provider goes without what is for passwords", next_step="give one or the other")
        _sign_in_at(out, address, provider, profile, acknowledge=acknowledge)
        return
    if email is None:
        email = str(typer.prompt("Email", err=True))
    password = secret_input.given(password_file)
    if password is None:
        password = secret_input.asked(f"Password of {email} at {address}: ")
    form = {"grant_type": "password", "username": email, "password": password}
    form |= secret_input.factor(totp, totp_file, recovery_code)
    if new_password_file is not None:
        form["new_password"] = secret_input.first_line(new_password_file)
    with Connection(address) as connection:
        form |= _banner_acknowledged(out, connection, acknowledge=acknowledge)
        kept = profiles.answered(address, email, _ask(connection, form))
    profiles.keep(profile, kept)
    out.say(f"Signed in to {address} as {email}.")
    out.sum_up(url=address, email=email, profile=profile, expires=kept.expires)


def _sign_in_at(out: Output, address: str, provider: str, profile: str, *, acknowledge: bool) -> None:
    from evidence.cli import browser
    from evidence.docking.connection import Connection, read_json

    def show(where: str) -> None:
        out.note(f"Open {where}")
        if not browser.open_in_browser(where):
            out.remark("This machine has no browser: open the address above in one on this machine.")

    with Connection(address) as connection:
        browser.require_known(provider, read_json(connection.request("GET", "/api/v1/sign-in")))
        read = _banner_acknowledged(out, connection, acknowledge=acknowledge)
        code = browser.sign_in(address, provider, show=show, asked_too=read)
        answer = read_json(connection.request("POST", "/api/v1/sign-in/code", json=code))
    kept = profiles.answered(address, "", answer, provider=provider)
    profiles.keep(profile, kept)
    out.say(f"Signed in to {address} by {provider}; it is renewed while you work, until {provider} says otherwise.")
    out.sum_up(url=address, provider=provider, profile=profile, expires=kept.expires)


def _banner_acknowledged(out: Output, connection: "Connection", *, acknowledge: bool) -> dict[str, str]:
    """Show the installation's notice, if it has one, and return what says that it was read."""
    banner = connection.get("/api/v1/banner")
    text, digest = banner.get("text"), banner.get("sha256")
    if not isinstance(text, str) or not isinstance(digest, str):
        return {}
    out.say(text)
    if not acknowledge:
        if not sys.stdin.isatty():
            raise InvalidError(
                "this evidence room has a system-use notice to be acknowledged",
                next_step=f"read {connection.url}/api/v1/banner and give --acknowledge",
            )
        typer.confirm("Have you read this, and do you agree?", abort=True, err=True)
    return {"banner_acknowledged": digest}


def _ask(connection: "Connection", form: dict[str, str]) -> Any:
    """Ask for a token, and ask the person for whatever turns out to be missing."""
    from evidence.docking.connection import ServerProblem, read_json
    from evidence.docking.identity import TOKENS

    while True:
        try:
            return read_json(connection.request("POST", TOKENS, data=form))
        except RefusedError as error:
            kind = error.__cause__.kind if isinstance(error.__cause__, ServerProblem) else ""
            if kind.endswith(":second-factor-needed") and not {"totp", "recovery_code"} & form.keys():
                form = form | secret_input.factor_asked()
            elif kind.endswith(":new-password-needed") and "new_password" not in form:
                form = form | {"new_password": _new_password()}
            else:
                raise RefusedError(
                    "the e-mail address, the password or the code is wrong, or the account may not come in",
                    next_step="try again; after five failures an administrator has to release the account",
                ) from error.__cause__


def _new_password() -> str:
    chosen = secret_input.asked(
        "This is a one-time password. Choose one of your own: ", what="a new password", how="give --new-password-file"
    )
    if secret_input.asked("Again: ") != chosen:
        raise InvalidError("the two are not the same", next_step="sign in again")
    return chosen


def sign_out(out: Output, profile: ProfileName = "default") -> ExitCode:
    """End the session, and forget it on this machine."""
    if profiles.read(profile) is None:
        out.say("You were not signed in.")
        return ExitCode.NOTHING_TO_DO
    try:
        with profiles.signed_in_as_kept(profile) as connection:
            connection.request("DELETE", "/api/v1/tokens/current")
        out.say("Signed out.")
    except EvidenceError as error:
        # Whoever signs out wants the token gone from this machine, whatever the server does.
        out.say(f"Signed out on this machine; at the server: {str(error).rstrip('.')}.")
    profiles.forget(profile)
    return ExitCode.OK


def step_up(
    out: Output,
    totp: Totp = None,
    totp_file: TotpFile = None,
    recovery_code: RecoveryCode = None,
    profile: ProfileName = "default",
) -> None:
    """Prove your second factor again, for what needs it fresh: 15 minutes from now on."""
    with profiles.signed_in(profile) as connection:
        given = secret_input.factor(totp, totp_file, recovery_code) or secret_input.factor_asked()
        until = connection.post("/api/v1/tokens/step-up", given)["strong_until"]
    out.say(f"Proved; good until {str(until)[11:16]} UTC.")
    out.sum_up(strong_until=until)
