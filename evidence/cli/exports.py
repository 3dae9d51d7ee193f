"""`evidence export`: a package that a stranger can verify, from one or more evidence items."""

import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evidence.cli import custody, profiles
from evidence.cli.boundary import command
from evidence.cli.exits import ExitCode
from evidence.cli.files import write_whole
from evidence.cli.output import Output, Step, advancing, readable_size
from evidence.cli.profiles import ProfileName
from evidence.cli.sending import DryRun
from evidence.errors import IntegrityError, InvalidError, UnavailableError

if TYPE_CHECKING:
    from evidence.docking.connection import Connection

PATH = "/api/v1/exports"


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    command(app, "export")(export)


def export(
    out: Output,
    items: Annotated[list[str], typer.Argument(help="Evidence numbers or ids.")],
    to: Annotated[Path, typer.Option("--out", "-o", help="The package to write, a zip file.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it enters the chain of custody.")],
    withhold: Annotated[
        list[str] | None, typer.Option("--withhold", help="Name of a field to withhold; may be given several times.")
    ] = None,
    dry_run: DryRun = False,
    profile: ProfileName = "default",
) -> ExitCode:
    """Write a package with originals, custody records and signed receipts; it appears only when it is whole."""
    if to.exists() or to.is_symlink():
        raise InvalidError(f"{to} is there already", next_step="choose another name, or move it away")
    # Asked before the server is: an export that begins is on record for ever, however it ends.
    if not os.access(to.absolute().parent, os.W_OK | os.X_OK):
        raise InvalidError(
            f"there is no folder {to.absolute().parent} that you may write to", next_step="name another with --out"
        )
    if not reason.strip():
        raise InvalidError("the reason is empty", next_step="say with --reason why it is exported")
    out.plan([Step(act="export", name=item, why=reason) for item in items], dry_run=dry_run)
    if dry_run:
        out.sum_up(ExitCode.OK, "dry_run", items=items)
        return ExitCode.OK
    asked = {"items": items, "reason": reason, "withhold": withhold or []}
    with profiles.signed_in(profile) as connection:
        export_id = ""
        try:
            with connection.stream("POST", PATH, json=asked) as answer, out.progress(to.name, total=None) as advance:
                export_id = answer.headers.get("evidence-export", "")
                size = write_whole(to, advancing(answer.iter_raw(), advance), check=_require_whole)
        except UnavailableError:
            _require_no_damage(connection, items, export_id)
            raise
    out.verified(to.name, f"{readable_size(size)}, every file in it read back whole", size=size)
    out.remark("To check it: evidence trust --out trust.json, then evidence verify FILE --trust trust.json")
    out.sum_up(file=str(to), size=size, items=items, withheld=withhold or [])
    return ExitCode.OK


def _require_no_damage(connection: "Connection", items: list[str], export_id: str) -> None:
    """Ask the chains of custody why an export broke off; raise IntegrityError if an original is damaged."""
    damaged = [item for item in items if export_id and _outcome(connection, item, export_id) == "original damaged"]
    if damaged:
        raise IntegrityError(
            f"the stored original of {', '.join(damaged)} is not what was recorded at its receipt; nothing was written",
            next_step="tell whoever runs the evidence room at once; it is on record in the item's chain of custody",
        )


def _outcome(connection: "Connection", item: str, export_id: str) -> str | None:
    records, _ = custody.chain(
        connection, f"/api/v1/items/{item}", {"act": "item.export_ended", "facts.export": export_id}
    )
    return str(records[0]["body"]["facts"]["outcome"]) if records else None


def _require_whole(path: Path) -> None:
    """Raise UnavailableError unless every member of the zip is there with its checksum.

    A server that dies in the middle ends the stream, and a zip's table of contents stands at its end.
    """
    broken = UnavailableError(
        "the package did not arrive whole and was not kept", next_step="run the same command again"
    )
    try:
        with zipfile.ZipFile(path) as package:
            if package.testzip() is not None:
                raise broken
    except zipfile.BadZipFile:
        raise broken from None
