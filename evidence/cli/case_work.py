"""`evidence case`: merge, proposals, what is expected of a referral, cases of other systems."""

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer

from evidence.cli import lists, profiles
from evidence.cli.case_shown import CASES, CaseNamed, Why, address_of, show, standing_of
from evidence.cli.exits import ExitCode
from evidence.cli.output import Output
from evidence.cli.profiles import ProfileName
from evidence.errors import InvalidError, NotFoundError

Agency = Annotated[str, typer.Argument(help="Name of the agency it is referred to, or id of the referral.")]
Line = Annotated[str, typer.Argument(metavar="LINE", help="Id of the line, or the first letters of it.")]


def merge(
    out: Output,
    case: CaseNamed,
    into: Annotated[str, typer.Argument(help="Number or id of the case that remains.")],
    reason: Why,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say who would see more.")] = False,
    profile: ProfileName = "default",
) -> None:
    """Merge a case into another, which remains; says who sees more by it."""
    asked = {"into": into, "reason": reason, "dry_run": dry_run}
    with profiles.signed_in(profile) as connection:
        merged = connection.post(f"{address_of(case)}/merge", asked)
    remains = merged["case"]["number"]
    out.say(
        f"Nothing is merged yet: {case} would go into {remains}." if dry_run else f"{case} is merged into {remains}."
    )
    out.table(
        ("sees more", "agency", "as", "works", "further exhibits"),
        [
            [
                f"{each['name']} <{each['email']}>" if each["name"] else "the agency",
                each["agency"],
                each["capacity"] or "",
                each["by_case"],
                str(each["exhibits"]),
            ]
            for each in merged["gains"]
        ],
    )
    if not merged["gains"]:
        out.say("Nobody sees more by it.")
    out.sum_up(**merged)


def proposals(
    out: Output,
    case: CaseNamed,
    accept: Annotated[bool, typer.Option("--accept", help="Link all that is listed, in one act.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where to go on, as the last list said.")] = None,
    profile: ProfileName = "default",
) -> ExitCode:
    """List items that may belong to a case, with the reasons; a person accepts them."""
    where = address_of(case)
    linked: list[dict[str, Any]] = []
    with profiles.signed_in(profile) as connection:
        found, cursor = lists.read(out, connection, f"{where}/proposals", "proposals", limit=limit, cursor=cursor)
        if accept and found:
            items = [each["item"]["id"] for each in found]
            linked = connection.post(f"{where}/proposals/accept", {"items": items})["exhibits"]
    out.table(("item", "recorded", "officer", "why"), [_proposal(each) for each in found])
    for exhibit in linked:
        out.note(f"{exhibit['item_number']} is exhibit {exhibit['number']} of case {case}.")
    if not found:
        out.say("No item is proposed.")
    if cursor is not None:
        out.remark(f"There are more: evidence case proposals {case} --cursor {cursor}")
    out.sum_up(count=len(found), cursor=cursor, exhibits=linked)
    return ExitCode.OK


def set_due(
    out: Output,
    case: CaseNamed,
    agency: Agency,
    reason: Why,
    on: Annotated[
        datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="The day; left out: none any more.")
    ] = None,
    profile: ProfileName = "default",
) -> None:
    """Set another day on which a referral is due, or none."""
    day = on.date().isoformat() if on else None
    with profiles.signed_in(profile) as connection:
        referral = standing_of(connection, case, "referrals", agency, by="agency")
        asked = {"due_on": day, "reason": reason}
        shown = connection.post(f"{address_of(case)}/referrals/{referral['id']}/due", asked)
    out.say(f"{referral['agency']} expects it on {day}." if day else f"{referral['agency']} expects it on no day.")
    out.sum_up(case=shown)


def expect(
    out: Output,
    case: CaseNamed,
    agency: Agency,
    what: Annotated[str | None, typer.Option("--what", help="What is expected, in words.")] = None,
    recordings: Annotated[int, typer.Option(min=1, help="How many exhibits fulfil it.")] = 1,
    incident: Annotated[str | None, typer.Option(help="Of this incident.")] = None,
    camera: Annotated[str | None, typer.Option(help="Of the camera of this serial number.")] = None,
    officer: Annotated[str | None, typer.Option(help="Of the officer of this badge.")] = None,
    withdraw: Annotated[
        str | None, typer.Option("--withdraw", metavar="LINE", help="Expect this line no longer; needs --reason.")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; it is kept with the act.")] = None,
    profile: ProfileName = "default",
) -> None:
    """List what is expected of a referral and not yet there; or withdraw such a line."""
    if (what is None) == (withdraw is None) or (withdraw is not None and not reason):
        raise InvalidError(
            "say what is expected, or what no longer", next_step="--what TEXT, or --withdraw LINE --reason"
        )
    with profiles.signed_in(profile) as connection:
        referral = standing_of(connection, case, "referrals", agency, by="agency")
        if withdraw is not None:
            line = _line([referral], withdraw)
            address = f"{address_of(case)}/expected/{line['id']}/withdraw"
            shown = connection.post(address, {"reason": reason})
        else:
            asked = {
                "what": what,
                "recordings": recordings,
                "incident": incident,
                "camera": camera,
                "officer": officer,
            }
            shown = connection.post(f"{address_of(case)}/referrals/{referral['id']}/expected", asked)
    out.say(f"{referral['agency']} expects {shown['missing']} recordings that are not there.")
    out.sum_up(case=shown)


def fulfil(
    out: Output,
    case: CaseNamed,
    line: Line,
    exhibit: Annotated[int, typer.Argument(min=1, help="Number of the exhibit that it is.")],
    profile: ProfileName = "default",
) -> None:
    """Say that an exhibit is what was expected, or part of it."""
    with profiles.signed_in(profile) as connection:
        known = connection.get(address_of(case))
        found = _line(known["referrals"] or (), line)
        shown = connection.post(f"{address_of(case)}/expected/{found['id']}/fulfil", {"exhibit": exhibit})
    out.say(f"Exhibit {exhibit} is {found['what']}; {shown['missing']} recordings are still missing in all.")
    out.sum_up(case=shown)


def external(
    out: Output,
    system: Annotated[str, typer.Argument(help="Name of another system of your agency.")],
    external_id: Annotated[str, typer.Argument(metavar="ID", help="What it calls the case.")],
    case: Annotated[str | None, typer.Option(help="A case that is here: refer to that one.")] = None,
    number: Annotated[str | None, typer.Option(help="Your agency's number of the case.")] = None,
    title: Annotated[str | None, typer.Option(help="What the case is called.")] = None,
    incident: Annotated[list[str] | None, typer.Option(help="Of this incident; may be given several times.")] = None,
    address: Annotated[str | None, typer.Option(help="Where that system shows it (http or https).")] = None,
    profile: ProfileName = "default",
) -> None:
    """Show the case that another system calls so; or, with anything said of it, find or open it and set that."""
    where = f"{CASES}/external/{quote(system, safe='')}/{quote(external_id, safe='')}"
    said = {"case": case, "number": number, "title": title, "incidents": incident or None, "address": address}
    given = {name: value for name, value in said.items() if value is not None}
    with profiles.signed_in(profile) as connection:
        shown = connection.put(where, given) if given else connection.get(where)
    show(out, shown)
    out.sum_up(case=shown)


def _line(referrals: Any, named: str) -> dict[str, Any]:
    """Return the line that stands and whose id begins so, if it is the only one."""
    found: list[dict[str, Any]] = [
        line
        for referral in referrals
        if referral["ended_at"] is None
        for line in referral["expected"] or ()
        if line["withdrawn_at"] is None and line["id"].startswith(named)
    ]
    if len(found) != 1:
        raise NotFoundError(f"{len(found)} lines of {named} stand", next_step="evidence case show has their ids")
    return found[0]


def _proposal(proposal: dict[str, Any]) -> list[str]:
    item = proposal["item"]
    return [
        item["number"],
        lists.minute(item["content"]["recorded_at"]),
        item["content"]["officer"] or "",
        "; ".join(
            f"incident {why['incident']}" if why["incident"] else f"near exhibit {why['exhibit']}"
            for why in proposal["reasons"]
        ),
    ]
