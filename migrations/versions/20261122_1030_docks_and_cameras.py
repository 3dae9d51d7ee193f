"""The keys of docks and what they sign; cameras, who carried them, and whose recording an item is.

Purpose: what a dock signed stays checkable after a change of keys; a recording officer by the roster.
Risk: evidence_item gets three columns and two indexes; writes to it wait while those are made.
Undo: downgrade drops them, with the roster and every decision on whose recording an item is, which
then stand in the chain of custody only; docks keep the key they have.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from evidence.engines.grants import grant

revision = "20261122_1030"
down_revision = "20261122_1020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dock_key",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("dock_id", sa.Uuid(), nullable=False),
        sa.Column("public_key", postgresql.JSONB(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["dock_id"], ["dock.id"], name="fk_dock_key_dock_id_dock"),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_dock_key"),
    )
    op.create_index("ix_dock_key_dock_id", "dock_key", ["dock_id"])
    op.execute(
        "INSERT INTO dock_key (fingerprint, dock_id, public_key, since) "
        "SELECT fingerprint, id, public_key, enrolled_at FROM dock"
    )
    grant(op, "SELECT, INSERT, UPDATE (until)", "dock_key")
    grant(op, "UPDATE (public_key, fingerprint)", "dock")
    _cameras()
    _officers_of_items()
    op.add_column("upload", sa.Column("manifest", sa.Text(), nullable=True))


def _cameras() -> None:
    op.create_table(
        "camera",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("serial", sa.String(255), nullable=False),
        sa.Column("model", sa.String(255), nullable=True),
        sa.Column("enrolled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_camera_agency_id_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_camera")),
        sa.UniqueConstraint("agency_id", "serial", name=op.f("uq_camera_agency_id_serial")),
    )
    op.create_table(
        "camera_assignment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("camera_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("from_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("to_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "to_at is null or to_at > from_at", name=op.f("ck_camera_assignment_ends_after_it_began")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_camera_assignment_account_id_account")),
        sa.ForeignKeyConstraint(["camera_id"], ["camera.id"], name=op.f("fk_camera_assignment_camera_id_camera")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_camera_assignment")),
        sa.UniqueConstraint("camera_id", "from_at", name=op.f("uq_camera_assignment_camera_id_from_at")),
    )
    op.create_index(op.f("ix_camera_assignment_account_id"), "camera_assignment", ["account_id"])
    # An exclusion constraint over camera and time needs the extension btree_gist, which a city's PostgreSQL
    # need not have. So the writer locks the camera and looks: of two at once the second finds the first.
    op.execute("""
        CREATE FUNCTION camera_assignment_alone() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM 1 FROM camera WHERE id = NEW.camera_id FOR UPDATE;
            IF EXISTS (
                SELECT 1 FROM camera_assignment AS other
                WHERE other.camera_id = NEW.camera_id AND other.id <> NEW.id
                  AND tstzrange(other.from_at, other.to_at) && tstzrange(NEW.from_at, NEW.to_at)
            ) THEN
                RAISE EXCEPTION 'two people carry one camera at the same time' USING ERRCODE = 'exclusion_violation';
            END IF;
            RETURN NEW;
        END $$
    """)
    op.execute(
        "CREATE TRIGGER camera_assignment_alone BEFORE INSERT OR UPDATE ON camera_assignment "
        "FOR EACH ROW EXECUTE FUNCTION camera_assignment_alone()"
    )
    grant(op, "SELECT, INSERT, UPDATE (retired_at)", "camera")
    # Who carried it and from when does not change; until when becomes known.
    grant(op, "SELECT, INSERT, UPDATE (to_at)", "camera_assignment")


def _officers_of_items() -> None:
    op.add_column("evidence_item", sa.Column("officer_basis", sa.String(16), nullable=False, server_default="said"))
    op.add_column("evidence_item", sa.Column("officer_id", sa.Uuid(), nullable=True))
    op.add_column("evidence_item", sa.Column("officer_why", sa.String(32), nullable=True))
    op.add_column("evidence_item", sa.Column("rostered_id", sa.Uuid(), nullable=True))
    for column in ("officer_id", "rostered_id"):
        op.create_foreign_key(op.f(f"fk_evidence_item_{column}_account"), "evidence_item", "account", [column], ["id"])
    op.create_check_constraint(
        op.f("ck_evidence_item_officer_known_or_not"),
        "evidence_item",
        "officer_basis in ('said', 'roster', 'reassigned', 'unresolved') "
        "and (officer_basis in ('roster', 'reassigned')) = (officer_id is not null)",
    )
    op.create_index(op.f("ix_evidence_item_officer_id"), "evidence_item", ["officer_id"])
    op.create_index(
        "ix_evidence_item_worklist",
        "evidence_item",
        ["agency_id", "id"],
        postgresql_where=sa.text("officer_basis = 'unresolved'"),
    )
    grant(op, "UPDATE (officer_basis, officer_id, officer_why)", "evidence_item")


def downgrade() -> None:
    op.drop_column("upload", "manifest")
    op.drop_index("ix_evidence_item_worklist", "evidence_item")
    op.drop_index("ix_evidence_item_officer_id", "evidence_item")
    op.drop_constraint("ck_evidence_item_officer_known_or_not", "evidence_item")
    for column in ("rostered_id", "officer_why", "officer_id", "officer_basis"):
        op.drop_column("evidence_item", column)
    op.drop_table("camera_assignment")
    op.execute("DROP FUNCTION camera_assignment_alone()")
    op.drop_table("camera")
    op.drop_table("dock_key")
