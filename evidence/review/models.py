"""Table: viewing."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from auth.models import Account
from evidence.database import Base
from evidence.items.models import EvidenceItem

Manner = Literal["watch", "download"]


class Viewing(Base):
    """One person watching an item, or having a copy of it. `size` counts bytes before they are sent."""

    __tablename__ = "viewing"
    __table_args__ = (
        CheckConstraint("manner in ('watch', 'download')", name="manner_known"),
        CheckConstraint("size >= 0", name="size_not_negative"),
        Index("ix_viewing_open", "last_read_at", postgresql_where=text("ended_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    item_id: Mapped[UUID] = mapped_column(ForeignKey(EvidenceItem.id), index=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id), index=True)
    manner: Mapped[Manner] = mapped_column(String(8))
    begun_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    last_read_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    size: Mapped[int] = mapped_column(BigInteger)
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
