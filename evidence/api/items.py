"""Evidence items over HTTP."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from auth.principals import Principal
from evidence import access
from evidence.access import reach, scope
from evidence.access.reach import Seen
from evidence.api import paging
from evidence.api.dependencies import AppRoom, DatabaseSession, RequestId
from evidence.api.guards import Guard, ItemFor, refusal_recorded
from evidence.api.instants import Instant
from evidence.cases import finding
from evidence.cases.finding import ItemFilter
from evidence.cases.models import CaseFile
from evidence.errors import RefusedError
from evidence.items import search
from evidence.items.models import AccessClass, EvidenceItem

router = APIRouter(tags=["Evidence items"])

Lister = Annotated[Principal, Depends(Guard("evidence.list"))]
ReadableItem = Annotated[Seen, Depends(ItemFor("evidence.read_meta"))]


class ItemQuery(BaseModel):
    """Which items are asked for; always among those you may see, and by what they say among those you may read."""

    incident: str | None = Field(default=None, max_length=255, description="Said on arrival, or by people since.")
    officer: str | None = Field(default=None, max_length=255, description="Badge of whose recording it is.")
    camera: str | None = Field(default=None, max_length=255, description="Serial number.")
    received_from: Instant | None = None
    received_to: Instant | None = Field(default=None, description="Itself not included.")
    recorded_from: Instant | None = Field(default=None, description="By the camera's clock.")
    recorded_to: Instant | None = Field(default=None, description="Itself not included.")
    case: str | None = Field(default=None, max_length=64, description="Id or number of a case; its exhibits.")

    def asked(self, case: CaseFile | None) -> ItemFilter:
        """Return what is asked."""
        return ItemFilter(
            incident=paging.typed(self.incident),
            officer=paging.typed(self.officer),
            camera=paging.typed(self.camera),
            received_from=self.received_from,
            received_to=self.received_to,
            recorded_from=self.recorded_from,
            recorded_to=self.recorded_to,
            case_id=None if case is None else case.id,
        )


class ItemContent(BaseModel):
    """What an item says, for those who may see it."""

    filename: str
    content_type: str
    recorded_at: datetime | None = Field(
        description="As whoever brought it said: by the camera's clock, if a camera wrote it."
    )
    camera: str | None
    officer: str | None = Field(description="Badge, as the dock or person named it.")
    officer_account: UUID | None = Field(description="Whose recording it is, by the roster or by decision.")
    officer_basis: str = Field(
        description="How that is known: `said` (the badge is all there is), `roster`, `reassigned` by a person, or "
        "`unresolved`: it is on the worklist."
    )
    incident: str | None
    media: dict[str, Any] | None = Field(description="What was read from the footage.")
    media_note: str | None = Field(description="Why nothing, or not everything, could be read from it.")


class ItemShown(BaseModel):
    """One evidence item. `content` is absent for a role that may know of it but not what it says."""

    id: UUID
    number: str
    received_at: datetime
    size: int = Field(description="Bytes of the original.")
    sha256: str = Field(description="SHA-256 of the original, in hex.")
    declared: str = Field(description="`sha256`: its digest was declared before it arrived. `none`: it was not.")
    access_class: AccessClass
    do_not_disclose: bool | None = Field(
        description="Marked to go to nobody outside. Absent where the item has a class and is not opened to you."
    )
    content: ItemContent | None


class ItemPage(BaseModel):
    """A page of items, in the order they were received. The Link header says where the next one is."""

    items: list[ItemShown]


@router.get("/items")
def list_items(
    request: Request,
    response: Response,
    room: AppRoom,
    session: DatabaseSession,
    principal: Lister,
    request_id: RequestId,
    query: Annotated[ItemQuery, Depends()],
    limit: paging.Limit = 50,
    cursor: paging.Cursor = None,
) -> ItemPage:
    """List the evidence items you may see."""
    now = room.clock()
    with refusal_recorded(room, principal, "case.read", request_id=request_id, named=query.case):
        asked = query.asked(_readable(session, principal, query.case, at=now))
    scoped = finding.items(scope.visible_items(principal, at=now, content=asked.asks_content), asked)
    found = search.page(session, scoped, after=paging.after(cursor), limit=limit)
    if len(found) == limit:
        paging.link_next(request, response, found[-1].id)
    things = reach.things(session, found, at=now)
    return ItemPage(
        items=[
            shown(each, content=access.allow(principal, "evidence.list", things[each.id], at=now).content)
            for each in found
        ]
    )


@router.get("/items/{item}")
def show_item(item: ReadableItem) -> ItemShown:
    """Show one evidence item, by id or evidence number."""
    return shown(item.item, content=item.content)


def _readable(session: DatabaseSession, principal: Principal, named: str | None, *, at: datetime) -> CaseFile | None:
    """Return the case whose exhibits are asked for. One that may not be read is answered like one that is not there."""
    if named is None:
        return None
    seen = reach.case(session, principal, "case.read", named, at=at)
    if not seen.content:
        raise RefusedError(
            "case.read is refused: what is in the case is not shown to your role.", next_step="Leave `case` out."
        )
    return seen.case


def shown(item: EvidenceItem, *, content: bool) -> ItemShown:
    """Say of the item that it is there, and in which class; with `content` also what it says.

    Of a restricted item whoever is not let in learns no more than that: a mark would tell that something is the matter.
    """
    is_open = content or item.access_class == "unrestricted"
    said = ItemContent(
        filename=item.filename,
        content_type=item.content_type,
        recorded_at=item.recorded_at,
        camera=item.camera_serial,
        officer=item.officer_badge,
        officer_account=item.officer_id,
        officer_basis=item.officer_basis,
        incident=item.incident,
        media=item.media,
        media_note=item.media_note,
    )
    return ItemShown(
        id=item.id,
        number=item.number,
        received_at=item.received_at,
        size=item.size,
        sha256=item.sha256.hex(),
        declared=item.declared,
        access_class=item.access_class,
        do_not_disclose=item.do_not_disclose if is_open else None,
        content=said if content else None,
    )
