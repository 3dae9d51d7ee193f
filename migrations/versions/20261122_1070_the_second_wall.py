"""The second wall: row-level security beneath the application's own rules.

Whoever comes to the database says for whom (evidence/database.py).  A transaction for a person or
dock names `evidence.agency` and `evidence.principal`; work of the installation itself says
`evidence.acting = 'system'`; who says nothing sees nothing.  Three things are asked again here,
whatever the program's own checks have answered:

- tenancy: the row is one's own agency's, or belongs to a case that stands referred to it;
- class: a confidential item or case is shown only to whom it is opened;
- grant: by a live entry of an access list, or by a matter (of a case: any assignment).

Roles, reasons, units and the gates of viewing are the program's alone.  What the rules are
computed from (exhibits, assignments, referrals, access lists, incidents) is walled by tenancy and
not by class: an open case that somebody cannot see still holds what belongs to it.  Of hidden
cases `case_standing` shows only what they are, never what they say.

Managing the classes: whoever lets somebody into a confidential thing, or opens it again, has to
name it, and what they make confidential they may see no more in the same statement.  For these
acts, and no other, the program declares `evidence.managing = 'on'` (evidence/access/reach.py),
which takes the class out of the question for that transaction and leaves the wall between agencies.

The tables are not FORCEd: their owner is the role that migrates, never the application, which
refuses to start where row-level security does not hold it.  As the owner's, the views below and
custody_append look beneath the wall; were the views walled themselves, exhibits would ask for
cases, cases for referrals and referrals for cases, without end.  Each view shows the
asking agency or principal what concerns it and nothing else, so reading one tells nobody more.

Times are the database's: an entry that expires does so by a second clock too.  A row that begins
counts at once, and one that ended never, whatever instant was meant.

Risk: each table is locked for an instant; no row is read or written.  An older program on this
schema says nothing of whom it works for and sees nothing: stop it first.
Undo: downgrade takes the wall away; the program's own rules stand as before.
"""

from alembic import op

from evidence.engines.grants import grant

revision = "20261122_1070"
down_revision = "20261122_1060"
branch_labels = None
depends_on = None

# In brackets with SELECT they are computed once a statement, not once a row.
SYSTEM = "(SELECT current_setting('evidence.acting', true) = 'system')"
AGENCY = "(SELECT nullif(current_setting('evidence.agency', true), '')::uuid)"
PRINCIPAL = "(SELECT nullif(current_setting('evidence.principal', true), '')::uuid)"
MANAGING = "(SELECT current_setting('evidence.managing', true) = 'on')"

OURS = f"agency_id = {AGENCY}"

NAMES_ME = f"""
    entry.ended_at IS NULL AND (entry.expires_at IS NULL OR entry.expires_at > now())
    AND (entry.account_id = {PRINCIPAL} OR entry.unit_id IN (
        SELECT unit_id FROM unit_member WHERE account_id = {PRINCIPAL} AND left_at IS NULL))
"""

VIEWS = {
    "case_referred_here": f"SELECT case_id FROM referral WHERE {OURS} AND ended_at IS NULL",
    # Withdrawn exhibits too: the office still reads that there was one.
    "item_referred_here": """
        SELECT exhibit.item_id FROM exhibit JOIN case_referred_here here ON here.case_id = exhibit.case_id
    """,
    "case_opened_here": f"""
        SELECT case_id FROM case_assignment WHERE account_id = {PRINCIPAL} AND ended_at IS NULL
        UNION ALL
        SELECT entry.case_id FROM access_list_entry entry WHERE entry.case_id IS NOT NULL AND {NAMES_ME}
    """,
    "item_opened_here": f"""
        SELECT entry.item_id FROM access_list_entry entry WHERE entry.item_id IS NOT NULL AND {NAMES_ME}
        UNION ALL
        SELECT exhibit.item_id FROM exhibit JOIN access_list_entry entry ON entry.case_id = exhibit.case_id
        WHERE exhibit.withdrawn_at IS NULL AND {NAMES_ME}
        UNION ALL
        SELECT exhibit.item_id FROM exhibit
        JOIN case_file matter ON matter.id = exhibit.case_id AND matter.kind = 'internal_affairs'
        JOIN case_assignment works ON works.case_id = matter.id
        WHERE exhibit.withdrawn_at IS NULL AND works.account_id = {PRINCIPAL} AND works.ended_at IS NULL
        UNION ALL
        SELECT item_id FROM broken_glass WHERE account_id = {PRINCIPAL} AND ends_at > now()
    """,
    "case_standing": f"""
        SELECT id, agency_id, kind, closed_at FROM case_file
        WHERE {SYSTEM} OR {OURS}
        OR EXISTS (SELECT FROM case_referred_here here WHERE here.case_id IN (case_file.id, case_file.merged_into_id))
    """,
    "item_here": f"""
        SELECT id, agency_id FROM evidence_item
        WHERE {OURS} OR EXISTS (SELECT FROM item_referred_here here WHERE here.item_id = evidence_item.id)
    """,
    # Of other agencies: who works a case that both may see, and who is named on an access list of ours.
    "account_met_here": f"""
        SELECT works.account_id FROM case_assignment works JOIN case_file ON case_file.id = works.case_id
        WHERE case_file.{OURS} OR EXISTS (SELECT FROM case_referred_here here WHERE here.case_id = case_file.id)
        UNION ALL
        SELECT entry.account_id FROM access_list_entry entry
        LEFT JOIN evidence_item item ON item.id = entry.item_id
        LEFT JOIN case_file ON case_file.id = entry.case_id
        WHERE entry.account_id IS NOT NULL AND coalesce(item.agency_id, case_file.agency_id) = {AGENCY}
    """,
    "unit_met_here": f"""
        SELECT entry.unit_id FROM access_list_entry entry
        LEFT JOIN evidence_item item ON item.id = entry.item_id
        LEFT JOIN case_file ON case_file.id = entry.case_id
        WHERE entry.unit_id IS NOT NULL AND coalesce(item.agency_id, case_file.agency_id) = {AGENCY}
    """,
}
"""In the order of making: later ones look at earlier ones."""


def tied(tie: str, view: str, row: str) -> str:
    """Return the condition that a row of the view has this id."""
    return f"EXISTS (SELECT FROM {view} here WHERE here.{tie} = {row})"


IN_A_CASE = tied("id", "case_standing", "{table}.case_id")
OF_A_CASE_OR_ITEM = f"({IN_A_CASE} OR {tied('id', 'item_here', '{table}.item_id')})"


def confined(here: str, opened: str) -> str:
    """Return the rule of what has a class: of one's own agency or referred, and opened where it is confidential."""
    return f"({OURS} OR {here}) AND (access_class <> 'confidential' OR {MANAGING} OR {opened})"


def _either_case(view: str) -> str:
    return f"({tied('case_id', view, '{table}.id')} OR {tied('case_id', view, '{table}.merged_into_id')})"


OF_AN_ACCOUNT = f"EXISTS (SELECT FROM account WHERE account.id = {{table}}.account_id AND {OURS})"

WALLS: dict[str, tuple[str, str | None]] = {
    # Whoever refers a case names the other agency; they are founded at the console.
    "agency": (f"{AGENCY} IS NOT NULL", "false"),
    "account": (f"{OURS} OR {tied('account_id', 'account_met_here', '{table}.id')}", OURS),
    # Who may see an item is told of those of another agency too who work its case.
    "role_assignment": ("EXISTS (SELECT FROM account here WHERE here.id = {table}.account_id)", OF_AN_ACCOUNT),
    "sign_in_session": (OF_AN_ACCOUNT, None),
    "second_factor": (OF_AN_ACCOUNT, None),
    "recovery_code": (OF_AN_ACCOUNT, None),
    "provider_identity": (OF_AN_ACCOUNT, None),
    "provider_session": ("EXISTS (SELECT FROM provider_identity here WHERE here.id = {table}.identity_id)", None),
    "group_mapping": (OURS, None),
    "unit": (f"{OURS} OR {tied('unit_id', 'unit_met_here', '{table}.id')}", OURS),
    "unit_member": ("EXISTS (SELECT FROM unit WHERE unit.id = {table}.unit_id)", None),
    "dock": (OURS, None),
    "dock_key": ("EXISTS (SELECT FROM dock here WHERE here.id = {table}.dock_id)", None),
    "enrolment_code": (OURS, None),
    "camera": (OURS, None),
    "camera_assignment": ("EXISTS (SELECT FROM camera here WHERE here.id = {table}.camera_id)", None),
    "evidence_item": (
        confined(
            tied("item_id", "item_referred_here", "{table}.id"), tied("item_id", "item_opened_here", "{table}.id")
        ),
        # Whoever prosecutes may narrow its class; what is registered is one's own.
        f"{OURS} OR " + tied("item_id", "item_referred_here", "{table}.id"),
    ),
    "item_number": (OURS, None),
    "case_file": (
        # What was merged is known to whom the case that remains is: its old number names that one.
        confined(
            _either_case("case_referred_here"),
            _either_case("case_opened_here"),
        ),
        # Whoever prosecutes may close a case that was referred to them: what it is does not change by that.
        tied("id", "case_standing", "{table}.id") + f" OR {OURS}",
    ),
    "exhibit": (IN_A_CASE, None),
    "case_assignment": (IN_A_CASE, None),
    "referral": (IN_A_CASE, None),
    "expectation": ("EXISTS (SELECT FROM referral here WHERE here.id = {table}.referral_id)", None),
    "fulfilment": ("EXISTS (SELECT FROM expectation here WHERE here.id = {table}.expectation_id)", None),
    "incident_number": (OF_A_CASE_OR_ITEM, None),
    # Of other agencies too: whoever merges a case carries their references over to the one that remains.
    "external_reference": (f"{OURS} OR {OF_A_CASE_OR_ITEM}", None),
    "case_number_pattern": (OURS, None),
    "case_number": (OURS, None),
    "access_list_entry": (OF_A_CASE_OR_ITEM, None),
    "approval_request": (OURS, None),
    "approval": ("EXISTS (SELECT FROM approval_request here WHERE here.id = {table}.request_id)", None),
    "broken_glass": (OURS, None),
    "notice": (OURS, None),
    "critical_incident": (OURS, None),
    "incident_listing": ("EXISTS (SELECT FROM critical_incident here WHERE here.id = {table}.incident_id)", None),
    "incident_item": ("EXISTS (SELECT FROM critical_incident here WHERE here.id = {table}.incident_id)", None),
    "stored_object": (OURS, None),
    "upload": (OURS, None),
}
"""Table -> what a person's transaction may see, and what it may write where that is less."""

READ_ONLY_WALLS = {
    # The chain of what one may see. The uuid is read only where there is one.
    "custody_record": """
        CASE split_part({table}.chain, '/', 1)
            WHEN 'item' THEN EXISTS (SELECT FROM evidence_item WHERE id = split_part({table}.chain, '/', 2)::uuid)
            WHEN 'case' THEN EXISTS (SELECT FROM case_file WHERE id = split_part({table}.chain, '/', 2)::uuid)
            WHEN 'account' THEN EXISTS (
                SELECT FROM account WHERE id = split_part({table}.chain, '/', 2)::uuid AND OURS)
            WHEN 'dock' THEN EXISTS (SELECT FROM dock WHERE id = split_part({table}.chain, '/', 2)::uuid)
            ELSE false
        END
    """.replace("OURS", OURS),
    "custody_disclosure": "EXISTS (SELECT FROM custody_record WHERE id = {table}.record_id)",
    "custody_receipt": "EXISTS (SELECT FROM custody_record WHERE id = {table}.record_id)",
}
"""Written beside the records by whoever acts, and read like the records."""


def upgrade() -> None:
    op.create_index("ix_case_assignment_account_id", "case_assignment", ["account_id"])
    for view, query in VIEWS.items():
        op.execute(f"CREATE VIEW {view} AS {query}")
    grant(op, "SELECT", *VIEWS)
    for table, (seen, written) in WALLS.items():
        may_see = f"{SYSTEM} OR ({seen.format(table=table)})"
        may_write = f"{SYSTEM} OR ({(written or seen).format(table=table)})"
        op.execute(f"CREATE POLICY wall ON {table} USING ({may_see}) WITH CHECK ({may_write})")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    # Whoever prosecutes may end a referral to them, and lays no case before anybody else.
    op.execute(
        f"CREATE POLICY owner_refers ON referral AS RESTRICTIVE FOR INSERT WITH CHECK ({SYSTEM} OR EXISTS ("
        f"SELECT FROM case_standing here WHERE here.id = referral.case_id AND here.{OURS}))"
    )
    for table, seen in READ_ONLY_WALLS.items():
        op.execute(f"CREATE POLICY wall ON {table} FOR SELECT USING ({SYSTEM} OR ({seen.format(table=table)}))")
        if table != "custody_record":
            op.execute(f"CREATE POLICY entered ON {table} FOR INSERT WITH CHECK (true)")
            op.execute(f"CREATE POLICY erased ON {table} FOR DELETE USING ({SYSTEM})")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")


def downgrade() -> None:
    for table in READ_ONLY_WALLS:
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
        for policy in ("wall", "entered", "erased"):
            op.execute(f"DROP POLICY IF EXISTS {policy} ON {table}")
    op.execute("DROP POLICY owner_refers ON referral")
    for table in WALLS:
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
        op.execute(f"DROP POLICY wall ON {table}")
    for view in reversed(VIEWS):
        op.execute(f"DROP VIEW {view}")
    op.drop_index("ix_case_assignment_account_id", table_name="case_assignment")
