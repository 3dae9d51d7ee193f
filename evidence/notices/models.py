"""Table: notice. Rows are kept; what is said in one is in words.py."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, ColumnElement, DateTime, ForeignKey, Index, String, and_, text
from sqlalchemy.orm import Mapped, mapped_column

from auth.models import Account, Agency
from evidence.database import Base

Kind = Literal["approval.requested", "approval.decided", "glass.broken", "glass.reviewed", "account.reset"]

State = Literal["waiting", "sent", "kept", "failed"]
"""`kept`: there is nowhere to send it to, so it is only shown; `failed`: given up."""


class Notice(Base):
    """What one account, or the webhook (no account), is told. `about_id`: of a request, a use or an account."""

    __tablename__ = "notice"
    __table_args__ = (
        CheckConstraint("state in ('waiting', 'sent', 'kept', 'failed')", name="state_known"),
        Index("ix_notice_account_id", "account_id", "made_at"),
        Index(
            "ix_notice_in_trouble", "made_at", postgresql_where=text("attempts > 0 AND state IN ('waiting', 'failed')")
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    agency_id: Mapped[UUID] = mapped_column(ForeignKey(Agency.id))
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey(Account.id))
    kind: Mapped[Kind] = mapped_column(String(32))
    about_id: Mapped[UUID]
    made_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    state: Mapped[State] = mapped_column(String(8))
    attempts: Mapped[int]
    """How often delivery was tried and failed."""
    problem: Mapped[str | None] = mapped_column(String(64))
    """The kind of the last failure, in a word."""

    @classmethod
    def in_trouble(cls) -> ColumnElement[bool]:
        """Return the condition under which a delivery has failed and has not succeeded since."""
        return and_(cls.attempts > 0, cls.state.in_(("waiting", "failed")))
