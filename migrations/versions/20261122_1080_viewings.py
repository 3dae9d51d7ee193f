"""Viewings: who watches an item or has a copy of it.

Risk: none, the table is new.
Undo: downgrade drops it; the chain of custody keeps what it was told.
"""

import sqlalchemy as sa
from alembic import op

from evidence.engines.grants import grant

revision = "20261122_1080"
down_revision = "20261122_1060"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "viewing",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("manner", sa.String(8), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_read_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("manner in ('watch', 'download')", name=op.f("ck_viewing_manner_known")),
        sa.CheckConstraint("size >= 0", name=op.f("ck_viewing_size_not_negative")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_viewing_account_id_account")),
        sa.ForeignKeyConstraint(["item_id"], ["evidence_item.id"], name=op.f("fk_viewing_item_id_evidence_item")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_viewing")),
    )
    op.create_index(op.f("ix_viewing_item_id"), "viewing", ["item_id"])
    op.create_index(op.f("ix_viewing_account_id"), "viewing", ["account_id"])
    op.create_index("ix_viewing_open", "viewing", ["last_read_at"], postgresql_where=sa.text("ended_at IS NULL"))
    grant(op, "SELECT, INSERT, UPDATE (last_read_at, size, ended_at)", "viewing")


def downgrade() -> None:
    op.drop_table("viewing")
