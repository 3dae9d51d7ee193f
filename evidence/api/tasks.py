"""What waits for whoever asks, and what they were told, over HTTP."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from evidence import notices
from evidence.access import tasks
from evidence.access.tasks import TaskKind
from evidence.api.dependencies import AppRoom, CurrentPerson, DatabaseSession
from evidence.notices.models import Kind

router = APIRouter(tags=["Tasks"])


class TaskShown(BaseModel):
    """One thing that waits for you."""

    kind: TaskKind
    about: UUID = Field(description="Id of the request, or of the use of break-glass.")
    action: str | None = Field(description="What is asked for, of a request.")
    since: datetime
    until: datetime | None = Field(description="When it ends by itself.")


class NoticeShown(BaseModel):
    """One thing you were told, whether or not a mail reached you."""

    id: UUID
    kind: Kind
    about: UUID
    made_at: datetime


class Waiting(BaseModel):
    """What waits for you, what presses most first, and the notices of the last days, newest first."""

    tasks: list[TaskShown]
    notices: list[NoticeShown]


@router.get("/me/tasks")
def list_my_tasks(room: AppRoom, session: DatabaseSession, principal: CurrentPerson) -> Waiting:
    """List what waits for you: requests to decide, uses of break-glass to review, your own open requests."""
    at = room.clock()
    told = notices.of_account(session, principal.id, at=at)
    return Waiting(
        tasks=[
            TaskShown(kind=each.kind, about=each.about, action=each.action, since=each.since, until=each.until)
            for each in tasks.of(session, principal, at=at)
        ],
        notices=[NoticeShown(id=each.id, kind=each.kind, about=each.about_id, made_at=each.made_at) for each in told],
    )
