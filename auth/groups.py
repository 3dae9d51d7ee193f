"""Which roles a provider's group gives at a first sign-in: said by each agency, from one day to another.

Whoever changes it gives roles to people nobody has named, so whether one person may is asked elsewhere: the
application has a mapping approved by a second person.  The accounts made under it are made by `linking`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from auth.errors import AccountError, NotPermittedError, UnknownError
from auth.events import GroupMapped, GroupUnmapped, Recorder
from auth.models import Agency, GroupMapping
from auth.principals import Principal, Role
from auth.provider_tokens import LONGEST_GROUP
from auth.providers import Provider
from auth.roles import FOR_NO_ACCOUNT, ROLES

NEVER_BY_GROUP: frozenset[Role] = FOR_NO_ACCOUNT | {"agency_admin", "system_admin"}
"""Roles that nobody gets by a provider's group: whoever may edit groups would make administrators of evidence."""


def check(group: str, roles: Collection[Role]) -> None:
    """Raise AccountError for a group or roles that nobody can map."""
    if not _is_name(group):
        raise AccountError(f"A group has between 1 and {LONGEST_GROUP} characters that can be shown.")
    if not roles:
        raise AccountError("Name the roles that the group gives.")
    if wrong := sorted(set(roles) & NEVER_BY_GROUP | set(roles) - ROLES):
        raise AccountError(f"No group gives {', '.join(wrong)}.")


def check_provider(session: Session, provider: Provider, agency_id: UUID) -> None:
    """Raise NotPermittedError unless the agency's people sign in at the provider."""
    if session.get_one(Agency, agency_id).name not in provider.settings.agencies:
        raise NotPermittedError(f"The provider {provider.name} is not for this agency's accounts.")


def standing(
    session: Session, agency_id: UUID, provider: str, group: str, *, lock: bool = False
) -> GroupMapping | None:
    """Return what the group gives now, if it is mapped; `lock` keeps that so until the transaction ends."""
    if not (_is_name(group) and _is_name(provider)):
        return None
    if lock:
        # Not of a row: that there is none has to stay so too.
        named = f"group {agency_id} {provider} {group}"
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(named, 0))))
    return session.scalar(
        select(GroupMapping)
        .where(
            GroupMapping.agency_id == agency_id,
            GroupMapping.provider == provider,
            GroupMapping.group_name == group,
            GroupMapping.ended_at.is_(None),
        )
        .execution_options(populate_existing=True)
    )


def of_agency(session: Session, agency_id: UUID) -> Sequence[GroupMapping]:
    """Return what the groups of the agency's providers give now, by provider and group."""
    return session.scalars(
        select(GroupMapping)
        .where(GroupMapping.agency_id == agency_id, GroupMapping.ended_at.is_(None))
        .order_by(GroupMapping.provider, GroupMapping.group_name)
    ).all()


def of_person(session: Session, provider: Provider, groups: Collection[str]) -> Sequence[GroupMapping]:
    """Return what these groups give somebody who comes from the provider, in the order in which it was said."""
    return session.scalars(
        select(GroupMapping)
        .join(Agency, Agency.id == GroupMapping.agency_id)
        .where(
            Agency.name.in_(provider.settings.agencies),
            GroupMapping.provider == provider.name,
            GroupMapping.group_name.in_(groups),
            GroupMapping.ended_at.is_(None),
        )
        .order_by(GroupMapping.began_at, GroupMapping.id)
    ).all()


def roles_of(mapping: GroupMapping) -> frozenset[Role]:
    """Return the roles that a mapping gives. One that this version does not know counts for nothing."""
    return frozenset(role for role in ROLES - NEVER_BY_GROUP if role in mapping.roles)


def put(
    session: Session,
    recorder: Recorder,
    *,
    id: UUID,
    provider: str,
    group: str,
    roles: Collection[Role],
    by: Principal,
    at: datetime,
    request_id: str,
    reason: str,
) -> GroupMapping:
    """Let the group give these roles of the principal's agency from now on, and no longer what it gave before.

    Raises what `check` raises.
    """
    check(group, roles)
    if before := standing(session, by.agency_id, provider, group, lock=True):
        _end(session, recorder, before, by=by, at=at, request_id=request_id, reason=reason)
    mapping = GroupMapping(
        id=id, agency_id=by.agency_id, provider=provider, group_name=group, roles=sorted(roles), began_at=at
    )
    session.add(mapping)
    session.flush()
    event = GroupMapped(
        by=by,
        agency_id=by.agency_id,
        mapping_id=id,
        provider=provider,
        group=group,
        roles=tuple(mapping.roles),
        reason=reason,
        at=at,
        request_id=request_id,
    )
    recorder.record(session, event)
    return mapping


def end(
    session: Session,
    recorder: Recorder,
    *,
    provider: str,
    group: str,
    by: Principal,
    at: datetime,
    request_id: str,
    reason: str,
) -> GroupMapping:
    """Let the group of the principal's agency give no role from now on; who got one by it keeps it.

    Raises UnknownError if it gives none.
    """
    mapping = standing(session, by.agency_id, provider, group, lock=True)
    if mapping is None:
        raise UnknownError("This group gives no role.")
    _end(session, recorder, mapping, by=by, at=at, request_id=request_id, reason=reason)
    return mapping


def _end(
    session: Session,
    recorder: Recorder,
    mapping: GroupMapping,
    *,
    by: Principal,
    at: datetime,
    request_id: str,
    reason: str,
) -> None:
    mapping.ended_at = at
    session.flush()
    event = GroupUnmapped(
        by=by,
        agency_id=mapping.agency_id,
        mapping_id=mapping.id,
        provider=mapping.provider,
        group=mapping.group_name,
        reason=reason,
        at=at,
        request_id=request_id,
    )
    recorder.record(session, event)


def _is_name(group: str) -> bool:
    return 0 < len(group) <= LONGEST_GROUP and group.isprintable()
