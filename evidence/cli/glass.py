"""`evidence glass`: break-glass, its uses and their review."""

from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

import typer

from evidence.cli import lists, profiles
from evidence.cli.boundary import command
from evidence.cli.output import Output
from evidence.cli.profiles import ProfileName

USES = "/api/v1/break-glass"


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    noun = typer.Typer(
        help="Break-glass: break it before an item, list its uses, review one.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    command(noun, "break", noun="glass")(shatter)
    command(noun, "list", noun="glass")(list_uses)
    command(noun, "review", noun="glass")(review)
    app.add_typer(noun, name="glass")


def shatter(
    out: Output,
    item: Annotated[str, typer.Argument(help="Evidence number or id of the item.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; auditors and administrators are told at once.")],
    profile: ProfileName = "default",
) -> None:
    """Break the glass before one item, as an administrator: watch it for an hour."""
    with profiles.signed_in(profile) as connection:
        used = connection.post(f"/api/v1/items/{quote(item, safe='')}/break-glass", {"reason": reason})
    out.say(f"You may watch {item} until {lists.minute(used['ends_at'])} UTC. It will be reviewed.")
    out.sum_up(use=used)


def list_uses(
    out: Output,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where to go on, as the last list said.")] = None,
    profile: ProfileName = "default",
) -> None:
    """List the uses of break-glass in your agency, unreviewed ones first."""
    with profiles.signed_in(profile) as connection:
        found, cursor = lists.read(out, connection, USES, "uses", limit=limit, cursor=cursor)
    out.table(("use", "broken", "by", "item", "review"), [_row(each) for each in found])
    if not found:
        out.say("Nobody has broken the glass.")
    out.sum_up(count=len(found), cursor=cursor)


def review(
    out: Output,
    use: Annotated[UUID, typer.Argument(help="Id of the use.")],
    finding: Annotated[str, typer.Option("--finding", help="What you found; it is kept with the use.")],
    profile: ProfileName = "default",
) -> None:
    """Review somebody else's use of break-glass."""
    with profiles.signed_in(profile) as connection:
        used = connection.post(f"{USES}/{use}/review", {"finding": finding})
    out.say("Reviewed.")
    out.sum_up(use=used)


def _row(use: dict[str, Any]) -> tuple[str, ...]:
    return (use["id"], lists.minute(use["broken_at"]), use["account"], use["item"], use["finding"] or "WAITS")
