"""Uploads over HTTP: tus 1.0 with creation, creation-with-upload, checksum, expiration, termination.

Two things are stricter than tus asks.  Nobody is told that all bytes have arrived before the
upload is received, so the last PATCH and every HEAD after it wait for that, or say when to ask
again.  And what has all its bytes is not terminated any more.
"""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from auth.principals import Principal
from evidence.access import Action
from evidence.api.dependencies import AppRoom, RequestId
from evidence.api.guards import Guard, record_refusal
from evidence.api.problems import problem
from evidence.custody import history, receipts
from evidence.database import reading
from evidence.errors import (
    BusyError,
    ConflictError,
    InvalidError,
    OtherContentError,
    OtherVersionError,
    TooLargeError,
    UnavailableError,
)
from evidence.ids import UploadId
from evidence.ingest import uploads
from evidence.ingest.intake import Intake
from evidence.ingest.models import Upload
from evidence.ingest.streaming import ALGORITHMS, BrokenOffError, Checksum
from evidence.ingest.uploads import NotYoursError
from evidence.items.models import EvidenceItem
from evidence.room import Room

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,checksum,expiration,termination"
OFFSET_STREAM = "application/offset+octet-stream"

PATIENCE = 20.0
"""Seconds for which an answer waits until an upload is sealed; then it says where to ask."""

_ASK_AGAIN = 5
"""Seconds after which to ask again for an upload that is still being sealed."""


async def intake_of(request: Request) -> Intake:
    """Return what this process is at."""
    return cast("Intake", request.app.state.intake)


async def says_tus(request: Request) -> None:
    """Have every answer of these routes, also a problem, say which tus this is."""
    request.state.headers = {"Tus-Resumable": VERSION}


async def speaks_tus(tus_resumable: Annotated[str | None, Header()] = None) -> None:
    """Refuse a client of another version of tus."""
    if tus_resumable != VERSION:
        raise OtherVersionError(
            f"This is tus {VERSION}, and the request says {tus_resumable or 'nothing'} in Tus-Resumable.",
            next_step=f"Send the header Tus-Resumable: {VERSION}.",
        )


async def entrance_of(intake: Annotated[Intake, Depends(intake_of)]) -> AsyncIterator[contextlib.AsyncExitStack]:
    """Let few in at a time, before anything is looked up for them; closed when their bytes begin to flow.

    Routes ask for it first: dependencies are met in the order of a route's parameters.
    """
    async with contextlib.AsyncExitStack() as entrance:
        await entrance.enter_async_context(intake.entrance)
        yield entrance


router = APIRouter(prefix="/uploads", tags=["Uploads"], dependencies=[Depends(says_tus)])

AppIntake = Annotated[Intake, Depends(intake_of)]
Entrance = Annotated[contextlib.AsyncExitStack, Depends(entrance_of)]
Opener = Annotated[Principal, Depends(Guard("upload.open"))]
Sender = Annotated[Principal, Depends(Guard("upload.append"))]
Finisher = Annotated[Principal, Depends(Guard("upload.finish"))]
ContentType = Annotated[str | None, Header()]
UploadChecksum = Annotated[
    str | None, Header(description="`sha256`, `sha1` or `md5`, a space, and the digest in base64.")
]
UploadManifest = Annotated[
    str | None, Header(description="Of a dock: what it is about to send, signed with its key (JWS, ES256).")
]

TUS = [Depends(speaks_tus)]

SEALING: dict[int | str, dict[str, Any]] = {
    202: {"description": "It has all its bytes and is being read back; ask again."}
}


class UploadShown(BaseModel):
    """One upload, as whoever opened it sees it."""

    id: UUID
    state: str = Field(description="open, sealing, received, quarantined, terminated or expired.")
    size: int
    durable_offset: int = Field(description="Bytes that are safe with us.")
    declared_sha256: str | None = Field(description="As announced beforehand.")
    found_sha256: str | None = Field(description="Of the stored bytes, read back.")
    explanation: str | None = Field(description="Why it is in quarantine.")
    item: UUID | None = Field(description="The evidence item it became.")
    number: str | None = Field(description="Its evidence number.")
    receipt: str | None = Field(description="Where the signed receipt is.")
    record: str | None = Field(description="The custody record that the receipt is for: it names the digest.")
    opened_at: datetime
    expires_at: datetime


@router.options("", status_code=204)
async def discover_uploads(room: AppRoom) -> Response:
    """Say which version of tus is spoken, with which extensions, and the largest upload taken."""
    return Response(
        status_code=204,
        headers={
            "Tus-Version": VERSION,
            "Tus-Extension": EXTENSIONS,
            "Tus-Max-Size": str(room.settings.maximum_upload),
            "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
        },
    )


@router.post("", status_code=201, dependencies=TUS, responses=SEALING)
@router.post("/", status_code=201, dependencies=TUS, include_in_schema=False)  # a redirected POST loses its client
async def open_upload(
    request: Request,
    entrance: Entrance,
    room: AppRoom,
    intake: AppIntake,
    principal: Opener,
    request_id: RequestId,
    upload_length: Annotated[str | None, Header()] = None,
    upload_metadata: Annotated[str, Header()] = "",
    upload_manifest: UploadManifest = None,
    content_type: ContentType = None,
    upload_checksum: UploadChecksum = None,
) -> Response:
    """Open an upload. Its first bytes may come along; an empty file is received at once."""
    checksum = _checksum(upload_checksum)
    upload = await intake.asked(
        intake.open,
        by=principal,
        size=_length(request, upload_length),
        announced=upload_metadata,
        signed=upload_manifest,
        request_id=request_id,
    )
    upload_id = UploadId(upload.id)
    # On every answer from here on, also on a problem: the upload is there and can be gone on with.
    request.state.headers = {**request.state.headers, "Location": _path(upload_id)}
    begins = content_type == OFFSET_STREAM
    if begins or upload.size == 0:
        body = _parts(request) if begins else _nothing()
        with contextlib.suppress(BusyError):  # somebody else may go on with it already
            upload = await _append(intake, upload_id, body, offset=0, checksum=checksum, entrance=entrance)
    answer = _answered(request, upload)
    if answer.status_code == 204:
        answer.status_code = 201
    return answer


@router.head("/{upload_id}", dependencies=TUS, responses=SEALING)
async def show_offset(
    request: Request, upload_id: UUID, room: AppRoom, intake: AppIntake, principal: Sender, request_id: RequestId
) -> Response:
    """Say at which byte the upload goes on. All bytes are only ever said of an upload that was received."""
    upload = await intake.asked(_find, room, upload_id, principal, "upload.append", request_id)
    uploads.require_not_ended_early(upload)
    if upload.state == "open":
        upload = await intake.asked(intake.at_rest, UploadId(upload_id))
    if upload.state == "sealing":
        upload = await _sealed(intake, UploadId(upload_id))
        if upload.state == "sealing":
            raise UnavailableError("The upload is being read back.", next_step="Ask again.", retry_after=_ASK_AGAIN)
    answer = _answered(request, upload)
    if answer.status_code == 204:
        answer.status_code = 200
        answer.headers["Upload-Length"] = str(upload.size)
        if upload.announced:
            answer.headers["Upload-Metadata"] = upload.announced
    return answer


@router.patch("/{upload_id}", status_code=204, dependencies=TUS, responses=SEALING)
async def append_upload(
    request: Request,
    entrance: Entrance,
    upload_id: UUID,
    room: AppRoom,
    intake: AppIntake,
    principal: Sender,
    request_id: RequestId,
    upload_offset: Annotated[str | None, Header()] = None,
    content_type: ContentType = None,
    content_length: Annotated[str | None, Header()] = None,
    upload_checksum: UploadChecksum = None,
) -> Response:
    """Append bytes at the offset. Whatever of them arrived is kept, unless a checksum came along that does not fit."""
    if content_type != OFFSET_STREAM:
        raise OtherContentError(
            f"Bytes of an upload are sent as {OFFSET_STREAM}.", next_step=f"Send Content-Type: {OFFSET_STREAM}."
        )
    offset = _number("Upload-Offset", upload_offset)
    checksum = _checksum(upload_checksum)
    upload = await intake.asked(_find, room, upload_id, principal, "upload.append", request_id)
    if content_length and content_length.isdecimal() and offset + int(content_length) > upload.size:
        raise TooLargeError(
            f"The upload was opened with {upload.size} bytes.", next_step="Open a new upload with the right size."
        )
    upload = await _append(
        intake, UploadId(upload_id), _parts(request), offset=offset, checksum=checksum, entrance=entrance
    )
    return _answered(request, upload)


@router.delete("/{upload_id}", status_code=204, dependencies=TUS)
def terminate_upload(
    upload_id: UUID, room: AppRoom, intake: AppIntake, principal: Finisher, request_id: RequestId
) -> Response:
    """End an unfinished upload. One that has all its bytes stays."""
    _find(room, upload_id, principal, "upload.finish", request_id)
    intake.terminate(UploadId(upload_id), by=principal, request_id=request_id)
    return Response(status_code=204)


@router.get("/{upload_id}")
async def show_upload(
    upload_id: UUID, room: AppRoom, intake: AppIntake, principal: Sender, request_id: RequestId
) -> UploadShown:
    """Show the state of an upload."""
    return await intake.asked(_show, room, upload_id, principal, request_id)


def _show(room: Room, upload_id: UUID, principal: Principal, request_id: str) -> UploadShown:
    upload = _find(room, upload_id, principal, "upload.append", request_id)
    number, record = _received(room, upload)
    return UploadShown(
        id=upload.id,
        state=upload.state,
        size=upload.size,
        durable_offset=upload.durable_offset,
        declared_sha256=upload.declared_sha256 and upload.declared_sha256.hex(),
        found_sha256=upload.found_sha256 and upload.found_sha256.hex(),
        explanation=upload.explanation,
        item=upload.item_id,
        number=number,
        receipt=_receipt_path(upload) if upload.state == "received" else None,
        record=record,
        opened_at=upload.opened_at,
        expires_at=upload.expires_at,
    )


@router.get("/{upload_id}/receipt", response_class=PlainTextResponse)
def show_receipt(upload_id: UUID, room: AppRoom, principal: Finisher, request_id: RequestId) -> str:
    """Hand out the signed receipt of a received upload: with it a camera may be emptied."""
    upload = _find(room, upload_id, principal, "upload.finish", request_id)
    if upload.record_id is None:
        raise ConflictError(f"This upload is not received: it is {upload.state}.", next_step="Ask for its state.")
    with reading(room.sessions) as session:
        note = receipts.of_record(session, upload.record_id)
    assert note is not None, "an upload is received in the transaction that gives its receipt"
    return note


def _received(room: Room, upload: Upload) -> tuple[str | None, str | None]:
    """Return evidence number and custody record of a received upload: with them a dock can check its receipt."""
    if upload.item_id is None or upload.record_id is None:
        return None, None
    with reading(room.sessions) as session:
        item = session.get_one(EvidenceItem, upload.item_id)
        return item.number, history.sealed_bytes(session, upload.record_id).decode()


async def _append(
    intake: Intake,
    upload_id: UploadId,
    parts: AsyncIterator[bytes],
    *,
    offset: int,
    checksum: Checksum | None,
    entrance: contextlib.AsyncExitStack,
) -> Upload:
    writer = await intake.taken(upload_id, offset=offset)
    await entrance.aclose()
    try:
        await intake.body(writer, checksum=checksum).take(parts)
    finally:
        # Shielded: a writer that is not closed would keep everybody else out.
        await asyncio.shield(intake.asked(intake.let_go, writer))
    if writer.whole:
        return await _sealed(intake, upload_id)
    if writer.stopped:
        raise BusyError("Another request goes on with this upload.", next_step="Ask for the offset.")
    return await intake.asked(intake.load, upload_id)


async def _sealed(intake: Intake, upload_id: UploadId) -> Upload:
    """Wait for the end of an upload that has all its bytes, but not for ever; return what it is by then."""
    sealing = asyncio.wrap_future(await intake.asked(intake.seal, upload_id))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(sealing), PATIENCE)
    return await intake.asked(intake.load, upload_id)


def _find(room: Room, upload_id: UUID, principal: Principal, action: Action, request_id: str) -> Upload:
    try:
        with reading(room.sessions) as session:
            return uploads.find(session, UploadId(upload_id), by=principal, to=action, at=room.clock())
    except NotYoursError as error:
        record_refusal(room, principal, action, request_id=request_id, reason=error.reason, named=str(upload_id))
        raise


def _answered(request: Request, upload: Upload) -> Response:
    """Say what became of the upload: 204 (where it goes on, or its receipt), 202 while sealing, 422 in quarantine."""
    if upload.state == "quarantined":
        return problem(
            request,
            422,
            slug="quarantined",
            title="The upload is in quarantine",
            detail=f"{upload.explanation} What arrived is kept, as quarantine entry {upload.id}.",
            next_step="Send the recording again in a new upload; tell your evidence technician of the entry.",
            quarantine_entry=str(upload.id),
            declared_sha256=upload.declared_sha256 and upload.declared_sha256.hex(),
            found_sha256=upload.found_sha256 and upload.found_sha256.hex(),
        )
    if upload.state == "sealing":
        headers = {"Location": _path(upload.id), "Retry-After": str(_ASK_AGAIN)}
        return Response(status_code=202, headers=headers)
    headers = {"Upload-Offset": str(upload.durable_offset)}
    if upload.state == "open":
        headers["Upload-Expires"] = format_datetime(upload.expires_at.astimezone(UTC), usegmt=True)
    if upload.state == "received":
        headers["Link"] = f'<{_receipt_path(upload)}>; rel="receipt"'
        headers["Evidence-Item"] = str(upload.item_id)
    return Response(status_code=204, headers=headers)


async def _parts(request: Request) -> AsyncIterator[bytes]:
    try:
        async for part in request.stream():
            yield part
    except ClientDisconnect:
        raise BrokenOffError from None


async def _nothing() -> AsyncIterator[bytes]:
    yield b""


def _length(request: Request, said: str | None) -> int:
    for unknown in ("Upload-Defer-Length", "Upload-Concat"):
        if unknown in request.headers:
            raise InvalidError(f"{unknown} is not supported.", next_step="Say Upload-Length and send one upload.")
    return _number("Upload-Length", said)


def _number(header: str, said: str | None) -> int:
    if said is None or not (said.isascii() and said.isdecimal()) or len(said) > 18:
        raise InvalidError(f"{header} has to be a number of bytes.", next_step=f"Send {header}.")
    return int(said)


def _checksum(said: str | None) -> Checksum | None:
    if said is None:
        return None
    algorithm, _, encoded = said.partition(" ")
    try:
        expected = base64.b64decode(encoded, validate=True)
    except ValueError:
        expected = b""
    if algorithm not in ALGORITHMS or not expected:
        raise InvalidError(
            "Upload-Checksum cannot be read.", next_step=f"Send one of {', '.join(ALGORITHMS)}, a space and base64."
        )
    return Checksum(algorithm, expected)


def _path(upload_id: UUID) -> str:
    return f"/api/v1/uploads/{upload_id}"


def _receipt_path(upload: Upload) -> str:
    return f"{_path(upload.id)}/receipt"
