"""Units, access lists, access classes and critical incidents.

Risk: the columns added to evidence_item and case_file have constant defaults, so no row is rewritten;
the index on incident numbers is built while uploads wait.
Undo: downgrade drops them: what was restricted, confidential or kept from those involved is open again.
"""

import sqlalchemy as sa
from alembic import op

from evidence.engines.grants import grant

revision = "20261122_1050"
down_revision = "20261122_1040"
branch_labels = None
depends_on = None

CLASSES = "access_class in ('unrestricted', 'restricted', 'confidential')"


def upgrade() -> None:
    _units()
    _columns()
    _access_lists()
    _critical_incidents()
    grant(op, "SELECT, INSERT, UPDATE (ended_at)", "unit")
    grant(op, "SELECT, INSERT, UPDATE (left_at)", "unit_member")
    grant(op, "SELECT, INSERT, UPDATE (ended_at)", "access_list_entry")
    grant(op, "SELECT, INSERT", "incident_item")
    grant(op, "SELECT, INSERT, UPDATE (opened_at, opened_by)", "incident_listing")
    # For the lock under which an item is put under it; nothing of it changes.
    grant(op, "SELECT, INSERT, UPDATE (unit_id)", "critical_incident")
    grant(op, "UPDATE (unit_id, access_class, do_not_disclose)", "evidence_item")
    grant(op, "UPDATE (access_class)", "case_file")


def _units() -> None:
    op.create_table(
        "unit",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("founded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_unit_agency_id_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unit")),
    )
    op.create_index(
        "uq_unit_name_open", "unit", ["agency_id", "name"], unique=True, postgresql_where=sa.text("ended_at IS NULL")
    )
    op.create_table(
        "unit_member",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("supervises", sa.Boolean(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_unit_member_account_id_account")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_unit_member_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unit_member")),
    )
    op.create_index("ix_unit_member_unit_id", "unit_member", ["unit_id"])
    op.create_index(
        "uq_unit_member_open",
        "unit_member",
        ["account_id", "unit_id"],
        unique=True,
        postgresql_where=sa.text("left_at IS NULL"),
    )


def _columns() -> None:
    for table in ("evidence_item", "case_file"):
        op.add_column(table, sa.Column("unit_id", sa.Uuid(), nullable=True))
        op.create_foreign_key(op.f(f"fk_{table}_unit_id_unit"), table, "unit", ["unit_id"], ["id"])
        op.add_column(
            table, sa.Column("access_class", sa.String(16), nullable=False, server_default=sa.text("'unrestricted'"))
        )
        op.create_check_constraint(op.f(f"ck_{table}_access_class_known"), table, CLASSES)
    op.create_index(op.f("ix_evidence_item_unit_id"), "evidence_item", ["unit_id"])
    op.add_column(
        "evidence_item", sa.Column("do_not_disclose", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    )
    op.add_column("case_file", sa.Column("kind", sa.String(16), nullable=False, server_default=sa.text("'criminal'")))
    op.create_check_constraint(
        op.f("ck_case_file_kind_known"), "case_file", "kind in ('criminal', 'internal_affairs')"
    )
    op.create_index(
        "ix_evidence_item_incident_number", "evidence_item", ["agency_id", sa.text("lower(trim(both from incident))")]
    )


def _access_lists() -> None:
    op.create_table(
        "access_list_entry",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=True),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("unit_id", sa.Uuid(), nullable=True),
        sa.Column("extent", sa.String(8), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("granted_by_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("num_nonnulls(item_id, case_id) = 1", name=op.f("ck_access_list_entry_of_one_thing")),
        sa.CheckConstraint("num_nonnulls(account_id, unit_id) = 1", name=op.f("ck_access_list_entry_names_one")),
        sa.CheckConstraint("extent in ('view', 'work')", name=op.f("ck_access_list_entry_extent_known")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_access_list_entry_account_id_account")),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"], name=op.f("fk_access_list_entry_case_id_case_file")),
        sa.ForeignKeyConstraint(
            ["item_id"], ["evidence_item.id"], name=op.f("fk_access_list_entry_item_id_evidence_item")
        ),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_access_list_entry_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_list_entry")),
    )
    for column in ("item_id", "case_id", "account_id", "unit_id"):
        op.create_index(
            f"ix_access_list_entry_{column}",
            "access_list_entry",
            [column],
            postgresql_where=sa.text(f"{column} IS NOT NULL"),
        )


def _critical_incidents() -> None:
    op.create_table(
        "critical_incident",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=True),
        sa.Column("number", sa.String(255), nullable=False),
        sa.Column("declared_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("declared_by_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_critical_incident_agency_id_agency")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_critical_incident_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_critical_incident")),
        sa.UniqueConstraint("agency_id", "number", name=op.f("uq_critical_incident_agency_id_number")),
    )
    op.create_table(
        "incident_listing",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("part", sa.String(8), nullable=False),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_by", sa.String(16), nullable=True),
        sa.CheckConstraint("part in ('involved', 'witness')", name=op.f("ck_incident_listing_part_known")),
        sa.CheckConstraint("opened_by in ('statement', 'release')", name=op.f("ck_incident_listing_opened_by_known")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_incident_listing_account_id_account")),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["critical_incident.id"], name=op.f("fk_incident_listing_incident_id_critical_incident")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_listing")),
        sa.UniqueConstraint("incident_id", "account_id", name=op.f("uq_incident_listing_incident_id_account_id")),
    )
    op.create_index(op.f("ix_incident_listing_account_id"), "incident_listing", ["account_id"])
    op.create_table(
        "incident_item",
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("covered_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["critical_incident.id"], name=op.f("fk_incident_item_incident_id_critical_incident")
        ),
        sa.ForeignKeyConstraint(["item_id"], ["evidence_item.id"], name=op.f("fk_incident_item_item_id_evidence_item")),
        sa.PrimaryKeyConstraint("incident_id", "item_id", name=op.f("pk_incident_item")),
    )
    op.create_index(op.f("ix_incident_item_item_id"), "incident_item", ["item_id"])


def downgrade() -> None:
    op.drop_index("ix_evidence_item_incident_number", table_name="evidence_item")
    op.drop_constraint(op.f("ck_case_file_kind_known"), "case_file")
    op.drop_column("case_file", "kind")
    op.drop_column("evidence_item", "do_not_disclose")
    for table in ("evidence_item", "case_file"):
        op.drop_constraint(op.f(f"ck_{table}_access_class_known"), table)
        op.drop_column(table, "access_class")
        op.drop_column(table, "unit_id")
    for table in ("incident_item", "incident_listing", "critical_incident", "access_list_entry", "unit_member", "unit"):
        op.drop_table(table)
