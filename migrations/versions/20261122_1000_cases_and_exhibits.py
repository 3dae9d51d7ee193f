"""Case files, exhibits, assignments and referrals.

Risk: none, the tables are new.
Undo: downgrade drops them, and with them everybody's access by a case.
"""

import sqlalchemy as sa
from alembic import op

from evidence.engines.grants import grant

revision = "20261122_1000"
down_revision = "20261122_0950"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "case_file",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(64), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_by_id", sa.Uuid(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_case_file_agency_id_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_file")),
        sa.UniqueConstraint("agency_id", "number", name=op.f("uq_case_file_agency_id_number")),
    )
    op.create_index(op.f("ix_case_file_opened_by_id"), "case_file", ["opened_by_id"])
    op.create_table(
        "exhibit",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("linked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("number > 0", name=op.f("ck_exhibit_number_positive")),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"], name=op.f("fk_exhibit_case_id_case_file")),
        sa.ForeignKeyConstraint(["item_id"], ["evidence_item.id"], name=op.f("fk_exhibit_item_id_evidence_item")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exhibit")),
        sa.UniqueConstraint("case_id", "number", name=op.f("uq_exhibit_case_id_number")),
    )
    # Both ways of asking are by what stands: the cases of an item here, the items of a case by the number.
    op.create_index(
        "uq_exhibit_open",
        "exhibit",
        ["item_id", "case_id"],
        unique=True,
        postgresql_where=sa.text("withdrawn_at IS NULL"),
    )
    op.create_table(
        "case_assignment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("capacity", sa.String(64), nullable=False),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_case_assignment_account_id_account")),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"], name=op.f("fk_case_assignment_case_id_case_file")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_assignment")),
    )
    op.create_index(op.f("ix_case_assignment_case_id"), "case_assignment", ["case_id"])
    op.create_index(
        "uq_case_assignment_open",
        "case_assignment",
        ["account_id", "case_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "referral",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("referred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_referral_agency_id_agency")),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"], name=op.f("fk_referral_case_id_case_file")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_referral")),
    )
    op.create_index(op.f("ix_referral_agency_id"), "referral", ["agency_id"])
    op.create_index(
        "uq_referral_open",
        "referral",
        ["case_id", "agency_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    # What a case is, who worked it and where it went does not change; only that it ended does.
    grant(op, "SELECT, INSERT, UPDATE (closed_at)", "case_file")
    grant(op, "SELECT, INSERT, UPDATE (withdrawn_at)", "exhibit")
    grant(op, "SELECT, INSERT, UPDATE (ended_at)", "case_assignment")
    grant(op, "SELECT, INSERT, UPDATE (ended_at)", "referral")


def downgrade() -> None:
    for table in ("referral", "case_assignment", "exhibit", "case_file"):
        op.drop_table(table)
