"""`evidence incident`: critical incidents, and who makes a statement before they watch."""

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from evidence.cli import approvals, lists, profiles
from evidence.cli.boundary import command
from evidence.cli.output import Output
from evidence.cli.profiles import ProfileName
from evidence.errors import NotFoundError

if TYPE_CHECKING:
    from evidence.docking.connection import Connection

INCIDENTS = "/api/v1/incidents"

Number = Annotated[str, typer.Argument(metavar="INCIDENT", help="Number or id of the incident.")]
Email = Annotated[str, typer.Argument(help="Address of an account of your agency.")]
Listed = Annotated[str, typer.Argument(help="Name of the person as listed, or id of the listing.")]
Why = Annotated[str, typer.Option("--reason", help="Why; it is kept with the act.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    noun = typer.Typer(
        help="Critical incidents: declare, show, list-person, statement, release, cover.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    command(noun, "declare", noun="incident")(declare)
    command(noun, "show", noun="incident")(show)
    command(noun, "list-person", noun="incident")(list_person)
    command(noun, "statement", noun="incident")(statement)
    command(noun, "release", noun="incident")(release)
    command(noun, "cover", noun="incident")(cover)
    app.add_typer(noun, name="incident")


def declare(
    out: Output,
    number: Annotated[str, typer.Argument(help="Number of the incident, as its recordings carry it.")],
    reason: Why,
    profile: ProfileName = "default",
) -> None:
    """Declare a critical incident: it covers every item with its number, now and later."""
    with profiles.signed_in(profile) as connection:
        incident = connection.post(INCIDENTS, {"number": number, "reason": reason})
    out.say(f"Critical incident {incident['number']} is declared. List who was there: evidence incident list-person")
    out.sum_up(incident=incident)


def show(out: Output, incident: Number, profile: ProfileName = "default") -> None:
    """Show a critical incident, who is listed in it, and since when they may watch."""
    with profiles.signed_in(profile) as connection:
        shown = connection.get(_address(incident))
    out.say(f"number       {shown['number']}", f"declared     {shown['declared_at']}")
    rows = [
        [each["name"], each["part"], lists.minute(each["listed_at"]), lists.minute(each["opened_at"]) or "not yet"]
        for each in shown["listings"]
    ]
    out.table(("who", "as", "listed", "may watch since"), rows)
    out.sum_up(incident=shown)


def list_person(
    out: Output,
    incident: Number,
    email: Email,
    reason: Why,
    witness: Annotated[bool, typer.Option("--witness", help="They saw it and were not involved.")] = False,
    profile: ProfileName = "default",
) -> None:
    """List somebody who was there: they watch nothing of it before their statement is recorded."""
    asked = {"email": email, "part": "witness" if witness else "involved", "reason": reason}
    with profiles.signed_in(profile) as connection:
        shown = connection.post(f"{_address(incident)}/listings", asked)
    out.say(f"{email} watches nothing of {shown['number']} before their statement is recorded.")
    out.sum_up(incident=shown)


def statement(
    out: Output,
    incident: Number,
    name: Listed,
    reason: Why,
    profile: ProfileName = "default",
) -> None:
    """Record that somebody listed has given their statement: from now on they may watch."""
    with profiles.signed_in(profile) as connection:
        found = _listed(connection, incident, name)
        shown = connection.post(f"{_address(incident)}/listings/{found['id']}/statement", {"reason": reason})
    out.say(f"The statement of {found['name']} is recorded; they may watch from now on.")
    out.sum_up(incident=shown)


def release(out: Output, incident: Number, name: Listed, reason: Why, profile: ProfileName = "default") -> None:
    """Ask, as internal affairs, that somebody listed may watch without a statement: a second person approves it."""
    with profiles.signed_in(profile) as connection:
        found = _listed(connection, incident, name)
        waiting = connection.post(f"{_address(incident)}/listings/{found['id']}/release", {"reason": reason})
    approvals.say_it_waits(out, waiting)
    out.sum_up(approval=waiting)


def cover(
    out: Output,
    incident: Number,
    item: Annotated[str, typer.Argument(help="Evidence number or id.")],
    reason: Why,
    profile: ProfileName = "default",
) -> None:
    """Put an item under an incident whose number it does not carry."""
    with profiles.signed_in(profile) as connection:
        shown = connection.post(f"{_address(incident)}/items", {"item": item, "reason": reason})
    out.say(f"{item} is covered by {shown['number']}.")
    out.sum_up(incident=shown)


def _listed(connection: "Connection", incident: str, name: str) -> dict[str, Any]:
    listings = connection.get(_address(incident))["listings"]
    found: dict[str, Any] | None = next((each for each in listings if name in (each["id"], each["name"])), None)
    if found is None:
        raise NotFoundError(f"nobody called {name} is listed", next_step=f"evidence incident show {incident}")
    return found


def _address(incident: str) -> str:
    return f"{INCIDENTS}/{quote(incident, safe='')}"
