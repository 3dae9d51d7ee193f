"""Guards: no route reaches evidence except through one, and each names its action.

`Guard` asks whether the principal may do this at all; `ItemFor` and `CaseFor` reach one evidence
item or case file for an action and are the only way a route gets at one.  A refusal is recorded on the principal's own
chain, never on the item's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import Path, Query
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from auth.principals import Principal
from evidence import access, custody
from evidence.access import Action, reach
from evidence.access.reach import Seen, SeenCase
from evidence.api.dependencies import AppRoom, CurrentPrincipal, DatabaseSession, RequestId
from evidence.custody.events import AccessRefused, Actor
from evidence.database import unit_of_work
from evidence.errors import RefusedError
from evidence.room import Room

Reason = Annotated[str | None, Query(max_length=2000, description="Why; kept with the act where it is required.")]


CaseNamed = Annotated[str, Path(description="Id or number of the case.", max_length=64)]


class Guard:
    """Lets a principal through whose roles include the action; what it is done to is judged further in."""

    def __init__(self, action: Action) -> None:
        self.action: Action = action

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


class ItemFor:
    """Reaches the evidence item of the path for an action, or refuses."""

    def __init__(self, action: Action) -> None:
        self.action: Action = action

    def __call__(
        self,
        room: AppRoom,
        session: DatabaseSession,
        principal: CurrentPrincipal,
        request_id: RequestId,
        item: Annotated[str, Path(description="Id or evidence number of the item.", max_length=64)],
        reason: Reason = None,
    ) -> Seen:
        """Return the item as this principal may see it."""
        with refusal_recorded(room, principal, self.action, request_id=request_id, named=item):
            return reach.item(session, principal, self.action, item, at=room.clock(), reason=reason)


class CaseFor:
    """Reaches the case file of the path for an action, or refuses."""

    def __init__(self, action: Action) -> None:
        self.action: Action = action

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


class ReasonGiven(BaseModel):
    """Why; it is kept with the act."""

    reason: str = Field(min_length=1, max_length=2000, pattern=r"\S", examples=["Pleaded, sentence served"])


class ItemForReason:
    """Reaches an item for an act that needs a reason, which comes in the body: addresses end up in logs."""

    def __init__(self, action: Action) -> None:
        self.action: Action = action

    def __call__(
        self,
        asked: ReasonGiven,
        room: AppRoom,
        session: DatabaseSession,
        principal: CurrentPrincipal,
        request_id: RequestId,
        item: Annotated[str, Path(description="Id or evidence number of the item.", max_length=64)],
    ) -> tuple[Seen, str]:
        """Return the item as this principal may see it, and the reason."""
        with refusal_recorded(room, principal, self.action, request_id=request_id, named=item):
            seen = reach.item(session, principal, self.action, item, at=room.clock(), reason=asked.reason)
        return seen, asked.reason


class CaseForReason:
    """The same for an act that needs a reason, which comes in the body: addresses end up in logs."""

    def __init__(self, action: Action) -> None:
        self.action: Action = action

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
            seen = reach.case(session, principal, self.action, case, at=room.clock(), reason=asked.reason)
        return seen, asked.reason


@contextmanager
def refusal_recorded(
    room: Room, principal: Principal, action: Action, *, request_id: str, named: str | None = None
) -> Iterator[None]:
    """Enter in the principal's own chain what is refused in the block, and let the refusal go on."""
    try:
        yield
    except RefusedError as refusal:
        record_refusal(room, principal, action, request_id=request_id, reason=str(refusal), named=named)
        raise


def record_refusal(
    room: Room, principal: Principal, action: Action, *, request_id: str, reason: str, named: str | None = None
) -> None:
    """Enter a refusal in the principal's own chain, in a unit of work of its own: the request's is rolled back."""
    with unit_of_work(room.sessions) as session:
        custody.record(
            session,
            AccessRefused(actor=Actor.of(principal), request_id=request_id, action=action, reason=reason, named=named),
        )
