"""Lists over HTTP: page after page, each thing told as it is found."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qs, urlsplit

import typer

from evidence.cli.output import Output

if TYPE_CHECKING:
    from evidence.docking.connection import Connection

LARGEST_PAGE = 200

Limit = Annotated[int, typer.Option(min=1, help="How many at most.")]
Cursor = Annotated[str | None, typer.Option(help="Where to go on, as the last list said.")]


Narrowed = Mapping[str, str | list[str] | bool | None]
"""Members of a query; what is None, False or empty is not asked."""


def read(
    out: Output,
    connection: "Connection",
    address: str,
    member: str,
    *,
    limit: int,
    cursor: str | None,
    **narrowed: str | list[str] | bool | None,
) -> tuple[list[dict[str, Any]], str | None]:
    """Return what the list holds under `member`, at most `limit`, and the cursor by which it goes on.

    `narrowed` is Narrowed.
    """
    from evidence.docking.connection import LONGEST_PAGE, read_json

    found: list[dict[str, Any]] = []
    while len(found) < limit:
        query = {"limit": min(LARGEST_PAGE, limit - len(found)), **asked(narrowed)}
        query |= {"cursor": cursor} if cursor else {}
        answer = connection.request("GET", address, longest=LONGEST_PAGE, params=query)
        for each in read_json(answer)[member]:
            found.append(each)
            out.found(each, done=len(found))
        cursor = following(answer.headers.get("link", ""), "cursor")
        if cursor is None:
            break
    return found, cursor


def asked(narrowed: Narrowed) -> dict[str, Any]:
    """Return what is asked as an address carries it."""
    return {name: "true" if value is True else value for name, value in narrowed.items() if value}


def following(link: str, name: str) -> str | None:
    """Return the value of a query member in a Link header's `next`, if there is a next page."""
    for part in link.split(","):
        address, _, relation = part.partition(";")
        if 'rel="next"' in relation:
            values = parse_qs(urlsplit(address.strip().strip("<>")).query).get(name, [])
            return values[0] if values else None
    return None


def minute(instant: str | None) -> str:
    """Write an instant for a table, to the minute."""
    return instant[:16].replace("T", " ") if instant else ""
