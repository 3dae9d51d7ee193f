"""Requests for a second person over HTTP: what waits for whom, and to approve, refuse and withdraw."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from evidence.access import approvals
from evidence.access.actions import Action
from evidence.access.models import ApprovalRequest, RequestState
from evidence.api.dependencies import AppRoom, CurrentPerson, CurrentPrincipal, DatabaseSession, RequestId
from evidence.api.guards import ReasonGiven, refusal_recorded
from evidence.database import unit_of_work
from evidence.errors import ConflictError

router = APIRouter(tags=["Approvals"])


class ApprovalShown(BaseModel):
    """A request that a second person has to approve. `frozen` is exactly what was asked, as canonical JSON."""

    id: UUID
    action: Action
    act: str = Field(description="What will be done, within the action.", examples=["class.lower"])
    sha256: str = Field(description="Of `frozen`, in hex; to approve it, say it back.")
    state: RequestState | Literal["lapsed"]
    requester: UUID
    reason: str
    requested_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    parameters: dict[str, Any]
    things: list[dict[str, Any]] = Field(description="What it is about, as it stood; any change voids the request.")
    frozen: str


class ApprovalList(BaseModel):
    """Requests of others that you may decide, and your own."""

    to_decide: list[ApprovalShown]
    requested: list[ApprovalShown]


class ApprovalGivenTo(BaseModel):
    """What you approve."""

    sha256: str = Field(
        pattern="^[0-9a-f]{64}$", description="The digest of the request that you read.", examples=["0" * 64]
    )


@router.get("/approvals")
def list_approvals(room: AppRoom, session: DatabaseSession, principal: CurrentPerson) -> ApprovalList:
    """List the requests that wait for your decision, and those that you have made, newest first."""
    at = room.clock()
    return ApprovalList(
        to_decide=[shown(each, at=at) for each in approvals.to_decide(session, principal, at=at)],
        requested=[shown(each, at=at) for each in approvals.requested(session, principal, at=at)],
    )


@router.get("/approvals/{approval_id}")
def show_approval(
    approval_id: UUID, room: AppRoom, session: DatabaseSession, principal: CurrentPrincipal
) -> ApprovalShown:
    """Show a request that you have made or may decide."""
    at = room.clock()
    return shown(approvals.seen(session, approval_id, by=principal, at=at), at=at)


@router.post("/approvals/{approval_id}/approve")
def approve_request(
    approval_id: UUID, asked: ApprovalGivenTo, room: AppRoom, principal: CurrentPrincipal, request_id: RequestId
) -> ApprovalShown:
    """Approve exactly the request with this digest: it is carried out at once."""
    at = room.clock()
    # A unit of work of its own: that the request is void has to be kept though the answer is an error.
    with (
        refusal_recorded(room, principal, "approval", request_id=request_id, named=str(approval_id)),
        unit_of_work(room.sessions, by=principal) as session,
    ):
        request = approvals.approve(
            session,
            room.recorder,
            approval_id,
            sha256=bytes.fromhex(asked.sha256),
            by=principal,
            at=at,
            request_id=request_id,
        )
    if request.state == "void":
        raise ConflictError("What the request is about has changed, so it is void.", next_step="It may be asked anew.")
    return shown(request, at=at)


@router.post("/approvals/{approval_id}/refuse")
def refuse_request(
    approval_id: UUID,
    asked: ReasonGiven,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    request_id: RequestId,
) -> ApprovalShown:
    """Refuse a request that you might approve, and say why."""
    at = room.clock()
    with refusal_recorded(room, principal, "approval", request_id=request_id, named=str(approval_id)):
        request = approvals.refuse(
            session, approval_id, reason=asked.reason, by=principal, at=at, request_id=request_id
        )
    return shown(request, at=at)


@router.post("/approvals/{approval_id}/withdraw")
def withdraw_request(
    approval_id: UUID, room: AppRoom, session: DatabaseSession, principal: CurrentPrincipal, request_id: RequestId
) -> ApprovalShown:
    """Withdraw a request of your own."""
    at = room.clock()
    with refusal_recorded(room, principal, "approval", request_id=request_id, named=str(approval_id)):
        request = approvals.withdraw(session, approval_id, by=principal, at=at, request_id=request_id)
    return shown(request, at=at)


def shown(request: ApprovalRequest, *, at: datetime) -> ApprovalShown:
    """Say of a request what whoever may decide it has to know."""
    document = approvals.read(request)
    has_lapsed = request.state == "open" and request.expires_at <= at
    return ApprovalShown(
        id=request.id,
        action=request.action,
        act=document["act"],
        sha256=request.sha256.hex(),
        state="lapsed" if has_lapsed else request.state,
        requester=request.requester_id,
        reason=document["reason"],
        requested_at=request.requested_at,
        expires_at=request.expires_at,
        ended_at=request.ended_at,
        parameters=document["parameters"],
        things=document["things"],
        frozen=request.frozen.decode(),
    )
