"""Every object key the system writes, as functions. Nothing a client said is ever in one.

A key ends in the object's id, so no two objects ever want the same key, and an attempt that
was given up never stands in the way of the next.
"""

import re
from datetime import date
from uuid import UUID

from evidence.errors import InvalidError

_KEY = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}(/[a-z0-9][a-z0-9._-]{0,63}){0,7}", re.ASCII)
_LONGEST = 200


def original(agency_id: UUID, received: date, object_id: UUID) -> str:
    """Return the key of an original, filed under the day its upload was opened."""
    return f"original/{agency_id}/{received:%Y}/{received:%m}/{object_id}"


def chunks(agency_id: UUID, sha256: bytes, object_id: UUID) -> str:
    """Return the key of a chunk list, named by its digest."""
    return f"chunks/{agency_id}/{sha256.hex()}/{object_id}"


def check(key: str) -> str:
    """Return the key, or raise InvalidError if it is not one that could be ours."""
    if len(key) > _LONGEST or not _KEY.fullmatch(key):
        raise InvalidError("This is no object key: lower-case words, digits, '.', '_' and '-', joined by '/'.")
    return key
