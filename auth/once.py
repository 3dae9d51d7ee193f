"""What is good once: a used statement is noted and refused until it would be refused for its age anyway."""

from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from auth.models import UsedAssertion

_FORGETTING = 0x65766964_61736A74
"""Key of the advisory lock under which one process at a time forgets old statements."""


def spend(session: Session, what: bytes, *, expires_at: datetime, at: datetime) -> bool:
    """Note that it was used; False if it was used before."""
    _forget_old(session, at)
    noted = session.execute(
        insert(UsedAssertion)
        .values(jti_sha256=sha256(what).digest(), expires_at=expires_at)
        .on_conflict_do_nothing()
        .returning(UsedAssertion.jti_sha256)
    )
    return noted.one_or_none() is not None


def _forget_old(session: Session, at: datetime) -> None:
    # An old statement is refused for its age. One process at a time, so that two cannot wait for each other.
    if session.scalar(select(func.pg_try_advisory_xact_lock(_FORGETTING))):
        session.execute(delete(UsedAssertion).where(UsedAssertion.expires_at < at - timedelta(minutes=5)))
