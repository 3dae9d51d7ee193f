"""Evidence numbers: `2026-000123`, counted by agency and year of receipt."""

from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from evidence.items.models import ItemNumber


def next_number(session: Session, agency_id: UUID, *, year: int) -> str:
    """Take the agency's next number. Its row stays locked until the transaction ends, so none is given twice."""
    session.execute(insert(ItemNumber).values(agency_id=agency_id, year=year, last=0).on_conflict_do_nothing())
    last = session.scalar(
        update(ItemNumber)
        .where(ItemNumber.agency_id == agency_id, ItemNumber.year == year)
        .values(last=ItemNumber.last + 1)
        .returning(ItemNumber.last)
    )
    return f"{year}-{last:06d}"
