"""A case file for people, and how commands name one."""

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from evidence.cli import lists
from evidence.cli.output import Output
from evidence.errors import NotFoundError

if TYPE_CHECKING:
    from evidence.docking.connection import Connection

CASES = "/api/v1/cases"

CaseNamed = Annotated[str, typer.Argument(metavar="CASE", help="Number or id of the case.")]
Why = Annotated[str, typer.Option("--reason", help="Why; it is kept with the act.")]


def standing_of(connection: "Connection", case: str, kind: str, named: str, *, by: str) -> dict[str, Any]:
    """Return the assignment or referral that stands and is called so."""
    shown: dict[str, Any] = connection.get(address_of(case))
    for each in shown[kind] or ():
        if each["ended_at"] is None and named in (each["id"], each[by]):
            found: dict[str, Any] = each
            return found
    raise NotFoundError(f"the case has no {kind[:-1]} of {named} that stands", next_step=f"evidence case show {case}")


def address_of(case: str) -> str:
    """Return where a case is asked for."""
    return f"{CASES}/{quote(case, safe='')}"


def show(out: Output, case: dict[str, Any]) -> None:
    """Show people one case file."""
    out.say(f"number       {case['number']}", f"id           {case['id']}")
    if case["title"]:
        out.say(f"title        {case['title']}")
    out.say(f"opened       {case['opened_at']}")
    out.say(f"class        {case['access_class']}")
    if case["closed_at"]:
        out.say(f"closed       {case['closed_at']}")
    if case["merged_into"]:
        out.say(f"merged into  {case['merged_into']}")
    for merged in case["merged"] or ():
        out.say(f"merged here  {merged['number']}  (evidence case show {merged['id']})")
    for incident in case["incidents"] or ():
        out.say(f"incident     {incident}")
    for reference in case["references"] or ():
        out.say(f"reference    {reference['system']}: {reference['id']}  {reference['address'] or ''}".rstrip())
    if case["exhibits"] is None:
        out.remark("What is in it is not shown to your role.")
    out.table(
        ("exhibit", "item", "linked", "withdrawn", "before a merger"),
        [
            [
                str(each["number"]),
                each["item_number"],
                lists.minute(each["linked_at"]),
                lists.minute(each["withdrawn_at"]),
                ", ".join(f"{former['case']} exhibit {former['number']}" for former in each["former"]),
            ]
            for each in case["exhibits"] or ()
        ],
    )
    out.table(
        ("who works it", "as", "since", "until"),
        [
            [
                f"{each['name']} <{each['email']}>",
                each["capacity"],
                lists.minute(each["assigned_at"]),
                lists.minute(each["ended_at"]),
            ]
            for each in case["assignments"] or ()
        ],
    )
    out.table(
        ("referred to", "since", "due", "until"),
        [
            [
                each["agency"],
                lists.minute(each["referred_at"]),
                (each["due_on"] or "") + (" overdue" if each["overdue"] else ""),
                lists.minute(each["ended_at"]),
            ]
            for each in case["referrals"] or ()
        ],
    )
    out.table(
        ("expected", "of", "recordings", "missing", "exhibits", "line"),
        [
            [
                line["what"],
                ", ".join(f"{name} {line[name]}" for name in ("incident", "camera", "officer") if line[name]),
                str(line["recordings"]),
                str(line["missing"]),
                ", ".join(map(str, line["exhibits"])),
                line["id"],
            ]
            for referral in case["referrals"] or ()
            if referral["ended_at"] is None
            for line in referral["expected"] or ()
            if line["withdrawn_at"] is None
        ],
    )
