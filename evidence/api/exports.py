"""Exports over HTTP: a package, streamed."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

import anyio
import structlog
from anyio import to_thread
from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from starlette.concurrency import iterate_in_threadpool
from starlette.types import Send

from auth.principals import Principal
from evidence.api.dependencies import AppRoom, RequestId
from evidence.api.guards import Guard, refusal_recorded
from evidence.disclosure import exports
from evidence.disclosure.exports import Export
from evidence.disclosure.package import DamagedOriginalError
from evidence.proof.package import base_folder
from evidence.room import Room

log = structlog.get_logger()

router = APIRouter(tags=["Exports"])

Exporter = Annotated[Principal, Depends(Guard("custody.export"))]


class ExportRequest(BaseModel):
    """What is to go out, and why."""

    items: list[str] = Field(min_length=1, max_length=exports.MOST_ITEMS, description="Ids or evidence numbers.")
    reason: str = Field(min_length=1, max_length=2000, examples=["Discovery, case 26-118204"])
    withhold: list[str] = Field(
        default=[], max_length=50, description="Names of disclosures that stay behind.", examples=[["officer_badge"]]
    )


@router.post(
    "/exports",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/zip": {}}, "description": "The package (FORMAT.md), as a stream."}},
)
def export_items(asked: ExportRequest, room: AppRoom, principal: Exporter, request_id: RequestId) -> StreamingResponse:
    """Export evidence items with their chain of custody, as a package that can be checked offline."""
    with refusal_recorded(room, principal, "custody.export", request_id=request_id):
        export = exports.begin(
            room, principal, asked.items, reason=asked.reason, withhold=asked.withhold, request_id=request_id
        )
    name = f"{base_folder(str(export.id))}.zip"
    return PackageResponse(
        _sending(room, export),
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Evidence-Export": str(export.id)},
    )


class PackageResponse(StreamingResponse):
    """A package being sent. One that turns out damaged is left unfinished, which no client takes for whole."""

    async def stream_response(self, send: Send) -> None:
        """Send it; when an original is not what was recorded, break the connection off instead of ending well."""
        try:
            await super().stream_response(send)
        except DamagedOriginalError as damaged:
            log.error("an export was broken off: a stored original is damaged", item=str(damaged.item_id))


async def _sending(room: Room, export: Export) -> AsyncIterator[bytes]:
    """Send the package, and enter in custody how far it got, also when the client goes away."""
    sent = 0
    outcome: exports.Outcome = "broken off"
    damaged: UUID | None = None
    try:
        async for piece in iterate_in_threadpool(exports.write(room, export)):
            if piece:
                yield piece
                sent += len(piece)
        outcome = "whole"
    except DamagedOriginalError as error:
        damaged = error.item_id
        raise
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(_end, room, export, outcome, sent, damaged)


def _end(room: Room, export: Export, outcome: exports.Outcome, sent: int, damaged: UUID | None) -> None:
    try:
        exports.end(room, export, outcome=outcome, sent=sent, damaged=damaged)
    except Exception:
        # The bytes are out. Without a completion the record reads "outcome unknown", which is true.
        log.exception("the completion of an export could not be recorded", export=str(export.id))
