"""`evidence approval` and `evidence tasks`: what waits for a second person, and for you."""

import sys
from typing import Annotated, Any
from uuid import UUID

import typer

from evidence.cli import lists, profiles
from evidence.cli.boundary import command
from evidence.cli.exits import ExitCode
from evidence.cli.output import Output
from evidence.cli.profiles import ProfileName
from evidence.errors import InvalidError

APPROVALS = "/api/v1/approvals"

Named = Annotated[UUID, typer.Argument(metavar="REQUEST", help="Id of the request.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    noun = typer.Typer(
        help="Requests for a second person: list, show, approve, refuse, withdraw.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    command(noun, "list", noun="approval")(list_requests)
    command(noun, "show", noun="approval")(show)
    command(noun, "approve", noun="approval")(approve)
    command(noun, "refuse", noun="approval")(refuse)
    command(noun, "withdraw", noun="approval")(withdraw)
    app.add_typer(noun, name="approval")
    command(app, "tasks")(tasks)


def list_requests(out: Output, profile: ProfileName = "default") -> None:
    """List the requests that wait for your decision, and your own."""
    with profiles.signed_in(profile) as connection:
        found = connection.get(APPROVALS)
    rows = [_row("to decide", each) for each in found["to_decide"]]
    rows += [_row(f"yours, {each['state']}", each) for each in found["requested"]]
    out.table(("request", "", "action", "asked", "reason"), rows)
    if not rows:
        out.say("Nothing waits for you, and you have asked for nothing.")
    out.sum_up(to_decide=found["to_decide"], requested=found["requested"])


def show(out: Output, request: Named, profile: ProfileName = "default") -> None:
    """Show a request, as it would be approved."""
    with profiles.signed_in(profile) as connection:
        shown = connection.get(f"{APPROVALS}/{request}")
    _tell(out, shown)
    out.sum_up(request=shown)


def approve(
    out: Output,
    request: Named,
    sha256: Annotated[
        str | None, typer.Option("--sha256", help="Digest of the request that you read; at a terminal you are asked.")
    ] = None,
    profile: ProfileName = "default",
) -> None:
    """Approve a request of somebody else: it is carried out at once."""
    with profiles.signed_in(profile) as connection:
        if sha256 is None:
            read = connection.get(f"{APPROVALS}/{request}")
            _tell(out, read)
            if not sys.stdin.isatty():
                raise InvalidError(
                    "nobody approves what they have not read", next_step="give the digest of the request with --sha256"
                )
            typer.confirm("Approve exactly this?", abort=True, err=True)
            sha256 = read["sha256"]
        shown = connection.post(f"{APPROVALS}/{request}/approve", {"sha256": sha256})
    out.say("Approved, and carried out.")
    out.sum_up(request=shown)


def refuse(
    out: Output,
    request: Named,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept with the request.")],
    profile: ProfileName = "default",
) -> None:
    """Refuse a request of somebody else."""
    with profiles.signed_in(profile) as connection:
        shown = connection.post(f"{APPROVALS}/{request}/refuse", {"reason": reason})
    out.say("Refused.")
    out.sum_up(request=shown)


def withdraw(out: Output, request: Named, profile: ProfileName = "default") -> None:
    """Withdraw a request of your own."""
    with profiles.signed_in(profile) as connection:
        shown = connection.post(f"{APPROVALS}/{request}/withdraw", {})
    out.say("Withdrawn.")
    out.sum_up(request=shown)


def tasks(out: Output, profile: ProfileName = "default") -> ExitCode:
    """List what waits for you, and what you were told in the last days."""
    with profiles.signed_in(profile) as connection:
        waiting = connection.get("/api/v1/me/tasks")
    rows = [
        (each["kind"], each["action"] or "", each["about"], lists.minute(each["since"]), lists.minute(each["until"]))
        for each in waiting["tasks"]
    ]
    out.table(("what", "action", "id", "since", "until"), rows)
    if not rows:
        out.say("Nothing waits for you.")
    if waiting["notices"]:
        out.say("You were told of:")
        told = [(each["kind"], each["about"], lists.minute(each["made_at"])) for each in waiting["notices"]]
        out.table(("what", "id", "when"), told)
    out.sum_up(tasks=waiting["tasks"], notices=waiting["notices"])
    return ExitCode.OK


def say_it_waits(out: Output, request: dict[str, Any]) -> None:
    """Say that what was asked for takes effect when somebody else approves it, and how they do."""
    out.say(
        "This takes effect when somebody else who may do it approves it, within 72 hours:",
        f"  evidence approval approve {request['id']}",
    )


def _row(what: str, request: dict[str, Any]) -> tuple[str, ...]:
    return (request["id"], what, request["action"], lists.minute(request["requested_at"]), request["reason"])


def _tell(out: Output, request: dict[str, Any]) -> None:
    out.say(
        f"Request {request['id']}: {request['act']} ({request['action']}), {request['state']}",
        f"  reason      {request['reason']}",
        f"  requester   {request['requester']}",
        f"  what        {request['parameters']}",
    )
    out.say(*(f"  about       {each}" for each in request["things"]))
    out.say(f"  lapses      {lists.minute(request['expires_at'])} UTC", f"  sha256      {request['sha256']}")
