"""Uploads as a state machine, free of HTTP and of bytes: opened, ended early, left to expire.

    open ──▶ sealing ──▶ received
     │          └──────▶ quarantined
     ├──▶ terminated
     └──▶ expired

Bytes are written by writing.Writer, and what comes after the last of them is receive.py.  Every
step is entered in the chain of whoever opened the upload, in the same transaction.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from auth.principals import Principal
from evidence import access, custody
from evidence.access import Action, Thing
from evidence.custody.events import Actor, UploadExpired, UploadOpened, UploadTerminated
from evidence.database import Sessions, execute_alone
from evidence.errors import BusyError, ConflictError, GoneError, InvalidError, NotFoundError, TooLargeError
from evidence.ids import UploadId, new_id
from evidence.ingest import signed_manifests
from evidence.ingest.manifests import Manifest
from evidence.ingest.models import Upload
from evidence.storage import layout
from evidence.storage.frames import stored_size
from evidence.storage.models import StoredObject
from evidence.storage.vault import Vault

_UNKNOWN = "There is no such upload, or none of yours."
_UNKNOWN_NEXT = "Check the address, or open a new upload."


class NotYoursError(NotFoundError):
    """The upload is somebody else's. Answered like any that is not there, and recorded as the refusal it is."""

    def __init__(self, message: str, *, next_step: str, reason: str) -> None:
        super().__init__(message, next_step=next_step)
        self.reason = reason


def open_upload(
    session: Session,
    vault: Vault,
    *,
    by: Principal,
    size: int,
    announced: str,
    signed: str | None = None,
    largest: int,
    life: timedelta,
    at: datetime,
    request_id: str,
) -> Upload:
    """Open an upload of `size` bytes: reserve its object and data key, and record it.

    `announced` is the `Upload-Metadata` as sent, `signed` the manifest.  A dock has to say the SHA-256
    beforehand and to sign a manifest; a person may leave out the one and has not the other.  Raises
    TooLargeError or InvalidError.
    """
    manifest = Manifest.read(announced)
    _require_acceptable(vault, by, manifest, size=size, largest=largest)
    signed_manifests.require_good(session, signed, by=by, announced=manifest, size=size)
    upload_id = UploadId(new_id())
    object_id = new_id()
    key = layout.original(by.agency_id, at, object_id)
    vault.reserve(session, object_id, agency_id=by.agency_id, key=key, at=at)
    upload = Upload(
        id=upload_id,
        agency_id=by.agency_id,
        opened_by_kind=by.kind,
        opened_by_id=by.id,
        opened_by=_as_json(by),
        state="open",
        size=size,
        declared_sha256=manifest.sha256,
        announced=announced,
        manifest=signed,
        object_id=object_id,
        durable_offset=0,
        chunks_sha256=b"",
        wanted=False,
        opened_at=at,
        touched_at=at,
        expires_at=at + life,
    )
    session.add(upload)
    session.flush()
    custody.record(
        session,
        UploadOpened(
            actor=Actor.of(by),
            request_id=request_id,
            upload_id=upload_id,
            sender_kind=by.kind,
            sender_id=by.id,
            size=size,
            declared=declared(upload),
            filename=manifest.filename,
        ),
    )
    return upload


def find(session: Session, upload_id: UploadId, *, by: Principal, to: Action, at: datetime) -> Upload:
    """Return the upload if this principal may do this to it; else raise NotFoundError, in the same words."""
    upload = session.get(Upload, upload_id)
    if upload is None:
        raise NotFoundError(_UNKNOWN, next_step=_UNKNOWN_NEXT)
    decision = access.allow(by, to, _thing(upload), at=at)
    # Uploads are served for the system, a round trip cheaper: here the database does not ask again.
    if not decision.allowed or upload.agency_id != by.agency_id:
        raise NotYoursError(_UNKNOWN, next_step=_UNKNOWN_NEXT, reason=decision.reason)
    return upload


def require_not_ended_early(upload: Upload) -> None:
    """Raise GoneError if the upload was ended before it had all its bytes."""
    if upload.state in ("terminated", "expired"):
        raise GoneError(f"This upload is {upload.state}.", next_step="Open a new one.")


def require_open(upload: Upload) -> None:
    """Raise GoneError if the upload was ended, ConflictError if it has all its bytes."""
    require_not_ended_early(upload)
    if upload.state != "open":
        raise ConflictError("This upload has all its bytes.", next_step="Ask for its state.")


def object_of(session: Session, upload: Upload) -> StoredObject:
    """Return the row of the object the upload arrives in."""
    return session.get_one(StoredObject, upload.object_id)


def declared(upload: Upload) -> str:
    """Say whether a digest was announced beforehand: "sha256" or "none"."""
    return "none" if upload.declared_sha256 is None else "sha256"


def opener(upload: Upload) -> Principal:
    """Return who opened the upload, as they were then."""
    kept: dict[str, Any] = upload.opened_by
    return Principal(
        kind=kept["kind"],
        id=upload.opened_by_id,
        agency_id=upload.agency_id,
        roles=frozenset(kept["roles"]),
        name=kept["name"],
        method=kept["method"],
        session=kept["session"],
        badge=kept["badge"],
    )


def terminate(session: Session, upload_id: UploadId, *, by: Principal, at: datetime, request_id: str) -> None:
    """End an unfinished upload at its opener's wish. What had arrived is removed by the sweeper.

    Raises ConflictError when all bytes are there: what was received, or is about to be, stays.
    """
    upload = _end_open(session, upload_id, state="terminated", at=at)
    custody.record(
        session,
        UploadTerminated(
            actor=Actor.of(by),
            request_id=request_id,
            upload_id=upload_id,
            sender_kind=opener(upload).kind,
            sender_id=upload.opened_by_id,
            size=upload.size,
            received=upload.durable_offset,
        ),
    )


def stale(session: Session, *, at: datetime) -> list[UploadId]:
    """Return the open uploads whose time is up, longest first."""
    found = session.scalars(
        select(Upload.id).where(Upload.state == "open", Upload.expires_at < at).order_by(Upload.expires_at)
    )
    return [UploadId(each) for each in found]


def expire(session: Session, upload_id: UploadId, *, at: datetime) -> None:
    """End an upload that was left idle too long. Raises BusyError when somebody came back to it."""
    upload = _end_open(session, upload_id, state="expired", at=at)
    if upload.expires_at >= at:
        raise BusyError("Somebody came back to this upload.")
    custody.record(
        session,
        UploadExpired(
            actor=Actor.system(),
            request_id=str(upload_id),
            upload_id=upload_id,
            sender_kind=opener(upload).kind,
            sender_id=upload.opened_by_id,
            size=upload.size,
            received=upload.durable_offset,
        ),
    )


def keep_token(sessions: Sessions, upload_id: UploadId, token: str, *, me: UUID) -> None:
    """Note under which token the object is staged. Raises BusyError when the fence was lost."""
    kept = execute_alone(
        sessions,
        update(Upload)
        .where(Upload.id == upload_id, Upload.writer == me, Upload.state == "open")
        .values(staging_token=token)
        .returning(Upload.id),
    )
    if not kept:
        raise BusyError("Another server went on with this upload.")


def _end_open(session: Session, upload_id: UploadId, *, state: str, at: datetime) -> Upload:
    # One statement decides between this, the last checkpoint and a writer that is alive.
    ended = session.scalar(
        update(Upload)
        .where(Upload.id == upload_id, Upload.state == "open")
        .where(or_(Upload.writer.is_(None), Upload.writer_until < func.clock_timestamp()))
        .values(state=state, ended_at=at, writer=None, writer_until=None, expires_at=func.least(Upload.expires_at, at))
        .returning(Upload)
        .execution_options(populate_existing=True)
    )
    if ended is None:
        upload = session.get_one(Upload, upload_id, populate_existing=True)
        require_open(upload)
        raise BusyError("Somebody else is at work on this upload.", next_step="Wait a moment and ask again.")
    return ended


def _require_acceptable(vault: Vault, by: Principal, manifest: Manifest, *, size: int, largest: int) -> None:
    if by.kind == "dock" and manifest.sha256 is None:
        raise InvalidError(
            "A dock has to say the SHA-256 of a recording before it sends it, and this upload says none.",
            next_step="Put `sha256` (64 lower-case hexadecimal digits) into Upload-Metadata.",
        )
    if size > largest or stored_size(size) > vault.store.maximum_size:
        raise TooLargeError(f"An upload may have at most {largest} bytes.", next_step="Hand it in in parts.")


def _thing(upload: Upload) -> Thing:
    return Thing(agency_id=upload.agency_id, brought_by=upload.opened_by_id)


def _as_json(principal: Principal) -> dict[str, Any]:
    return {
        "kind": principal.kind,
        "roles": sorted(principal.roles),
        "name": principal.name,
        "method": principal.method,
        "session": principal.session,
        "badge": principal.badge,
    }
