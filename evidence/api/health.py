"""Alive, and ready."""

from contextlib import suppress

from fastapi import APIRouter
from pydantic import BaseModel

from evidence import __version__
from evidence.api.dependencies import AppRoom
from evidence.engines import schema

router = APIRouter(tags=["Health"])


class Health(BaseModel):
    """What the process says of itself."""

    status: str
    version: str


@router.get("/healthz")
def healthz() -> Health:
    """Say that the process is alive."""
    return Health(status="alive", version=__version__)


@router.get("/readyz")
def readyz(room: AppRoom) -> Health:
    """Say that database, schema and object store answer; 503 with the reason when they do not."""
    schema.require_head(room.engine)
    with suppress(KeyError):
        room.vault.store.head("readiness")  # no such object; that it can say so is the answer
    return Health(status="ready", version=__version__)
