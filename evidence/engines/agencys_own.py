"""An agency's own PostgreSQL: its address, and in plain words why it does not answer."""

import re

import psycopg
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from evidence.errors import SetupError, UnavailableError

ANSWER_WITHIN_SECONDS = 10

_WHY_AWAY = (
    (r"refused", "the connection was refused, nothing listens there"),
    (r"timeout|timed out", "it did not answer in time"),
    (r"translate host name|resolve host|name or service not known", "no host of this name is known"),
    (r"no such file|is the server running", "nothing listens there"),
    (r"unreachable|no route", "there is no way to this host"),
    (r"starting up|shutting down", "it is starting or stopping"),
    (r"too many (clients|connections)|connection slots", "it takes no more connections"),
)
"""Of what the client library says, the part we know, and our words for it."""

_WHY_REFUSED = (
    (r"password authentication failed|no password supplied|authentication failed", "the password is wrong or missing"),
    (r"no pg_hba\.conf entry", "it takes no connection from this host, user and database (pg_hba.conf)"),
    (r'database ".*" does not exist', "there is no database of this name"),
    (r'role ".*" does not exist', "there is no role of this name"),
    (r"ssl|certificate", "no safe connection (TLS) could be agreed on"),
)


def read_url(text: str, *, setting: str) -> URL:
    """Return the address for our driver, or raise SetupError naming the setting and never its value."""
    example = f"set {setting} to postgresql://ROLE:PASSWORD@HOST/DATABASE"
    try:
        parsed = make_url(text)
        parsed.port  # noqa: B018 -- a port that is no number is found here
    except (ArgumentError, ValueError):
        raise SetupError(f"{setting} is not the address of a database", next_step=example) from None
    if parsed.get_backend_name() != "postgresql":
        raise SetupError(
            f"{setting}: the database must be PostgreSQL, not {parsed.get_backend_name()}",
            next_step=f"{example}, or leave it out for the embedded one",
        )
    if parsed.username is None:
        raise SetupError(f"{setting} names no role", next_step=example)
    return parsed.set(drivername="postgresql+psycopg")


def require_answer(url: URL, *, setting: str) -> None:
    """Connect once. Raises UnavailableError when nothing answers, SetupError when we are turned away."""
    plain = url.set(drivername="postgresql")
    if "connect_timeout" not in plain.query:
        plain = plain.update_query_dict({"connect_timeout": str(ANSWER_WITHIN_SECONDS)})
    try:
        psycopg.connect(plain.render_as_string(hide_password=False)).close()
    except psycopg.Error as error:
        _fail(str(error), url, setting)


def _fail(said: str, url: URL, setting: str) -> None:
    named = f"the database {url.database or url.username} at {_host(url)}"
    for pattern, why in _WHY_REFUSED:
        if re.search(pattern, said, re.IGNORECASE):
            raise SetupError(f"{named} turned us away: {why}", next_step=f"correct {setting} or the server") from None
    why = next((why for pattern, why in _WHY_AWAY if re.search(pattern, said, re.IGNORECASE)), "it does not answer")
    raise UnavailableError(
        f"{named} cannot be reached: {why}", next_step=f"check {setting}, and that PostgreSQL runs there"
    ) from None


def _host(url: URL) -> str:
    host = url.host or url.query.get("host") or "the local socket"
    return f"{host if isinstance(host, str) else ', '.join(host)}, port {url.port or url.query.get('port') or 5432}"
