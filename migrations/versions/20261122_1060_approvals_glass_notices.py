"""Requests that a second person approves, break-glass, and notices.

Risk: none; only new tables.
Undo: downgrade drops them: open requests, reviews and undelivered notices are lost. Custody keeps who did what.
"""

import sqlalchemy as sa
from alembic import op

from evidence.engines.grants import grant

revision = "20261122_1060"
down_revision = "20261122_1050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _approvals()
    _glass()
    _notices()
    # What was asked, and who approved it, is never changed by the application.
    grant(op, "SELECT, INSERT, UPDATE (state, ended_at)", "approval_request")
    grant(op, "SELECT, INSERT", "approval")
    grant(op, "SELECT, INSERT, UPDATE (reviewed_at, reviewer_id, finding)", "broken_glass")
    grant(op, "SELECT, INSERT, UPDATE (state, attempts, problem)", "notice")


def _approvals() -> None:
    op.create_table(
        "approval_request",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("requester_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("frozen", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state in ('open', 'approved', 'refused', 'withdrawn', 'void')",
            name=op.f("ck_approval_request_state_known"),
        ),
        sa.CheckConstraint("length(sha256) = 32", name=op.f("ck_approval_request_sha256_size")),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_approval_request_agency_id_agency")),
        sa.ForeignKeyConstraint(["requester_id"], ["account.id"], name=op.f("fk_approval_request_requester_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval_request")),
        sa.UniqueConstraint("id", "requester_id", name=op.f("uq_approval_request_id_requester_id")),
    )
    op.create_index(
        "ix_approval_request_agency_id_open",
        "approval_request",
        ["agency_id", "id"],
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index("ix_approval_request_requester_id", "approval_request", ["requester_id", "id"])
    op.create_table(
        "approval",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("requester_id", sa.Uuid(), nullable=False),
        sa.Column("approver_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("approver_id <> requester_id", name=op.f("ck_approval_by_another")),
        sa.ForeignKeyConstraint(["approver_id"], ["account.id"], name=op.f("fk_approval_approver_id_account")),
        sa.ForeignKeyConstraint(
            ["request_id", "requester_id"],
            ["approval_request.id", "approval_request.requester_id"],
            name=op.f("fk_approval_request_id_approval_request"),
        ),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_approval")),
    )


def _glass() -> None:
    op.create_table(
        "broken_glass",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("broken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reviewer_id", sa.Uuid(), nullable=True),
        sa.Column("finding", sa.Text(), nullable=True),
        sa.CheckConstraint("reviewer_id <> account_id", name=op.f("ck_broken_glass_reviewed_by_another")),
        sa.CheckConstraint(
            "num_nonnulls(reviewed_at, reviewer_id, finding) in (0, 3)", name=op.f("ck_broken_glass_reviewed_whole")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_broken_glass_account_id_account")),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_broken_glass_agency_id_agency")),
        sa.ForeignKeyConstraint(["item_id"], ["evidence_item.id"], name=op.f("fk_broken_glass_item_id_evidence_item")),
        sa.ForeignKeyConstraint(["reviewer_id"], ["account.id"], name=op.f("fk_broken_glass_reviewer_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_broken_glass")),
    )
    op.create_index("ix_broken_glass_item_id", "broken_glass", ["item_id", "account_id"])
    op.create_index("ix_broken_glass_agency_id", "broken_glass", ["agency_id", "id"])


def _notices() -> None:
    op.create_table(
        "notice",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("about_id", sa.Uuid(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("problem", sa.String(64), nullable=True),
        sa.CheckConstraint("state in ('waiting', 'sent', 'kept', 'failed')", name=op.f("ck_notice_state_known")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_notice_account_id_account")),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_notice_agency_id_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
    )
    op.create_index("ix_notice_account_id", "notice", ["account_id", "made_at"])
    op.create_index(
        "ix_notice_in_trouble",
        "notice",
        ["made_at"],
        postgresql_where=sa.text("attempts > 0 AND state IN ('waiting', 'failed')"),
    )


def downgrade() -> None:
    for table in ("notice", "broken_glass", "approval", "approval_request"):
        op.drop_table(table)
