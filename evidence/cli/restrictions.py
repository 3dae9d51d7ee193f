"""`evidence access`: who is let in to an item or case besides their role, and who is kept out in spite of it."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from evidence.cli import approvals, lists, profiles
from evidence.cli.boundary import command
from evidence.cli.output import Output
from evidence.cli.profiles import ProfileName
from evidence.errors import InvalidError

if TYPE_CHECKING:
    from evidence.docking.connection import Connection

Thing = Annotated[str, typer.Argument(metavar="THING", help="Number or id of an item; with --case, of a case.")]
ItemNamed = Annotated[str, typer.Argument(metavar="ITEM", help="Evidence number or id.")]
Instant = Annotated[
    datetime | None, typer.Option("--at", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="As of when, in UTC.")
]
Doing = Annotated[str, typer.Option("--action", help="What they would do, as the permission matrix spells it.")]
IsCase = Annotated[bool, typer.Option("--case", help="It is a case file, not an item.")]
Why = Annotated[str, typer.Option("--reason", help="Why; it is kept with the act.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    noun = typer.Typer(
        help="Access to one item or case: who is let in and kept out, why, and who could see it.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    command(noun, "list", noun="access")(show_list)
    command(noun, "allow", noun="access")(allow)
    command(noun, "end", noun="access")(end)
    command(noun, "restrict", noun="access")(restrict)
    command(noun, "unrestrict", noun="access")(unrestrict)
    command(noun, "do-not-disclose", noun="access")(do_not_disclose)
    command(noun, "allow-disclosure", noun="access")(allow_disclosure)
    command(noun, "why", noun="access")(why)
    command(noun, "who", noun="access")(who)
    app.add_typer(noun, name="access")


def show_list(out: Output, thing: Thing, case: IsCase = False, profile: ProfileName = "default") -> None:
    """Show the class of an item or case, and who is on its access list or was."""
    with profiles.signed_in(profile) as connection:
        shown = connection.get(f"{_address(thing, case)}/access-list")
    out.say(f"{thing} is {shown['access_class']}.")
    _show(out, shown)
    out.sum_up(access=shown)


def allow(
    out: Output,
    thing: Thing,
    who: Annotated[str, typer.Argument(help="Address of an account of your agency, or name of a unit.")],
    reason: Why,
    case: IsCase = False,
    work: Annotated[
        bool, typer.Option("--work", help="Whatever their role may do with it; else only to look.")
    ] = False,
    until: Annotated[
        datetime | None, typer.Option("--until", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="UTC; ends by itself.")
    ] = None,
    profile: ProfileName = "default",
) -> None:
    """Put somebody, or a unit, on the access list."""
    asked = {
        "email" if "@" in who else "unit": who,
        "extent": "work" if work else "view",
        "expires_at": until.replace(tzinfo=UTC).isoformat() if until else None,
        "reason": reason,
    }
    with profiles.signed_in(profile) as connection:
        shown = connection.post(f"{_address(thing, case)}/access-list", asked)
    out.say(f"{who} is on the access list of {thing}.")
    _show(out, shown)
    out.sum_up(access=shown)


def end(
    out: Output,
    thing: Thing,
    entry: Annotated[str, typer.Argument(help="Id of the entry, as `evidence access list` shows it.")],
    reason: Why,
    case: IsCase = False,
    profile: ProfileName = "default",
) -> None:
    """End an entry of the access list: what it opened is closed from the next request on."""
    with profiles.signed_in(profile) as connection:
        shown = connection.post(f"{_address(thing, case)}/access-list/{quote(entry, safe='')}/end", {"reason": reason})
    out.say("The entry has ended.")
    _show(out, shown)
    out.sum_up(access=shown)


def restrict(
    out: Output,
    thing: Thing,
    to: Annotated[str, typer.Argument(help="restricted: known of, opened by its access list. confidential: not seen.")],
    reason: Why,
    case: IsCase = False,
    profile: ProfileName = "default",
) -> None:
    """Let fewer know of an item or case. To open it again takes a second person."""
    if to not in ("restricted", "confidential"):
        raise InvalidError(
            f"{to} is no class to narrow to",
            next_step="write restricted or confidential; to open it again: evidence access unrestrict",
        )
    with profiles.signed_in(profile) as connection:
        shown = connection.post(f"{_address(thing, case)}/restrict", {"to": to, "reason": reason})
    out.say(f"{thing} is {shown['access_class']}.")
    out.sum_up(access=shown)


def unrestrict(
    out: Output,
    thing: Thing,
    to: Annotated[str, typer.Argument(help="unrestricted, or restricted of what is confidential.")],
    reason: Why,
    case: IsCase = False,
    profile: ProfileName = "default",
) -> None:
    """Ask that more may know of an item or case: it takes effect when a second person approves it."""
    if to not in ("unrestricted", "restricted"):
        raise InvalidError(f"{to} is no class to open to", next_step="write unrestricted or restricted")
    with profiles.signed_in(profile) as connection:
        waiting = connection.post(f"{_address(thing, case)}/unrestrict", {"to": to, "reason": reason})
    approvals.say_it_waits(out, waiting)
    out.sum_up(approval=waiting)


def allow_disclosure(out: Output, item: ItemNamed, reason: Why, profile: ProfileName = "default") -> None:
    """Ask that the mark do-not-disclose be taken from an item: a second person has to approve it."""
    with profiles.signed_in(profile) as connection:
        waiting = connection.post(f"{_address(item, False)}/do-not-disclose/lift", {"reason": reason})
    approvals.say_it_waits(out, waiting)
    out.sum_up(approval=waiting)


def do_not_disclose(
    out: Output,
    item: ItemNamed,
    reason: Why,
    profile: ProfileName = "default",
) -> None:
    """Mark an item do-not-disclose: disclosed neither to defence nor public. Who works its cases sees it still."""
    with profiles.signed_in(profile) as connection:
        shown = connection.post(f"{_address(item, False)}/do-not-disclose", {"reason": reason})
    out.say(f"{item} is marked do-not-disclose.")
    out.sum_up(access=shown)


def why(
    out: Output,
    item: ItemNamed,
    email: Annotated[str | None, typer.Option("--email", help="Somebody else of your agency.")] = None,
    at: Instant = None,
    action: Doing = "evidence.read_meta",
    profile: ProfileName = "default",
) -> None:
    """Say why you, or somebody, may see an item, or what is missing."""
    whose = f"/{quote(email, safe='')}" if email else ""
    with profiles.signed_in(profile) as connection:
        shown = _explained(connection, f"{_address(item, False)}/why{whose}", action, at if email else None)
    out.say(f"{shown['name']}: {'yes' if shown['allowed'] else 'no'}, {shown['reason']}")
    out.sum_up(explanation=shown)


def who(
    out: Output,
    item: ItemNamed,
    at: Instant = None,
    action: Doing = "evidence.read_meta",
    profile: ProfileName = "default",
) -> None:
    """Say who may see an item, now or at an instant, and by which rule."""
    with profiles.signed_in(profile) as connection:
        shown = _explained(connection, f"{_address(item, False)}/who", action, at)["explanations"]
    out.table(("who", "by"), [[each["name"], each["reason"]] for each in shown])
    out.sum_up(explanations=shown)


def _explained(connection: "Connection", address: str, action: str, at: datetime | None) -> Any:
    if at is None:
        return connection.get(address, action=action)
    return connection.get(address, action=action, at=at.replace(tzinfo=UTC).isoformat())


def _address(thing: str, case: bool) -> str:
    return f"/api/v1/{'cases' if case else 'items'}/{quote(thing, safe='')}"


def _show(out: Output, shown: dict[str, Any]) -> None:
    rows = [
        [each["id"], each["name"], each["extent"], lists.minute(each["expires_at"]), lists.minute(each["ended_at"])]
        for each in shown["entries"]
    ]
    out.table(("entry", "who", "may", "expires", "ended"), rows)
