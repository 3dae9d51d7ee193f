"""Guards: no route reaches evidence except through one, and each names its action.

`Guard` asks whether the principal may do this at all; `ItemFor` and `CaseFor` reach one evidence
item or case file for an action and are the only way a route gets at one.  A refusal is recorded on the principal's own
chain, never on the item's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

from fastapi import Body, Path, Query
from fastapi.concurrency import run_in_threadpool
from pydantic import AfterValidator, BaseModel, Field

from auth.principals import Principal
from evidence import access, custody
from evidence.access import Action, reach
from evidence.access.models import CriticalIncident
from evidence.access.reach import Seen, SeenCase
from evidence.api.dependencies import AppRoom, CurrentPrincipal, DatabaseSession, RequestId
from evidence.api.middleware import with_slashes
from evidence.custody.events import AccessRefused, Actor
from evidence.database import unit_of_work
from evidence.errors import RefusedError
from evidence.room import Room

Refusable = Action | Literal["approval"]
"""What a refusal is recorded of: an action, or the deciding of a request, whose action is not told before one may."""

Reason = Annotated[str | None, Query(max_length=2000, description="Why; kept with the act where it is required.")]
ItemNamed = Annotated[str, Path(description="Id or evidence number of the item.", max_length=64)]
IncidentNamed = Annotated[
    str,
    Path(description="Id or number of the critical incident; a slash in it is written %2F.", max_length=255),
    AfterValidator(with_slashes),
]
CaseNamed = Annotated[
    str,
    Path(description="Id or number of the case; a slash in it is written %2F.", max_length=64),
    AfterValidator(with_slashes),
]


class AnyGuard:
    """What every guard is: it names the one action that its route is.

    `awaiting`: the route only asks for the act, and a second person is to approve it (access/approvals.py).
    """

    def __init__(self, action: Action, *, awaiting: bool = False) -> None:
        self.action: Action = action
        self.awaiting = awaiting


class Guard(AnyGuard):
    """Lets a principal through whose roles include the action; what it is done to is judged further in."""

    async def __call__(self, room: AppRoom, principal: CurrentPrincipal, request_id: RequestId) -> Principal:
        """Return the principal, or record the refusal and raise RefusedError."""
        decision = access.might(principal, self.action, at=room.clock())
        if not decision.allowed:
            await run_in_threadpool(
                record_refusal, room, principal, self.action, request_id=request_id, reason=decision.reason
            )
            raise RefusedError(
                f"{self.action} is refused: {decision.reason}.",
                next_step="Prove your second factor if that is what it asks for; else ask your agency's administrator.",
            )
        return principal


class TechniciansGuard(Guard):
    """The same for what is the evidence technician's alone, whoever else may do the act to some items."""

    async def __call__(self, room: AppRoom, principal: CurrentPrincipal, request_id: RequestId) -> Principal:
        """Return the technician, or record the refusal and raise RefusedError."""
        await super().__call__(room, principal, request_id)
        if "evidence_tech" not in principal.roles:
            reason = "this is for evidence technicians"
            await run_in_threadpool(record_refusal, room, principal, self.action, request_id=request_id, reason=reason)
            raise RefusedError(f"{self.action} is refused: {reason}.", next_step="Ask your evidence technician.")
        return principal


class ItemFor(AnyGuard):
    """Reaches the evidence item of the path for an action, or refuses."""

    def __call__(
        self,
        room: AppRoom,
        session: DatabaseSession,
        principal: CurrentPrincipal,
        request_id: RequestId,
        item: ItemNamed,
        reason: Reason = None,
    ) -> Seen:
        """Return the item as this principal may see it."""
        with refusal_recorded(room, principal, self.action, request_id=request_id, named=item):
            return reach.item(session, principal, self.action, item, at=room.clock(), reason=reason)


class CaseFor(AnyGuard):
    """Reaches the case file of the path for an action, or refuses."""

    def __call__(
        self,
        room: AppRoom,
        session: DatabaseSession,
        principal: CurrentPrincipal,
        request_id: RequestId,
        case: CaseNamed,
    ) -> SeenCase:
        """Return the case as this principal may see it."""
        with refusal_recorded(room, principal, self.action, request_id=request_id, named=case):
            return reach.case(session, principal, self.action, case, at=room.clock())


class ItemToLook(AnyGuard):
    """Reaches the item for whoever may do the act to it, or reviews what others do, and now only looks."""

    def __call__(
        self,
        room: AppRoom,
        session: DatabaseSession,
        principal: CurrentPrincipal,
        request_id: RequestId,
        item: ItemNamed,
    ) -> Seen:
        """Return the item as this principal may see it."""
        with refusal_recorded(room, principal, self.action, request_id=request_id, named=item):
            return reach.to_look(reach.item, session, principal, self.action, item, at=room.clock())


class CaseToLook(AnyGuard):
    """The same of the case file of the path."""

    def __call__(
        self,
        room: AppRoom,
        session: DatabaseSession,
        principal: CurrentPrincipal,
        request_id: RequestId,
        case: CaseNamed,
    ) -> SeenCase:
        """Return the case as this principal may see it."""
        with refusal_recorded(room, principal, self.action, request_id=request_id, named=case):
            return reach.to_look(reach.case, session, principal, self.action, case, at=room.clock())


class ReasonGiven(BaseModel):
    """Why; it is kept with the act."""

    reason: str = Field(min_length=1, max_length=2000, pattern=r"\S", examples=["Pleaded, sentence served"])


class ReasonMaybe(BaseModel):
    """Why, where it is asked; it is kept with the act."""

    reason: str | None = Field(default=None, min_length=1, max_length=2000, pattern=r"\S")


class ItemForReason(AnyGuard):
    """Reaches the item for an act that needs a reason, which comes in the body: addresses end up in logs."""

    def __call__(
        self,
        asked: ReasonGiven,
        room: AppRoom,
        session: DatabaseSession,
        principal: CurrentPrincipal,
        request_id: RequestId,
        item: ItemNamed,
    ) -> tuple[Seen, str]:
        """Return the item as this principal may see it, and the reason."""
        with refusal_recorded(room, principal, self.action, request_id=request_id, named=item):
            seen = reach.item(
                session, principal, self.action, item, at=room.clock(), reason=asked.reason, awaiting=self.awaiting
            )
        return seen, asked.reason


class ItemForReasonMaybe(AnyGuard):
    """The same where only some roles have to say why."""

    def __call__(
        self,
        room: AppRoom,
        session: DatabaseSession,
        principal: CurrentPrincipal,
        request_id: RequestId,
        item: ItemNamed,
        asked: Annotated[ReasonMaybe | None, Body()] = None,
    ) -> tuple[Seen, str | None]:
        """Return the item as this principal may see it, and the reason if one was given."""
        reason = asked.reason if asked else None
        with refusal_recorded(room, principal, self.action, request_id=request_id, named=item):
            return reach.item(session, principal, self.action, item, at=room.clock(), reason=reason), reason


class CaseForReason(AnyGuard):
    """Reaches the case file for an act that needs a reason, which comes in the body."""

    def __call__(
        self,
        asked: ReasonGiven,
        room: AppRoom,
        session: DatabaseSession,
        principal: CurrentPrincipal,
        request_id: RequestId,
        case: CaseNamed,
    ) -> tuple[SeenCase, str]:
        """Return the case as this principal may see it, and the reason."""
        with refusal_recorded(room, principal, self.action, request_id=request_id, named=case):
            seen = reach.case(
                session, principal, self.action, case, at=room.clock(), reason=asked.reason, awaiting=self.awaiting
            )
        return seen, asked.reason


class IncidentFor(AnyGuard):
    """Reaches the critical incident of the path for an action, or refuses."""

    def __call__(
        self,
        room: AppRoom,
        session: DatabaseSession,
        principal: CurrentPrincipal,
        request_id: RequestId,
        incident: IncidentNamed,
    ) -> CriticalIncident:
        """Return the incident. That somebody only looks at who is listed needs no reason."""
        with refusal_recorded(room, principal, self.action, request_id=request_id, named=incident):
            return reach.incident(session, principal, self.action, incident, at=room.clock(), reason="to look")


class IncidentForReason(AnyGuard):
    """The same for an act that needs a reason, which comes in the body."""

    def __call__(
        self,
        asked: ReasonGiven,
        room: AppRoom,
        session: DatabaseSession,
        principal: CurrentPrincipal,
        request_id: RequestId,
        incident: IncidentNamed,
    ) -> tuple[CriticalIncident, str]:
        """Return the incident, and the reason."""
        with refusal_recorded(room, principal, self.action, request_id=request_id, named=incident):
            found = reach.incident(
                session, principal, self.action, incident, at=room.clock(), reason=asked.reason, awaiting=self.awaiting
            )
        return found, asked.reason


@contextmanager
def refusal_recorded(
    room: Room, principal: Principal, action: Refusable, *, request_id: str, named: str | None = None
) -> Iterator[None]:
    """Enter in the principal's own chain what is refused in the block, and let the refusal go on."""
    try:
        yield
    except RefusedError as refusal:
        record_refusal(room, principal, action, request_id=request_id, reason=str(refusal), named=named)
        raise


def record_refusal(
    room: Room,
    principal: Principal,
    action: Refusable,
    *,
    request_id: str,
    reason: str,
    named: str | None = None,
) -> None:
    """Enter a refusal in the principal's own chain, in a unit of work of its own: the request's is rolled back."""
    with unit_of_work(room.sessions) as session:
        custody.record(
            session,
            AccessRefused(actor=Actor.of(principal), request_id=request_id, action=action, reason=reason, named=named),
        )
