"""Run migrations: both metadatas, one runner at a time, nobody kept waiting for long."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from alembic import context
from sqlalchemy import Connection, MetaData, NullPool, create_engine, text

import auth
import evidence
from evidence.database import Base
from evidence.engines import postgres
from evidence.engines.cluster import APP_ROLE
from evidence.settings import Settings

ONE_RUNNER = 0x65766964656E6365
"""The advisory lock held while steps run: a second runner waits, then finds nothing to do."""

LOCK_TIMEOUT = "5s"
"""A step that cannot have its lock gives up, rather than queue and make everyone queue behind it."""

STATEMENT_TIMEOUT = "15min"


def metadatas() -> list[MetaData]:
    """Import every module of tables there is and return what they declare."""
    for package in (auth, evidence):
        root = Path(package.__file__ or "").parent
        for file in sorted(root.rglob("models.py")):
            import_module(".".join((package.__name__, *file.relative_to(root).with_suffix("").parts)))
    found = [Base.metadata]
    if (models := getattr(auth, "models", None)) is not None:
        found.append(models.Base.metadata)
    return found


def is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Leave the tables of the job queue to the queue, whose schema is not declared in our models."""
    return not (kind == "table" and name is not None and name.startswith("procrastinate_"))


def name_by_date(_context: object, _revision: object, directives: list[Any]) -> None:
    """Give a new step its date as revision id, so that files and ids sort alike."""
    for directive in directives:
        directive.rev_id = datetime.now(UTC).strftime("%Y%m%d_%H%M")


@contextmanager
def database_url() -> Iterator[str]:
    """Find the owner's address: handed to us, or as the settings say."""
    if url := context.config.attributes.get("url"):
        yield url
        return
    settings = Settings()
    if settings.owner_database_url is not None:
        yield settings.owner_database_url.get_secret_value()
        return
    with postgres.attached(settings.home) as cluster:
        yield cluster.owner_url


def run(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": ONE_RUNNER})
    connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.execute(text(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'"))
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=metadatas(),
        include_name=is_ours,
        process_revision_directives=name_by_date,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    _let_the_application_read_the_version(connection)
    connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": ONE_RUNNER})
    connection.commit()


def _let_the_application_read_the_version(connection: Connection) -> None:
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return  # `alembic check` on an empty database
    role = connection.dialect.identifier_preparer.quote(context.config.attributes.get("app_role", APP_ROLE))
    connection.execute(text(f"GRANT SELECT ON alembic_version TO {role}"))


with database_url() as url:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        run(connection)
    engine.dispose()
