"""What waits for somebody: one list, to which every part that asks something of people adds its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy.orm import Session

from auth.principals import Principal
from evidence.access import approvals, glass, reach
from evidence.access.models import ApprovalRequest

TaskKind = Literal["approve", "review-break-glass", "own-request"]


@dataclass(frozen=True, slots=True)
class Task:
    """One thing that waits. `about`: the id of the request or use; `until`: when it ends by itself."""

    kind: TaskKind
    about: UUID
    since: datetime
    until: datetime | None = None
    action: str | None = None


def of(session: Session, principal: Principal, *, at: datetime) -> Iterator[Task]:
    """Yield what waits for the principal, what presses most first. A new kind of task is added here."""
    if reach.may_review(principal, at=at):
        for use in glass.unreviewed(session, principal.agency_id, by_others_than=principal.id):
            yield Task("review-break-glass", use.id, since=use.broken_at)
    for request in approvals.to_decide(session, principal, at=at):
        yield _of_request("approve", request)
    for request in approvals.requested(session, principal, at=at, only_open=True):
        yield _of_request("own-request", request)


def _of_request(kind: TaskKind, request: ApprovalRequest) -> Task:
    return Task(kind, request.id, since=request.requested_at, until=request.expires_at, action=request.action)
