"""What is good once: a used statement is noted and refused until it would be refused for its age anyway."""

from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import DateTime, LargeBinary, delete, func, literal, select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from auth.models import UsedAssertion

_FORGETTING = 0x65766964_61736A74
"""Key of the advisory lock under which one process at a time forgets old statements."""


def spend(session: Session, what: bytes, *, expires_at: datetime, at: datetime) -> bool:
    """Note that it was used; False if it was used before."""
    forget_old(session, at)
    noted = session.execute(
        insert(UsedAssertion)
        .values(jti_sha256=sha256(what).digest(), expires_at=expires_at)
        .on_conflict_do_nothing()
        .returning(UsedAssertion.jti_sha256)
    )
    return noted.one_or_none() is not None


def spend_unhurried(session: Session, digest: bytes, *, expires_at: datetime) -> bool:
    """The same for what comes with every request, by its digest: one statement, and nothing old is forgotten.

    It does not wait for the disk: what a crash of the database forgets is a fraction of a second old, and is of a
    request that a client sends again anyway.
    """
    noted = session.execute(
        insert(UsedAssertion)
        .from_select(
            ["jti_sha256", "expires_at"],
            select(
                literal(digest, LargeBinary),
                literal(expires_at, DateTime(timezone=True)),
            ).select_from(func.set_config("synchronous_commit", "off", true()).alias("unhurried")),
        )
        .on_conflict_do_nothing()
        .returning(UsedAssertion.expires_at)
    )
    return noted.first() is not None


def forget_old(session: Session, at: datetime) -> None:
    """Forget what is refused for its age by now."""
    # One process at a time, so that two cannot wait for each other.
    if session.scalar(select(func.pg_try_advisory_xact_lock(_FORGETTING))):
        session.execute(delete(UsedAssertion).where(UsedAssertion.expires_at < at - timedelta(minutes=5)))
