"""Second factors: enrol an authenticator (TOTP), prove it, and recovery codes for the day it is lost.

The shared secret has to be readable to check a code, so it is kept sealed under a key that is not in
the database.  A code is good once.  What counts here as proof is reported by whoever asked for it.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from auth import codes, totp
from auth.errors import CodeError
from auth.events import Recorder, RecoveryCodesMade, RecoveryCodeUsed, SecondFactorEnrolled
from auth.models import Account, RecoveryCode, SecondFactor
from auth.principals import Principal
from auth.sealing import Sealer

RECOVERY_CODES = 10
CODE_LENGTH = 16
"""Characters of five random bits: more than anybody guesses, so their SHA-256 is kept and no slow hash."""

Proof = Literal["otp", "recovery"]


@dataclass(frozen=True, slots=True)
class Offered:
    """What an authenticator needs. It is shown once."""

    uri: str = field(repr=False)
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Given:
    """What somebody gave to prove their second factor: a code of the authenticator, or a recovery code."""

    totp: str | None = field(default=None, repr=False)
    recovery_code: str | None = field(default=None, repr=False)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was given."""
        return self.totp is None and self.recovery_code is None


def has_one(session: Session, account_id: UUID) -> bool:
    """Say whether the account has a second factor that counts."""
    return session.scalar(select(SecondFactor.id).where(_open(account_id), _CONFIRMED)) is not None


def offer(session: Session, account: Account, *, sealer: Sealer, issuer: str, at: datetime) -> Offered:
    """Make a secret for the account's authenticator; it counts when it is confirmed. Raises CodeError if one counts."""
    if has_one(session, account.id):
        raise CodeError("This account has a second factor already.")
    _end(session, account.id, at=at)
    secret = totp.new_secret()
    session.add(
        SecondFactor(
            account_id=account.id, sealed_secret=sealer.seal(secret, purpose=_purpose(account.id)), offered_at=at
        )
    )
    session.flush()
    return Offered(
        uri=totp.uri(secret, issuer=issuer, account=account.email),
        secret=totp.in_base32(secret),
    )


def confirm(
    session: Session,
    recorder: Recorder,
    account: Account,
    *,
    code: str | None,
    sealer: Sealer,
    by: Principal,
    at: datetime,
    request_id: str,
) -> list[str] | None:
    """Let the offered second factor count, and return its recovery codes; None if the code is not one of it.

    Only the server's own console may leave the code out.  Raises CodeError if nothing was offered.
    """
    row = session.scalar(select(SecondFactor).where(_open(account.id), SecondFactor.confirmed_at.is_(None)))
    if row is None:
        raise CodeError("No second factor was offered to this account, or it counts already.")
    if code is None:
        if by.kind != "system":
            raise CodeError("A second factor is confirmed with a code of it.")
    elif not _take(session, row, code, sealer=sealer, at=at):
        return None
    row.confirmed_at = at
    session.flush()
    event = SecondFactorEnrolled(
        by=by, account_id=account.id, agency_id=account.agency_id, at=at, request_id=request_id
    )
    recorder.record(session, event)
    return make_recovery_codes(session, recorder, account, by=by, at=at, request_id=request_id)


def make_recovery_codes(
    session: Session, recorder: Recorder, account: Account, *, by: Principal, at: datetime, request_id: str
) -> list[str]:
    """Make recovery codes, shown now and never again; those there were count no longer.

    Raises CodeError for an account without a second factor, which they could not stand in for.
    """
    if not has_one(session, account.id):
        raise CodeError("This account has no second factor yet.")
    _end_codes(session, account.id, at=at)
    made = [codes.make(CODE_LENGTH) for _ in range(RECOVERY_CODES)]
    session.add_all(RecoveryCode(account_id=account.id, code_sha256=codes.digest(code), made_at=at) for code in made)
    session.flush()
    event = RecoveryCodesMade(
        by=by, account_id=account.id, agency_id=account.agency_id, count=len(made), at=at, request_id=request_id
    )
    recorder.record(session, event)
    return [codes.shown(code, group=4) for code in made]


def prove(
    session: Session,
    recorder: Recorder,
    account: Account,
    given: Given,
    *,
    sealer: Sealer,
    at: datetime,
    request_id: str,
) -> Proof | Literal["wrong_code", "replayed_code"]:
    """Take what was given as proof of the account's second factor, once; or say, for the record, why not."""
    if given.totp is not None:
        row = session.scalar(select(SecondFactor).where(_open(account.id), _CONFIRMED))
        if row is None:
            return "wrong_code"
        secret = sealer.open(row.sealed_secret, purpose=_purpose(account.id))
        if totp.matching_step(secret, given.totp, at=at) is None:
            return "wrong_code"
        return "otp" if _take(session, row, given.totp, sealer=sealer, at=at) else "replayed_code"
    if given.recovery_code is not None and _spend(session, account.id, given.recovery_code, at=at):
        left = session.scalar(select(func.count()).where(*_good(account.id))) or 0
        event = RecoveryCodeUsed(
            account_id=account.id, agency_id=account.agency_id, left=left, at=at, request_id=request_id
        )
        recorder.record(session, event)
        return "recovery"
    return "wrong_code"


def clear(session: Session, account_id: UUID, *, at: datetime) -> None:
    """End the account's second factor and recovery codes. Whoever does so reports it."""
    _end(session, account_id, at=at)
    _end_codes(session, account_id, at=at)


def _take(session: Session, row: SecondFactor, code: str, *, sealer: Sealer, at: datetime) -> bool:
    """Take a code if it is good and neither it nor a later one was taken: of several at once, one is."""
    step = totp.matching_step(sealer.open(row.sealed_secret, purpose=_purpose(row.account_id)), code, at=at)
    if step is None:
        return False
    taken = session.execute(
        update(SecondFactor)
        .where(SecondFactor.id == row.id, or_(SecondFactor.last_step.is_(None), SecondFactor.last_step < step))
        .values(last_step=step)
        .returning(SecondFactor.id)
        .execution_options(synchronize_session=False)
    )
    return taken.one_or_none() is not None


def _spend(session: Session, account_id: UUID, code: str, *, at: datetime) -> bool:
    spent = session.execute(
        update(RecoveryCode)
        .where(*_good(account_id), RecoveryCode.code_sha256 == codes.digest(code))
        .values(ended_at=at)
        .returning(RecoveryCode.id)
        .execution_options(synchronize_session=False)
    )
    return spent.one_or_none() is not None


def _end(session: Session, account_id: UUID, *, at: datetime) -> None:
    session.execute(update(SecondFactor).where(_open(account_id)).values(ended_at=at))


def _end_codes(session: Session, account_id: UUID, *, at: datetime) -> None:
    session.execute(update(RecoveryCode).where(*_good(account_id)).values(ended_at=at))


def _open(account_id: UUID) -> ColumnElement[bool]:
    return (SecondFactor.account_id == account_id) & SecondFactor.ended_at.is_(None)


def _good(account_id: UUID) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (RecoveryCode.account_id == account_id, RecoveryCode.ended_at.is_(None))


def _purpose(account_id: UUID) -> str:
    return f"second factor of account/{account_id}"


_CONFIRMED = SecondFactor.confirmed_at.is_not(None)
