"""What routes are handed: the room, a session, the id of the request, who asks.

What waits for nothing is `async`: anything else is run in a thread of its own, which costs more
than the dependency does.
"""

from collections.abc import Iterator
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from auth import sessions as sign_ins
from auth.http import shown_by
from auth.principals import Principal
from evidence.database import standing_alone, unit_of_work
from evidence.room import Room


async def room(request: Request) -> Room:
    """Return what this process holds open."""
    return cast("Room", request.app.state.room)


AppRoom = Annotated[Room, Depends(room)]


def _session(room: AppRoom) -> Iterator[Session]:
    with unit_of_work(room.sessions) as session:
        yield session


DatabaseSession = Annotated[Session, Depends(_session, scope="function")]
"""The request's session. With this scope it is committed before the answer goes out: by
FastAPI's default the caller would read "201 Created" first and a failed commit would follow."""


async def request_id(request: Request) -> str:
    """Return the id of this request: ours, or the one the client may repeat it under."""
    return cast("str", request.state.request_id)


RequestId = Annotated[str, Depends(request_id)]


def current_principal(request: Request, room: AppRoom) -> Principal:
    """Return who asks, as the database knows them now. Raises NotSignedInError.

    By a session of its own, so that nobody's is open while a body streams in.
    """
    with standing_alone(room.sessions) as session:
        return sign_ins.identify(
            session, shown_by(request, url=room.settings.url), room.tokens.verifier, at=room.clock()
        )


CurrentPrincipal = Annotated[Principal, Depends(current_principal)]
