"""What routes are handed: the room, a session, the id of the request, who asks.

What waits for nothing is `async`: anything else is run in a thread of its own, which costs more
than the dependency does.
"""

from collections.abc import Iterator
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from auth import sessions as sign_ins
from auth import single_sign_on
from auth.http import shown_by, source_of
from auth.principals import Principal
from auth.provider_tokens import read_machine_token
from evidence.database import execute_alone, standing_alone, unit_of_work
from evidence.errors import RefusedError
from evidence.room import Room


async def room(request: Request) -> Room:
    """Return what this process holds open."""
    return cast("Room", request.app.state.room)


AppRoom = Annotated[Room, Depends(room)]


async def request_id(request: Request) -> str:
    """Return the id of this request: ours, or the one the client may repeat it under."""
    return cast("str", request.state.request_id)


RequestId = Annotated[str, Depends(request_id)]


async def source(request: Request) -> str | None:
    """Return the network address the request came from."""
    return source_of(request)


Source = Annotated[str | None, Depends(source)]


def current_principal(request: Request, room: AppRoom) -> Principal:
    """Return who asks, as the database knows them now. Raises NotSignedInError.

    By a session of its own, so that nobody's is open while a body streams in, or a provider's keys are fetched.
    That a person's sign-in is used is noted once a minute, by one statement.
    """
    shown, at, source = shown_by(request, url=room.settings.url), room.clock(), source_of(request)
    machine = None
    if shown.proof is None:
        machine = read_machine_token(shown.token, room.providers, at=at, leeway=room.tokens.leeway)
    rules = room.settings.auth
    with standing_alone(room.sessions) as session:
        if machine is not None:
            return single_sign_on.identify_machine(session, machine, at=at, rules=rules, source=source)
        known = sign_ins.recognise(session, shown, room.tokens.verifier, at=at, rules=rules, source=source)
    if known.note_use is not None:
        execute_alone(room.sessions, known.note_use)
    return known.principal


CurrentPrincipal = Annotated[Principal, Depends(current_principal)]


def _person(principal: CurrentPrincipal) -> Principal:
    if principal.kind != "account" or principal.method == "provider_token":
        raise RefusedError("Only people have this.", next_step="A machine proves itself by its key or token alone.")
    return principal


CurrentPerson = Annotated[Principal, Depends(_person)]
"""The same where it is about what only people have: a session, a second factor, requests that wait for them."""


def _session(room: AppRoom, principal: CurrentPrincipal) -> Iterator[Session]:
    with unit_of_work(room.sessions, by=principal) as session:
        yield session


DatabaseSession = Annotated[Session, Depends(_session, scope="function")]
"""The request's session: the database shows it what concerns whoever asks, and nothing else.
With this scope it is committed before the answer goes out: by FastAPI's default the caller would
read "201 Created" first and a failed commit would follow."""


def _session_at_the_door(room: AppRoom) -> Iterator[Session]:
    with unit_of_work(room.sessions) as session:
        yield session


SessionAtTheDoor = Annotated[Session, Depends(_session_at_the_door, scope="function")]
"""The same where nobody is known yet: for the few routes that are asked without a token."""
