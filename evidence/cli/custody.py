"""`evidence custody`: the history of an item, of a case, of whoever acted; whole, or what is asked for of it."""

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from evidence.cli import lists, profiles
from evidence.cli.boundary import command
from evidence.cli.lists import Narrowed
from evidence.cli.output import Output
from evidence.cli.profiles import ProfileName
from evidence.errors import InvalidError

if TYPE_CHECKING:
    from evidence.docking.connection import Connection

Acts = Annotated[list[str] | None, typer.Option("--act", help="Only this act, as exhibit.linked; may be repeated.")]
Actor = Annotated[str | None, typer.Option("--actor", metavar="ID", help="Only what this account or dock did.")]
From = Annotated[str | None, typer.Option("--from", metavar="INSTANT", help="From then: 2026-11-22T14:03:00-05:00.")]
To = Annotated[str | None, typer.Option("--to", metavar="INSTANT", help="Before then.")]
Kind = Annotated[str | None, typer.Option("--kind", help="Only on chains of item, case, account or dock.")]
Request = Annotated[str | None, typer.Option("--request", metavar="ID", help="Only what this request did.")]
Facts = Annotated[
    list[str] | None, typer.Option("--fact", metavar="NAME=VALUE", help="Only with this fact; may be repeated.")
]

LONG_FACTS = ("media",)
"""Too long for a table; `item show` has them above it, and --json whole."""


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    noun = typer.Typer(
        help="Chain of custody: of an item, of a case, of what somebody did.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    command(noun, "item", noun="custody")(of_item)
    command(noun, "case", noun="custody")(of_case)
    command(noun, "actor", noun="custody")(of_actor)
    app.add_typer(noun, name="custody")


def of_item(
    out: Output,
    item: Annotated[str, typer.Argument(metavar="ITEM", help="Evidence number or id.")],
    act: Acts = None,
    actor: Actor = None,
    at_from: From = None,
    at_to: To = None,
    request: Request = None,
    fact: Facts = None,
    profile: ProfileName = "default",
) -> None:
    """Show the chain of custody of an item, or what is asked for of it. Nothing in a record is ever altered."""
    _show_chain(out, "items", item, _asked(act, actor, at_from, at_to, request, fact), profile)


def of_case(
    out: Output,
    case: Annotated[str, typer.Argument(metavar="CASE", help="Number or id of the case.")],
    act: Acts = None,
    actor: Actor = None,
    at_from: From = None,
    at_to: To = None,
    request: Request = None,
    fact: Facts = None,
    profile: ProfileName = "default",
) -> None:
    """Show the chain of custody of a case, or what is asked for of it. Nothing in a record is ever altered."""
    _show_chain(out, "cases", case, _asked(act, actor, at_from, at_to, request, fact), profile)


def of_actor(
    out: Output,
    who: Annotated[str, typer.Argument(metavar="WHO", help="Address or id of an account; with --dock, id of a dock.")],
    dock: Annotated[bool, typer.Option("--dock", help="It is a dock.")] = False,
    act: Acts = None,
    at_from: From = None,
    at_to: To = None,
    kind: Kind = None,
    request: Request = None,
    fact: Facts = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 200,
    cursor: Annotated[str | None, typer.Option(help="Where to go on, as the last list said.")] = None,
    profile: ProfileName = "default",
) -> None:
    """Show what somebody of your agency did and was refused, on every chain you may read as its auditor."""
    address = f"/api/v1/{'docks' if dock else 'accounts'}/{quote(who, safe='')}/custody"
    asked = _asked(act, None, at_from, at_to, request, fact) | {"kind": kind}
    with profiles.signed_in(profile) as connection:
        found, cursor = lists.read(out, connection, address, "records", limit=limit, cursor=cursor, **asked)
    out.table(("chain", "seq", "at", "act", "who", "facts"), [[each["chain"], *row(each)] for each in found])
    if cursor is not None:
        out.remark(f"There are more: evidence custody actor {who} --cursor {cursor}")
    out.sum_up(count=len(found), cursor=cursor)


def chain(connection: "Connection", address: str, asked: Narrowed | None = None) -> tuple[list[dict[str, Any]], int]:
    """Return the records of the thing at this address, and how many numbers are passed over before and between them."""
    from evidence.docking.connection import LONGEST_PAGE, read_json

    records: list[dict[str, Any]] = []
    left_out = 0
    after: str | None = "0"
    while after is not None:
        query = {"after": after, "limit": lists.LARGEST_PAGE, **lists.asked(asked or {})}
        answer = connection.request("GET", f"{address}/custody", longest=LONGEST_PAGE, params=query)
        page = read_json(answer)
        records += page["records"]
        left_out += page["left_out"]
        after = lists.following(answer.headers.get("link", ""), "after")
    return records, left_out


def show(out: Output, records: list[dict[str, Any]], left_out: int) -> None:
    """Show people the records of one chain, and say what is not among them."""
    out.table(("seq", "at", "act", "who", "facts"), [row(each) for each in records])
    if any(each["disclosures"] is None for each in records):
        out.remark("Names and other disclosed fields are not shown to your role.")
    if left_out:
        out.remark(f"{left_out} records before and between these are left out: not asked for, or not yours to see.")


def row(record: dict[str, Any]) -> list[str]:
    """Return the row of a custody record for people: number, time, act, who, and the facts in short."""
    said = {**record["body"].get("facts", {}), **(record["disclosures"] or {})}
    who = {name: said.pop(name, None) for name in ("actor", "on_behalf")}
    facts = "; ".join(f"{name}: {_short(value)}" for name, value in said.items() if name not in LONG_FACTS)
    return [str(record["seq"]), record["at"][:19].replace("T", " "), record["act"], _who(record["body"], who), facts]


def _show_chain(out: Output, kind: str, named: str, asked: Narrowed, profile: str) -> None:
    with profiles.signed_in(profile) as connection:
        records, left_out = chain(connection, f"/api/v1/{kind}/{quote(named, safe='')}", asked)
    show(out, records, left_out)
    out.sum_up(custody=records, left_out=left_out)


def _asked(
    act: list[str] | None,
    actor: str | None,
    at_from: str | None,
    at_to: str | None,
    request: str | None,
    fact: list[str] | None,
) -> dict[str, str | list[str] | bool | None]:
    """Return the members of the query; raise InvalidError for a fact without a value."""
    said: dict[str, str | list[str] | bool | None] = {}
    for each in fact or ():
        name, is_there, value = each.partition("=")
        if not is_there or f"facts.{name}" in said:
            raise InvalidError(f"{each} asks for no fact of its own", next_step="write --fact case=ID, each name once")
        said[f"facts.{name}"] = value
    return said | {"act": act, "actor": actor, "at_from": at_from, "at_to": at_to, "request_id": request}


def _who(body: dict[str, Any], disclosed: dict[str, Any]) -> str:
    """Name the actor as disclosed, else by role and id; and for whom they acted."""
    names = []
    for member, named in disclosed.items():
        if (actor := body.get(member)) is None:
            continue
        name = named.get("name") if isinstance(named, dict) else None
        roles = ", ".join(actor.get("roles", [])) or actor["type"]
        names.append(f"{name} ({roles})" if name else f"{roles} {actor['id']}" if actor["id"] != roles else roles)
    return " for ".join(names)


def _short(value: Any) -> str:
    """Write a value in a few words."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_short(each)}" for name, each in value.items() if each is not None)
    if isinstance(value, list):
        return ", ".join(map(_short, value))
    return str(value)
