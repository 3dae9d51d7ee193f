"""Evidence items and their numbers.

Risk: none, the tables are new.
Undo: downgrade drops them; refuse to where items exist, for nothing else says what an object is.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from evidence.engines.grants import grant

revision = "20261122_0930"
down_revision = "20261122_0920"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "evidence_item",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(64), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_from_kind", sa.String(16), nullable=False),
        sa.Column("received_from_id", sa.Uuid(), nullable=False),
        sa.Column("declared", sa.String(8), nullable=False),
        sa.Column("filename", sa.String(), nullable=False),
        sa.Column("content_type", sa.String(255), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("camera_serial", sa.String(255), nullable=True),
        sa.Column("officer_badge", sa.String(255), nullable=True),
        sa.Column("incident", sa.String(255), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("chunks_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("original_object_id", sa.Uuid(), nullable=False),
        sa.Column("chunks_object_id", sa.Uuid(), nullable=False),
        sa.Column("media", postgresql.JSONB(), nullable=True),
        sa.Column("media_note", sa.String(), nullable=True),
        sa.CheckConstraint("size >= 0", name=op.f("ck_evidence_item_size_not_negative")),
        sa.CheckConstraint("declared in ('sha256', 'none')", name=op.f("ck_evidence_item_declared_known")),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_evidence_item_agency_id_agency")),
        sa.ForeignKeyConstraint(
            ["original_object_id"], ["stored_object.id"], name=op.f("fk_evidence_item_original_object_id_stored_object")
        ),
        sa.ForeignKeyConstraint(
            ["chunks_object_id"], ["stored_object.id"], name=op.f("fk_evidence_item_chunks_object_id_stored_object")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence_item")),
        sa.UniqueConstraint("agency_id", "sha256", name=op.f("uq_evidence_item_agency_id_sha256")),
        sa.UniqueConstraint("agency_id", "number", name=op.f("uq_evidence_item_agency_id_number")),
    )
    for column in ("agency_id", "received_at", "received_from_id", "officer_badge"):
        op.create_index(op.f(f"ix_evidence_item_{column}"), "evidence_item", [column])
    op.create_table(
        "item_number",
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_item_number_agency_id_agency")),
        sa.PrimaryKeyConstraint("agency_id", "year", name=op.f("pk_item_number")),
    )
    # Of an item only what was read out of its media may change; what it is and whence may not.
    grant(op, "SELECT, INSERT, UPDATE (media, media_note)", "evidence_item")
    grant(op, "SELECT, INSERT, UPDATE", "item_number")


def downgrade() -> None:
    op.drop_table("item_number")
    op.drop_table("evidence_item")
