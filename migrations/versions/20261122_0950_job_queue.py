"""The job queue: procrastinate's own tables, types and functions.

Risk: none; all of it is new and carries procrastinate's prefix.
Undo: `downgrade` drops everything of that prefix, waiting jobs included.

The schema is the one that comes with procrastinate 3.10.  Its digest is checked, because this
migration must go on meaning the same: before a release with another schema is used, keep this
schema as a file beside this one, and give the difference (procrastinate/sql/migrations) a
migration of its own.
"""

from hashlib import sha256

from alembic import op
from procrastinate.schema import SchemaManager

from evidence.engines.grants import grant

revision = "20261122_0950"
down_revision = "20261122_0940"
branch_labels = None
depends_on = None

TABLES = ("jobs", "events", "periodic_defers", "workers")
SCHEMA_SHA256 = "c70ec4b400a60ad9592787653aae5ae77ae41bf801d56b5bd2712751a07f2009"


def upgrade() -> None:
    schema = SchemaManager.get_schema()
    if sha256(schema.encode()).hexdigest() != SCHEMA_SHA256:
        raise RuntimeError("this procrastinate has another schema than the one this migration was written for")
    # Straight to the driver: the schema is many statements and full of percent signs.
    op.get_bind().connection.driver_connection.execute(schema)

    grant(op, "SELECT, INSERT, UPDATE, DELETE", *(f"procrastinate_{name}" for name in TABLES))
    # The key of procrastinate_workers is an identity column, which needs no grant of its own.
    grant(op, "USAGE", "SEQUENCE " + ", ".join(f"procrastinate_{name}_id_seq" for name in TABLES if name != "workers"))


def downgrade() -> None:
    op.execute(
        """
        DO $$
        DECLARE
            found record;
        BEGIN
            FOR found IN SELECT tablename FROM pg_tables
                WHERE schemaname = current_schema() AND tablename LIKE 'procrastinate\\_%'
            LOOP
                EXECUTE format('DROP TABLE %I CASCADE', found.tablename);
            END LOOP;
            FOR found IN SELECT oid::regprocedure AS name FROM pg_proc
                WHERE pronamespace = current_schema()::regnamespace AND proname LIKE 'procrastinate\\_%'
            LOOP
                EXECUTE format('DROP FUNCTION %s CASCADE', found.name);
            END LOOP;
            FOR found IN SELECT typname FROM pg_type
                WHERE typnamespace = current_schema()::regnamespace AND typname LIKE 'procrastinate\\_%'
            LOOP
                EXECUTE format('DROP TYPE IF EXISTS %I CASCADE', found.typname);
            END LOOP;
        END
        $$
        """
    )
