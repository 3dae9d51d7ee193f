"""`evidence case`: case files, their exhibits, who works them, and to whom they are referred."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evidence.cli import case_shown, case_work, labels, lists, profiles
from evidence.cli.boundary import command
from evidence.cli.case_shown import CASES, CaseNamed, Why, address_of, standing_of
from evidence.cli.output import Output
from evidence.cli.profiles import ProfileName

if TYPE_CHECKING:
    pass


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    noun = typer.Typer(
        help="Case files: open, list, show, link, withdraw, assign, unassign, refer, recall, close, reopen, merge; "
        "proposals of exhibits; what is expected of a referral and due when; incidents and references.",
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
    command(noun, "merge", noun="case")(case_work.merge)
    command(noun, "proposals", noun="case")(case_work.proposals)
    command(noun, "due", noun="case")(case_work.set_due)
    command(noun, "expect", noun="case")(case_work.expect)
    command(noun, "fulfil", noun="case")(case_work.fulfil)
    command(noun, "external", noun="case")(case_work.external)
    command(noun, "incident", noun="case")(labels.case_incident)
    command(noun, "reference", noun="case")(labels.case_reference)
    app.add_typer(noun, name="case")


def open_case(
    out: Output,
    title: Annotated[str, typer.Option("--title", help="What the case is called.")],
    number: Annotated[
        str | None,
        typer.Argument(help="Number of the case, as your agency numbers its cases; left out: the next by its pattern."),
    ] = None,
    profile: ProfileName = "default",
) -> None:
    """Open a case file; you are assigned to it."""
    with profiles.signed_in(profile) as connection:
        case = connection.post(CASES, {"number": number, "title": title})
    out.say(f"Case {case['number']} is open: {case['title']}")
    out.sum_up(case=case)


def list_cases(
    out: Output,
    number: Annotated[str | None, typer.Option(help="Whose number begins so.")] = None,
    incident: Annotated[str | None, typer.Option(help="Of this incident.")] = None,
    state: Annotated[str | None, typer.Option(help="open or closed.")] = None,
    referred: Annotated[bool, typer.Option("--referred", help="That lie before an agency that prosecutes.")] = False,
    mine: Annotated[bool, typer.Option("--mine", help="That you are assigned to.")] = False,
    overdue: Annotated[bool, typer.Option("--overdue", help="Whose day is past, with something missing.")] = False,
    due: Annotated[datetime | None, typer.Option("--due", formats=["%Y-%m-%d"], help="Due by this day.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where to go on, as the last list said.")] = None,
    profile: ProfileName = "default",
) -> None:
    """List the case files you may see, in the order they were opened."""
    asked: dict[str, str | bool | None] = {
        "number": number,
        "incident": incident,
        "state": state,
        "referred": referred,
        "mine": mine,
        "overdue": overdue,
        "due_by": due.date().isoformat() if due else None,
    }
    with profiles.signed_in(profile) as connection:
        found, cursor = lists.read(out, connection, CASES, "cases", limit=limit, cursor=cursor, **asked)
    out.table(("number", "opened", "closed", "due", "missing", "title"), [_row(case) for case in found])
    if not found:
        out.say("No cases that you may see.")
    if cursor is not None:
        out.remark(f"There are more: evidence case list --cursor {cursor}")
    out.sum_up(count=len(found), cursor=cursor)


def show_case(out: Output, case: CaseNamed, profile: ProfileName = "default") -> None:
    """Show one case file: its exhibits, who works it, to whom it is referred."""
    with profiles.signed_in(profile) as connection:
        shown = connection.get(address_of(case))
    case_shown.show(out, shown)
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
        there = connection.get(address_of(case))
        if case not in (there["number"], there["id"]):
            out.note(f"Case {case} was merged into {there['number']}: whoever sees that case sees what is linked.")
        for item in items:
            exhibit = connection.post(f"{address_of(case)}/exhibits", {"item": item})
            out.note(f"{exhibit['item_number']} is exhibit {exhibit['number']} of case {there['number']}.")
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
        shown = connection.post(f"{address_of(case)}/assignments", {"email": email, "capacity": capacity})
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
        assignment = standing_of(connection, case, "assignments", email, by="email")
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
        shown = connection.post(f"{address_of(case)}/referrals", asked)
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
        referral = standing_of(connection, case, "referrals", agency, by="agency")
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
        shown = connection.post(f"{address_of(case)}/{what}", {"reason": reason})
    out.say(said)
    out.sum_up(case=shown)


def _row(case: dict[str, Any]) -> list[str]:
    return [
        case["number"],
        lists.minute(case["opened_at"]),
        "merged" if case["merged_into"] else lists.minute(case["closed_at"]),
        (case["due_on"] or "") + (" overdue" if case["overdue"] else ""),
        str(case["missing"] or ""),
        case["title"] or "(title not shown to your role)",
    ]
