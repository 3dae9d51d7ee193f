"""`evidence trust`: the public keys of a room, for whoever is to check what it signs."""

from pathlib import Path
from typing import Annotated

import typer

from evidence.cli import profiles
from evidence.cli.boundary import command
from evidence.cli.files import write_once
from evidence.cli.output import Output
from evidence.cli.profiles import ProfileName
from evidence.errors import InvalidError

PATH = "/api/v1/trust"


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    command(app, "trust")(save_trust)


def save_trust(
    out: Output,
    to: Annotated[Path, typer.Option("--out", "-o", help="Where to write the trust file.")],
    url: Annotated[str | None, typer.Option("--url", help="Address of the evidence room.")] = None,
    profile: ProfileName = "default",
) -> None:
    """Save the room's public keys, to be handed over apart from any package."""
    from evidence.docking.connection import Connection
    from evidence.docking.receipts import read_trust

    address = profiles.url_for(profile, url)
    with Connection(address) as connection:
        raw = connection.request("GET", PATH).content
    trusted = read_trust(raw)
    if not write_once(to, raw):
        raise InvalidError(
            f"{to} is there already and holds other keys",
            next_step="compare the two: find out why the keys changed, then choose another name or move it away",
        )
    out.say(f"{to}: {len(trusted.keys)} public keys of {trusted.origin}.")
    out.remark("Compare them with what the agency published, and never take them from a package.")
    out.sum_up(file=str(to), origin=trusted.origin, keys=len(trusted.keys))
