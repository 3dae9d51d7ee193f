"""`evidence unit`: the units of your agency, who belongs to them and who supervises them."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from evidence.cli import lists, profiles
from evidence.cli.boundary import command
from evidence.cli.output import Output
from evidence.cli.profiles import ProfileName

UNITS = "/api/v1/units"

UnitNamed = Annotated[str, typer.Argument(metavar="UNIT", help="Name of the unit.")]
Email = Annotated[str, typer.Argument(help="Address of an account of your agency.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    noun = typer.Typer(help="Units: found, list, join, leave.", no_args_is_help=True, rich_markup_mode=None)
    command(noun, "found", noun="unit")(found)
    command(noun, "list", noun="unit")(list_units)
    command(noun, "join", noun="unit")(join)
    command(noun, "leave", noun="unit")(leave)
    app.add_typer(noun, name="unit")


def found(out: Output, unit: UnitNamed, profile: ProfileName = "default") -> None:
    """Found a unit of your agency."""
    with profiles.signed_in(profile) as connection:
        shown = connection.post(UNITS, {"name": unit})
    out.say(f"The unit {shown['name']} is founded.")
    out.sum_up(unit=shown)


def list_units(out: Output, profile: ProfileName = "default") -> None:
    """List the units of your agency, with those who belong to them."""
    with profiles.signed_in(profile) as connection:
        units = connection.get(UNITS)["units"]
    rows = [_row(unit["name"], member) for unit in units for member in unit["members"] or [None]]
    out.table(("unit", "who", "address", "as", "since"), rows)
    out.sum_up(units=units)


def join(
    out: Output,
    unit: UnitNamed,
    email: Email,
    supervises: Annotated[bool, typer.Option("--supervises", help="They supervise it.")] = False,
    profile: ProfileName = "default",
) -> None:
    """Let somebody belong to a unit, or supervise it, from now on."""
    with profiles.signed_in(profile) as connection:
        shown = connection.post(f"{_address(unit)}/members", {"email": email, "supervises": supervises})
    out.say(f"{email} {'supervises' if supervises else 'belongs to'} {unit}.")
    out.sum_up(unit=shown)


def leave(out: Output, unit: UnitNamed, email: Email, profile: ProfileName = "default") -> None:
    """Let somebody belong to a unit no longer."""
    with profiles.signed_in(profile) as connection:
        shown = connection.post(f"{_address(unit)}/members/leave", {"email": email})
    out.say(f"{email} belongs to {unit} no longer.")
    out.sum_up(unit=shown)


def _address(unit: str) -> str:
    return f"{UNITS}/{quote(unit, safe='')}"


def _row(unit: str, member: dict[str, Any] | None) -> list[str]:
    if member is None:
        return [unit, "", "", "", ""]
    standing = "supervisor" if member["supervises"] else "member"
    return [unit, member["name"], member["email"], standing, lists.minute(member["joined_at"])]
