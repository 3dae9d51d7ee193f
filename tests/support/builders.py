"""Domain objects with sensible defaults."""

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from auth.principals import Principal
from evidence.ids import new_id
from evidence.items.models import EvidenceItem
from evidence.items.register import Description, Held, register
from evidence.room import Room
from evidence.storage import layout


def an_item_on_the_books(session: Session, room: Room, by: Principal, **described: Any) -> EvidenceItem:
    """Register an item of which only the rows exist: for lists and rules, not for reading bytes."""
    object_ids = [_reserved(session, room, by.agency_id) for _ in range(2)]
    digest = new_id().bytes * 2
    return register(
        session,
        described=Description(**{"filename": "clip.mp4", "content_type": "video/mp4"} | described),
        held=Held(
            size=1,
            sha256=digest,
            chunks_sha256=digest,
            original_object_id=object_ids[0],
            chunks_object_id=object_ids[1],
            declared="sha256",
        ),
        received_from=by,
        at=room.clock(),
    )


def _reserved(session: Session, room: Room, agency_id: UUID) -> UUID:
    object_id = new_id()
    key = layout.original(agency_id, room.clock().date(), object_id)
    return room.vault.reserve(session, object_id, agency_id=agency_id, key=key, at=room.clock()).id
