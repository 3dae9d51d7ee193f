"""Alive, and ready."""

from contextlib import suppress

from fastapi import APIRouter
from pydantic import BaseModel, Field

from evidence import __version__, notices
from evidence.api.dependencies import AppRoom
from evidence.database import reading
from evidence.engines import schema

router = APIRouter(tags=["Health"])


class Health(BaseModel):
    """What the process says of itself."""

    status: str
    version: str
    degraded: list[str] = Field(default_factory=list, description="What does not work though evidence is served.")


@router.get("/healthz")
def healthz() -> Health:
    """Say that the process is alive."""
    return Health(status="alive", version=__version__)


@router.get("/readyz")
def readyz(room: AppRoom) -> Health:
    """Say that database, schema and object store answer, and what is degraded; 503 with the reason when they do not."""
    schema.require_head(room.engine)
    with suppress(KeyError):
        room.vault.store.head("readiness")  # no such object; that it can say so is the answer
    with reading(room.sessions) as session:
        failing = notices.undelivered(session, at=room.clock())
    degraded = [f"notices: {failing} not delivered"] if failing else []
    return Health(status="degraded" if degraded else "ready", version=__version__, degraded=degraded)
