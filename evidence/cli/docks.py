"""`evidence dock`: enrol a docking station and retire it, send its recordings, see what became of them."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from evidence.cli import lists, profiles, sending
from evidence.cli.boundary import command, report
from evidence.cli.exits import ExitCode
from evidence.cli.lists import Cursor, Limit
from evidence.cli.output import Output, Step
from evidence.cli.profiles import ProfileName
from evidence.cli.sending import Again, Camera, DryRun, Incident, Officer, PatienceSeconds, Planned
from evidence.clock import system_clock
from evidence.errors import EvidenceError, InvalidError, NotFoundError

if TYPE_CHECKING:
    from evidence.docking.folder import FoundFile
    from evidence.docking.upload import Sender

DockName = Annotated[str | None, typer.Option("--dock", help="Which dock, when several are enrolled here.")]

DOCKS = "/api/v1/docks"
ENROLLED_AND_RETIRED = ("enrolled_at", "retired_at")
STILL_SECONDS = 2.0

HIGHEST_RATE = 10**12
"""Bytes a second; no line is as fast."""


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    noun = typer.Typer(
        help="Docking stations: enrol, list, retire, upload, status, key.", no_args_is_help=True, rich_markup_mode=None
    )
    command(noun, "list", noun="dock")(list_docks)
    command(noun, "retire", noun="dock")(retire)
    command(noun, "code", noun="dock")(make_code)
    command(noun, "enrol", noun="dock")(enrol)
    command(noun, "upload", noun="dock")(upload)
    command(noun, "status", noun="dock")(show_status)
    command(noun, "rotate", noun="dock")(rotate_key)
    app.add_typer(noun, name="dock")


def list_docks(out: Output, limit: Limit = 50, cursor: Cursor = None, profile: ProfileName = "default") -> None:
    """List the docks of your agency, with the fingerprints of their keys; retired ones too."""
    with profiles.signed_in(profile) as connection:
        found, cursor = lists.read(out, connection, DOCKS, "docks", limit=limit, cursor=cursor)
    rows = [
        (each["name"], each["id"], each["fingerprint"], *(lists.minute(each[name]) for name in ENROLLED_AND_RETIRED))
        for each in found
    ]
    out.table(("dock", "id", "fingerprint", "enrolled", "retired"), rows)
    if cursor is not None:
        out.remark(f"There are more: evidence dock list --cursor {cursor}")
    out.sum_up(count=len(found), cursor=cursor)


def retire(
    out: Output,
    dock: Annotated[UUID, typer.Argument(metavar="DOCK", help="Id of the dock, as the list shows it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it enters the chain of custody.")],
    profile: ProfileName = "default",
) -> None:
    """Let a dock of your agency in no more, from its next request on."""
    with profiles.signed_in(profile) as connection:
        shown = connection.post(f"{DOCKS}/{dock}/retire", {"reason": reason})
    out.say(f"{shown['name']} is retired; its name can be given to another.")
    out.sum_up(dock=shown)


def make_code(
    out: Output, name: Annotated[str, typer.Argument(help="Name of the dock to be.")], profile: ProfileName = "default"
) -> None:
    """Make a one-time code with which a dock may enrol; it is shown once."""
    code, expires_at = _invite(name, profile)
    out.say(code)
    out.remark(f"Good once, until {expires_at}. On the dock: evidence dock enrol {name} --code CODE --url ADDRESS")
    out.sum_up(dock=name, code=code, expires_at=expires_at)


def enrol(
    out: Output,
    name: Annotated[str, typer.Argument(help="Name of this dock.")],
    code: Annotated[
        str | None, typer.Option("--code", help="One-time code; without it your sign-in asks for one.")
    ] = None,
    url: Annotated[str | None, typer.Option("--url", help="Address of the evidence room.")] = None,
    dry_run: DryRun = False,
    profile: ProfileName = "default",
) -> ExitCode:
    """Enrol this machine as a dock: its key is made here and never leaves."""
    from evidence.docking.connection import Connection
    from evidence.docking.identity import Dock, DockKey, folder_name, write_private
    from evidence.docking.receipts import read_trust

    folder = profiles.docks_folder() / folder_name(name)
    address = profiles.url_for(profile, url)
    if (folder / "dock.json").exists():
        out.say(f"{name} is enrolled on this machine already, with {Dock.read(folder).url}.")
        return ExitCode.NOTHING_TO_DO
    out.plan([Step(act="enrol", name=name, why=f"at {address}")], dry_run=dry_run)
    if dry_run:
        out.sum_up(ExitCode.OK, "dry_run")
        return ExitCode.OK
    with Connection(address) as connection:
        trust = connection.request("GET", "/api/v1/trust").content
        read_trust(trust)
        given = code or _invite(name, profile)[0]
        key = DockKey.load_or_create(folder)
        answer = connection.post(DOCKS, {"code": given, "name": name, "public_key": key.public_jwk()})
    # The keys first: a dock that is enrolled always has what it checks receipts with.
    write_private(folder / "trust.json", trust)
    dock = Dock(
        name=answer["name"],
        id=answer["id"],
        url=address,
        fingerprint=answer["fingerprint"],
        enrolled_at=system_clock().isoformat(),
    )
    dock.write(folder)
    out.say(f"{dock.name} is enrolled. Fingerprint of its key: {dock.fingerprint}")
    out.remark("Compare the fingerprint with what the evidence room shows for this dock.")
    out.sum_up(dock=dock.name, id=dock.id, url=address, fingerprint=dock.fingerprint)
    return ExitCode.OK


def upload(
    out: Output,
    folder: Annotated[
        Path, typer.Argument(help="Folder of recordings; nothing in it is changed.", exists=True, file_okay=False)
    ],
    dock: DockName = None,
    camera: Camera = None,
    officer: Officer = None,
    incident: Incident = None,
    no_sidecars: Annotated[
        bool, typer.Option("--no-sidecars", help="Do not read what NAME.json beside NAME.mp4 says.")
    ] = False,
    again: Again = False,
    still: Annotated[
        float,
        typer.Option(
            "--still",
            min=0,
            max=sending.MOST_SECONDS,
            help="A file counts when it stood still for so many seconds.",
        ),
    ] = STILL_SECONDS,
    rate: Annotated[
        int | None, typer.Option("--rate", min=1, max=HIGHEST_RATE, help="Send at most so many bytes a second.")
    ] = None,
    receipts: Annotated[
        Path | None,
        typer.Option("--receipts", help="Write each signed receipt into this folder, for somebody to keep."),
    ] = None,
    dry_run: DryRun = False,
    patience: PatienceSeconds = sending.PATIENCE_SECONDS,
) -> ExitCode:
    """Send every recording of a folder, check every receipt, and change nothing in the folder."""
    from evidence.docking import folder as folders

    home = _dock_folder(dock)
    if receipts is not None and receipts.resolve().is_relative_to(folder.resolve()):
        raise InvalidError(
            "the folder for receipts is among the recordings, where nothing is changed",
            next_step="name another folder with --receipts",
        )
    listing = folders.scan(folder)
    for each in listing.skipped:
        out.remark(f"{each.name}: skipped, {each.why}")
    for each in listing.unreadable:
        out.problem(
            f"cannot be read: {each.why}",
            exit_code=ExitCode.SOME_FAILED,
            name=each.name,
            next_step="check the card and the permissions; everything else is sent",
        )
    files, moving = folders.settle(
        listing.files, still_for=timedelta(seconds=still), now=system_clock(), sleep=time.sleep
    )
    for file in moving:
        out.problem(
            "somebody is still writing to it",
            exit_code=ExitCode.TEMPORARY,
            name=file.name,
            next_step="run the same command again when it stands still",
        )
    said = {"camera": camera, "officer": officer, "incident": incident}
    general = {name: value for name, value in said.items() if value is not None}
    planned, unreadable = _planned(out, files, general, sidecars=not no_sidecars)
    with _sending_as(home, out, patience=timedelta(seconds=patience), rate=rate) as sender:
        failed = len(moving) + unreadable + len(listing.unreadable)
        return sending.carry_out(out, sender, planned, dry_run=dry_run, again=again, failed=failed, receipts=receipts)


def rotate_key(out: Output, dock: DockName = None) -> None:
    """Replace this dock's key: the present one vouches for the next and is over at once. Harmless to repeat."""
    from evidence.docking.rotation import rotate

    renewed = rotate(_dock_folder(dock), clock=system_clock)
    out.say(f"{renewed.name} has another key. Its fingerprint: {renewed.fingerprint}")
    out.remark("Compare the fingerprint with what the evidence room shows for this dock.")
    out.sum_up(dock=renewed.name, id=renewed.id, url=renewed.url, fingerprint=renewed.fingerprint)


def show_status(out: Output, dock: DockName = None) -> None:
    """Show the docks enrolled here and what each has sent."""
    from evidence.docking.identity import enrolled
    from evidence.docking.state import UploadState

    docks = [each for each in enrolled(profiles.docks_folder()) if dock in (None, each[0].name)]
    if dock is not None and not docks:
        raise _not_enrolled(dock)
    for count, (each, home) in enumerate(docks, start=1):
        with UploadState(home / "uploads.sqlite") as state:
            rows = state.all()
        stages = {stage: sum(row.stage == stage for row in rows) for stage in ("received", "sending", "quarantined")}
        out.say(
            f"{each.name}  {each.url}  received {stages['received']}, unfinished {stages['sending']}, "
            f"in quarantine {stages['quarantined']}"
        )
        out.say(*(f"  quarantine: {row.path}: {row.note}" for row in rows if row.stage == "quarantined"))
        out.found({"dock": each.name, "id": each.id, "url": each.url, **stages}, done=count, total=len(docks))
    if not docks:
        out.say("No dock is enrolled on this machine.")
    out.sum_up(docks=len(docks))


def _invite(name: str, profile: str) -> tuple[str, str]:
    with profiles.signed_in(profile) as connection:
        answer = connection.post(f"{DOCKS}/invitations", {"name": name})
    return answer["code"], answer["expires_at"]


def _dock_folder(name: str | None) -> Path:
    from evidence.docking.identity import enrolled

    docks = [each for each in enrolled(profiles.docks_folder()) if name in (None, each[0].name, each[1].name)]
    if len(docks) == 1:
        return docks[0][1]
    if not docks:
        raise _not_enrolled(name or "NAME")
    names = ", ".join(dock.name for dock, _ in docks)
    raise InvalidError("several docks are enrolled here", next_step=f"say which with --dock: {names}")


def _not_enrolled(name: str) -> NotFoundError:
    return NotFoundError(
        "no such dock is enrolled on this machine",
        next_step=f"evidence dock enrol {name} --code CODE --url ADDRESS",
    )


def _planned(
    out: Output, files: "Sequence[FoundFile]", general: dict[str, str], *, sidecars: bool
) -> tuple[list[Planned], int]:
    """Read the sidecars; return what can be sent and how many files cannot."""
    from evidence.docking import folder as folders

    planned: list[Planned] = []
    for file in files:
        try:
            planned.append(Planned(file, folders.metadata(file, general, sidecars=sidecars)))
        except EvidenceError as error:
            report(error, out, name=file.name)
    return planned, len(files) - len(planned)


@contextmanager
def _sending_as(home: Path, out: Output, *, patience: timedelta, rate: int | None) -> "Iterator[Sender]":
    """Send as the dock whose folder this is; receipts are checked against the keys pinned at enrolment."""
    from evidence.docking.client import Pace
    from evidence.docking.connection import Connection
    from evidence.docking.identity import Dock, DockKey, DockToken
    from evidence.docking.receipts import read_trust
    from evidence.docking.state import UploadState
    from evidence.docking.upload import Sender

    dock = Dock.read(home)
    key = DockKey.load(home)
    token = DockToken(dock, key, clock=system_clock)
    trusted = read_trust((home / "trust.json").read_bytes())
    with Connection(dock.url, token) as connection, UploadState(home / "uploads.sqlite") as state:
        yield Sender(
            connection=connection,
            state=state,
            trusted=trusted,
            watch=out.progress,
            kept=out.kept,
            waiting=out.waiting,
            pace=Pace(rate),
            clock=system_clock,
            patience=patience,
            sign=lambda size, said: key.manifest(dock.id, size, said, at=system_clock()),
        )
