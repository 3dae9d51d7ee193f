"""Grant and end a role for an account, with dates. What a role may do is not known here."""

from collections.abc import Collection
from datetime import datetime
from typing import get_args
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from auth.errors import AccountError, NotPermittedError, TakenError, UnknownError
from auth.events import Recorder, RoleEnded, RoleGranted
from auth.models import Account, RoleAssignment
from auth.principals import Principal, Role

ROLES: frozenset[Role] = frozenset(get_args(Role))
FOR_NO_ACCOUNT: frozenset[Role] = frozenset({"dock", "public_recipient"})
"""Held by machines and by people without an account."""


def grant(
    session: Session,
    recorder: Recorder,
    account: Account,
    role: Role,
    *,
    by: Principal,
    at: datetime,
    request_id: str,
    mapping_id: UUID | None = None,
) -> None:
    """Let the account hold the role from now on; `mapping_id` says by which mapping of a group, if by one.

    Raises NotPermittedError for oneself, for another agency's account and for what is not the
    granter's to give; TakenError if the account holds the role.
    """
    check_granter(account, role, by=by)
    try:
        with session.begin_nested():
            session.add(RoleAssignment(account_id=account.id, role=role, granted_at=at))
    except IntegrityError:
        raise TakenError(f"The account holds the role {role} already.") from None
    event = RoleGranted(
        by=by,
        account_id=account.id,
        agency_id=account.agency_id,
        role=role,
        mapping_id=mapping_id,
        at=at,
        request_id=request_id,
    )
    recorder.record(session, event)


def end(
    session: Session, recorder: Recorder, account: Account, role: Role, *, by: Principal, at: datetime, request_id: str
) -> None:
    """End the role from now on; that it was held is kept. Raises UnknownError if the account does not hold it."""
    check_granter(account, role, by=by)
    assignment = session.scalar(
        select(RoleAssignment)
        .where(RoleAssignment.account_id == account.id, RoleAssignment.role == role, RoleAssignment.ended_at.is_(None))
        .with_for_update()
    )
    if assignment is None:
        raise UnknownError(f"The account does not hold the role {role}.")
    assignment.ended_at = at
    session.flush()
    event = RoleEnded(
        by=by, account_id=account.id, agency_id=account.agency_id, role=role, at=at, request_id=request_id
    )
    recorder.record(session, event)


def held(session: Session, account_id: UUID, *, at: datetime) -> frozenset[Role]:
    """Return the roles the account holds at that instant."""
    return roles_by_account(session, [account_id], at=at)[account_id]


def roles_by_account(session: Session, account_ids: Collection[UUID], *, at: datetime) -> dict[UUID, frozenset[Role]]:
    """Return what each account holds at that instant. A role this version does not know counts for nothing."""
    rows = session.execute(
        select(RoleAssignment.account_id, RoleAssignment.role).where(
            RoleAssignment.account_id.in_(account_ids), standing(at)
        )
    )
    named = {(row.account_id, row.role) for row in rows}
    return {each: frozenset(role for role in ROLES if (each, role) in named) for each in account_ids}


def standing(at: datetime) -> ColumnElement[bool]:
    """Return the condition under which a RoleAssignment holds at that instant."""
    return and_(RoleAssignment.granted_at <= at, or_(RoleAssignment.ended_at.is_(None), RoleAssignment.ended_at > at))


def check_granter(account: Account, role: Role, *, by: Principal) -> None:
    """Raise what `grant` raises of who grants what to whom, before anything is done."""
    if role not in ROLES or role in FOR_NO_ACCOUNT:
        raise AccountError(f"{role} is not a role that an account can hold.")
    if by.kind == "system":
        return
    if by.id == account.id:
        raise NotPermittedError("Nobody grants or ends a role of their own.")
    if by.agency_id != account.agency_id:
        raise NotPermittedError("Roles are granted inside one's own agency.")
    if role == "system_admin":
        raise NotPermittedError("The role system_admin is granted at the server's own console.")
