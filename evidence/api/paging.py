"""Pages of a list: a cursor that says where to go on, and the Link header that carries it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated
from unicodedata import normalize
from uuid import UUID

from fastapi import Query, Request, Response

from evidence.errors import InvalidError

Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]
Cursor = Annotated[str | None, Query(max_length=200, description="Where to go on, from the last page's Link header.")]


def after(cursor: str | None) -> UUID | None:
    """Read a cursor: the id after which to go on."""
    if cursor is None:
        return None
    try:
        return UUID(bytes=urlsafe_b64decode(cursor + "=="))
    except ValueError as error:
        raise InvalidError(
            "The cursor is not one of ours.", next_step="Start again without it, and follow the Link headers."
        ) from error


def after_record(cursor: str | None) -> int:
    """Read a cursor of custody records of several chains: the id of the record after which to go on."""
    found = after(cursor)
    return 0 if found is None else min(found.int, 2**63 - 1)


def link_next_record(request: Request, response: Response, last: int) -> None:
    """Say in the Link header where the next page of such records is."""
    link_next(request, response, UUID(int=last))


def link_next(request: Request, response: Response, last: UUID) -> None:
    """Say in the Link header where the next page is."""
    cursor = urlsafe_b64encode(last.bytes).decode().rstrip("=")
    link(request, response, cursor=cursor)


def link(request: Request, response: Response, **further: str | int) -> None:
    """Link to this address with these query members. Relative: the Host header is the client's to choose."""
    there = request.url.include_query_params(**further)
    response.headers["Link"] = f'<{there.path}?{there.query}>; rel="next"'


def typed(text: str | None) -> str | None:
    """Return what a list is asked for as it is kept; raise InvalidError for what nobody can have typed."""
    if text is None:
        return None
    text = normalize("NFC", text.strip())
    if not text.isprintable():
        raise InvalidError("What is asked for has characters that cannot be shown.", next_step="Leave them out.")
    return text
