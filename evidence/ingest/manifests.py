"""What whoever opens an upload says of it: name, digest, camera, officer, time.

Nothing here is believed and nothing here names a stored object: keys are made by the server.
The announcement is kept exactly as it was sent (`Upload.announced`); this reads it for showing
and finding.  It has the form of tus's `Upload-Metadata`: pairs of a key and a base64 value,
separated by commas.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from mimetypes import MimeTypes
from typing import Self

from evidence.errors import InvalidError
from evidence.items.register import Description

LONGEST_ANNOUNCEMENT = 16 * 1024
"""Characters. Names of four thousand bytes fit, in base64, with room for everything else."""

LONGEST_FIELD = 255
"""Characters of a camera, officer, incident or content type that are shown; the announcement keeps the rest."""

CONTENT_TYPES = frozenset(MimeTypes().types_map[True].values()) | {
    "audio/flac",
    "audio/mp4",
    "video/mp2t",
    "video/x-matroska",
}
"""What may stand in a custody record as a content type: names of formats, and no free text."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ANNOUNCED = re.compile(r"[\x20-\x7e]*")

# Clients written by others have their own words for two of the fields.
_NAMES = {
    "filename": ("filename", "name"),
    "content_type": ("content_type", "filetype", "type"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What was announced. `filename` is exact; `said` has every key, known or not, decoded."""

    filename: str
    sha256: bytes | None
    content_type: str | None
    recorded_at: datetime | None
    recorded_until: datetime | None
    camera: str | None
    officer: str | None
    incident: str | None
    said: Mapping[str, str]

    @classmethod
    def read(cls, announced: str) -> Self:
        """Read an `Upload-Metadata` header, which may be empty.

        Raises InvalidError when it is not of the form of tus or its `sha256` is no SHA-256.
        Anything else may say what it likes.
        """
        said = _pairs(announced)
        return cls(
            filename=_first(said, "filename") or "unnamed",
            sha256=_digest(said.get("sha256")),
            content_type=_first(said, "content_type"),
            recorded_at=_instant(said.get("recorded_at")),
            recorded_until=_instant(said.get("recorded_until")),
            camera=said.get("camera") or None,
            officer=said.get("officer") or None,
            incident=said.get("incident") or None,
            said=said,
        )

    def describe(self) -> Description:
        """Return the description of the item: without control characters, each field cut to what is shown."""
        return Description(
            filename=_shown(self.filename),
            content_type=self.content_type if self.content_type in CONTENT_TYPES else "application/octet-stream",
            recorded_at=self.recorded_at,
            camera_serial=_field(self.camera),
            officer_badge=_field(self.officer),
            incident=_field(self.incident),
        )


def write(said: Mapping[str, str]) -> str:
    """Write an announcement, the other way round from `Manifest.read`."""
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in said.items())


def _pairs(announced: str) -> dict[str, str]:
    if len(announced) > LONGEST_ANNOUNCEMENT or not _ANNOUNCED.fullmatch(announced):
        raise InvalidError(
            f"Upload-Metadata must be ASCII of at most {LONGEST_ANNOUNCEMENT} characters.",
            next_step="Encode every value in base64 and shorten the longest.",
        )
    said: dict[str, str] = {}
    for pair in filter(None, map(str.strip, announced.split(","))):
        key, _, value = pair.partition(" ")
        if key in said:
            raise InvalidError(f"Upload-Metadata says {key!r} twice.", next_step="Say it once.")
        said[key] = _value(key, value.strip())
    return said


def _value(key: str, value: str) -> str:
    try:
        raw = base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise InvalidError(
            f"The value of {key!r} in Upload-Metadata is not base64.", next_step="Encode every value in base64."
        ) from error
    # A camera may name its files in any encoding: bytes that are not UTF-8 are shown by number.
    return raw.decode("utf-8", errors="backslashreplace")


def _first(said: Mapping[str, str], field: str) -> str | None:
    return next((said[key] for key in _NAMES[field] if said.get(key)), None)


def _digest(said: str | None) -> bytes | None:
    if said is None:
        return None
    if not _SHA256.fullmatch(said):
        raise InvalidError(
            "The announced sha256 is not 64 lower-case hexadecimal digits.",
            next_step="Send the SHA-256 of the whole file in lower-case hexadecimal.",
        )
    return bytes.fromhex(said)


def _instant(said: str | None) -> datetime | None:
    # The camera's clock, kept apart and never trusted. One without a zone is no instant: it stays
    # in the announcement, and nobody guesses which zone the camera meant.
    try:
        instant = datetime.fromisoformat(said) if said else None
        return instant.astimezone(UTC) if instant and instant.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _shown(said: str | None) -> str:
    return "".join(each if each.isprintable() or each == " " else "\N{REPLACEMENT CHARACTER}" for each in said or "")


def _field(said: str | None) -> str | None:
    return _shown(said)[:LONGEST_FIELD] or None
