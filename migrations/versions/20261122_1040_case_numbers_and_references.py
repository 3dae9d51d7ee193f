"""Mergers, case numbers by pattern, incident numbers, external references, and what is expected of a referral.

Risk: the indexes on `evidence_item` hold off new items while they are built (about a second for a million rows); the
new columns of `case_file` and `exhibit` are null and need no rewrite.
Undo: downgrade drops what was said in the new tables and which case a merged one went into; the custody records stay.
"""

import sqlalchemy as sa
from alembic import op

from evidence.engines.grants import app_role, grant

revision = "20261122_1040"
down_revision = "20261122_1030"
branch_labels = None
depends_on = None

OPEN = sa.text("ended_at IS NULL")


def upgrade() -> None:
    op.add_column("case_file", sa.Column("merged_into_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_case_file_merged_into_id_case_file"), "case_file", "case_file", ["merged_into_id"], ["id"]
    )
    op.create_index(op.f("ix_case_file_merged_into_id"), "case_file", ["merged_into_id"])
    op.create_check_constraint(
        op.f("ck_case_file_merged_is_closed"), "case_file", "merged_into_id IS NULL OR closed_at IS NOT NULL"
    )
    op.create_check_constraint(op.f("ck_case_file_not_merged_into_itself"), "case_file", "merged_into_id <> id")
    op.create_index(
        "ix_case_file_number_prefix",
        "case_file",
        ["agency_id", "number"],
        postgresql_ops={"number": "varchar_pattern_ops"},
    )
    op.add_column("exhibit", sa.Column("carried_to_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_exhibit_carried_to_id_exhibit"), "exhibit", "exhibit", ["carried_to_id"], ["id"])
    op.create_index(op.f("ix_exhibit_carried_to_id"), "exhibit", ["carried_to_id"])
    op.create_index("ix_referral_due_on", "referral", ["due_on"], postgresql_where=OPEN)
    op.create_table(
        "expectation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("referral_id", sa.Uuid(), nullable=False),
        sa.Column("what", sa.String(200), nullable=False),
        sa.Column("incident", sa.String(255), nullable=True),
        sa.Column("camera", sa.String(255), nullable=True),
        sa.Column("officer", sa.String(255), nullable=True),
        sa.Column("recordings", sa.Integer(), nullable=False),
        sa.Column("expected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("recordings > 0", name=op.f("ck_expectation_recordings_positive")),
        sa.ForeignKeyConstraint(["referral_id"], ["referral.id"], name=op.f("fk_expectation_referral_id_referral")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_expectation")),
    )
    op.create_index(op.f("ix_expectation_referral_id"), "expectation", ["referral_id"])
    op.create_table(
        "fulfilment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("expectation_id", sa.Uuid(), nullable=False),
        sa.Column("exhibit_id", sa.Uuid(), nullable=False),
        sa.Column("fulfilled_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["expectation_id"], ["expectation.id"], name=op.f("fk_fulfilment_expectation_id_expectation")
        ),
        sa.ForeignKeyConstraint(["exhibit_id"], ["exhibit.id"], name=op.f("fk_fulfilment_exhibit_id_exhibit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fulfilment")),
        sa.UniqueConstraint("expectation_id", "exhibit_id", name=op.f("uq_fulfilment_expectation_id_exhibit_id")),
    )
    op.create_index(op.f("ix_fulfilment_exhibit_id"), "fulfilment", ["exhibit_id"])
    op.create_table(
        "incident_number",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        *_about("incident_number"),
        sa.Column("number", sa.String(255), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_incident_number_agency_id_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_number")),
    )
    for kind in ("case", "item"):
        op.create_index(
            f"uq_incident_number_{kind}",
            "incident_number",
            [f"{kind}_id", "number"],
            unique=True,
            postgresql_where=OPEN,
        )
    op.create_index("ix_incident_number_number", "incident_number", ["number"])
    op.create_table(
        "external_reference",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        *_about("external_reference"),
        sa.Column("system", sa.String(64), nullable=False),
        sa.Column("external_id", sa.String(128), nullable=False),
        sa.Column("address", sa.String(2000), nullable=True),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_external_reference_agency_id_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_external_reference")),
    )
    for kind in ("case", "item"):
        op.create_index(op.f(f"ix_external_reference_{kind}_id"), "external_reference", [f"{kind}_id"])
    op.create_index(
        "uq_external_reference_open",
        "external_reference",
        ["agency_id", "system", "external_id"],
        unique=True,
        postgresql_where=OPEN,
    )
    op.create_table(
        "case_number_pattern",
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("pattern", sa.String(64), nullable=True),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_case_number_pattern_agency_id_agency")),
        sa.PrimaryKeyConstraint("agency_id", name=op.f("pk_case_number_pattern")),
    )
    op.create_table(
        "case_number",
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("series", sa.String(80), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_case_number_agency_id_agency")),
        sa.PrimaryKeyConstraint("agency_id", "series", name=op.f("pk_case_number")),
    )
    op.create_index("ix_evidence_item_incident", "evidence_item", ["incident"])
    op.create_index("ix_evidence_item_agency_id_camera_serial", "evidence_item", ["agency_id", "camera_serial"])
    op.create_index(
        "ix_evidence_item_agency_id_officer_badge_recorded_at",
        "evidence_item",
        ["agency_id", "officer_badge", "recorded_at"],
    )
    op.create_index("ix_evidence_item_agency_id_recorded_at", "evidence_item", ["agency_id", "recorded_at"])
    # A title may be corrected and a date put off, both on record; a number, an exhibit and a referral may not change.
    grant(op, "UPDATE (title, merged_into_id)", "case_file")
    grant(op, "UPDATE (carried_to_id)", "exhibit")
    grant(op, "UPDATE (due_on)", "referral")
    grant(op, "SELECT, INSERT, UPDATE (ended_at)", "expectation", "incident_number", "external_reference")
    grant(op, "SELECT, INSERT", "fulfilment")
    grant(op, "SELECT, INSERT, UPDATE (pattern, set_at)", "case_number_pattern")
    grant(op, "SELECT, INSERT, UPDATE (last)", "case_number")


def downgrade() -> None:
    op.drop_index("ix_evidence_item_incident", "evidence_item")
    for index in ("camera_serial", "officer_badge_recorded_at", "recorded_at"):
        op.drop_index(f"ix_evidence_item_agency_id_{index}", "evidence_item")
    for table in (
        "case_number",
        "case_number_pattern",
        "external_reference",
        "incident_number",
        "fulfilment",
        "expectation",
    ):
        op.drop_table(table)
    op.execute(f"REVOKE UPDATE (due_on) ON referral FROM {app_role(op)}")
    op.execute(f"REVOKE UPDATE (title) ON case_file FROM {app_role(op)}")
    op.drop_index("ix_referral_due_on", "referral")
    op.drop_column("exhibit", "carried_to_id")
    op.drop_index("ix_case_file_number_prefix", "case_file")
    op.drop_column("case_file", "merged_into_id")


def _about(table: str) -> list[sa.schema.SchemaItem]:
    """Return the columns that say of which case or item something is said."""
    return [
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("item_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("num_nonnulls(case_id, item_id) = 1", name=op.f(f"ck_{table}_about_one")),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"], name=op.f(f"fk_{table}_case_id_case_file")),
        sa.ForeignKeyConstraint(["item_id"], ["evidence_item.id"], name=op.f(f"fk_{table}_item_id_evidence_item")),
    ]
