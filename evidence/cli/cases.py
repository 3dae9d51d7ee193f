"""`evidence case`: case files, their exhibits, who works them, and to whom they are referred."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from evidence.cli import lists, profiles
from evidence.cli.boundary import command
from evidence.cli.output import Output
from evidence.cli.profiles import ProfileName
from evidence.errors import NotFoundError

if TYPE_CHECKING:
    from evidence.docking.connection import Connection

CASES = "/api/v1/cases"

CaseNamed = Annotated[str, typer.Argument(metavar="CASE", help="Number or id of the case.")]
Why = Annotated[str, typer.Option("--reason", help="Why; it is kept with the act.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    noun = typer.Typer(
        help="Case files: open, list, show, link, withdraw, assign, unassign, refer, recall, close, reopen.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    command(noun, "open", noun="case")(open_case)
    command(noun, "list", noun="case")(list_cases)
    command(noun, "show", noun="case")(show_case)
    command(noun, "link", noun="case")(link_items)
    command(noun, "withdraw", noun="case")(withdraw_exhibit)
    command(noun, "assign", noun="case")(assign)
    command(noun, "unassign", noun="case")(unassign)
    command(noun, "refer", noun="case")(refer)
    command(noun, "recall", noun="case")(recall)
    command(noun, "close", noun="case")(close)
    command(noun, "reopen", noun="case")(reopen)
    app.add_typer(noun, name="case")


def open_case(
    out: Output,
    number: Annotated[str, typer.Argument(help="Number of the case, as your agency numbers its cases.")],
    title: Annotated[str, typer.Option("--title", help="What the case is called.")],
    profile: ProfileName = "default",
) -> None:
    """Open a case file; you are assigned to it."""
    with profiles.signed_in(profile) as connection:
        case = connection.post(CASES, {"number": number, "title": title})
    out.say(f"Case {case['number']} is open: {case['title']}")
    out.sum_up(case=case)


def list_cases(
    out: Output,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where to go on, as the last list said.")] = None,
    profile: ProfileName = "default",
) -> None:
    """List the case files you may see, in the order they were opened."""
    with profiles.signed_in(profile) as connection:
        found, cursor = lists.read(out, connection, CASES, "cases", limit=limit, cursor=cursor)
    out.table(("number", "opened", "closed", "title"), [_row(case) for case in found])
    if not found:
        out.say("No cases that you may see.")
    if cursor is not None:
        out.remark(f"There are more: evidence case list --cursor {cursor}")
    out.sum_up(count=len(found), cursor=cursor)


def show_case(out: Output, case: CaseNamed, profile: ProfileName = "default") -> None:
    """Show one case file: its exhibits, who works it, to whom it is referred."""
    with profiles.signed_in(profile) as connection:
        shown = connection.get(_address(case))
    _show(out, shown)
    out.sum_up(case=shown)


def link_items(
    out: Output,
    case: CaseNamed,
    items: Annotated[list[str], typer.Argument(help="Evidence numbers or ids of the items.")],
    profile: ProfileName = "default",
) -> None:
    """Link evidence items to a case as exhibits."""
    exhibits = []
    with profiles.signed_in(profile) as connection:
        for item in items:
            exhibit = connection.post(f"{_address(case)}/exhibits", {"item": item})
            out.note(f"{exhibit['item_number']} is exhibit {exhibit['number']} of case {case}.")
            exhibits.append(exhibit)
    out.sum_up(exhibits=exhibits)


def withdraw_exhibit(
    out: Output,
    case: CaseNamed,
    exhibit: Annotated[int, typer.Argument(min=1, help="Number of the exhibit in its case.")],
    reason: Why,
    profile: ProfileName = "default",
) -> None:
    """Withdraw an exhibit from a case: the link ends, and is kept."""
    _act(out, case, f"exhibits/{exhibit}/withdraw", reason, said=f"Exhibit {exhibit} is withdrawn.", profile=profile)


def assign(
    out: Output,
    case: CaseNamed,
    email: Annotated[str, typer.Argument(help="Address of an account of your agency.")],
    capacity: Annotated[str, typer.Option("--as", help="As what: lead attorney, investigator, …")],
    profile: ProfileName = "default",
) -> None:
    """Assign somebody of your agency to a case."""
    with profiles.signed_in(profile) as connection:
        shown = connection.post(f"{_address(case)}/assignments", {"email": email, "capacity": capacity})
    out.say(f"{email} works case {shown['number']} as {capacity}.")
    out.sum_up(case=shown)


def unassign(
    out: Output,
    case: CaseNamed,
    email: Annotated[str, typer.Argument(help="Address of the person's account, or id of the assignment.")],
    reason: Why,
    profile: ProfileName = "default",
) -> None:
    """End an assignment: what the case showed that person, it shows no more."""
    with profiles.signed_in(profile) as connection:
        assignment = _standing(connection, case, "assignments", email, by="email")
    said = f"{assignment['name']} works the case no longer."
    _act(out, case, f"assignments/{assignment['id']}/end", reason, said=said, profile=profile)


def refer(
    out: Output,
    case: CaseNamed,
    agency: Annotated[str, typer.Argument(help="Name of the agency that prosecutes.")],
    due: Annotated[
        datetime | None, typer.Option("--due", formats=["%Y-%m-%d"], help="When it wants the evidence.")
    ] = None,
    profile: ProfileName = "default",
) -> None:
    """Refer a case to the agency that prosecutes, which assigns its own people to it."""
    asked = {"agency": agency, "due_on": due.date().isoformat() if due else None}
    with profiles.signed_in(profile) as connection:
        shown = connection.post(f"{_address(case)}/referrals", asked)
    out.say(f"Case {shown['number']} is referred to {agency}.")
    out.sum_up(case=shown)


def recall(
    out: Output,
    case: CaseNamed,
    agency: Annotated[str, typer.Argument(help="Name of the agency, or id of the referral.")],
    reason: Why,
    profile: ProfileName = "default",
) -> None:
    """End a referral: what the case showed that agency, it shows no more."""
    with profiles.signed_in(profile) as connection:
        referral = _standing(connection, case, "referrals", agency, by="agency")
    said = f"The case is no longer referred to {referral['agency']}."
    _act(out, case, f"referrals/{referral['id']}/end", reason, said=said, profile=profile)


def close(out: Output, case: CaseNamed, reason: Why, profile: ProfileName = "default") -> None:
    """Close a case: nothing is linked to it, assigned or referred until it is reopened."""
    _act(out, case, "close", reason, said="The case is closed.", profile=profile)


def reopen(out: Output, case: CaseNamed, reason: Why, profile: ProfileName = "default") -> None:
    """Open a closed case again."""
    _act(out, case, "reopen", reason, said="The case is open again.", profile=profile)


def _act(out: Output, case: str, what: str, reason: str, *, said: str, profile: str) -> None:
    with profiles.signed_in(profile) as connection:
        shown = connection.post(f"{_address(case)}/{what}", {"reason": reason})
    out.say(said)
    out.sum_up(case=shown)


def _standing(connection: "Connection", case: str, kind: str, named: str, *, by: str) -> dict[str, Any]:
    """Return the assignment or referral that stands and is called so."""
    shown: dict[str, Any] = connection.get(_address(case))
    for each in shown[kind] or ():
        if each["ended_at"] is None and named in (each["id"], each[by]):
            found: dict[str, Any] = each
            return found
    raise NotFoundError(f"the case has no {kind[:-1]} of {named} that stands", next_step=f"evidence case show {case}")


def _address(case: str) -> str:
    return f"{CASES}/{quote(case, safe='')}"


def _row(case: dict[str, Any]) -> list[str]:
    return [
        case["number"],
        lists.minute(case["opened_at"]),
        lists.minute(case["closed_at"]),
        case["title"] or "(title not shown to your role)",
    ]


def _show(out: Output, case: dict[str, Any]) -> None:
    out.say(f"number       {case['number']}", f"id           {case['id']}")
    if case["title"]:
        out.say(f"title        {case['title']}")
    out.say(f"opened       {case['opened_at']}")
    if case["closed_at"]:
        out.say(f"closed       {case['closed_at']}")
    if case["exhibits"] is None:
        out.remark("What is in it is not shown to your role.")
    out.table(
        ("exhibit", "item", "linked", "withdrawn"),
        [
            [
                str(each["number"]),
                each["item_number"],
                lists.minute(each["linked_at"]),
                lists.minute(each["withdrawn_at"]),
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
            [each["agency"], lists.minute(each["referred_at"]), each["due_on"] or "", lists.minute(each["ended_at"])]
            for each in case["referrals"] or ()
        ],
    )
