"""Why somebody may see an item, and who could on a day, over HTTP."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from auth import accounts
from auth.errors import UnknownError
from evidence import access
from evidence.access import Action, explaining
from evidence.access.reach import Seen
from evidence.api.dependencies import AppRoom, CurrentPrincipal, DatabaseSession
from evidence.api.guards import ItemFor
from evidence.api.instants import Instant

router = APIRouter(tags=["Access"])

KnownItem = Annotated[Seen, Depends(ItemFor("evidence.list"))]
AuditedItem = Annotated[Seen, Depends(ItemFor("audit.read"))]
Asked = Annotated[Action, Query(description="What they would do.")]
AsOf = Annotated[Instant | None, Query(description="As of when; now, if left out.")]


class Explanation(BaseModel):
    """Whether, and by which rule, as of an instant."""

    account: UUID
    name: str
    action: Action
    at: datetime
    allowed: bool
    content: bool = Field(description="Whether what the item says is shown, or only that it is there.")
    reason: str = Field(description="The role and conditions that allow it, or what is missing.")


class Explanations(BaseModel):
    """Everybody whom the rules let do it, by name."""

    explanations: list[Explanation]


@router.get("/items/{item}/why")
def explain_mine(
    item: KnownItem, room: AppRoom, principal: CurrentPrincipal, action: Asked = "evidence.read_meta"
) -> Explanation:
    """Say why you may do something with an item, or what is missing."""
    at = room.clock()
    decision = access.allow(principal, action, item.thing, at=at, reason="any")
    return _shown(principal.id, principal.name, action, decision, at=at)


@router.get("/items/{item}/why/{email}")
def explain_theirs(
    item: AuditedItem,
    email: str,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    action: Asked = "evidence.read_meta",
    at: AsOf = None,
) -> Explanation:
    """Say why somebody of your agency may do something with an item, now or as of an instant, or what is missing."""
    account = accounts.by_email(session, email)
    if account is None or account.agency_id != principal.agency_id:
        raise UnknownError("Your agency has no account of this address.")
    instant = at or room.clock()
    decision = explaining.why(session, account, action, item.item, at=instant)
    return _shown(account.id, account.name, action, decision, at=instant)


@router.get("/items/{item}/who")
def explain_all(
    item: AuditedItem,
    room: AppRoom,
    session: DatabaseSession,
    action: Asked = "evidence.read_meta",
    at: AsOf = None,
) -> Explanations:
    """Say who may do something with an item, now or as of an instant, and by which rule."""
    instant = at or room.clock()
    found = explaining.who(session, action, item.item, at=instant)
    return Explanations(
        explanations=[_shown(each.account.id, each.account.name, action, each.decision, at=instant) for each in found]
    )


def _shown(account: UUID, name: str, action: Action, decision: access.Decision, *, at: datetime) -> Explanation:
    return Explanation(
        account=account,
        name=name,
        action=action,
        at=at,
        allowed=decision.allowed,
        content=decision.content,
        reason=decision.reason,
    )
