"""`evidence demo`: the whole journey on this machine, with footage made on the spot."""

import json
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from evidence.cli.boundary import command
from evidence.cli.output import Output


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    command(app, "demo")(play)


def play(
    out: Output,
    folder: Annotated[Path, typer.Option("--folder", help="Where everything of the demo is kept.")] = Path(".demo"),
    once: Annotated[bool, typer.Option("--once", help="Play the story without waiting, and end.")] = False,
) -> None:
    """Start everything embedded, load a story and show what to try."""
    from evidence import demo

    # The story is told in print; under --json stdout is for its steps, as they were seen.
    with redirect_stdout(sys.stderr) if out.as_json else nullcontext():
        demo.run(folder, once=once)
    if out.as_json:
        for step in json.loads((folder / "story.json").read_bytes()):
            out.verified(step["step"], step["detail"])
    out.sum_up(folder=str(folder))
