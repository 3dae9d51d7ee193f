"""The schema of the database: bring it to head, and refuse to work on any other.

The steps are in the folder `migrations`, which stands beside the packages in the source tree
and inside this one in an installed wheel.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, make_url, text

from evidence.errors import SetupError

_HERE = Path(__file__).parent
_PLACES = (_HERE / "migrations", _HERE.parents[1] / "migrations")


def upgrade(owner_url: str, *, app_role: str, origin: str | None = None) -> None:
    """Bring the database to head as its owner, giving `app_role` what the application needs.

    `origin` names the installation in every custody record; it counts at the first run only,
    and one is made up when none is given.  Raises SetupError when the application would own
    the tables, for an owner can take the protection of custody records away.
    """
    if make_url(owner_url).username == app_role:
        raise SetupError(
            "the application and the owner of the tables are the same database role",
            next_step="make a second role for the application and name it in EVIDENCE_DATABASE_URL",
        )
    config = configuration()
    config.attributes |= {"url": owner_url, "app_role": app_role, "origin": origin}
    command.upgrade(config, "head")


def configuration() -> Config:
    """Return Alembic's configuration for our steps, for whoever is to run them."""
    config = Config()
    config.set_main_option("script_location", str(_folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def require_head(engine: Engine) -> None:
    """Raise SetupError unless the database is at the head this program was made for."""
    steps = ScriptDirectory.from_config(configuration())
    if _present(engine, steps) != steps.get_current_head():
        raise SetupError("the database schema is old or missing", next_step="run `evidence migrate`")


def require_wall(engine: Engine) -> None:
    """Raise SetupError where row-level security does not hold this role: an owner, a superuser, one with BYPASSRLS."""
    with engine.connect() as connection:
        held = connection.scalar(text("SELECT row_security_active('evidence_item')"))
    if not held:
        raise SetupError(
            "row-level security does not hold the application's database role",
            next_step="give EVIDENCE_DATABASE_URL a role that owns no table, is no superuser and has no BYPASSRLS; "
            "then run `evidence migrate`",
        )


def pending(engine: Engine | None) -> list[str]:
    """Return the steps that this program would apply to the database (None: to an empty one), oldest first.

    Raises SetupError when the database is newer than this program.
    """
    steps = ScriptDirectory.from_config(configuration())
    present = None if engine is None else _present(engine, steps)
    waiting = [] if present == steps.get_current_head() else list(steps.iterate_revisions("head", present or "base"))
    return [f"{step.revision} {(step.doc or '').rstrip('.')}" for step in reversed(waiting)]


def _present(engine: Engine, steps: ScriptDirectory) -> str | None:
    with engine.connect() as connection:
        present = MigrationContext.configure(connection).get_current_revision()
    if present is not None and present not in {step.revision for step in steps.walk_revisions()}:
        raise SetupError(
            "the database schema is newer than this program", next_step="run the newest version of the program"
        )
    return present


def _folder() -> Path:
    for place in _PLACES:
        if (place / "env.py").exists():
            return place
    raise SetupError("the migrations are missing from this installation", next_step="install the program again")
