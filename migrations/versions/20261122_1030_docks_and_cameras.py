"""The keys of docks, and cameras.

Purpose: every key a dock ever had, so that what it signed stays checkable after a change of keys.
Risk: none, the tables are new or small.
Undo: downgrade drops them; docks keep the key they have.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from evidence.engines.grants import grant

revision = "20261122_1030"
down_revision = "20261122_1000"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dock_key",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("dock_id", sa.Uuid(), nullable=False),
        sa.Column("public_key", postgresql.JSONB(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["dock_id"], ["dock.id"], name="fk_dock_key_dock_id_dock"),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_dock_key"),
    )
    op.create_index("ix_dock_key_dock_id", "dock_key", ["dock_id"])
    op.execute(
        "INSERT INTO dock_key (fingerprint, dock_id, public_key, since) "
        "SELECT fingerprint, id, public_key, enrolled_at FROM dock"
    )
    grant(op, "SELECT, INSERT, UPDATE (until)", "dock_key")
    grant(op, "UPDATE (public_key, fingerprint)", "dock")


def downgrade() -> None:
    op.drop_table("dock_key")
