"""Find items, within a selection that access has scoped already."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.orm import Session

from evidence.items.models import EvidenceItem


def page(session: Session, scoped: Select[EvidenceItem], *, after: UUID | None, limit: int) -> Sequence[EvidenceItem]:
    """Return the next items in the order they were received; ids are time-ordered, so they are the cursor."""
    if after is not None:
        scoped = scoped.where(EvidenceItem.id > after)
    return session.scalars(scoped.order_by(EvidenceItem.id).limit(limit)).all()
