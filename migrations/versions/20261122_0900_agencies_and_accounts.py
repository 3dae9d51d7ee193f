"""Agencies, accounts, roles and docks.

Purpose: who may sign in.
Risk: none, the tables are new.
Undo: downgrade drops them, with everybody who could sign in; only sensible on an empty installation.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from evidence.engines.grants import grant

revision = "20261122_0900"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; the application may add and end, but never remove, people and docks."""
    op.create_table(
        "agency",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_agency"),
        sa.UniqueConstraint("name", name="uq_agency_name"),
    )
    op.create_table(
        "account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("badge", sa.Text(), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("email = lower(email)", name="email_lower"),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name="fk_account_agency_id_agency"),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
        sa.UniqueConstraint("email", name="uq_account_email"),
    )
    op.create_index("ix_account_agency_id", "account", ["agency_id"])
    op.create_table(
        "role_assignment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_role_assignment_account_id_account"),
        sa.PrimaryKeyConstraint("id", name="pk_role_assignment"),
    )
    op.create_index(
        "uq_role_assignment_open",
        "role_assignment",
        ["account_id", "role"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "dock",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("public_key", postgresql.JSONB(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("enrolled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name="fk_dock_agency_id_agency"),
        sa.PrimaryKeyConstraint("id", name="pk_dock"),
        sa.UniqueConstraint("fingerprint", name="uq_dock_fingerprint"),
    )
    op.create_index(
        "uq_dock_name_active",
        "dock",
        ["agency_id", "name"],
        unique=True,
        postgresql_where=sa.text("retired_at IS NULL"),
    )
    op.create_table(
        "enrolment_code",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("dock_name", sa.Text(), nullable=False),
        sa.Column("code_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("invited_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name="fk_enrolment_code_agency_id_agency"),
        sa.PrimaryKeyConstraint("id", name="pk_enrolment_code"),
        sa.UniqueConstraint("code_sha256", name="uq_enrolment_code_code_sha256"),
    )
    op.create_table(
        "used_assertion",
        sa.Column("jti_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("jti_sha256", name="pk_used_assertion"),
    )
    op.create_index("ix_used_assertion_expires_at", "used_assertion", ["expires_at"])

    grant(op, "SELECT, INSERT", "agency")
    grant(op, "SELECT, INSERT, UPDATE (password_hash, suspended_at)", "account")
    grant(op, "SELECT, INSERT, UPDATE (ended_at)", "role_assignment")
    grant(op, "SELECT, INSERT, UPDATE (retired_at)", "dock")
    grant(op, "SELECT, INSERT, UPDATE (used_at)", "enrolment_code")
    # Entries past their date mean nothing any more; they are the only rows of auth ever removed.
    grant(op, "SELECT, INSERT, DELETE", "used_assertion")


def downgrade() -> None:
    """Drop the tables in the order their keys allow."""
    for table in ("used_assertion", "enrolment_code", "dock", "role_assignment", "account", "agency"):
        op.drop_table(table)
