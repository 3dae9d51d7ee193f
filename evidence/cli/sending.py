"""What `dock upload` and `item add` have in common: the plan, the run, and how it ended."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from evidence.cli import profiles
from evidence.cli.boundary import report
from evidence.cli.exits import ExitCode
from evidence.cli.files import write_once
from evidence.cli.output import Output, Step
from evidence.clock import system_clock
from evidence.errors import EvidenceError, InvalidError, NotCarriedOutError, RefusedError, UnavailableError

if TYPE_CHECKING:
    from evidence.docking.folder import FoundFile
    from evidence.docking.state import SentFile
    from evidence.docking.upload import Sender

MOST_SECONDS = 1_000_000_000
"""Some thirty years: as good as for ever, and a time that a calendar and a clock can still reckon with."""

Camera = Annotated[str | None, typer.Option("--camera", help="Serial number of the camera.")]
Officer = Annotated[str | None, typer.Option("--officer", help="Badge of the officer who wore it.")]
Incident = Annotated[str | None, typer.Option("--incident", help="Incident number.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
PatienceSeconds = Annotated[
    int,
    typer.Option("--patience", min=0, max=MOST_SECONDS, help="Give up after so many seconds in which nothing moved."),
]

Again = Annotated[bool, typer.Option("--again", help="Send once more what ended in quarantine.")]

PATIENCE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Planned:
    """One file to send and what is said of it."""

    file: "FoundFile"
    said: Mapping[str, str]


@contextmanager
def by_account(profile: str, out: Output, *, patience: timedelta) -> Iterator["Sender"]:
    """Send with a person's sign-in. Receipts are checked against the keys the server shows now."""
    from evidence.docking.receipts import read_trust
    from evidence.docking.state import UploadState
    from evidence.docking.upload import Sender

    with ExitStack() as opened:
        connection = opened.enter_context(profiles.signed_in(profile))
        trusted = read_trust(connection.request("GET", "/api/v1/trust").content)
        # By account: what one has handed in, another room or agency still lacks.
        account = UUID(connection.get("/api/v1/me")["id"])
        path = profiles.config_folder() / "accounts" / str(account) / "uploads.sqlite"
        state = opened.enter_context(UploadState(path))
        yield Sender(
            connection=connection,
            state=state,
            trusted=trusted,
            watch=out.progress,
            kept=out.kept,
            waiting=out.waiting,
            clock=system_clock,
            patience=patience,
        )


def carry_out(
    out: Output,
    sender: "Sender",
    planned: Sequence[Planned],
    *,
    dry_run: bool = False,
    declare: bool = True,
    again: bool = False,
    failed: int = 0,
    receipts: Path | None = None,
) -> ExitCode:
    """Send every planned file and say how each ended; `failed` counts what failed before this.

    With `again`, what ended in quarantine is sent once more.  Into the folder `receipts` goes each
    signed receipt as a file of its own, also of what was received before.
    """
    codes: list[ExitCode] = []
    stopped = False
    ready: list[tuple[Planned, SentFile | None]] = []
    for each in planned:
        try:
            ready.append((each, sender.known(each.file)))
        except (EvidenceError, OSError) as error:
            codes.append(report(error, out, name=each.file.name))
    steps = [_step(each, known, again=again) for each, known in ready]
    out.plan(steps, dry_run=dry_run)
    if dry_run:
        out.sum_up(ExitCode.OK, "dry_run", files=len(planned))
        return ExitCode.OK
    received: list[SentFile] = []
    skipped = 0
    for each, known in ready:
        before = known
        if before is not None and before.stage == "received":
            if before != sender.state.of(each.file):
                sender.remember(before)
            _keep_receipt(receipts, before)
            skipped += 1
            continue
        if again and before is not None and before.stage == "quarantined":
            before = sender.forget_quarantine(before)
        try:
            row = sender.send(each.file, each.said, declare=declare, known=before)
        except EvidenceError as error:
            codes.append(report(error, out, name=each.file.name))
            if stopped := _is_for_all(error):
                break
            continue
        except OSError as error:
            codes.append(report(error, out, name=each.file.name))
            continue
        if row.stage == "received":
            received.append(row)
            _keep_receipt(receipts, row)
            _show_received(out, each.file.name, row)
        else:
            codes.append(_show_quarantined(out, each.file.name, row))
    return _ended(
        out, planned=len(planned), received=received, skipped=skipped, codes=codes, failed=failed, stopped=stopped
    )


def _is_for_all(error: EvidenceError) -> bool:
    """Say whether it would go the same way with every other file."""
    return isinstance(error, (UnavailableError, RefusedError)) and not isinstance(error, NotCarriedOutError)


def _step(planned: Planned, known: "SentFile | None", *, again: bool) -> Step:
    stage = known.stage if known else None
    if stage == "quarantined" and again:
        stage = None
    act, why = {
        None: ("send", None),
        "hashed": ("send", None),
        "sending": ("go on sending", "an earlier run was interrupted"),
        "received": ("skip", "received before"),
        "quarantined": ("skip", "in quarantine; --again sends it once more"),
    }[stage]
    return Step(act=act, name=planned.file.name, size=planned.file.size, why=why)


def _keep_receipt(folder: Path | None, row: "SentFile") -> None:
    """Write the signed receipt under the evidence number and its place in the chain, if it is not there yet."""
    from evidence.docking.identity import folder_name
    from evidence.docking.receipts import seq_of

    if folder is None or row.receipt is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    # The number is the server's word: what could be a path is made harmless.
    path = folder / f"{folder_name(row.number or row.item or 'item')}-receipt-{seq_of(row.receipt)}.txt"
    if not write_once(path, row.receipt.encode()):
        raise InvalidError(
            f"{path} is there already and holds something else", next_step="name another folder with --receipts"
        )


def _show_received(out: Output, name: str, row: "SentFile") -> None:
    from evidence.docking.upload import AGAIN

    number = row.number or row.item
    what = f"the same bytes as {number}, received again" if row.note == AGAIN else f"received as {number}"
    out.verified(
        name,
        f"{what}; its signed receipt was checked; sha256 {row.sha256}",
        item=row.item,
        number=row.number,
        size=row.size,
        sha256=row.sha256,
        receipt=row.receipt,
    )
    if row.receipt and not out.quiet:
        out.say(*("  " + line for line in row.receipt.rstrip("\n").split("\n")))


def _show_quarantined(out: Output, name: str, row: "SentFile") -> ExitCode:
    out.problem(
        f"in quarantine: {row.note}",
        exit_code=ExitCode.INTEGRITY,
        name=name,
        next_step="nothing is lost; check the file and its card, then send it again with --again",
    )
    return ExitCode.INTEGRITY


def _ended(
    out: Output,
    *,
    planned: int,
    received: "Sequence[SentFile]",
    skipped: int,
    codes: Sequence[ExitCode],
    failed: int,
    stopped: bool,
) -> ExitCode:
    wrong = len(codes) + failed
    untried = planned - len(received) - skipped - len(codes)
    if not wrong and not received:
        code = ExitCode.NOTHING_TO_DO
        before = "everything here was received before" if planned else "there is no recording here"
        out.say(f"Nothing to do: {before}.")
    elif not wrong:
        code = ExitCode.OK
    elif stopped:
        code = codes[-1]
    elif not received and not skipped and len(set(codes)) == 1 and not failed:
        code = codes[0]
    else:
        code = ExitCode.SOME_FAILED
    out.remark(f"{len(received)} received, {skipped} received before, {wrong} with a problem.")
    if untried:
        # Somebody may erase the card by these numbers.
        out.remark(f"{untried} not tried, as it would have ended the same way: not received, keep the recordings.")
    out.sum_up(
        code,
        received=len(received),
        skipped=skipped,
        untried=untried,
        failed=wrong,
        bytes=sum(row.size for row in received),
        items=[row.item for row in received],
    )
    return code
