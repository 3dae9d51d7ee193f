"""`evidence camera` and `evidence worklist`: who carries which camera, and what the roster cannot tell."""

import csv
import io
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from evidence.cli import lists, profiles
from evidence.cli.boundary import command
from evidence.cli.exits import ExitCode
from evidence.cli.lists import Cursor, Limit
from evidence.cli.output import Output
from evidence.cli.profiles import ProfileName
from evidence.cli.sending import DryRun
from evidence.errors import InvalidError

CAMERAS = "/api/v1/cameras"
WORKLIST = "/api/v1/worklist"

Serial = Annotated[str, typer.Argument(help="Serial number of the camera.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    noun = typer.Typer(
        help="Cameras and their roster: list, import, assign, retire.", no_args_is_help=True, rich_markup_mode=None
    )
    command(noun, "list", noun="camera")(list_cameras)
    command(noun, "import", noun="camera")(import_roster)
    command(noun, "assign", noun="camera")(assign)
    command(noun, "retire", noun="camera")(retire)
    app.add_typer(noun, name="camera")
    command(app, "worklist")(show_worklist)


def list_cameras(out: Output, limit: Limit = 50, cursor: Cursor = None, profile: ProfileName = "default") -> None:
    """List the cameras of your agency, and who carries them."""
    with profiles.signed_in(profile) as connection:
        found, cursor = lists.read(out, connection, CAMERAS, "cameras", limit=limit, cursor=cursor)
    out.table(("serial", "model", "carried last by", "since", "until", "retired"), [_row(each) for each in found])
    if not found:
        out.say("No cameras. Import a roster: evidence camera import roster.csv")
    if cursor is not None:
        out.remark(f"There are more: evidence camera list --cursor {cursor}")
    out.sum_up(count=len(found), cursor=cursor)


def import_roster(
    out: Output,
    file: Annotated[
        Path,
        typer.Argument(help="CSV with the columns serial, badge (or email), from, to.", exists=True, dir_okay=False),
    ],
    dry_run: DryRun = False,
    profile: ProfileName = "default",
) -> ExitCode:
    """Put down who carries which camera from when to when: the whole file or nothing of it."""
    return _send(out, file.read_bytes(), dry_run=dry_run, profile=profile)


def assign(
    out: Output,
    serial: Serial,
    officer: Annotated[str, typer.Argument(help="Badge or e-mail address.")],
    since: Annotated[str, typer.Option("--from", help="First moment, with its zone: 2026-11-22T06:00:00-05:00")],
    until: Annotated[str | None, typer.Option("--to", help="First moment no longer; left out: until further.")] = None,
    dry_run: DryRun = False,
    profile: ProfileName = "default",
) -> ExitCode:
    """Put down who carries one camera; said again with --to, it ends."""
    written = io.StringIO(newline="")
    csv.writer(written).writerows([("serial", "badge", "from", "to"), (serial, officer, since, until or "")])
    return _send(out, written.getvalue().encode(), dry_run=dry_run, profile=profile)


def retire(
    out: Output,
    serial: Serial,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept with the act.")],
    profile: ProfileName = "default",
) -> None:
    """Take a camera out of use, and out of the hands of whoever carries it."""
    with profiles.signed_in(profile) as connection:
        camera = connection.post(f"{CAMERAS}/{quote(serial, safe='')}/retire", {"reason": reason})
    out.say(f"Camera {camera['serial']} is retired.")
    out.sum_up(camera=camera)


def show_worklist(out: Output, limit: Limit = 50, cursor: Cursor = None, profile: ProfileName = "default") -> None:
    """List the items whose officer roster, badge and clock do not agree on; `item reassign` decides."""
    with profiles.signed_in(profile) as connection:
        found, cursor = lists.read(out, connection, WORKLIST, "items", limit=limit, cursor=cursor)
    out.table(("number", "received", "recorded", "camera", "badge said", "why"), [_to_resolve(each) for each in found])
    if not found:
        out.say("Nothing to resolve.")
    if cursor is not None:
        out.remark(f"There are more: evidence worklist --cursor {cursor}")
    out.sum_up(count=len(found), cursor=cursor)


def _send(out: Output, roster: bytes, *, dry_run: bool, profile: str) -> ExitCode:
    from evidence.docking.connection import ServerProblem, read_json

    with profiles.signed_in(profile) as connection:
        try:
            answer = connection.request(
                "POST",
                f"{CAMERAS}/roster",
                params={"dry_run": str(dry_run).lower()},
                content=roster,
                headers={"Content-Type": "text/csv"},
            )
        except InvalidError as error:
            said = error.__cause__.members.get("lines") if isinstance(error.__cause__, ServerProblem) else None
            for each in said if isinstance(said, list) else ():
                if isinstance(each, dict):
                    out.problem(str(each.get("what")), exit_code=ExitCode.USAGE, name=f"line {each.get('line')}")
            raise
    taken: dict[str, Any] = read_json(answer)
    would = "would be " if dry_run else ""
    out.say(
        f"Of {taken['lines']} lines: {taken['assigned']} {would}new, {taken['ended']} {would}ended, "
        f"{taken['unchanged']} on the books already; cameras {would}enrolled: {taken['enrolled']}."
    )
    changes = any(taken[each] for each in ("assigned", "ended", "enrolled"))
    code = ExitCode.OK if changes or dry_run else ExitCode.NOTHING_TO_DO
    out.sum_up(code, "dry_run" if dry_run else None if changes else "nothing_to_do", **taken)
    return code


def _row(camera: dict[str, Any]) -> list[str]:
    last = camera["carried"][-1] if camera["carried"] else {}
    return [
        camera["serial"],
        camera["model"] or "",
        f"{last['name']} ({last['badge'] or 'no badge'})" if last else "",
        lists.minute(last.get("since")),
        lists.minute(last.get("until")),
        lists.minute(camera["retired_at"]),
    ]


def _to_resolve(listed: dict[str, Any]) -> list[str]:
    item = listed["item"]
    said = item["content"] or {}
    return [
        item["number"],
        lists.minute(item["received_at"]),
        lists.minute(said.get("recorded_at")),
        said.get("camera") or "",
        said.get("officer") or "",
        listed["why"].replace("_", " "),
    ]
