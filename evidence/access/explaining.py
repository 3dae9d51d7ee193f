"""Why somebody may see an item, and who could on a day: the same rules, asked of the past.

Roles, units, cases, referrals, access lists and statements are kept with their dates; the access
class is read from the item's chain of custody.  What an item is called, its unit and its recording
officer are taken as they are now.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from auth import roles
from auth.models import Account
from auth.principals import Principal, Role
from evidence import access
from evidence.access import Action, Decision, Thing, reach
from evidence.custody import history
from evidence.custody.access_events import ClassLowered, ClassRaised
from evidence.custody.events import chain_of
from evidence.items.models import AccessClass, EvidenceItem

CHANGES = (ClassRaised.act, ClassLowered.act)


@dataclass(frozen=True, slots=True)
class Explained:
    """An account, and what it might do with the item at the instant asked about."""

    account: Account
    decision: Decision


def why(session: Session, account: Account, action: Action, item: EvidenceItem, *, at: datetime) -> Decision:
    """Say whether the account might do this to the item at that instant, and by what."""
    held = roles.held(session, account.id, at=at)
    return _decide(account, held, action, _as_it_was(session, item, at=at), at=at)


def who(session: Session, action: Action, item: EvidenceItem, *, at: datetime) -> Sequence[Explained]:
    """Return everybody who might do this to the item at that instant, by name, and by what."""
    thing = _as_it_was(session, item, at=at)
    agencies = {item.agency_id, *(each for case in thing.cases for each in case.referred_to)}
    accounts = session.scalars(
        select(Account)
        .where(Account.agency_id.in_(agencies), Account.created_at <= at)
        .where(or_(Account.suspended_at.is_(None), Account.suspended_at > at))
        .order_by(Account.name, Account.id)
    ).all()
    held = roles.roles_by_account(session, [each.id for each in accounts], at=at)
    asked = [Explained(each, _decide(each, held[each.id], action, thing, at=at)) for each in accounts]
    return [each for each in asked if each.decision.allowed]


def _decide(account: Account, held: frozenset[Role], action: Action, thing: Thing, *, at: datetime) -> Decision:
    if account.suspended_at is not None and account.suspended_at <= at:
        return Decision(False, "the account is suspended", content=False)
    principal = Principal(
        kind="account",
        id=account.id,
        agency_id=account.agency_id,
        roles=held,
        name=account.name,
        method="explained",
        strong_at=at,
        badge=account.badge,
    )
    # Of somebody who says why and has just proved their second factor: what is asked is whom the rules let near,
    # not how they ask.
    return access.allow(principal, action, thing, at=at, reason="any")


def _as_it_was(session: Session, item: EvidenceItem, *, at: datetime) -> Thing:
    return replace(reach.thing(session, item, at=at), access_class=_class_at(session, item.id, at=at))


def _class_at(session: Session, item_id: UUID, *, at: datetime) -> AccessClass:
    was: AccessClass = "unrestricted"
    for entry in history.whole(session, chain_of("item", item_id)):
        if datetime.fromisoformat(entry.record.at) > at:
            break
        if (body := entry.body)["act"] in CHANGES:
            was = body["facts"]["now"]
    return was
