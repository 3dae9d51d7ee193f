"""The trust file over HTTP: the public keys with which a stranger checks what we sign."""

from fastapi import APIRouter, Response

from evidence.api.dependencies import AppRoom, SessionAtTheDoor
from evidence.custody import keys

router = APIRouter(tags=["Trust"])


@router.get("/trust", responses={200: {"content": {"application/json": {}}}})
def show_trust(room: AppRoom, session: SessionAtTheDoor) -> Response:
    """Show the origin and its public keys.

    Hand them over out of band: a key that travels with a package proves nothing.
    """
    return Response(keys.trust(session, room.origin).write(), media_type="application/json")
