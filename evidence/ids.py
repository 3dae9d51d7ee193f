"""Typed identities, so that an upload cannot be passed for an item.

New ids are UUID version 7 (RFC 9562): they sort by the time they were made, which keeps
index pages warm.  PostgreSQL 15 to 17 cannot make them, so they are made here.
"""

import secrets
import time
from typing import NewType
from uuid import UUID

ItemId = NewType("ItemId", UUID)
UploadId = NewType("UploadId", UUID)
ObjectId = NewType("ObjectId", UUID)
ExportId = NewType("ExportId", UUID)


def new_id() -> UUID:
    """Make a time-ordered UUID (version 7)."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (1 << 48) - 1) << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    return UUID(int=value)
