"""Real PostgreSQL for tests: one embedded cluster a run, one migrated template, fresh copies of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

import psycopg
from psycopg import sql

from evidence.engines import postgres, schema
from evidence.engines.cluster import APP_ROLE, OWNER_ROLE, SUPERUSER
from evidence.engines.postgres import Cluster

TEMPLATE = "migrated"
ORIGIN = "evidence.example/test"

_numbers = count(1)


@dataclass(frozen=True)
class Database:
    """One database of the test cluster, by the addresses of the three roles that may come to it."""

    cluster: Cluster
    name: str

    @property
    def app_url(self) -> str:
        """As the application."""
        return self.cluster.files.url(APP_ROLE, self.name)

    @property
    def owner_url(self) -> str:
        """As the owner of the tables."""
        return self.cluster.files.url(OWNER_ROLE, self.name)

    @property
    def superuser_url(self) -> str:
        """As the server's administrator."""
        return self.cluster.files.url(SUPERUSER, self.name)


def driver_url(url: str) -> str:
    """Turn SQLAlchemy's address into one for psycopg itself, by which every row there is can be looked at."""
    url = url.replace("+psycopg", "", 1)
    acting = "options=-cevidence.acting%3Dsystem"
    return (
        url.replace("options=", f"{acting}%20", 1)
        if "options=" in url
        else f"{url}{'&' if '?' in url else '?'}{acting}"
    )


@contextmanager
def database_from(cluster: Cluster, template: str) -> Iterator[Database]:
    """Make a database from a template and drop it afterwards, whoever is still connected."""
    name = f"test_{next(_numbers)}"
    with _administrator(cluster) as connection:
        postgres.create_database(connection, name, template=template)
    yield Database(cluster, name)
    with _administrator(cluster) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def migrated_template(cluster: Cluster) -> Iterator[str]:
    """Have a database at head that others are copied from."""
    with _administrator(cluster) as connection:
        postgres.create_database(connection, TEMPLATE)
    schema.upgrade(Database(cluster, TEMPLATE).owner_url, app_role=APP_ROLE, origin=ORIGIN)
    yield TEMPLATE


def _administrator(cluster: Cluster) -> psycopg.Connection:
    return psycopg.connect(driver_url(cluster.files.url(SUPERUSER, SUPERUSER)), autocommit=True)
