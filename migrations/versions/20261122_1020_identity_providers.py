"""Identities at identity providers, the sessions behind sign-ins there, and what their groups give.

Risk: none, the tables are new.
Undo: downgrade drops them; people who sign in at a provider have to be expected and linked again, groups mapped again.
"""

import sqlalchemy as sa
from alembic import op

from evidence.engines.grants import grant

revision = "20261122_1020"
down_revision = "20261122_1010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "provider_identity",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("expected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("linked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(issuer IS NULL) = (subject IS NULL)", name=op.f("ck_provider_identity_whole_subject")
        ),
        sa.CheckConstraint(
            "linked_at IS NULL OR subject IS NOT NULL", name=op.f("ck_provider_identity_linked_to_somebody")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_provider_identity_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_identity")),
        sa.UniqueConstraint(
            "provider", "issuer", "subject", name=op.f("uq_provider_identity_provider_issuer_subject")
        ),
        sa.UniqueConstraint("account_id", "provider", name=op.f("uq_provider_identity_account_id_provider")),
    )
    op.create_table(
        "provider_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("identity_id", sa.Uuid(), nullable=False),
        sa.Column("sealed_refresh", sa.LargeBinary(), nullable=True),
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("renewed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("renewing_since", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["id"], ["sign_in_session.id"], name=op.f("fk_provider_session_id_sign_in_session")
        ),
        sa.ForeignKeyConstraint(
            ["identity_id"],
            ["provider_identity.id"],
            name=op.f("fk_provider_session_identity_id_provider_identity"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_session")),
    )
    op.create_index(op.f("ix_provider_session_identity_id"), "provider_session", ["identity_id"])
    op.create_table(
        "group_mapping",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("group_name", sa.Text(), nullable=False),
        sa.Column("roles", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("cardinality(roles) > 0", name=op.f("ck_group_mapping_gives_something")),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_group_mapping_agency_id_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_group_mapping")),
    )
    op.create_index(
        "uq_group_mapping_open",
        "group_mapping",
        ["agency_id", "provider", "group_name"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    # What two people approved is ended and never changed.
    grant(op, "SELECT, INSERT, UPDATE (ended_at)", "group_mapping")
    # Whose identity it is, and at which provider, does not change; who it is there is filled in once.
    grant(op, "SELECT, INSERT, UPDATE (issuer, subject, linked_at)", "provider_identity")
    grant(
        op,
        "SELECT, INSERT, UPDATE (sealed_refresh, serial, renewed_at, renewing_since)",
        "provider_session",
    )


def downgrade() -> None:
    for table in ("group_mapping", "provider_session", "provider_identity"):
        op.drop_table(table)
