"""Who is signed in where: one small file a profile, readable by its owner alone.

`EVIDENCE_URL` and `EVIDENCE_TOKEN` stand in for a profile, for machines that keep their secrets
elsewhere.
"""

import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evidence.clock import system_clock
from evidence.errors import InvalidError, RefusedError, SetupError

if TYPE_CHECKING:
    from evidence.docking.connection import Connection

DEFAULT_URL = "http://127.0.0.1:8400"
"""Where `evidence serve` listens unless told otherwise."""

ProfileName = Annotated[
    str, typer.Option("--profile", envvar="EVIDENCE_PROFILE", help="Which sign-in to use, when you have several.")
]

DEFAULT = "default"
"""The profile of whoever names none."""

SIGN_IN = "evidence sign-in --url ADDRESS --email EMAIL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One sign-in: the server's address, the account, its token and when that ends."""

    url: str
    email: str
    token: str
    expires: str


def config_folder() -> Path:
    """Return the folder of profiles and docks on this machine."""
    named = os.environ.get("EVIDENCE_CONFIG_DIR")
    return Path(named) if named else Path.home() / ".config" / "evidence"


def docks_folder() -> Path:
    """Return the folder in which every enrolled dock has its own."""
    return config_folder() / "docks"


def path_of(name: str) -> Path:
    """Return where a profile is kept; raise InvalidError for a name that could be a path."""
    if not name.replace("-", "").replace("_", "").isalnum():
        raise InvalidError("a profile's name has letters, digits, hyphens and underscores only")
    return config_folder() / "profiles" / f"{name}.json"


def keep(name: str, profile: Profile) -> None:
    """Write a profile, readable by its owner alone."""
    from evidence.docking.identity import write_private

    path = path_of(name)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(path, json.dumps(asdict(profile), indent=1).encode())


def read(name: str) -> Profile | None:
    """Return a profile, or None when there is none of that name."""
    try:
        return Profile(**json.loads(path_of(name).read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        raise SetupError(f"the profile {name} is damaged", next_step=SIGN_IN) from None


def forget(name: str) -> bool:
    """Remove a profile and say whether there was one."""
    try:
        path_of(name).unlink()
    except FileNotFoundError:
        return False
    return True


def url_for(name: str, given: str | None = None) -> str:
    """Return the server's address: as given, from the environment, from this profile or the default one, or ours."""
    profile = read(name) or read(DEFAULT)
    return (given or os.environ.get("EVIDENCE_URL") or (profile.url if profile else DEFAULT_URL)).rstrip("/")


def signed_in(name: str) -> "Connection":
    """Return a connection with the profile's token. Raises RefusedError when there is none or it has ended."""
    from evidence.docking.connection import Connection, bearer

    given = os.environ.get("EVIDENCE_TOKEN")
    if given is not None and not (given.isascii() and given.isprintable()):
        raise InvalidError(
            "EVIDENCE_TOKEN holds characters that no token has",
            next_step="set it to the token alone, or unset it and run `evidence sign-in`",
        )
    token = given or _kept_token(name)

    def current(renew: bool) -> str:
        if not renew:
            return token
        # A person's token is not renewed: that the server refuses it is its end.
        if given:
            raise RefusedError(
                "the token in EVIDENCE_TOKEN is not good, or not any more",
                next_step="set it to a new one, or unset it and run `evidence sign-in`",
            )
        raise _ended(read(name))

    return Connection(url_for(name), bearer(current))


def _ended(profile: Profile | None) -> RefusedError:
    again = f"evidence sign-in --url {profile.url} --email {profile.email}" if profile else SIGN_IN
    return RefusedError("your sign-in has ended", next_step=again)


def _kept_token(name: str) -> str:
    profile = read(name)
    if profile is None:
        raise RefusedError("you are not signed in", next_step=SIGN_IN)
    if datetime.fromisoformat(profile.expires) <= system_clock():
        raise _ended(profile)
    if url_for(name) != profile.url.rstrip("/"):
        # A token goes to the server that gave it and to no other.
        raise RefusedError("EVIDENCE_URL names another server than you are signed in to", next_step=SIGN_IN)
    return profile.token
