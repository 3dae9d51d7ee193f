"""`evidence openapi`: the HTTP interface, as a document."""

import json
from pathlib import Path
from typing import Annotated

import typer

from evidence.cli.boundary import command
from evidence.cli.files import write_whole
from evidence.cli.output import Output


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    command(app, "openapi")(describe)


def describe(
    out: Output,
    to: Annotated[Path | None, typer.Option("--out", "-o", help="Write it here; otherwise it is printed.")] = None,
) -> None:
    """Print the OpenAPI document of the HTTP interface. Needs no running server."""
    from evidence.main import create_app

    document = create_app().openapi()
    text = json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True)
    if to is None:
        out.say(text)
        out.sum_up(openapi=document)
        return
    write_whole(to, [text.encode(), b"\n"], replace=True)
    out.say(f"{to}: {len(document['paths'])} paths.")
    out.sum_up(file=str(to), paths=len(document["paths"]))
