"""Passwords: from a file, the environment or the keyboard, and never from the command line."""

import os
import secrets
import stat
import sys
from getpass import getpass
from pathlib import Path
from typing import Annotated

import typer

from evidence.cli.output import Output
from evidence.errors import InvalidError

PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", help="File with the password in its first line; `-` reads it from stdin."),
]

TotpFile = Annotated[
    Path | None,
    typer.Option("--totp-file", help="File with the code of your authenticator in its first line; `-`: stdin."),
]
Totp = Annotated[
    str | None, typer.Option("--totp", envvar="EVIDENCE_TOTP", help="The code of your authenticator, of this moment.")
]
RecoveryCode = Annotated[
    str | None,
    typer.Option("--recovery-code", envvar="EVIDENCE_RECOVERY_CODE", help="Instead of it: one of your recovery codes."),
]

CHANCE = 15
"""Bytes of chance in a password that is made here: twenty letters and digits."""

HOW_FACTOR = "give --totp, --totp-file, --recovery-code or EVIDENCE_TOTP"

LONGEST = 4096
"""Characters that are read; auth has its own, lower, limit."""


def given(file: Path | None) -> str | None:
    """Return the password from the file or EVIDENCE_PASSWORD, or None when neither is there."""
    return os.environ.get("EVIDENCE_PASSWORD") if file is None else first_line(file)


def first_line(file: Path) -> str:
    """Return the first line of a file that others cannot read, or of stdin. Raises InvalidError if they can."""
    if file == Path("-"):
        return sys.stdin.readline(LONGEST).rstrip("\r\n")
    with file.open(encoding="utf-8") as stream:
        if stat.S_ISREG(os.fstat(stream.fileno()).st_mode) and os.fstat(stream.fileno()).st_mode & 0o077:
            raise InvalidError(f"{file} can be read by others", next_step=f"chmod 600 {file}")
        return stream.readline(LONGEST).rstrip("\r\n")


def factor(totp: str | None, totp_file: Path | None, recovery_code: str | None) -> dict[str, str]:
    """Return the proof of a second factor that was given with the command, as a request says it; empty if none was."""
    if recovery_code:
        return {"recovery_code": recovery_code}
    code = totp or (first_line(totp_file) if totp_file else None)
    return {"totp": code} if code else {}


def factor_asked() -> dict[str, str]:
    """Ask the person at the keyboard for the proof of a second factor."""
    typed = asked(
        "Code of your authenticator, or a recovery code: ", what="the code of a second factor", how=HOW_FACTOR
    )
    # A recovery code is longer than any code of an authenticator, however it is grouped.
    return {"totp": typed} if len(typed.replace(" ", "")) <= 8 else {"recovery_code": typed}


def given_or_made(file: Path | None) -> tuple[str, dict[str, str]]:
    """Return a new account's password, and it again as `password` in a summary if it was made here."""
    password = given(file)
    if password is not None:
        return password, {}
    made = secrets.token_urlsafe(CHANCE)
    return made, {"password": made}


def show(out: Output, made: dict[str, str]) -> None:
    """Tell people a password that was made here, this once."""
    if made:
        out.say(f"Password, shown only now: {made['password']}")


def asked(prompt: str, *, what: str = "a password", how: str = "give --password-file or EVIDENCE_PASSWORD") -> str:
    """Ask the person at the keyboard. Raises InvalidError when there is none."""
    if not sys.stdin.isatty():
        raise InvalidError(f"{what} is needed and there is nobody to ask", next_step=how)
    return getpass(prompt)
