"""Why somebody may see an item, and who could on a day: the same rules, asked of the past.

Roles, units, cases, referrals, access lists and statements are kept with their dates; the access
class, the recording officer and the unit are read from the item's chain of custody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from auth import roles, units
from auth.models import Account
from auth.principals import Principal, Role
from evidence import access
from evidence.access import Action, Decision, Thing, reach
from evidence.access.facts import NOBODY
from evidence.custody import history
from evidence.custody.access_events import ClassLowered, ClassRaised
from evidence.custody.camera_events import ItemAttributed, ItemReassigned
from evidence.custody.events import chain_of
from evidence.items.models import AccessClass, EvidenceItem
from evidence.proof.canonical import Value

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
    was = reach.thing(session, item, at=at)
    access_class: AccessClass = "unrestricted"
    asked_the_roster = False
    for entry in history.whole(session, chain_of("item", item.id)):
        act, facts = entry.body["act"], entry.body.get("facts", {})
        if datetime.fromisoformat(entry.record.at) <= at:
            if act in CHANGES:
                access_class = facts["now"]
            asked_the_roster = asked_the_roster or act == ItemAttributed.act
        elif act == ItemReassigned.act:
            # The first one after that instant says how it stood before; the ones after it are of later.
            was = _before(session, was, item, facts, asked_the_roster=asked_the_roster, at=at)
            break
    return replace(was, access_class=access_class)


def _before(
    session: Session,
    now: Thing,
    item: EvidenceItem,
    facts: Mapping[str, Value],
    *,
    asked_the_roster: bool,
    at: datetime,
) -> Thing:
    """Return the item as it stood before somebody decided whose recording it is."""
    officer, unit = (UUID(facts[name]) if name in facts else None for name in ("before", "unit_before"))
    was_said, was_unresolved = officer is None and not asked_the_roster, officer is None and asked_the_roster
    return replace(
        now,
        officer_id=officer,
        officer_badge=item.officer_badge if was_said else None,
        claimed_badge=item.officer_badge if was_unresolved else None,
        claimed_id=item.rostered_id if was_unresolved else None,
        supervisors=units.supervisors(session, {unit}, at=at)[unit] if unit else NOBODY,
    )
