"""The chain of custody: its records, the one function that writes them, and what refuses to change them.

Purpose: every act on evidence becomes a sealed record that can be added to and nothing else.
Risk: none, the tables are new.
Undo: downgrade drops every custody record there is; only sensible on an empty installation.
"""

import re
import secrets

import sqlalchemy as sa
from alembic import context, op

from evidence.engines.grants import app_role, grant

revision = "20261122_0910"
down_revision = "20261122_0900"
branch_labels = None
depends_on = None

# FORMAT.md 2 and 3, in SQL.  What stands in `raw` is the truth; nothing is ever written anew from columns.
# The search path holds no schema that anybody may write to, because the function runs with its owner's rights.
# This runs under a lock in every unit of work: it does with three statements what could be said in six.
APPEND = r"""
CREATE FUNCTION {schema}.custody_append(chains text[], keys text[], bodies text[])
RETURNS TABLE (place integer, record_id bigint, seq bigint, h bytea, at timestamptz, repeated boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $append$
#variable_conflict use_column
DECLARE
    -- Variables, unlike parameters, are unpacked once and not at every access.
    of_chains text[] := chains;
    of_keys text[] := keys;
    of_bodies text[] := bodies;
    of_chain text;
    body text;
    head record;
    new_raw bytea;
    moved boolean := false;
BEGIN
    IF cardinality(of_keys) <> cardinality(of_chains) OR cardinality(of_bodies) <> cardinality(of_chains) THEN
        RAISE EXCEPTION 'custody_append: chains, keys and bodies differ in number' USING ERRCODE = 'check_violation';
    END IF;

    FOR i IN 1 .. cardinality(of_chains) LOOP
        body := of_bodies[i];
        -- What is not JSON could never be taken out again; the cast refuses it.
        IF strpos(body, E'\n') > 0 OR json_typeof(body::json) <> 'object' THEN
            RAISE EXCEPTION 'custody_append: a body is one line of JSON' USING ERRCODE = 'check_violation';
        END IF;

        IF i = 1 OR of_chains[i] IS DISTINCT FROM of_chain THEN
            -- In this order two transactions with the same chains cannot wait for each other.
            IF of_chains[i] < of_chain COLLATE "C" THEN
                RAISE EXCEPTION 'custody_append: the chains are not in order' USING ERRCODE = 'check_violation';
            END IF;
            of_chain := of_chains[i];
            -- From here to the end of the transaction nobody else can append to this chain.
            SELECT heads.seq, heads.h, heads.at, ours.origin INTO head
            FROM {schema}.custody_head AS heads CROSS JOIN {schema}.custody_origin AS ours
            WHERE heads.chain = of_chain FOR NO KEY UPDATE OF heads;
            IF NOT FOUND THEN
                IF of_chain !~ '^(((item|case|account|dock)/[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})|_heads|_keys|_refused)$' THEN
                    RAISE EXCEPTION 'custody_append: not the name of a chain' USING ERRCODE = 'check_violation';
                END IF;
                -- Of two that begin the same chain one waits here for the other, and then locks the row it finds.
                INSERT INTO {schema}.custody_head (chain, seq, h, at)
                SELECT of_chain, 0,
                    sha256(convert_to(E'custody.v1 genesis\n' || origin || E'\n' || of_chain || E'\n', 'UTF8')),
                    '-infinity'
                FROM {schema}.custody_origin
                ON CONFLICT DO NOTHING;
                SELECT heads.seq, heads.h, heads.at, ours.origin INTO STRICT head
                FROM {schema}.custody_head AS heads CROSS JOIN {schema}.custody_origin AS ours
                WHERE heads.chain = of_chain FOR NO KEY UPDATE OF heads;
            END IF;
        END IF;

        at := greatest(clock_timestamp(), head.at);
        seq := head.seq + 1;
        new_raw := convert_to(
            E'custody.v1\n' || head.origin || E'\n' || of_chain || E'\n' || custody_append.seq || E'\n'
            || encode(head.h, 'hex') || E'\n'
            || to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || E'\n'
            || body,
            'UTF8'
        );
        IF octet_length(new_raw) > 32768 THEN
            RAISE EXCEPTION 'custody_append: a record has at most 32768 bytes' USING ERRCODE = 'check_violation';
        END IF;
        place := i;
        h := sha256('\x00'::bytea || new_raw);

        INSERT INTO {schema}.custody_record (chain, seq, h, raw, key)
        VALUES (of_chain, custody_append.seq, custody_append.h, new_raw, of_keys[i])
        ON CONFLICT (chain, key) DO NOTHING
        RETURNING id INTO record_id;

        repeated := NOT FOUND;
        IF repeated THEN
            SELECT kept.id, kept.seq, kept.h, split_part(convert_from(kept.raw, 'UTF8'), E'\n', 6)::timestamptz
            INTO STRICT record_id, seq, h, at
            FROM {schema}.custody_record AS kept WHERE kept.chain = of_chain AND kept.key = of_keys[i];
        ELSE
            head.seq := custody_append.seq;
            head.h := custody_append.h;
            head.at := custody_append.at;
            moved := true;
        END IF;
        -- Once for each chain: every version of a row that one transaction leaves behind slows the next.
        IF moved AND of_chains[i + 1] IS DISTINCT FROM of_chain THEN
            UPDATE {schema}.custody_head AS heads SET seq = head.seq, h = head.h, at = head.at
            WHERE heads.chain = of_chain;
            moved := false;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$append$
"""

# Reads what a body says, for lists and for nothing that is proved.  NULL where it does not say it, and where the
# bytes are no record: somebody wrote past the program, and every other record must still be found.
SAID = r"""
CREATE FUNCTION {schema}.custody_said(raw bytea, path text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $said$
BEGIN
    -- PostgreSQL's text knows no NUL, and refuses the whole body for one.
    RETURN replace(split_part(convert_from(raw, 'UTF8'), E'\n', 7), '\u0000', '\ufffd')::json #>> path;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END
$said$
"""

REFUSE = """
CREATE FUNCTION {schema}.custody_refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $refuse$
BEGIN
    -- By row it is asked only of a head that does not move on by one; it may by as many records as there are.
    IF TG_LEVEL = 'ROW' THEN
        IF NEW.chain = OLD.chain AND NEW.seq > OLD.seq AND NEW.at >= OLD.at AND NEW.seq - OLD.seq = (
            SELECT count(*) FROM {schema}.custody_record AS kept
            WHERE kept.chain = NEW.chain AND kept.seq > OLD.seq AND kept.seq <= NEW.seq
        ) THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION '% of % is refused: the chain of custody is only ever added to', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$refuse$
"""

SEALED = ("custody_record", "custody_head", "custody_origin")

ORIGIN = re.compile(r"[a-z0-9][a-z0-9./-]{0,127}")


def upgrade() -> None:
    """Make the tables, the function, the triggers; name the installation."""
    op.create_table(
        "custody_origin",
        sa.Column("single", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.CheckConstraint("single", name="ck_custody_origin_one_row"),
        sa.PrimaryKeyConstraint("single", name="pk_custody_origin"),
    )
    op.create_table(
        "custody_head",
        sa.Column("chain", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("h", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("chain", name="pk_custody_head"),
    )
    # Room in every page for the next head, so that an append seldom touches the index.
    op.execute("ALTER TABLE custody_head SET (fillfactor = 50)")
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute(sa.text(SAID.format(schema=schema).replace(":", r"\:")))
    op.create_table(
        "custody_record",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("chain", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("h", sa.LargeBinary(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        # Computed from the bytes, so that it cannot say otherwise. A column and no index on the function: of rows
        # behind row-level security an index is used only where nothing but columns is compared.
        sa.Column("actor", sa.Text(), sa.Computed("custody_said(raw, '{actor,id}'::text[])", persisted=True)),
        sa.PrimaryKeyConstraint("id", name="pk_custody_record"),
        sa.UniqueConstraint("chain", "seq", name="uq_custody_record_chain_seq"),
        sa.UniqueConstraint("chain", "key", name="uq_custody_record_chain_key"),
    )
    op.create_index("ix_custody_record_actor", "custody_record", ["actor", "id"])
    op.create_table(
        "custody_disclosure",
        sa.Column("record_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("disclosure", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("record_id", "digest", name="pk_custody_disclosure"),
    )
    op.create_table(
        "custody_receipt",
        sa.Column("record_id", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["record_id"], ["custody_record.id"], name="fk_custody_receipt_record_id_custody_record"
        ),
        sa.PrimaryKeyConstraint("record_id", name="pk_custody_receipt"),
    )
    op.create_table(
        "signing_key",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("algorithm", sa.Text(), nullable=False),
        sa.Column("public", sa.LargeBinary(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_signing_key"),
    )
    _name_the_installation()

    op.execute(sa.text(APPEND.format(schema=schema).replace(":", r"\:")))
    op.execute(REFUSE.format(schema=schema))
    for table in (*SEALED, "custody_receipt"):
        _refuse_changes(table)

    # The application appends by the function and by nothing else.
    op.execute("REVOKE ALL ON FUNCTION custody_append(text[], text[], text[]) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION custody_append(text[], text[], text[]) TO {app_role(op)}")
    grant(op, "SELECT", *SEALED)
    # An erasure ordered by law takes salt and value away; the record and its digest stay.
    grant(op, "SELECT, INSERT, DELETE", "custody_disclosure")
    grant(op, "SELECT, INSERT", "custody_receipt")
    # Keys are entered by the owner, at `evidence migrate`: they decide what strangers trust.
    grant(op, "SELECT", "signing_key")


def downgrade() -> None:
    """Drop it all."""
    for table in ("signing_key", "custody_receipt", "custody_disclosure", "custody_record", "custody_head"):
        op.drop_table(table)
    op.execute("DROP FUNCTION custody_append(text[], text[], text[])")
    op.drop_table("custody_origin")
    op.execute("DROP FUNCTION custody_refuse()")
    op.execute("DROP FUNCTION custody_said(bytea, text[])")


def _name_the_installation() -> None:
    origin = context.config.attributes.get("origin") or f"evidence.local/{secrets.token_hex(8)}"
    if not ORIGIN.fullmatch(origin):
        raise ValueError("EVIDENCE_ORIGIN is made of a-z, 0-9, '.', '/' and '-', begins with a letter or digit")
    op.get_bind().execute(sa.text("INSERT INTO custody_origin (origin) VALUES (:origin)"), {"origin": origin})


def _refuse_changes(table: str) -> None:
    """Refuse UPDATE, DELETE and TRUNCATE to everybody; a head may only move on, with its records."""
    update = f"CREATE TRIGGER {table}_refuse_update BEFORE UPDATE ON {table} "
    if table == "custody_head":
        op.execute(
            update + "FOR EACH ROW WHEN (NEW.chain <> OLD.chain OR NEW.seq <> OLD.seq + 1 OR NEW.at < OLD.at) "
            "EXECUTE FUNCTION custody_refuse()"
        )
    else:
        op.execute(update + "FOR EACH STATEMENT EXECUTE FUNCTION custody_refuse()")
    op.execute(
        f"CREATE TRIGGER {table}_refuse_removal BEFORE DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION custody_refuse()"
    )
    # ALWAYS: not even a session that plays a replica, which skips ordinary triggers, gets past them.
    for trigger in (f"{table}_refuse_update", f"{table}_refuse_removal"):
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")
