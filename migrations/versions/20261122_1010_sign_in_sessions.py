"""Sign-in sessions, second factors, recovery codes and lockouts.

Purpose: a sign-in that can be ended, renewed and strengthened, and guessing that is stopped.
Risk: everybody who is signed in has to sign in again; tokens that name no session are refused.
Undo: downgrade drops the tables, and with them everybody's second factor.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from evidence.engines.grants import grant

revision = "20261122_1010"
down_revision = "20261122_1000"
branch_labels = None
depends_on = None


def _instant(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    """Make the tables; what a session or second factor is does not change, only how far it got."""
    op.add_column("account", _instant("password_ends_at", nullable=True))
    op.add_column("account", _instant("released_at", nullable=True))
    # When an account was last used is known from now on only: nobody is idle for having been there before.
    op.execute("UPDATE account SET released_at = now()")
    op.create_table(
        "sign_in_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("amr", postgresql.ARRAY(sa.Text()), nullable=False),
        _instant("began_at"),
        _instant("proved_at"),
        _instant("strong_at", nullable=True),
        _instant("last_used_at"),
        _instant("idle_ends_at"),
        _instant("ends_at"),
        _instant("ended_at", nullable=True),
        sa.Column("ended_because", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("renewal_family", sa.LargeBinary(), nullable=False),
        sa.Column("renewal_sha256", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_sign_in_session_account_id_account"),
        sa.PrimaryKeyConstraint("id", name="pk_sign_in_session"),
        sa.UniqueConstraint("renewal_family", name="uq_sign_in_session_renewal_family"),
    )
    op.create_index("ix_sign_in_session_account_id", "sign_in_session", ["account_id"])
    op.create_table(
        "second_factor",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        _instant("offered_at"),
        _instant("confirmed_at", nullable=True),
        _instant("ended_at", nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_second_factor_account_id_account"),
        sa.PrimaryKeyConstraint("id", name="pk_second_factor"),
    )
    op.create_index(
        "uq_second_factor_open",
        "second_factor",
        ["account_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "recovery_code",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("code_sha256", sa.LargeBinary(), nullable=False),
        _instant("made_at"),
        _instant("ended_at", nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_recovery_code_account_id_account"),
        sa.PrimaryKeyConstraint("id", name="pk_recovery_code"),
        sa.UniqueConstraint("code_sha256", name="uq_recovery_code_code_sha256"),
    )
    op.create_index("ix_recovery_code_account_id", "recovery_code", ["account_id"])
    op.create_table(
        "lockout",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("failed_at", postgresql.ARRAY(sa.DateTime(timezone=True)), nullable=False),
        _instant("locked_at", nullable=True),
        sa.PrimaryKeyConstraint("subject", name="pk_lockout"),
    )
    grant(op, "UPDATE (password_ends_at, released_at)", "account")
    moving = "strong_at, last_used_at, idle_ends_at, ends_at, ended_at, ended_because, renewal_sha256"
    grant(op, f"SELECT, INSERT, UPDATE ({moving})", "sign_in_session")
    grant(op, "SELECT, INSERT, UPDATE (confirmed_at, ended_at, last_step)", "second_factor")
    grant(op, "SELECT, INSERT, UPDATE (ended_at)", "recovery_code")
    # Counts that have run out mean nothing any more.
    grant(op, "SELECT, INSERT, UPDATE (failed_at, locked_at), DELETE", "lockout")


def downgrade() -> None:
    """Drop the tables and columns."""
    for table in ("lockout", "recovery_code", "second_factor", "sign_in_session"):
        op.drop_table(table)
    op.drop_column("account", "released_at")
    op.drop_column("account", "password_ends_at")
