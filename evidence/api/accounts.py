"""Accounts of one's own agency over HTTP, and who is asking."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field, SecretStr

from auth import accounts, identities, lockouts, recovery, roles
from auth.errors import UnknownError
from auth.http import PrincipalShown
from auth.models import Account
from auth.principals import Principal, Role
from evidence.access import approvals
from evidence.access.approved_acts import AssignRoles
from evidence.api import paging
from evidence.api.approvals import ApprovalShown
from evidence.api.approvals import shown as approval_shown
from evidence.api.dependencies import AppRoom, CurrentPrincipal, DatabaseSession, RequestId
from evidence.api.guards import Guard, refusal_recorded
from evidence.room import Room

router = APIRouter(tags=["Accounts"])

AccountKeeper = Annotated[Principal, Depends(Guard("users.manage"))]
RoleKeeper = Annotated[Principal, Depends(Guard("roles.assign"))]

FIRST_ROLES = "First roles of a new account"
"""The reason of a request that goes with the making of an account."""


class AccountRequest(BaseModel):
    """What is needed to create an account."""

    email: str = Field(max_length=254, examples=["r.alvarez@police.example"])
    name: str = Field(max_length=120, examples=["Rosa Alvarez"])
    password: SecretStr | None = Field(default=None, description="At least 12 characters, not the name or address.")
    provider: str | None = Field(
        default=None, max_length=40, description="Instead of a password: the identity provider to sign in at."
    )
    subject: str | None = Field(
        default=None, max_length=255, description="Who it is there; none: whoever proves this e-mail address there."
    )
    badge: str | None = Field(default=None, max_length=40, examples=["4471"])
    roles: list[Role] = Field(
        default_factory=list,
        max_length=12,
        description="What it is to hold: a request, which another administrator approves.",
    )


class IdentityRequest(BaseModel):
    """Where an account's person may sign in as well: as the owner of the account's e-mail address there."""

    provider: str = Field(max_length=40, examples=["city"])


class SuspensionRequest(BaseModel):
    """Why an account may come in no more."""

    reason: str = Field(min_length=1, max_length=500, examples=["Left the agency"])


class ReleaseRequest(BaseModel):
    """Why an account, or a network address, is let in again."""

    reason: str = Field(min_length=1, max_length=500, pattern=r"\S", examples=["Called in, number checked"])


class SourceReleaseRequest(ReleaseRequest):
    """Which network address is let in again, and why."""

    source: str = Field(min_length=1, max_length=100, examples=["192.0.2.7"])


class AccountShown(BaseModel):
    """One account of the agency."""

    id: UUID
    email: str
    name: str
    badge: str | None
    roles: list[Role] = Field(description="Held at this moment.")
    created_at: datetime
    suspended_at: datetime | None
    locked_at: datetime | None = Field(description="Since when it is locked out, until an administrator releases it.")


class AccountMade(AccountShown):
    """The new account, and the request under which the roles asked for it wait for another administrator."""

    approval: ApprovalShown | None


class RoleChangeRequest(BaseModel):
    """Which roles are to be granted to whom and which to end: one request, however many accounts."""

    emails: list[str] = Field(min_length=1, max_length=200, description="Addresses of accounts of your agency.")
    grant: list[Role] = Field(default_factory=list, max_length=12)
    end: list[Role] = Field(default_factory=list, max_length=12)
    reason: str = Field(min_length=1, max_length=2000, pattern=r"\S", examples=["New class of the academy"])


class AccountPage(BaseModel):
    """A page of accounts, by name. The Link header says where the next one is."""

    accounts: list[AccountShown]


@router.get("/me")
def show_me(principal: CurrentPrincipal) -> PrincipalShown:
    """Show the principal who is asking: the account or dock, and the roles it holds now."""
    return PrincipalShown.of(principal)


@router.post("/accounts", status_code=201)
def create_account(
    asked: AccountRequest, room: AppRoom, session: DatabaseSession, principal: AccountKeeper, request_id: RequestId
) -> AccountMade:
    """Create an account in your agency. Its first roles wait until another administrator approves them."""
    at = room.clock()
    account = accounts.create(
        session,
        room.recorder,
        agency_id=principal.agency_id,
        email=asked.email,
        name=asked.name,
        password=None if asked.password is None else asked.password.get_secret_value(),
        provider=room.providers.expected(asked.provider) if asked.provider is not None else None,
        subject=asked.subject,
        badge=asked.badge,
        by=principal,
        at=at,
        request_id=request_id,
    )
    waiting = None
    if asked.roles:
        wanted = AssignRoles(accounts=(account.id,), granted=tuple(dict.fromkeys(asked.roles)))
        waiting = approvals.required_or_done(
            session, room.recorder, wanted, by=principal, reason=FIRST_ROLES, at=at, request_id=request_id
        )
    made = shown(account, roles.held(session, account.id, at=at))
    return AccountMade(**made.model_dump(), approval=approval_shown(waiting, at=at) if waiting else None)


@router.post("/role-changes", status_code=202)
def request_role_change(
    asked: RoleChangeRequest, room: AppRoom, session: DatabaseSession, principal: RoleKeeper, request_id: RequestId
) -> ApprovalShown:
    """Ask for roles to be granted or ended: it takes effect when another administrator approves it."""
    at = room.clock()
    people = [accounts.by_email(session, each) for each in dict.fromkeys(asked.emails)]
    named = {each.id for each in people if each is not None and each.agency_id == principal.agency_id}
    if len(named) != len(people):
        raise UnknownError("There is no such account.")
    wanted = AssignRoles(
        accounts=tuple(sorted(named)),
        granted=tuple(dict.fromkeys(asked.grant)),
        ended=tuple(dict.fromkeys(asked.end)),
    )
    with refusal_recorded(room, principal, "roles.assign", request_id=request_id):
        waiting = approvals.required_or_done(
            session, room.recorder, wanted, by=principal, reason=asked.reason, at=at, request_id=request_id
        )
    assert waiting is not None, "no cell grants a role alone"
    return approval_shown(waiting, at=at)


@router.get("/accounts")
def list_accounts(
    request: Request,
    response: Response,
    room: AppRoom,
    session: DatabaseSession,
    principal: AccountKeeper,
    limit: paging.Limit = 50,
    cursor: paging.Cursor = None,
    email: Annotated[str | None, Query(max_length=254, description="Only the account with this address.")] = None,
) -> AccountPage:
    """List the accounts of your agency, suspended ones included."""
    found = accounts.page(session, principal.agency_id, after=paging.after(cursor), limit=limit, email=email)
    if len(found) == limit:
        paging.link_next(request, response, found[-1].id)
    held = roles.roles_by_account(session, [each.id for each in found], at=room.clock())
    locked = lockouts.accounts_locked(session, [each.id for each in found])
    return AccountPage(accounts=[shown(each, held[each.id], locked_at=locked.get(each.id)) for each in found])


@router.get("/accounts/{account_id}")
def show_account(account_id: UUID, room: AppRoom, session: DatabaseSession, principal: AccountKeeper) -> AccountShown:
    """Show an account of your agency."""
    return _shown_now(room, session, accounts.in_agency(session, account_id, principal.agency_id))


@router.post("/accounts/{account_id}/identities", status_code=201)
def expect_identity(
    account_id: UUID,
    asked: IdentityRequest,
    room: AppRoom,
    session: DatabaseSession,
    principal: AccountKeeper,
    request_id: RequestId,
) -> AccountShown:
    """Let the person of an account of your agency sign in at an identity provider, which has to vouch for its address.

    Who that is cannot be said here: so no administrator can make somebody's account their own.
    """
    at = room.clock()
    account = accounts.in_agency(session, account_id, principal.agency_id)
    provider = room.providers.named(asked.provider)
    identities.expect(
        session, room.recorder, account, provider, subject=None, by=principal, at=at, request_id=request_id
    )
    return shown(account, roles.held(session, account.id, at=at))


@router.post("/accounts/{account_id}/suspend")
def suspend_account(
    account_id: UUID,
    asked: SuspensionRequest,
    room: AppRoom,
    session: DatabaseSession,
    principal: AccountKeeper,
    request_id: RequestId,
) -> AccountShown:
    """Suspend an account of your agency: it is refused from its next request on."""
    at = room.clock()
    account = accounts.in_agency(session, account_id, principal.agency_id)
    accounts.suspend(session, room.recorder, account, by=principal, at=at, request_id=request_id, reason=asked.reason)
    return _shown_now(room, session, account)


@router.post("/accounts/{account_id}/release")
def release_account(
    account_id: UUID,
    asked: ReleaseRequest,
    room: AppRoom,
    session: DatabaseSession,
    principal: AccountKeeper,
    request_id: RequestId,
) -> AccountShown:
    """Let an account of your agency in again that was locked out, or idle for too long."""
    at = room.clock()
    account = accounts.in_agency(session, account_id, principal.agency_id)
    recovery.release(session, room.recorder, account, by=principal, at=at, request_id=request_id, reason=asked.reason)
    return shown(account, roles.held(session, account.id, at=at))


@router.post("/sources/release", status_code=204)
def release_source(
    asked: SourceReleaseRequest,
    room: AppRoom,
    session: DatabaseSession,
    principal: AccountKeeper,
    request_id: RequestId,
) -> None:
    """Let a network address in again that was locked out after too many failed sign-ins or enrolment codes."""
    released = recovery.release_source(
        session,
        room.recorder,
        asked.source,
        by=principal,
        at=room.clock(),
        request_id=request_id,
        reason=asked.reason,
    )
    if not released:
        raise UnknownError("No such network address is locked out.")


def shown(account: Account, held: frozenset[Role], *, locked_at: datetime | None = None) -> AccountShown:
    """Say what an administrator may know of an account: never anything of its password."""
    return AccountShown(
        id=account.id,
        email=account.email,
        name=account.name,
        badge=account.badge,
        roles=sorted(held),
        created_at=account.created_at,
        suspended_at=account.suspended_at,
        locked_at=locked_at,
    )


def _shown_now(room: Room, session: DatabaseSession, account: Account) -> AccountShown:
    locked = lockouts.accounts_locked(session, [account.id])
    return shown(account, roles.held(session, account.id, at=room.clock()), locked_at=locked.get(account.id))
