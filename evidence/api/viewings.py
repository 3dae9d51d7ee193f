"""Watching an item and having a copy of it, over HTTP."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from auth.principals import Principal
from evidence.access.reach import Seen
from evidence.api.dependencies import AppRoom, CurrentPrincipal, DatabaseSession, RequestId
from evidence.api.guards import Guard, ItemForReason, ItemForReasonMaybe, refusal_recorded
from evidence.database import unit_of_work
from evidence.review import viewings
from evidence.review.models import Manner, Viewing
from evidence.review.viewings import Footage

router = APIRouter(tags=["Viewings"])

Watched = Annotated[tuple[Seen, str | None], Depends(ItemForReasonMaybe("evidence.stream"))]
Downloaded = Annotated[tuple[Seen, str], Depends(ItemForReason("evidence.download_original"))]
Watcher = Annotated[Principal, Depends(Guard("evidence.stream"))]

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_SHOWN_INLINE = ("video/", "audio/")


class ViewingShown(BaseModel):
    """One viewing: read its `footage` as often and in whatever ranges are needed, then end it."""

    id: UUID
    item: UUID
    manner: Manner
    begun_at: datetime
    ended_at: datetime | None
    size: int = Field(description="Bytes sent at most: they are counted before they are sent.")
    footage: str = Field(description="Where to read it, with Range requests as players make them.")


@router.post("/items/{item}/viewings", status_code=201)
def begin_viewing(
    request: Request,
    item: Watched,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> ViewingShown:
    """Begin to watch an item: entered in its chain before the first byte can be read."""
    return _begin(request, item, "watch", room, session, principal, request_id)


@router.post("/items/{item}/downloads", status_code=201)
def begin_download(
    request: Request,
    item: Downloaded,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> ViewingShown:
    """Begin to copy the original of an item: entered in its chain before the first byte can be read."""
    return _begin(request, item, "download", room, session, principal, request_id)


@router.get(
    "/viewings/{viewing_id}/footage",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"application/octet-stream": {}}, "description": "The original, whole."},
        206: {"content": {"application/octet-stream": {}}, "description": "The range asked for."},
        416: {"description": "The range lies outside the original."},
    },
)
def read_footage(
    viewing_id: UUID,
    room: AppRoom,
    principal: Watcher,
    request_id: RequestId,
    asked: Annotated[str | None, Header(alias="Range")] = None,
    unless: Annotated[str | None, Header(alias="If-Range")] = None,
) -> Response:
    """Read the original of a viewing of yours, whole or a range of it."""
    with (
        refusal_recorded(room, principal, "evidence.stream", request_id=request_id, named=str(viewing_id)),
        unit_of_work(room.sessions) as session,
    ):
        opened = viewings.footage(session, room.vault, principal, viewing_id, at=room.clock())
    etag = f'"{opened.item.sha256.hex()}"'
    part = _part(asked if unless in (None, etag) else None, opened.item.size)
    headers = {"Accept-Ranges": "bytes", "ETag": etag, **_shown_as(opened)}
    if part is None:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{opened.item.size}"})
    start, length = part
    if length < opened.item.size:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{opened.item.size}"
    headers["Content-Length"] = str(length)
    # The first block before the answer begins: what cannot be read or counted is an error, and no torn body.
    blocks = viewings.read(room.sessions, room.clock, opened, start=start, length=length)
    first = next(blocks, b"")
    return StreamingResponse(
        _after(first, blocks), status_code=206 if "Content-Range" in headers else 200, headers=headers
    )


@router.post("/viewings/{viewing_id}/end")
def end_viewing(
    viewing_id: UUID, room: AppRoom, session: DatabaseSession, principal: Watcher, request_id: RequestId
) -> ViewingShown:
    """End a viewing of yours: how much was sent is entered in the item's chain."""
    return _shown(viewings.end(session, viewing_id, by=principal, at=room.clock(), request_id=request_id))


def _begin(
    request: Request,
    item: tuple[Seen, str | None],
    manner: Manner,
    room: AppRoom,
    session: DatabaseSession,
    principal: Principal,
    request_id: str,
) -> ViewingShown:
    seen, reason = item
    viewing = viewings.begin(
        session,
        seen,
        manner,
        reason=reason,
        by=principal,
        at=room.clock(),
        request_id=request_id,
        source=request.client.host if request.client else None,
    )
    return _shown(viewing)


def _shown(viewing: Viewing) -> ViewingShown:
    return ViewingShown(
        id=viewing.id,
        item=viewing.item_id,
        manner=viewing.manner,
        begun_at=viewing.begun_at,
        ended_at=viewing.ended_at,
        size=viewing.size,
        footage=f"/api/v1/viewings/{viewing.id}/footage",
    )


def _part(asked: str | None, size: int) -> tuple[int, int] | None:
    """Return start and length of what is asked for, or None outside the original. Several ranges: all of it."""
    match = asked and _RANGE.fullmatch(asked.strip())
    if not match or match.groups() == ("", ""):
        return 0, size
    first, last = match.groups()
    if not first:
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1 if last else size, size)
        if last and int(last) < start:
            return 0, size  # no range at all by RFC 9110: as if none were asked for
    return (start, end - start) if start < end else None


def _shown_as(opened: Footage) -> dict[str, str]:
    """Say as what a browser may take it: footage plays, anything else is only saved, and nothing in it runs."""
    kind = opened.item.content_type
    inline = opened.viewing.manner == "watch" and kind.isascii() and kind.startswith(_SHOWN_INLINE)
    return {
        "Content-Type": kind if inline else "application/octet-stream",
        "Content-Disposition": "inline" if inline else f'attachment; filename="{opened.item.number}"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }


def _after(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
