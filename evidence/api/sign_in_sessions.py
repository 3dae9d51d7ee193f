"""The session somebody is signed in with, and the notice they read before: over HTTP.

A refusal here is a failed guess, counted and on record: its unit of work is committed before it is raised.
"""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from auth import local_sign_in, sessions
from auth.second_factors import Given
from evidence.access.facts import FRESH
from evidence.api.dependencies import AppRoom, CurrentPerson, DatabaseSession, RequestId, Source
from evidence.database import unit_of_work
from evidence.errors import RefusedError

router = APIRouter(tags=["Sign-in"])


class BannerShown(BaseModel):
    """The system-use notice of this installation, if it has one."""

    text: str | None
    sha256: str | None = Field(description="What a sign-in sends as `banner_acknowledged`.")


class SecondFactorGiven(BaseModel):
    """A code of one's authenticator, or a recovery code."""

    totp: str | None = Field(default=None, min_length=1, max_length=20, examples=["492039"])
    recovery_code: str | None = Field(default=None, min_length=1, max_length=100)


class StrongUntil(BaseModel):
    """Until when the acts that ask for a second factor are open to this session."""

    strong_until: datetime


@router.get("/banner")
def show_banner(room: AppRoom) -> BannerShown:
    """Show the system-use notice that is acknowledged at every sign-in."""
    rules = room.settings.auth
    return BannerShown(text=rules.banner, sha256=rules.banner_sha256)


@router.delete("/tokens/current", status_code=204)
def sign_out(room: AppRoom, session: DatabaseSession, principal: CurrentPerson, request_id: RequestId) -> None:
    """Sign out: end the session that this token belongs to, with all its tokens."""
    sessions.end(session, room.recorder, by=principal, because="signed_out", at=room.clock(), request_id=request_id)


@router.post("/tokens/step-up")
def step_up(
    asked: SecondFactorGiven, room: AppRoom, principal: CurrentPerson, request_id: RequestId, source: Source
) -> StrongUntil:
    """Prove your second factor again, for the acts that need it fresh. The token stays the same."""
    at = room.clock()
    with unit_of_work(room.sessions, by=principal) as session:
        proved = local_sign_in.prove_again(
            session,
            room.recorder,
            Given(asked.totp, asked.recovery_code),
            by=principal,
            rules=room.settings.auth,
            sealer=room.vault.keyring,
            at=at,
            request_id=request_id,
            source=source,
        )
    if not proved:
        raise not_good()
    return StrongUntil(strong_until=at + FRESH)


def not_good() -> RefusedError:
    """Return the error for a guess within a session: refused, not signed out, so that no client tries it twice."""
    return RefusedError(
        "This is not good.", next_step="Check it and try again; after five failures your account is locked."
    )
