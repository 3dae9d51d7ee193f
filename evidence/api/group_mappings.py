"""What the groups of an agency's identity providers give at a first sign-in, over HTTP."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from auth import groups
from auth.models import GroupMapping
from auth.principals import Principal, Role
from evidence.access import approvals
from evidence.access.approved_acts import MapGroup
from evidence.api.approvals import ApprovalShown
from evidence.api.approvals import shown as approval_shown
from evidence.api.dependencies import AppRoom, DatabaseSession, RequestId
from evidence.api.guards import Guard, ReasonGiven, refusal_recorded
from evidence.ids import new_id

router = APIRouter(tags=["Accounts"])

AccountKeeper = Annotated[Principal, Depends(Guard("users.manage"))]
RoleKeeper = Annotated[Principal, Depends(Guard("roles.assign"))]


class GroupNamed(ReasonGiven):
    """Which group is meant, and why."""

    provider: str = Field(max_length=40, description="The identity provider.", examples=["city"])
    group: str = Field(
        min_length=1, max_length=255, description="What it calls the group, letter for letter.", examples=["Officers"]
    )


class MappingRequest(GroupNamed):
    """Which roles a group is to give."""

    roles: list[Role] = Field(min_length=1, max_length=12, examples=[["officer"]])


class MappingShown(BaseModel):
    """What one group gives at a first sign-in."""

    id: UUID = Field(description="Roles that were granted under it name it in the chain of custody.")
    provider: str
    group: str
    roles: list[str]
    began_at: datetime
    ended_at: datetime | None


class MappingList(BaseModel):
    """What the groups of your agency's providers give now, by provider and group."""

    mappings: list[MappingShown]


@router.get("/group-mappings")
def list_group_mappings(session: DatabaseSession, principal: AccountKeeper) -> MappingList:
    """List which roles the groups of your agency's identity providers give at a first sign-in."""
    return MappingList(mappings=[_shown(each) for each in groups.of_agency(session, principal.agency_id)])


@router.post("/group-mappings", status_code=202)
def request_group_mapping(
    asked: MappingRequest, room: AppRoom, session: DatabaseSession, principal: RoleKeeper, request_id: RequestId
) -> ApprovalShown:
    """Ask for a group to give roles: once another administrator approves it, to everybody of it who comes first."""
    groups.check_provider(session, room.providers.named(asked.provider), principal.agency_id)
    wanted = MapGroup(
        agency_id=principal.agency_id,
        mapping_id=new_id(),
        provider=asked.provider,
        group=asked.group,
        roles=tuple(dict.fromkeys(asked.roles)),
    )
    at = room.clock()
    with refusal_recorded(room, principal, "roles.assign", request_id=request_id):
        waiting = approvals.required_or_done(
            session, room.recorder, wanted, by=principal, reason=asked.reason, at=at, request_id=request_id
        )
    assert waiting is not None, "no cell grants a role alone"
    return approval_shown(waiting, at=at)


@router.post("/group-mappings/end")
def end_group_mapping(
    asked: GroupNamed, room: AppRoom, session: DatabaseSession, principal: AccountKeeper, request_id: RequestId
) -> MappingShown:
    """Let a group give no role from now on: that takes no second person. Who got one by it keeps it."""
    ended = groups.end(
        session,
        room.recorder,
        provider=asked.provider,
        group=asked.group,
        reason=asked.reason,
        by=principal,
        at=room.clock(),
        request_id=request_id,
    )
    return _shown(ended)


def _shown(mapping: GroupMapping) -> MappingShown:
    return MappingShown(
        id=mapping.id,
        provider=mapping.provider,
        group=mapping.group_name,
        roles=sorted(mapping.roles),
        began_at=mapping.began_at,
        ended_at=mapping.ended_at,
    )
