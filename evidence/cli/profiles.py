"""Who is signed in where: one small file a profile, readable by its owner alone.

`EVIDENCE_URL` and `EVIDENCE_TOKEN` stand in for a profile, for machines that keep their secrets
elsewhere.  A profile's token is renewed by itself for as long as the session goes on.  What renews it
is good once, so one command at a time does that, and others take what it got.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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

RENEW_BEFORE = timedelta(minutes=2)
"""So long before its end a token is renewed: a request begun with it should not outlive it."""

RENEW_AT_PROVIDER_BEFORE = timedelta(minutes=8)
"""The same for a provider's sign-in, which lives for fifteen minutes only, and whose provider may be away."""

SIGN_IN = "evidence sign-in --url ADDRESS --email EMAIL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One sign-in: the server's address, the account, its token and when that ends, and what renews it.

    With a `provider` the person signed in there; that is renewed by the token itself, while it is good.
    """

    url: str
    email: str
    token: str
    expires: str
    renewal: str | None = None
    provider: str = ""

    @property
    def again(self) -> str:
        """The command that signs in again."""
        how = f"--provider {self.provider}" if self.provider else f"--email {self.email}"
        return f"evidence sign-in --url {self.url} {how}"


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
    path_of(name).with_suffix(".lock").unlink(missing_ok=True)
    return True


def url_for(name: str, given: str | None = None) -> str:
    """Return the server's address: as given, from the environment, from this profile or the default one, or ours."""
    profile = read(name) or read(DEFAULT)
    return (given or os.environ.get("EVIDENCE_URL") or (profile.url if profile else DEFAULT_URL)).rstrip("/")


def signed_in(name: str) -> "Connection":
    """Return a connection with the token in EVIDENCE_TOKEN or the profile. Raises RefusedError without a good one."""
    from evidence.docking.connection import Connection, bearer

    given = os.environ.get("EVIDENCE_TOKEN")
    if not given:
        return signed_in_as_kept(name)
    if not (given.isascii() and given.isprintable()):
        raise InvalidError(
            "EVIDENCE_TOKEN holds characters that no token has",
            next_step="set it to the token alone, or unset it and run `evidence sign-in`",
        )

    def current(renew: bool) -> str:
        if renew:
            raise RefusedError(
                "the token in EVIDENCE_TOKEN is not good, or not any more",
                next_step="set it to a new one, or unset it and run `evidence sign-in`",
            )
        return given

    return Connection(url_for(name), bearer(current))


def signed_in_as_kept(name: str) -> "Connection":
    """Return a connection with the profile's token, renewed as needed. Raises RefusedError when it has ended."""
    from evidence.docking.connection import Connection, bearer

    held = _kept_token(name)

    def current(renew: bool) -> str:
        nonlocal held
        if renew or _is_ending(read(name)):
            held = _renewed(name, held, refused=renew)
        return held

    return Connection(url_for(name), bearer(current))


def answered(address: str, email: str, answer: Any, *, provider: str = "") -> Profile:
    """Make a profile of the server's answer to a sign-in or renewal."""
    from evidence.docking.identity import token_of

    token, life = token_of(answer)
    renewal = answer.get("refresh_token")
    expires = (system_clock() + life).isoformat()
    return Profile(
        url=address,
        email=email,
        token=token,
        expires=expires,
        renewal=renewal if isinstance(renewal, str) else None,
        provider=provider,
    )


def _is_ending(profile: Profile | None) -> bool:
    if profile is None or not (profile.renewal or profile.provider):
        return False  # it is good until it is refused
    before = RENEW_AT_PROVIDER_BEFORE if profile.provider else RENEW_BEFORE
    return datetime.fromisoformat(profile.expires) - system_clock() < before


def _renewed(name: str, held: str, *, refused: bool) -> str:
    """Return a token in the place of one refused or ending; raise RefusedError when the session has ended."""
    from evidence.docking.connection import Connection, read_json
    from evidence.docking.identity import TOKENS

    with _alone(name):
        profile = read(name)
        if profile is not None and profile.token != held and not _is_ending(profile):
            return profile.token  # another command was quicker
        if profile is not None and profile.provider and not refused:
            return _renewed_there(name, profile)
        if profile is None or profile.renewal is None:
            raise _ended(profile)
        form = {"grant_type": "refresh_token", "refresh_token": profile.renewal}
        with Connection(profile.url) as connection:
            try:
                answer = read_json(connection.request("POST", TOKENS, data=form))
            except RefusedError as error:
                raise _ended(profile) from error.__cause__
        renewed = answered(profile.url, profile.email, answer)
        keep(name, renewed)
    return renewed.token


def _renewed_there(name: str, profile: Profile) -> str:
    """Renew a sign-in at its provider; while that cannot be done, the token goes on to its own end."""
    from evidence.docking.connection import Connection, bearer, read_json
    from evidence.errors import EvidenceError

    try:
        with Connection(profile.url, bearer(lambda _renew: profile.token)) as connection:
            answer = read_json(connection.request("POST", "/api/v1/sign-in/renewal"))
            renewed = answered(profile.url, profile.email, answer, provider=profile.provider)
    except EvidenceError:
        return profile.token
    keep(name, renewed)
    return renewed.token


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Hold the profile while its token is renewed."""
    lock = os.open(path_of(name).with_suffix(".lock"), os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _ended(profile: Profile | None) -> RefusedError:
    return RefusedError("your sign-in has ended", next_step=profile.again if profile else SIGN_IN)


def _kept_token(name: str) -> str:
    profile = read(name)
    if profile is None:
        raise RefusedError("you are not signed in", next_step=SIGN_IN)
    if profile.renewal is None and datetime.fromisoformat(profile.expires) <= system_clock():
        raise _ended(profile)
    if url_for(name) != profile.url.rstrip("/"):
        # A token goes to the server that gave it and to no other.
        raise RefusedError("EVIDENCE_URL names another server than you are signed in to", next_step=SIGN_IN)
    return profile.token
