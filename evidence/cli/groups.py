"""`evidence group`: which roles the groups of your agency's identity providers give at a first sign-in."""

from typing import Annotated

import typer

from evidence.cli import lists, profiles
from evidence.cli.accounts import require_roles
from evidence.cli.boundary import command
from evidence.cli.output import Output
from evidence.cli.profiles import ProfileName

MAPPINGS = "/api/v1/group-mappings"

GroupNamed = Annotated[str, typer.Argument(metavar="GROUP", help="What the provider calls the group.")]
ProviderNamed = Annotated[str, typer.Option("--provider", help="The identity provider.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    noun = typer.Typer(
        help="Groups at identity providers: map to roles, list, end.", no_args_is_help=True, rich_markup_mode=None
    )
    command(noun, "map", noun="group")(map_group)
    command(noun, "list", noun="group")(list_mappings)
    command(noun, "end", noun="group")(end)
    app.add_typer(noun, name="group")


def map_group(
    out: Output,
    group: GroupNamed,
    provider: ProviderNamed,
    role: Annotated[list[str], typer.Option("--role", help="Role that it gives; may be repeated.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept with the request.")],
    profile: ProfileName = "default",
) -> None:
    """Ask for a group to give roles at a first sign-in: another administrator approves it, once for all of it."""
    require_roles(role)
    asked = {"provider": provider, "group": group, "roles": role, "reason": reason}
    with profiles.signed_in(profile) as connection:
        waiting = connection.post(MAPPINGS, asked)
    out.say(
        "The group gives nothing until another administrator approves it:",
        f"  evidence approval approve {waiting['id']}",
    )
    out.sum_up(approval=waiting)


def list_mappings(out: Output, profile: ProfileName = "default") -> None:
    """List which groups give which roles."""
    with profiles.signed_in(profile) as connection:
        mappings = connection.get(MAPPINGS)["mappings"]
    rows = [
        (each["provider"], each["group"], ", ".join(each["roles"]), lists.minute(each["began_at"])) for each in mappings
    ]
    out.table(("provider", "group", "gives", "since"), rows)
    if not rows:
        out.say("No group gives a role.")
    out.sum_up(mappings=mappings)


def end(
    out: Output,
    group: GroupNamed,
    provider: ProviderNamed,
    reason: Annotated[str, typer.Option("--reason", help="Why; it enters the chain of custody.")],
    profile: ProfileName = "default",
) -> None:
    """Let a group give no role from now on; who got one by it keeps it."""
    asked = {"provider": provider, "group": group, "reason": reason}
    with profiles.signed_in(profile) as connection:
        mapping = connection.post(f"{MAPPINGS}/end", asked)
    out.say(f"{group} gives no role any more.")
    out.sum_up(mapping=mapping)
