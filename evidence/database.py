"""The database: one engine a process, and one unit of work a request or job.

A unit of work is one transaction.  It is ended here and nowhere else: domain code flushes and
never commits.  What the work queued for the chain of custody is sealed as its last statement
(`at_the_end`), so that the act and its record stand or fall together.  What only reads needs no
transaction (`reading`), and a single statement is one by itself (`execute_alone`).

The database keeps agencies apart by itself (row-level security, migration 1070) and has to be told
for whom it works.  A connection made `for_system` sees everything, any other nothing.  What is
done `by` a person or dock sees what concerns them: that is said together with BEGIN, holds for
that one transaction, and takes the connection's own right away for as long.
"""

import select as readiness
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol
from uuid import UUID

import psycopg
from psycopg.pq import ExecStatus, TransactionStatus
from sqlalchemy import Connection, Engine, Executable, MetaData, create_engine, func, select
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
_BY = "acting"


class Acting(Protocol):
    """Whom a transaction is for: a person or a dock, and its agency. A Principal is one."""

    @property
    def id(self) -> UUID:
        """Of the account or dock."""

    @property
    def agency_id(self) -> UUID:
        """Of its agency."""


class DatabaseAwayError(UnavailableError):
    """The database does not answer, or broke off; whether the last commit happened is not known."""

    def __init__(self) -> None:
        super().__init__("The database does not answer.", next_step="Try again; a retry is harmless.")


def connect(url: str, *, pool_size: int = 20, for_system: bool = False) -> Engine:
    """Make the engine of this process for an application-role URL (postgresql+psycopg://...).

    Only `for_system` does it see rows of agencies where nobody is said to act; a test lists who may ask for that.
    """
    engine = create_engine(url, pool_size=pool_size, max_overflow=pool_size, pool_timeout=10)
    listening.listen(engine, "connect", _set_up_for_system if for_system else _set_up)
    listening.listen(engine, "checkout", _require_alive)
    return engine


def close(engine: Engine) -> None:
    """Close the engine for good, whoever is still busy with it.

    What another thread has out is closed when it gives it back, and who asks for a connection from
    now on gets DatabaseAwayError: `dispose` alone would open a new pool for them that nobody closes.
    """
    listening.listen(engine, "checkin", _close_returned)
    listening.listen(engine, "do_connect", _refuse_to_connect)
    engine.dispose()


def _close_returned(connection: psycopg.Connection | None, _record: object) -> None:
    if connection is not None:
        connection.close()


def _refuse_to_connect(*_: object) -> None:
    raise DatabaseAwayError


def _set_up(connection: psycopg.Connection, _record: object) -> None:
    """Have instants handed over in UTC: in other zones the first or last day lies outside the years Python knows.

    And act for nobody, whatever the role or the address has for a default.
    """
    connection.execute("SET TIME ZONE 'UTC'; SET evidence.acting = ''")
    connection.commit()


def _set_up_for_system(connection: psycopg.Connection, _record: object) -> None:
    connection.execute("SET TIME ZONE 'UTC'; SET evidence.acting = 'system'")
    connection.commit()


def _require_alive(connection: psycopg.Connection, _record: object, _fairy: object) -> None:
    """Give up pooled connections that the server has closed.

    An idle connection has nothing to say: when there is something to read, it is the end.  So nobody
    has to ask the server before each unit of work, as SQLAlchemy's pre-ping does.
    """
    readable = readiness.poll()
    if not connection.closed:
        readable.register(connection.fileno(), readiness.POLLIN)
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
def unit_of_work(make_session: Sessions, *, by: Acting | None = None) -> Iterator[Session]:
    """Open a session; commit when the block ends well, roll back when it raises.

    What is done `by` somebody sees what concerns them and nothing else.  Raises DatabaseAwayError when the
    database is away or breaks off.
    """
    with _away_told(), make_session() as session:
        session.info[_IS_UNIT] = True
        session.info[_BY] = by
        yield session
        session.info[_IS_UNIT] = False
        session.flush()
        if last := session.info.pop(_LAST, None):
            if by is None and not session.in_transaction():
                # The block asked the database nothing: its last statement is its only one.
                _stand_alone(session)
            last(session)
        session.commit()


@contextmanager
def reading(make_session: Sessions, *, by: Acting | None = None) -> Iterator[Session]:
    """Open a session that only reads; each statement sees what was committed before it.

    Nothing is begun and nothing committed: for one SELECT that is one question to the database
    where a unit of work has three.  What is read `by` somebody is a transaction all the same, in
    which it is said who.  Raises DatabaseAwayError.
    """
    with _away_told(), _ReadingSession(**make_session.kw) as session:
        session.info[_BY] = by
        if by is None:
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


def manage_classes(session: Session) -> None:
    """See confidential things of one's own agency until this transaction ends: to let somebody in or to open them."""
    session.execute(select(func.set_config("evidence.managing", "on", True)))


@listening.listens_for(Session, "after_begin")
def _say_for_whom(session: Session, _transaction: object, connection: Connection) -> None:
    """Say in one question with BEGIN, which the driver would ask by itself, for whom the transaction is."""
    by: Acting | None = session.info.get(_BY)
    if by is None:
        return
    driver: psycopg.Connection | None = connection.connection.driver_connection
    assert driver is not None
    if driver.autocommit:
        raise RuntimeError("what is done by somebody is a transaction, in which it is said who")
    if driver.pgconn.transaction_status != TransactionStatus.IDLE:
        return  # a savepoint
    # Nothing but the digits of two numbers gets into the statement.
    said = f"evidence.agency = '{UUID(int=by.agency_id.int)}'; SET LOCAL evidence.principal = '{UUID(int=by.id.int)}'"
    try:
        answer = driver.pgconn.exec_(f"BEGIN; SET LOCAL evidence.acting = ''; SET LOCAL {said}".encode())
        if answer.status != ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(answer)
    except psycopg.Error as error:
        # What SQLAlchemy would raise, so that whoever ends the unit of work knows it.
        raise DBAPIError.instance(None, None, error, psycopg.Error) from error


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
