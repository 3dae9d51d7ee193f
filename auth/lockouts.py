"""Lockout: who guessed too often is refused, right or wrong, until an administrator releases them.

Failures are counted for the account and for the network address they came from, each by itself:
one address may stand for a whole station, so it has a larger figure of its own.  A lock says
nothing to the caller.  The counts of two failures at once follow one another, and whoever asks
whether an account is locked has locked its row first: guessing in parallel gains nothing.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from auth.models import Lockout

_FORGETTING = 0x65766964_6C6F636B
"""Key of the advisory lock under which one process at a time forgets counts that have run out."""

_LONGEST = 100


def of_account(account_id: UUID) -> str:
    """Name the failures of an account."""
    return f"account/{account_id}"


def of_source(source: str) -> str:
    """Name the failed sign-ins from a network address."""
    return f"source/{network_of(source)}"


def of_enrolment(source: str) -> str:
    """Name the wrong enrolment codes from a network address."""
    return f"enrolment/{network_of(source)}"


def network_of(source: str) -> str:
    """Return what counts as one address: an IPv4 address, or the /64 that one IPv6 site has to itself."""
    try:
        address = ip_address(source)
    except ValueError:
        return source[:_LONGEST].replace("\0", "")
    address = getattr(address, "ipv4_mapped", None) or address
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address), 64), strict=False))
    return str(address)


def are_locked(session: Session, *subjects: str) -> set[str]:
    """Return those of the subjects that are locked out."""
    locked = select(Lockout.subject).where(Lockout.subject.in_(subjects), Lockout.locked_at.is_not(None))
    return set(session.scalars(locked))


def count(session: Session, subject: str, *, limit: int, window: timedelta, at: datetime) -> bool:
    """Count a failure, and say whether it is the one that locks the subject out."""
    _forget_old(session, before=at - 2 * window)
    session.execute(insert(Lockout).values(subject=subject, failed_at=[]).on_conflict_do_nothing())
    row = session.scalars(select(Lockout).where(Lockout.subject == subject).with_for_update()).one()
    session.refresh(row)
    if row.locked_at is not None:
        return False
    row.failed_at = [*(each for each in row.failed_at if each > at - window), at]
    if len(row.failed_at) >= limit:
        row.locked_at = at
    session.flush()
    return row.locked_at is not None


def release(session: Session, *subjects: str) -> bool:
    """Let the subjects in again, with no failure counted; say whether one was locked out."""
    were = are_locked(session, *subjects)
    session.execute(update(Lockout).where(Lockout.subject.in_(subjects)).values(failed_at=[], locked_at=None))
    return bool(were)


def accounts_locked(session: Session, account_ids: Collection[UUID]) -> dict[UUID, datetime]:
    """Return since when those of the accounts are locked out that are."""
    named = {of_account(each): each for each in account_ids}
    rows = session.execute(
        select(Lockout.subject, Lockout.locked_at).where(Lockout.subject.in_(named), Lockout.locked_at.is_not(None))
    )
    return {named[subject]: at for subject, at in rows if at is not None}


def _forget_old(session: Session, *, before: datetime) -> None:
    # One process at a time, so that two cannot wait for each other.
    if session.scalar(select(func.pg_try_advisory_xact_lock(_FORGETTING))):
        old = select(Lockout.subject).where(
            Lockout.locked_at.is_(None),
            func.coalesce(Lockout.failed_at[func.cardinality(Lockout.failed_at)], before) <= before,
        )
        session.execute(
            delete(Lockout).where(Lockout.subject.in_(old.with_for_update(skip_locked=True))),
            execution_options={"synchronize_session": False},
        )
