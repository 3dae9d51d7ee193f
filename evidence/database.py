"""The database: one engine a process, and one unit of work a request or job.

A unit of work is one transaction.  It is ended here and nowhere else: domain code flushes and
never commits.  What the work queued for the chain of custody is sealed as its last statement
(`at_the_end`), so that the act and its record stand or fall together.  What only reads needs no
transaction (`reading`), and a single statement is one by itself (`execute_alone`).
"""

import select
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Engine, Executable, MetaData, create_engine
from sqlalchemy import event as listening
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, TimeoutError
from sqlalchemy.orm import DeclarativeBase, ORMExecuteState, Session, sessionmaker

from evidence.errors import UnavailableError

NAMING = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""Names of constraints, the same in both metadatas (auth/models.py has its own Base)."""


class Base(DeclarativeBase):
    """The tables of `evidence`."""

    metadata = MetaData(naming_convention=NAMING)


Sessions = sessionmaker[Session]
LastStatement = Callable[[Session], None]

_LAST = "last_statement"
_IS_UNIT = "is_unit_of_work"


class DatabaseAwayError(UnavailableError):
    """The database does not answer, or broke off; whether the last commit happened is not known."""

    def __init__(self) -> None:
        super().__init__("The database does not answer.", next_step="Try again; a retry is harmless.")


def connect(url: str, *, pool_size: int = 20) -> Engine:
    """Make the engine of this process for an application-role URL (postgresql+psycopg://...)."""
    engine = create_engine(url, pool_size=pool_size, max_overflow=pool_size, pool_timeout=10)
    listening.listen(engine, "connect", _use_universal_time)
    listening.listen(engine, "checkout", _require_alive)
    return engine


def _use_universal_time(connection: psycopg.Connection, _record: object) -> None:
    """Have instants handed over in UTC: in other zones the first or last day lies outside the years Python knows."""
    connection.execute("SET TIME ZONE 'UTC'")
    connection.commit()


def _require_alive(connection: psycopg.Connection, _record: object, _fairy: object) -> None:
    """Give up pooled connections that the server has closed.

    An idle connection has nothing to say: when there is something to read, it is the end.  So nobody
    has to ask the server before each unit of work, as SQLAlchemy's pre-ping does.
    """
    readable = select.poll()
    if not connection.closed:
        readable.register(connection.fileno(), select.POLLIN)
    if connection.closed or readable.poll(0):
        raise InvalidatePoolError("the server has closed this connection")


def sessions(engine: Engine) -> Sessions:
    """Make the session factory that everything else is handed."""
    return sessionmaker(engine, expire_on_commit=False)


def at_the_end(session: Session, last: LastStatement) -> None:
    """Call `last` when this unit of work has ended well, just before it commits.

    It executes one statement or none.  There is one such place, and the second who asks is refused;
    so is whoever asks where there is no unit of work.
    """
    if not session.info.get(_IS_UNIT):
        raise RuntimeError("what has a last statement is done in a unit of work")
    if _LAST in session.info:
        raise RuntimeError("this unit of work has its last statement already")
    session.info[_LAST] = last


@contextmanager
def unit_of_work(make_session: Sessions) -> Iterator[Session]:
    """Open a session; commit when the block ends well, roll back when it raises.

    Raises DatabaseAwayError when the database is away or breaks off.
    """
    with _away_told(), make_session() as session:
        session.info[_IS_UNIT] = True
        yield session
        session.info[_IS_UNIT] = False
        session.flush()
        if last := session.info.pop(_LAST, None):
            if not session.in_transaction():
                # The block asked the database nothing: its last statement is its only one.
                _stand_alone(session)
            last(session)
        session.commit()


@contextmanager
def reading(make_session: Sessions) -> Iterator[Session]:
    """Open a session that only reads; each statement sees what was committed before it.

    Nothing is begun and nothing committed: for one SELECT that is one question to the database
    where a unit of work has three.  Raises DatabaseAwayError.
    """
    with _away_told(), _ReadingSession(**make_session.kw) as session:
        _stand_alone(session)
        yield session
        session.flush()


@contextmanager
def standing_alone(make_session: Sessions) -> Iterator[Session]:
    """Open a session each of whose statements is a transaction of its own, writing ones too.

    For what the chain of custody does not record and what must stay though the rest fails: that a
    proof was used.  Raises DatabaseAwayError.
    """
    with _away_told(), make_session() as session:
        _stand_alone(session)
        yield session


def execute_alone(make_session: Sessions, statement: Executable) -> Sequence[Any]:
    """Execute one statement, a SELECT or one with RETURNING, as a transaction of its own; return its rows.

    One question to the database where a unit of work has three.  For what the chain of custody does
    not record.  Raises DatabaseAwayError.
    """
    with standing_alone(make_session) as session:
        return session.execute(statement).all()


def _stand_alone(session: Session) -> None:
    """Let each statement of this session be a transaction of its own."""
    session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})


@listening.listens_for(Session, "before_commit")
def _refuse_to_end_early(session: Session) -> None:
    """Refuse a commit inside a unit of work: what follows it would be another. Releasing a savepoint asks too."""
    if session.info.get(_IS_UNIT) and not session.in_nested_transaction():
        raise RuntimeError("a unit of work is ended by evidence.database.unit_of_work and nowhere else")


class _ReadingSession(Session):
    """Refuses what would be committed by itself, statement for statement, and without its custody record."""


@listening.listens_for(_ReadingSession, "before_flush")
def _refuse_to_write(*_: object) -> None:
    raise RuntimeError("This session only reads: an act belongs into a unit of work.")


@listening.listens_for(_ReadingSession, "do_orm_execute")
def _require_select(statement: ORMExecuteState) -> None:
    if not statement.is_select:
        _refuse_to_write()


@contextmanager
def _away_told() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise DatabaseAwayError from error
    except DBAPIError as error:
        if error.connection_invalidated or _is_away(error):
            raise DatabaseAwayError from error
        raise


def _is_away(error: DBAPIError) -> bool:
    # 08: connection exceptions; 57P: the server is stopping or starting; 53: out of resources
    # (appendix A of PostgreSQL's manual). No code at all: the connection was never made.
    code = getattr(error.orig, "sqlstate", None)
    return (code is None and "OperationalError" in type(error).__name__) or str(code)[:2] in ("08", "53", "57")
