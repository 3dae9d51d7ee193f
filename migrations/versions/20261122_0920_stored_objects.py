"""Stored objects: where each is, its wrapped data key, its digests.

Risk: none, the table is new.
Undo: downgrade drops it, and with it every wrapped key: nothing in the store could be read any more.
Only sensible on an empty installation.
"""

import sqlalchemy as sa
from alembic import op

from evidence.engines.grants import grant

revision = "20261122_0920"
down_revision = "20261122_0910"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stored_object",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("agency_key_id", sa.String(64), nullable=False),
        sa.Column("key_destroyed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("stored_size", sa.BigInteger(), nullable=True),
        sa.Column("stored_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("version", sa.String(255), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(wrapped_key is null) = (key_destroyed_at is not null)",
            name=op.f("ck_stored_object_key_there_or_destroyed"),
        ),
        sa.CheckConstraint(
            "(size is null) = (sha256 is null) and (size is null) = (stored_size is null)"
            " and (size is null) = (stored_sha256 is null)",
            name=op.f("ck_stored_object_read_back_whole"),
        ),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_stored_object_agency_id_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stored_object")),
        sa.UniqueConstraint("key", name=op.f("uq_stored_object_key")),
    )
    op.create_index(op.f("ix_stored_object_agency_id"), "stored_object", ["agency_id"])
    # A row is never removed and never moved to another object, agency or key in the store.
    changes = "wrapped_key, agency_key_id, key_destroyed_at, size, sha256, stored_size, stored_sha256, version"
    grant(op, f"SELECT, INSERT, UPDATE ({changes})", "stored_object")


def downgrade() -> None:
    op.drop_table("stored_object")
