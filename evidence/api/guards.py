"""Guards: no route reaches evidence except through one, and each names its action.

`Guard` asks whether the principal may do this at all; `ItemFor` reaches one evidence item for an
action and is the only way a route gets at one.  A refusal is recorded on the principal's own
chain, never on the item's.
"""

from typing import Annotated

from fastapi import Path, Query
from fastapi.concurrency import run_in_threadpool

from auth.principals import Principal
from evidence import access, custody
from evidence.access import Action, reach
from evidence.access.reach import Seen
from evidence.api.dependencies import AppRoom, CurrentPrincipal, DatabaseSession, RequestId
from evidence.custody.events import AccessRefused, Actor
from evidence.database import unit_of_work
from evidence.errors import RefusedError
from evidence.room import Room

Reason = Annotated[str | None, Query(max_length=2000, description="Why; kept with the act where it is required.")]


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
                next_step="Sign in again if it asks for a fresh sign-in; else ask your agency's administrator.",
            )
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
        try:
            return reach.item(session, principal, self.action, item, at=room.clock(), reason=reason)
        except RefusedError as refusal:
            record_refusal(room, principal, self.action, request_id=request_id, reason=str(refusal), named=item)
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
