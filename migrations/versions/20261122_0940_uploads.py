"""Uploads.

Risk: none, the table is new.
Undo: downgrade drops it, and with it what is known of transfers that are under way; refuse to
where any is unfinished.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from evidence.engines.grants import grant

revision = "20261122_0940"
down_revision = "20261122_0930"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "upload",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("opened_by_kind", sa.String(16), nullable=False),
        sa.Column("opened_by_id", sa.Uuid(), nullable=False),
        sa.Column("opened_by", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("declared_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("announced", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("staging_token", sa.Text(), nullable=True),
        sa.Column("durable_offset", sa.BigInteger(), nullable=False),
        sa.Column("chunks_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("writer", sa.Uuid(), nullable=True),
        sa.Column("writer_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("wanted", sa.Boolean(), nullable=False),
        sa.Column("claimed_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("chunks_object_id", sa.Uuid(), nullable=True),
        sa.Column("item_id", sa.Uuid(), nullable=True),
        sa.Column("record_id", sa.BigInteger(), nullable=True),
        sa.Column("found_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("explanation", sa.Text(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("touched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state in ('open', 'sealing', 'received', 'quarantined', 'terminated', 'expired')",
            name=op.f("ck_upload_state_known"),
        ),
        sa.CheckConstraint(
            "size >= 0 and durable_offset >= 0 and durable_offset <= size", name=op.f("ck_upload_offset_within_size")
        ),
        sa.CheckConstraint(
            "declared_sha256 is null or length(declared_sha256) = 32", name=op.f("ck_upload_declared_is_sha256")
        ),
        sa.CheckConstraint(
            "state <> 'received' or (item_id is not null and record_id is not null)",
            name=op.f("ck_upload_received_whole"),
        ),
        sa.CheckConstraint(
            "state <> 'quarantined' or explanation is not null", name=op.f("ck_upload_quarantined_explained")
        ),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_upload_agency_id_agency")),
        sa.ForeignKeyConstraint(["object_id"], ["stored_object.id"], name=op.f("fk_upload_object_id_stored_object")),
        sa.ForeignKeyConstraint(
            ["chunks_object_id"], ["stored_object.id"], name=op.f("fk_upload_chunks_object_id_stored_object")
        ),
        sa.ForeignKeyConstraint(["item_id"], ["evidence_item.id"], name=op.f("fk_upload_item_id_evidence_item")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upload")),
        sa.UniqueConstraint("object_id", name=op.f("uq_upload_object_id")),
    )
    for column in ("agency_id", "opened_by_id", "item_id"):
        op.create_index(op.f(f"ix_upload_{column}"), "upload", [column])
    op.create_index(
        "uq_upload_claim",
        "upload",
        ["agency_id", "claimed_sha256"],
        unique=True,
        postgresql_where=sa.text("state = 'sealing'"),
    )
    op.create_index(
        "ix_upload_unfinished",
        "upload",
        ["touched_at"],
        postgresql_where=sa.text("state in ('open', 'sealing')"),
    )
    op.create_index(
        "ix_upload_to_clear",
        "upload",
        ["ended_at"],
        postgresql_where=sa.text("ended_at is not null and cleared_at is null"),
    )
    # Whose bytes, how many and what was announced never changes; nothing is ever removed.
    changing = (
        "state, staging_token, durable_offset, chunks_sha256, writer, writer_until, wanted, claimed_sha256, "
        "chunks_object_id, item_id, record_id, found_sha256, explanation, touched_at, expires_at, ended_at, cleared_at"
    )
    grant(op, f"SELECT, INSERT, UPDATE ({changing})", "upload")


def downgrade() -> None:
    op.drop_table("upload")
