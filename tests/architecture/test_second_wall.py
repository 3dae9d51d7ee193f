"""Every table is behind the second wall or says why not, and few places may look over it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from evidence.access.gates import MANAGING
from evidence.database import connect
from evidence.engines import schema
from evidence.errors import SetupError
from tests.support.database import Database, driver_url

ROOT = Path(__file__).parents[2]

NOT_WALLED = {
    "alembic_version": "says only which schema this is",
    "custody_origin": "the installation's name, which is in every record",
    "custody_head": "ids and hashes of chains; appending locks them, and what they are of is walled",
    "lockout": "addresses and ids of accounts, asked before anybody is known; an administrator releases either",
    "signing_key": "public keys, which are handed to strangers",
    "used_assertion": "digests of what is good once, of docks and of sign-ins, kept for minutes",
    "procrastinate_*": "the queue's own: ids of items, read by workers alone",
}
"""Table -> why every session may see all of it."""

FOR_THE_SYSTEM = {
    "evidence/api/dependencies.py:current_principal": "whoever asks is not known yet",
    "evidence/api/dependencies.py:_session_at_the_door": "nothing is asked for instead of a token",
    "evidence/api/docks.py:enrol_dock": "an enrolment code is asked for instead of a token",
    "evidence/api/docks.py:replace_dock_key": "what the dock's key has signed is asked for instead of a token",
    "evidence/api/guards.py:record_refusal": "a refusal is recorded, and nothing read",
    "evidence/api/uploads.py:show_receipt": "of an upload whose opener was found to ask",
    "evidence/api/uploads.py:_received": "of an upload whose opener was found to ask",
    "evidence/api/uploads.py:_find": "asks for opener and agency itself, a round trip cheaper",
    "evidence/api/health.py:readyz": "counts what could not be delivered, and names nobody",
    "evidence/cli/admin.py:create_account": "the server's own console",
    "evidence/cli/admin.py:is_known": "the server's own console",
    "evidence/cli/admin.py:administrators_of": "the server's own console",
    "evidence/cli/admin.py:_reset": "the server's own console",
    "evidence/cli/admin.py:_release_source": "the server's own console",
    "evidence/disclosure/exports.py:write": "what was let out when the export began",
    "evidence/disclosure/exports.py:end": "an end is recorded, and nothing read",
    "evidence/ingest/*": "uploads, and the jobs that follow them: of an upload that was found for whoever sends it",
    "evidence/main.py:unit": "where one proves who one is",
    "evidence/review/viewings.py:_reader": "the original of an item that somebody was let see",
    "evidence/review/viewings.py:_count": "of a viewing that was found to be theirs",
    "evidence/review/viewings.py:end_idle": "the installation ends what nobody reads from any more",
    "evidence/notices/*": "notices go out for the installation",
    "evidence/room.py:prepare": "an installation is made",
    "evidence/room.py:_register_keys": "an installation is made, by the owner",
    "evidence/room.py:_furnish": "the name of the installation is read",
}
"""Where a session is opened that is for nobody in particular -> why it may."""

MAY_CONNECT = {"evidence/room.py", "evidence/doctor.py"}
"""Whose connections see what there is where nobody is said to act."""

OPENERS = {"unit_of_work", "reading", "execute_alone", "sessions"}


def unwalled(database: Database) -> set[str]:
    with psycopg.connect(driver_url(database.owner_url)) as connection:
        found = connection.execute(
            "SELECT relname FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
            " AND NOT (relrowsecurity AND EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid))"
        ).fetchall()
    return {re.sub("^procrastinate_.*", "procrastinate_*", name) for (name,) in found}


def test_every_table_has_a_policy_or_says_why_not(database: Database) -> None:
    assert unwalled(database) == set(NOT_WALLED), "migrations/README.md says what a new table needs"


def test_a_table_without_a_policy_is_seen(database: Database) -> None:
    with psycopg.connect(driver_url(database.owner_url)) as connection:
        connection.execute("CREATE TABLE forgotten (id uuid)")
        connection.execute("CREATE TABLE locked_and_never_opened (id uuid)")
        connection.execute("ALTER TABLE locked_and_never_opened ENABLE ROW LEVEL SECURITY")
        connection.execute("ALTER TABLE upload DISABLE ROW LEVEL SECURITY")

    assert unwalled(database) - set(NOT_WALLED) == {"forgotten", "locked_and_never_opened", "upload"}


@pytest.mark.parametrize("role", ["owner", "superuser"])
def test_a_role_that_the_wall_does_not_hold_is_refused(database: Database, role: str) -> None:
    held, free = connect(database.app_url), connect(getattr(database, f"{role}_url"))

    schema.require_wall(held)
    with pytest.raises(SetupError, match="row-level security does not hold"):
        schema.require_wall(free)
    held.dispose()
    free.dispose()


def test_every_view_shows_whoever_asks_only_what_concerns_them(database: Database) -> None:
    """Views look beneath the wall: each has to ask for whom."""
    with psycopg.connect(driver_url(database.owner_url)) as connection:
        found = connection.execute("SELECT viewname, definition FROM pg_views WHERE schemaname = 'public'").fetchall()
    views: dict[str, str] = dict(found)
    asking = {
        name for name, query in views.items() if re.search(r"current_setting\('evidence.(agency|principal)", query)
    }

    assert len(views) > 5
    assert {name for name in set(views) - asking if not any(f" {other} " in views[name] for other in asking)} == set()


def openings(path: str, source: str) -> Iterator[str]:
    """Name every place that opens a session and does not say for whom."""
    waiting: list[tuple[str, ast.AST]] = [("", ast.parse(source))]
    while waiting:
        function, node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function = node.name
        waiting += [(function, child) for child in ast.iter_child_nodes(node)]
        if not isinstance(node, ast.Call) or any(each.arg == "by" for each in node.keywords):
            continue
        named = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        makes_a_factory = named == "sessions" and node.args  # database.sessions(engine) opens none yet
        if named in OPENERS and not makes_a_factory:
            yield f"{path}:{function}"


def listed(place: str) -> str:
    return next((each for each in FOR_THE_SYSTEM if each.endswith("*") and place.startswith(each[:-1])), place)


def test_few_places_open_a_session_for_nobody_in_particular() -> None:
    found = {
        listed(place)
        for file in (ROOT / "evidence").rglob("*.py")
        if file.name != "database.py"
        for place in openings(str(file.relative_to(ROOT)), file.read_text())
    }

    assert found == set(FOR_THE_SYSTEM)


@pytest.mark.parametrize("call", ["unit_of_work(room.sessions)", "reading(room.sessions)", "room.sessions()"])
def test_a_session_for_nobody_in_particular_is_seen(call: str) -> None:
    careless = f"def show(room):\n    with {call} as session:\n        return session"
    careful = careless.replace("sessions)", "sessions, by=principal)")

    assert list(openings("api/new.py", careless)) == ["api/new.py:show"]
    assert list(openings("api/new.py", careful)) == (["api/new.py:show"] if call == "room.sessions()" else [])


def test_few_places_connect_for_the_system_or_name_its_setting() -> None:
    sources = {
        str(file.relative_to(ROOT)): file.read_text()
        for folder in ("evidence", "auth")
        for file in (ROOT / folder).rglob("*.py")
    }

    assert {path for path, text in sources.items() if "for_system=True" in text} == MAY_CONNECT
    assert {path for path, text in sources.items() if "evidence.acting" in text} == {"evidence/database.py"}
    managing = {path for path, text in sources.items() if "manage_classes(" in text}
    assert managing == {f"evidence/{each}.py" for each in ("database", "access/reach", "access/approvals")}
    assert all(action.startswith("access.") for action in MANAGING)
