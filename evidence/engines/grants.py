"""What a migration gives to the role of the application: exactly what it needs, table by table."""

from alembic.operations import Operations

from evidence.engines.cluster import APP_ROLE


def app_role(op: Operations) -> str:
    """Return the name of the application's role in this database, quoted for SQL."""
    config = op.get_context().config
    name: str = config.attributes.get("app_role", APP_ROLE) if config else APP_ROLE
    return op.get_bind().dialect.identifier_preparer.quote(name)


def grant(op: Operations, rights: str, *tables: str) -> None:
    """Give the application's role these rights ("SELECT, INSERT", "UPDATE (ended_at)") on the tables."""
    op.execute(f"GRANT {rights} ON {', '.join(tables)} TO {app_role(op)}")
