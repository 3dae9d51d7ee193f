"""One's own account over HTTP: second factor, recovery codes, password."""

from datetime import datetime, timedelta

from fastapi import APIRouter
from pydantic import BaseModel, Field, SecretStr

from auth import local_sign_in, second_factors, sessions
from evidence.access.facts import FRESH
from evidence.api.dependencies import AppRoom, CurrentPerson, DatabaseSession, RequestId, Source
from evidence.api.sign_in_sessions import not_good
from evidence.database import unit_of_work
from evidence.errors import RefusedError

router = APIRouter(tags=["Your own account"], prefix="/accounts/me")


class SecondFactorOffered(BaseModel):
    """What your authenticator needs. It is shown here and never again, and counts when it is confirmed."""

    uri: str = Field(description="For the authenticator, as text or as a square code.")
    secret: str = Field(description="The same to be typed in: base32.")


class ConfirmationRequest(BaseModel):
    """A code of the second factor that was offered."""

    totp: str = Field(min_length=1, max_length=20, examples=["492039"])


class RecoveryCodesShown(BaseModel):
    """Codes that stand in for your second factor, each once. They are shown here and never again."""

    recovery_codes: list[str]


class PasswordChange(BaseModel):
    """Your password, and the one that takes its place."""

    password: SecretStr
    new_password: SecretStr = Field(description="At least 12 characters, not your name or address.")


@router.post("/second-factor", status_code=201)
def offer_second_factor(room: AppRoom, session: DatabaseSession, principal: CurrentPerson) -> SecondFactorOffered:
    """Offer a second factor to your account, which has none; needs a sign-in of the last 15 minutes."""
    _require_fresh(principal.signed_in_at, at=room.clock(), what="a sign-in", next_step="Sign in again.")
    account, _ = sessions.own(session, principal)
    offered = second_factors.offer(session, account, sealer=room.vault.keyring, issuer=room.origin, at=room.clock())
    return SecondFactorOffered(uri=offered.uri, secret=offered.secret)


@router.post("/second-factor/confirm")
def confirm_second_factor(
    asked: ConfirmationRequest, room: AppRoom, principal: CurrentPerson, request_id: RequestId, source: Source
) -> RecoveryCodesShown:
    """Confirm the second factor with a code of it: it counts from now on, and is proved for this session."""
    with unit_of_work(room.sessions, by=principal) as session:
        codes = local_sign_in.confirm_second_factor(
            session,
            room.recorder,
            asked.totp,
            by=principal,
            rules=room.settings.auth,
            sealer=room.vault.keyring,
            at=room.clock(),
            request_id=request_id,
            source=source,
        )
    if codes is None:
        raise not_good()
    return RecoveryCodesShown(recovery_codes=codes)


@router.post("/recovery-codes", status_code=201)
def make_recovery_codes(
    room: AppRoom, session: DatabaseSession, principal: CurrentPerson, request_id: RequestId
) -> RecoveryCodesShown:
    """Make new recovery codes; those you have count no longer. Needs your second factor of the last 15 minutes."""
    at = room.clock()
    _require_fresh(principal.strong_at, at=at, what="your second factor", next_step="Prove it: `evidence step-up`.")
    account, _ = sessions.own(session, principal)
    codes = second_factors.make_recovery_codes(
        session, room.recorder, account, by=principal, at=at, request_id=request_id
    )
    return RecoveryCodesShown(recovery_codes=codes)


@router.post("/password", status_code=204)
def change_password(
    asked: PasswordChange, room: AppRoom, principal: CurrentPerson, request_id: RequestId, source: Source
) -> None:
    """Change your password; your other sessions end."""
    with unit_of_work(room.sessions, by=principal) as session:
        changed = local_sign_in.change_password(
            session,
            room.recorder,
            old=asked.password.get_secret_value(),
            new=asked.new_password.get_secret_value(),
            by=principal,
            rules=room.settings.auth,
            at=room.clock(),
            request_id=request_id,
            source=source,
        )
    if not changed:
        raise not_good()


def _require_fresh(proved_at: datetime | None, *, at: datetime, what: str, next_step: str) -> None:
    if proved_at is None or not timedelta(0) <= at - proved_at <= FRESH:
        raise RefusedError(f"This needs {what} of the last 15 minutes.", next_step=next_step)
