"""Sending one file by tus 1.0: open an upload, send what the server lacks, learn what became of it.

The server's word on the offset is the only one that counts: after every failure it is asked
again.  Each piece carries its own SHA-256, so a piece damaged on the way is sent again and not
found out at the end of ten gigabytes.
"""

import base64
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, BinaryIO, Literal

from evidence.docking.connection import Connection, ServerProblem
from evidence.docking.patience import Patience
from evidence.errors import ConflictError, EvidenceError, GoneError, IntegrityError, InvalidError, UnavailableError

UPLOADS = "/api/v1/uploads"
TUS = {"Tus-Resumable": "1.0.0"}

PIECE_SIZE = 64 * 1024 * 1024
"""Bytes sent in one request at most; a whole number of the server's 8 MiB chunks."""

BLOCK_SIZE = 256 * 1024
"""Bytes read from the file at a time."""

SLOW_PIECE_SECONDS = 1.0
"""Where the rate is limited, one request takes about so long, so that a broken line costs little."""

SEALING_SECONDS = 2
"""How long to wait before asking again whether the server has sealed an upload."""

ACCEPTED = 202

LONGEST_OFFSET = 19
"""Digits of an Upload-Offset; no file is larger."""

Show = Callable[[int], None]
"""Is told how many bytes of the file are sent, or kept by the server; may go back after a failure."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast to send: `rate` in bytes a second, None as fast as the line goes."""

    rate: int | None = None
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic

    @property
    def piece_size(self) -> int:
        """Bytes of one request."""
        if self.rate is None:
            return PIECE_SIZE
        return max(BLOCK_SIZE, min(PIECE_SIZE, int(self.rate * SLOW_PIECE_SECONDS)))

    def keep(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """Pass blocks on no faster than the rate."""
        begun, passed = self.now(), 0
        for block in blocks:
            yield block
            passed += len(block)
            if self.rate is not None:
                self.sleep(max(0.0, begun + passed / self.rate - self.now()))


@dataclass(frozen=True, slots=True)
class UploadStatus:
    """What the server says of an upload. Once received: `receipt` is the signed text, `record` what it is for."""

    id: str
    state: Literal["open", "sealing", "received", "quarantined", "terminated", "expired"]
    item: str | None
    number: str | None
    receipt: str | None
    record: str | None
    explanation: str | None

    @property
    def ended(self) -> bool:
        """Whether the server has decided: received, or in quarantine."""
        return self.state in ("received", "quarantined")


def open_upload(
    connection: Connection, *, size: int, metadata: Mapping[str, str], patience: Patience, manifest: str | None = None
) -> str:
    """Open an upload of `size` bytes and return its id. An empty file is sealed by this already.

    `manifest` is what a dock signs of the recording.
    """
    headers = {**TUS, "Upload-Length": str(size), "Upload-Metadata": _announce(metadata)}
    if manifest is not None:
        headers["Upload-Manifest"] = manifest

    def ask() -> str:
        try:
            answer = connection.request("POST", UPLOADS, headers=headers)
        except InvalidError as error:
            # An empty file is sealed by this very request, and may end in quarantine by it.
            problem = error.__cause__
            entry = problem.members.get("quarantine_entry") if isinstance(problem, ServerProblem) else None
            if not isinstance(entry, str):
                raise
            return entry
        # Only the last part counts: behind a proxy the address in front may be another than ours.
        return answer.headers.get("location", "").rstrip("/").rsplit("/", 1)[-1]

    opened = _trying(ask, patience)
    if not opened:
        raise IntegrityError("the server opened an upload and did not say which", next_step="report this")
    return opened


def send(
    connection: Connection,
    upload: str,
    file: BinaryIO,
    *,
    size: int,
    show: Show,
    kept: Show,
    patience: Patience,
    pace: Pace,
) -> UploadStatus:
    """Send what the server lacks of the file, from wherever it stands, until it has decided on the upload.

    Returns what it decided: received, or in quarantine.  Raises GoneError when the upload ended otherwise.
    """
    furthest = -1
    while True:
        try:
            offset = _offset(connection, upload)
            show(offset)
            furthest = max(furthest, offset)
            while offset < size:
                length = min(pace.piece_size, size - offset)
                begun = offset
                offset = _send_piece(connection, upload, file, offset=offset, length=length, show=show, pace=pace)
                if offset <= begun:
                    raise UnavailableError(
                        "the server keeps nothing of what is sent to it",
                        next_step="run the same command again; if it stays so, tell whoever runs the evidence room",
                    )
                kept(offset)
                # Only what was never kept before is progress: a server that forgets must not hold us for ever.
                if offset > furthest:
                    furthest = offset
                    patience.moved()
            decided = status(connection, upload)
            if decided.ended:
                return decided
            raise UnavailableError("the server is still sealing the upload", retry_after=SEALING_SECONDS)
        except EvidenceError as error:
            if _is_verdict(error) and (decided := status(connection, upload)).ended:
                return decided
            patience.wait(error)


def status(connection: Connection, upload: str) -> UploadStatus:
    """Return what the server says of the upload, with the receipt if it was received."""
    said = connection.get(f"{UPLOADS}/{upload}")
    try:
        state = said["state"]
        receipt = _receipt(connection, upload) if state == "received" else None
        return UploadStatus(
            id=upload,
            state=state,
            item=_text(said.get("item")),
            number=_text(said.get("number")),
            receipt=receipt,
            record=_text(said.get("record")),
            explanation=_text(said.get("explanation")),
        )
    except (KeyError, TypeError, AttributeError):
        raise IntegrityError("the server's answer on the upload cannot be read", next_step="report this") from None


def _receipt(connection: Connection, upload: str) -> str:
    try:
        return connection.request("GET", f"{UPLOADS}/{upload}/receipt").content.decode()
    except UnicodeDecodeError:
        raise IntegrityError("the server's receipt is no text", next_step="report this") from None


def digest_of(file: BinaryIO, show: Show) -> str:
    """Return the SHA-256 of the whole file in hex."""
    digest = sha256()
    position = 0
    for block in _blocks(file, 0, None):
        digest.update(block)
        position += len(block)
        show(position)
    return digest.hexdigest()


def _send_piece(
    connection: Connection, upload: str, file: BinaryIO, *, offset: int, length: int, show: Show, pace: Pace
) -> int:
    digest = sha256()
    for block in _blocks(file, offset, length):
        digest.update(block)

    def parts() -> Iterator[bytes]:
        position = offset
        for block in pace.keep(_blocks(file, offset, length)):
            yield block
            position += len(block)
            show(position)

    headers = {
        **TUS,
        "Content-Type": "application/offset+octet-stream",
        "Content-Length": str(length),
        "Upload-Offset": str(offset),
        "Upload-Checksum": f"sha256 {base64.b64encode(digest.digest()).decode('ascii')}",
    }
    answer = connection.request("PATCH", f"{UPLOADS}/{upload}", headers=headers, parts=parts)
    if answer.status_code == ACCEPTED:
        return offset + length  # all is there and durable, and being sealed
    return _read_offset(answer.headers.get("upload-offset"))


def _offset(connection: Connection, upload: str) -> int:
    answer = connection.request("HEAD", f"{UPLOADS}/{upload}", headers=TUS)
    return _read_offset(answer.headers.get("upload-offset"))


def _read_offset(text: str | None) -> int:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > LONGEST_OFFSET:
        raise IntegrityError(
            "the server did not say how far the upload is", next_step="check that the address is an evidence room's"
        )
    return int(text)


def _is_verdict(error: EvidenceError) -> bool:
    """Whether the error may mean that the upload has ended: sealed by somebody else, or put into quarantine."""
    return isinstance(error, (InvalidError, IntegrityError, ConflictError)) and not isinstance(error, GoneError)


def _blocks(file: BinaryIO, start: int, length: int | None) -> Iterator[bytes]:
    file.seek(start)
    left = length
    while left is None or left > 0:
        block = file.read(BLOCK_SIZE if left is None else min(BLOCK_SIZE, left))
        if not block:
            if left is not None:
                raise ConflictError("the file became shorter while it was sent", next_step="run the same command again")
            return
        yield block
        left = None if left is None else left - len(block)


def _announce(metadata: Mapping[str, str]) -> str:
    try:
        return ",".join(f"{key} {base64.b64encode(value.encode()).decode('ascii')}" for key, value in metadata.items())
    except UnicodeEncodeError:
        raise InvalidError(
            "what is said of the file holds characters that are no UTF-8", next_step="write them as UTF-8"
        ) from None


def _trying(ask: Callable[[], str], patience: Patience) -> str:
    while True:
        try:
            answer = ask()
        except EvidenceError as error:
            patience.wait(error)
        else:
            patience.moved()
            return answer


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
