"""The trust file over HTTP: the public keys with which a stranger checks what we sign."""

from typing import Any

from fastapi import APIRouter

from evidence.api.dependencies import AppRoom

router = APIRouter(tags=["Trust"])


@router.get("/trust")
def show_trust(room: AppRoom) -> dict[str, Any]:
    """Show the origin and its public keys.

    Hand them over out of band: a key that travels with a package proves nothing.
    """
    return room.signing.trust(room.origin)
