"""Notices: telling people that something waits for them or has happened, by mail and by one signed webhook.

`give` stands beside the act, in the act's own unit of work: it keeps one notice for each account and
one for the webhook, and enqueues their delivery (jobs.py), so that there is no notice of an act that
did not take place.  A notice says of what kind it is and names an id; what the id stands for is told
to nobody who does not sign in (words.py).  Where no mail server is set, a notice is kept and shown to
its account, and the doctor says that nobody is mailed.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from auth.models import Account, RoleAssignment
from auth.principals import Role
from auth.roles import standing
from evidence.ids import new_id
from evidence.jobs import NOTICE_SEND, defer
from evidence.notices.models import Kind, Notice

SHOWN_FOR = timedelta(days=30)
"""How long a notice is shown to its account, and a delivery that failed to whoever runs the installation."""

MOST_SHOWN = 50


def give(session: Session, kind: Kind, about: UUID, *, agency_id: UUID, to: Iterable[UUID], at: datetime) -> None:
    """Tell the accounts and the webhook, when this unit of work commits. `about` is the id of what it is about."""
    # None stands for the webhook; accounts in one order, whoever asks.
    for account_id in (*sorted(set(to)), None):
        notice = Notice(
            id=new_id(),
            agency_id=agency_id,
            account_id=account_id,
            kind=kind,
            about_id=about,
            made_at=at,
            state="waiting",
            attempts=0,
        )
        session.add(notice)
        session.flush()
        defer(session, NOTICE_SEND, notice_id=str(notice.id))


def to_administrators(
    session: Session, kind: Kind, about: UUID, *, agency_id: UUID, at: datetime, but: Collection[UUID] = ()
) -> None:
    """Tell every living administrator of the agency, except those named by `but`."""
    people = holders(session, agency_id, ["agency_admin"], at=at)
    give(session, kind, about, agency_id=agency_id, to=[each for each in people if each not in but], at=at)


def holders(session: Session, agency_id: UUID, roles: Collection[Role], *, at: datetime) -> Sequence[UUID]:
    """Return the accounts of the agency that are not suspended and hold one of the roles at that instant."""
    held = select(RoleAssignment.account_id).where(RoleAssignment.role.in_(roles), standing(at))
    living = select(Account.id).where(Account.agency_id == agency_id, Account.suspended_at.is_(None))
    return session.scalars(living.where(Account.id.in_(held)).order_by(Account.id)).all()


def of_account(session: Session, account_id: UUID, *, at: datetime) -> Sequence[Notice]:
    """Return the account's notices of the last days, newest first."""
    return session.scalars(
        select(Notice)
        .where(Notice.account_id == account_id, Notice.made_at > at - SHOWN_FOR)
        .order_by(Notice.id.desc())
        .limit(MOST_SHOWN)
    ).all()


def undelivered(session: Session, *, at: datetime) -> int:
    """Count the notices of the last days whose delivery has failed at least once and has not succeeded since."""
    return session.scalar(select(func.count()).select_from(Notice).where(is_undelivered(at))) or 0


def is_undelivered(at: datetime) -> ColumnElement[bool]:
    """Return the condition under which the delivery of a Notice is in trouble."""
    return Notice.in_trouble() & (Notice.made_at > at - SHOWN_FOR)
