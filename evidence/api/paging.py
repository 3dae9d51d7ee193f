"""Pages of a list: a cursor that says where to go on, and the Link header that carries it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated
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


def link_next(request: Request, response: Response, last: UUID) -> None:
    """Say in the Link header where the next page is."""
    cursor = urlsafe_b64encode(last.bytes).decode().rstrip("=")
    response.headers["Link"] = f'<{request.url.include_query_params(cursor=cursor)}>; rel="next"'
