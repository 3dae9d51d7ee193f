"""Cameras, the roster of who carries them, and the worklist of items whose officer it cannot tell."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from auth import accounts
from auth.models import Account
from auth.principals import Principal
from evidence import access
from evidence.access import reach, scope
from evidence.access.reach import Seen
from evidence.api import items, paging
from evidence.api.dependencies import AppRoom, DatabaseSession, RequestId
from evidence.api.guards import Guard, ItemForReason, ReasonGiven, TechniciansGuard
from evidence.api.items import ItemShown
from evidence.errors import NotFoundError, OtherContentError
from evidence.ingest import cameras, roster
from evidence.ingest.models import Camera, CameraAssignment
from evidence.items import officers

router = APIRouter(tags=["Cameras"])

CameraKeeper = Annotated[Principal, Depends(Guard("devices.manage"))]
Reassigner = Annotated[Principal, Depends(Guard("evidence.reassign"))]
Technician = Annotated[Principal, Depends(TechniciansGuard("evidence.reassign"))]
Reassignment = Annotated[tuple[Seen, str], Depends(ItemForReason("evidence.reassign"))]
CameraNamed = Annotated[str, Path(description="Serial number or id of the camera.", max_length=255)]
CSV = "text/csv"


class CarriedShown(BaseModel):
    """Who carried a camera, from the first moment to the first no longer."""

    account: UUID
    name: str
    badge: str | None
    since: datetime
    until: datetime | None

    @classmethod
    def of(cls, assignment: CameraAssignment, officer: Account) -> Self:
        """Say it of one assignment."""
        return cls(
            account=officer.id,
            name=officer.name,
            badge=officer.badge,
            since=assignment.from_at,
            until=assignment.to_at,
        )


class CameraShown(BaseModel):
    """One camera of the agency, and who carried it."""

    id: UUID
    serial: str
    model: str | None
    enrolled_at: datetime
    retired_at: datetime | None
    carried: list[CarriedShown] = Field(description="Oldest first.")

    @classmethod
    def of(cls, camera: Camera, carried: list[CarriedShown]) -> Self:
        """Say it of one camera."""
        return cls(
            id=camera.id,
            serial=camera.serial,
            model=camera.model,
            enrolled_at=camera.enrolled_at,
            retired_at=camera.retired_at,
            carried=carried,
        )


class CameraPage(BaseModel):
    """A page of cameras, in the order they were enrolled. The Link header says where the next one is."""

    cameras: list[CameraShown]


class RosterShown(BaseModel):
    """What a roster did, or would do: cameras and assignments."""

    model_config = ConfigDict(from_attributes=True)

    lines: int
    enrolled: int = Field(description="Cameras that were new.")
    assigned: int
    ended: int = Field(description="Assignments that were open and have an end now.")
    unchanged: int
    dry_run: bool = False


class OfficerNamed(ReasonGiven):
    """Whose recording it is, and why."""

    officer: str = Field(max_length=254, description="E-mail address of an account of the item's agency.")


class ToResolve(BaseModel):
    """One item on the worklist: what was said of it, and why the roster cannot tell whose it is."""

    item: ItemShown
    why: str = Field(
        description="no_camera, unknown_camera, retired_camera, unassigned_camera, clock, handed_over or badge_differs."
    )


class Worklist(BaseModel):
    """A page of the worklist, in the order of receipt. The Link header says where the next one is."""

    items: list[ToResolve]


@router.get("/cameras")
def list_cameras(
    request: Request,
    response: Response,
    session: DatabaseSession,
    principal: CameraKeeper,
    limit: paging.Limit = 50,
    cursor: paging.Cursor = None,
) -> CameraPage:
    """List the cameras of your agency, retired ones included, with who carried them."""
    found = cameras.page(session, principal.agency_id, after=paging.after(cursor), limit=limit)
    if len(found) == limit:
        paging.link_next(request, response, found[-1].id)
    carried: dict[UUID, list[CarriedShown]] = {each.id: [] for each in found}
    for assignment, officer in cameras.assignments(session, list(carried)):
        carried[assignment.camera_id].append(CarriedShown.of(assignment, officer))
    return CameraPage(cameras=[CameraShown.of(each, carried[each.id]) for each in found])


@router.get("/cameras/{camera}")
def show_camera(camera: CameraNamed, session: DatabaseSession, principal: CameraKeeper) -> CameraShown:
    """Show one camera of your agency, and who carried it."""
    return _shown(session, cameras.named(session, principal.agency_id, camera))


@router.post("/cameras/{camera}/retire")
def retire_camera(
    camera: CameraNamed,
    asked: ReasonGiven,
    room: AppRoom,
    session: DatabaseSession,
    principal: CameraKeeper,
    request_id: RequestId,
) -> CameraShown:
    """Take a camera out of use, and out of the hands of whoever carries it."""
    found = cameras.named(session, principal.agency_id, camera)
    cameras.retire(session, found, by=principal, at=room.clock(), request_id=request_id, reason=asked.reason)
    return _shown(session, found)


@router.post(
    "/cameras/roster",
    responses={415: {"description": "It is no CSV."}},
    openapi_extra={"requestBody": {"required": True, "content": {CSV: {}}}},
)
def import_roster(
    request: Request,
    body: Annotated[bytes, Body(media_type=CSV)],
    room: AppRoom,
    session: DatabaseSession,
    principal: CameraKeeper,
    request_id: RequestId,
    dry_run: Annotated[bool, Query(description="Say what would be done, and do nothing.")] = False,
) -> RosterShown:
    """Put down who carries which camera from when to when: a CSV of serial, badge or email, from, to. Whole or not."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != CSV:
        raise OtherContentError(f"A roster is sent as {CSV}.", next_step=f"Send Content-Type: {CSV}.")
    lines = roster.read(body)
    if dry_run:
        return RosterShown.model_validate(roster.tried(session, lines, by=principal)).model_copy(
            update={"dry_run": True}
        )
    return RosterShown.model_validate(roster.take(session, lines, by=principal, at=room.clock(), request_id=request_id))


@router.get("/worklist")
def show_worklist(
    request: Request,
    response: Response,
    room: AppRoom,
    session: DatabaseSession,
    principal: Technician,
    limit: paging.Limit = 50,
    cursor: paging.Cursor = None,
) -> Worklist:
    """List the items of which roster, badge and clock do not say the same whose recording they are."""
    now = room.clock()
    found = officers.unresolved(
        session, scope.visible_items(principal, at=now), after=paging.after(cursor), limit=limit
    )
    if len(found) == limit:
        paging.link_next(request, response, found[-1].id)
    things = reach.things(session, found, at=now)
    listed = [
        items.shown(each, content=access.allow(principal, "evidence.list", things[each.id], at=now).content)
        for each in found
    ]
    return Worklist(
        items=[ToResolve(item=item, why=each.officer_why or "") for item, each in zip(listed, found, strict=True)]
    )


@router.post("/items/{item}/officer")
def reassign_item(
    seen: Reassignment, asked: OfficerNamed, session: DatabaseSession, principal: Reassigner, request_id: RequestId
) -> ItemShown:
    """Decide whose recording an item is. What stood there before stays in its chain of custody."""
    item, reason = seen
    officer = accounts.by_email(session, asked.officer)
    if officer is None or officer.agency_id != item.item.agency_id:
        raise NotFoundError("There is no such account in the item's agency.", next_step="Name its e-mail address.")
    officers.reassign(session, item.item, officer, by=principal, request_id=request_id, reason=reason)
    return items.shown(item.item, content=item.content)


def _shown(session: DatabaseSession, camera: Camera) -> CameraShown:
    carried = cameras.assignments(session, [camera.id])
    return CameraShown.of(camera, [CarriedShown.of(assignment, officer) for assignment, officer in carried])
