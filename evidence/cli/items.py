"""`evidence item`: list, show and add evidence items."""

import hashlib
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from evidence.cli import custody, labels, lists, profiles, sending
from evidence.cli.boundary import command
from evidence.cli.exits import ExitCode
from evidence.cli.files import write_whole
from evidence.cli.output import Output, advancing, readable_size
from evidence.cli.profiles import ProfileName
from evidence.cli.sending import Again, Camera, DryRun, Incident, Officer, PatienceSeconds
from evidence.errors import IntegrityError, InvalidError

ITEMS = "/api/v1/items"

ItemNamed = Annotated[str, typer.Argument(metavar="ITEM", help="Evidence number or id.")]

From = Annotated[str | None, typer.Option(metavar="INSTANT", help="From then on: 2026-11-22T14:03:00-05:00.")]
To = Annotated[str | None, typer.Option(metavar="INSTANT", help="Before then.")]

UNSAID = "application/octet-stream"
"""The kind of a file of which nobody said any."""


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    noun = typer.Typer(
        help="Evidence items: list, show, add, download, watch, reassign; incidents and references.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    command(noun, "list", noun="item")(list_items)
    command(noun, "show", noun="item")(show_item)
    command(noun, "add", noun="item")(add_items)
    command(noun, "download", noun="item")(download)
    command(noun, "watch", noun="item")(watch)
    command(noun, "incident", noun="item")(labels.item_incident)
    command(noun, "reference", noun="item")(labels.item_reference)
    command(noun, "reassign", noun="item")(reassign)
    app.add_typer(noun, name="item")


def list_items(
    out: Output,
    incident: Annotated[str | None, typer.Option(help="Of this incident.")] = None,
    officer: Annotated[str | None, typer.Option(help="Recorded by the officer of this badge.")] = None,
    camera: Annotated[str | None, typer.Option(help="Recorded by the camera of this serial number.")] = None,
    case: Annotated[str | None, typer.Option(help="Exhibits of this case.")] = None,
    received_from: From = None,
    received_to: To = None,
    recorded_from: From = None,
    recorded_to: To = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where to go on, as the last list said.")] = None,
    profile: ProfileName = "default",
) -> None:
    """List the evidence items you may see, in the order they were received."""
    asked: dict[str, str | bool | None] = {
        "incident": incident,
        "officer": officer,
        "camera": camera,
        "case": case,
        "received_from": received_from,
        "received_to": received_to,
        "recorded_from": recorded_from,
        "recorded_to": recorded_to,
    }
    with profiles.signed_in(profile) as connection:
        found, cursor = lists.read(out, connection, ITEMS, "items", limit=limit, cursor=cursor, **asked)
    out.table(("number", "received", "recorded", "camera", "officer", "size", "file"), [_row(item) for item in found])
    if not found:
        out.say("No evidence items that you may see.")
    if cursor is not None:
        out.remark(f"There are more: evidence item list --cursor {cursor}")
    out.sum_up(count=len(found), cursor=cursor)


def show_item(
    out: Output,
    item: ItemNamed,
    with_custody: Annotated[bool, typer.Option("--custody", help="Its chain of custody as well.")] = False,
    profile: ProfileName = "default",
) -> None:
    """Show one evidence item, and its chain of custody if asked."""
    with profiles.signed_in(profile) as connection:
        shown = connection.get(f"{ITEMS}/{quote(item, safe='')}")
        chain = custody.chain(connection, f"{ITEMS}/{shown['id']}") if with_custody else None
    for name, value in lines(shown):
        out.say(f"{name:<13}{value}")
    if shown.get("content") is None:
        out.remark("Its content (file, camera, officer, what the recording is) is not shown to your role.")
    if chain is not None:
        out.say("")
        custody.show(out, *chain)
    out.sum_up(item=shown, **({} if chain is None else {"custody": chain[0], "left_out": chain[1]}))


def reassign(
    out: Output,
    item: Annotated[str, typer.Argument(help="Evidence number or id.")],
    officer: Annotated[str, typer.Argument(help="E-mail address of the officer whose recording it is.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept with the act.")],
    profile: ProfileName = "default",
) -> None:
    """Decide whose recording an item is; what stood there before stays in its chain of custody."""
    with profiles.signed_in(profile) as connection:
        shown = connection.post(f"{ITEMS}/{quote(item, safe='')}/officer", {"officer": officer, "reason": reason})
    out.say(f"{shown['number']} is the recording of {officer}.")
    out.sum_up(item=shown)


def add_items(
    out: Output,
    files: Annotated[list[Path], typer.Argument(help="Files to hand in; of any kind.", exists=True, dir_okay=False)],
    camera: Camera = None,
    officer: Officer = None,
    incident: Incident = None,
    recorded_at: Annotated[str | None, typer.Option(help="When it was recorded, with its zone.")] = None,
    content_type: Annotated[str | None, typer.Option(help="What kind of file it is, if you know.")] = None,
    no_digest: Annotated[
        bool, typer.Option("--no-digest", help="Announce no digest: received as `declared: none`, as from a browser.")
    ] = False,
    again: Again = False,
    dry_run: DryRun = False,
    patience: PatienceSeconds = sending.PATIENCE_SECONDS,
    profile: ProfileName = "default",
) -> ExitCode:
    """Hand in files as evidence, with your own sign-in; goes on where an earlier run stopped."""
    from evidence.docking import folder

    if recorded_at is not None and not folder.is_instant(recorded_at):
        raise InvalidError(
            "--recorded-at is no date and time with its zone", next_step="write it as 2026-11-22T14:03:00-05:00"
        )
    said = {
        "camera": camera,
        "officer": officer,
        "incident": incident,
        "recorded_at": recorded_at,
        "content_type": content_type,
    }
    given = {name: value for name, value in said.items() if value is not None}
    planned = [sending.Planned(folder.one(each), given) for each in files]
    with sending.by_account(profile, out, patience=timedelta(seconds=patience)) as sender:
        return sending.carry_out(out, sender, planned, dry_run=dry_run, declare=not no_digest, again=again)


def download(
    out: Output,
    item: ItemNamed,
    to: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it enters the chain of custody.")],
    profile: ProfileName = "default",
) -> None:
    """Copy the original of an item into a file, which appears only when it is what was recorded."""
    _copy(out, item, to, reason, manner="downloads", profile=profile)


def watch(
    out: Output,
    item: ItemNamed,
    to: Annotated[Path, typer.Option("--out", "-o", help="The file to write, for your player; remove it afterwards.")],
    reason: Annotated[str | None, typer.Option("--reason", help="Why, where your role has to say it.")] = None,
    profile: ProfileName = "default",
) -> None:
    """Have an item to watch; that you did, and how much of it, enters its chain of custody."""
    _copy(out, item, to, reason, manner="viewings", profile=profile)


def _copy(out: Output, item: str, to: Path, reason: str | None, *, manner: str, profile: str) -> None:
    """Begin a viewing, read it whole into the file, and end it, whatever came of it."""
    with profiles.signed_in(profile) as connection:
        viewing = connection.post(f"{ITEMS}/{quote(item, safe='')}/{manner}", {"reason": reason} if reason else {})
        try:
            with connection.stream("GET", viewing["footage"]) as answer:
                size = int(answer.headers.get("content-length", "0"))
                recorded = answer.headers.get("etag", "").strip('"')
                with out.progress(to.name, total=size) as advance:
                    write_whole(to, advancing(answer.iter_raw(), advance), check=partial(_require_recorded, recorded))
        finally:
            ended = connection.post(f"/api/v1/viewings/{viewing['id']}/end", {})
    out.verified(to.name, f"{readable_size(size)}, as recorded at its receipt", size=size)
    out.sum_up(file=str(to), size=size, viewing=ended)


def _require_recorded(recorded: str, path: Path) -> None:
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != recorded:
        raise IntegrityError(
            "what arrived is not the original as it was recorded, and was not kept", next_step="run it again"
        )


def _row(item: dict[str, Any]) -> list[str]:
    content = item.get("content") or {}
    return [
        item["number"],
        lists.minute(item["received_at"]),
        lists.minute(content.get("recorded_at")),
        content.get("camera") or "",
        content.get("officer") or "",
        readable_size(item["size"]),
        (content.get("filename") or "(content not shown to your role)")
        + ("  (declared: none)" if item["declared"] == "none" else ""),
    ]


def lines(item: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what people are shown of an item: names and values. What nobody knows or may see is left out."""
    content = item.get("content") or {}
    declared = {
        "sha256": "its digest was declared before it arrived",
        "none": "none: its digest was NOT declared before it arrived",
    }
    said = [
        ("number", item["number"]),
        ("id", item["id"]),
        ("file", content.get("filename")),
        ("kind", _kind(content.get("content_type"))),
        ("size", f"{item['size']} bytes"),
        ("sha256", item["sha256"]),
        ("declared", declared.get(item["declared"], item["declared"])),
        ("received", item["received_at"]),
        ("class", item["access_class"]),
        ("mark", item["do_not_disclose"] and "do-not-disclose"),
        ("recorded", content.get("recorded_at") and f"{content['recorded_at']} (as said when it was brought in)"),
        ("camera", content.get("camera")),
        ("officer", content.get("officer")),
        ("incident", content.get("incident")),
        *_media(content.get("media") or {}),
        ("media note", content.get("media_note")),
    ]
    return [(name, str(value)) for name, value in said if value]


def _kind(content_type: str | None) -> str | None:
    return "not said" if content_type == UNSAID else content_type


def _media(media: dict[str, Any]) -> list[tuple[str, str | None]]:
    """Say what the worker read from the recording."""
    length = media.get("duration_us")
    streams = media.get("streams") or []
    return [
        ("container", media.get("container")),
        ("length", f"{length / 1e6:.3f} s" if length is not None else None),
        *(("video", f"{each['width']} x {each['height']}, {each['codec']}") for each in streams if _is(each, "video")),
        *(
            ("audio", f"{each['codec']}, {each['sample_rate']} Hz, {each['channels']} channels")
            for each in streams
            if _is(each, "audio")
        ),
    ]


def _is(stream: dict[str, Any], kind: str) -> bool:
    return stream.get("type") == kind
