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

CHANCE = 15
"""Bytes of chance in a password that is made here: twenty letters and digits."""

LONGEST = 4096
"""Characters that are read; auth has its own, lower, limit."""


def given(file: Path | None) -> str | None:
    """Return the password from the file or EVIDENCE_PASSWORD, or None when neither is there."""
    if file is None:
        return os.environ.get("EVIDENCE_PASSWORD")
    if file == Path("-"):
        return sys.stdin.readline(LONGEST).rstrip("\r\n")
    with file.open(encoding="utf-8") as stream:
        if stat.S_ISREG(os.fstat(stream.fileno()).st_mode) and os.fstat(stream.fileno()).st_mode & 0o077:
            raise InvalidError(f"{file} can be read by others", next_step=f"chmod 600 {file}")
        return stream.readline(LONGEST).rstrip("\r\n")


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


def asked(prompt: str) -> str:
    """Ask the person at the keyboard. Raises InvalidError when there is none."""
    if not sys.stdin.isatty():
        raise InvalidError(
            "a password is needed and there is nobody to ask", next_step="give --password-file or EVIDENCE_PASSWORD"
        )
    return getpass(prompt)
