"""Requests that take effect only when a second, different, authorised person approves exactly them.

What is asked is frozen as canonical JSON: the act and its parameters, the things it is about as they
stood, the reason, who asked.  Its SHA-256 names it.  Whoever approves says the digest they read; under
a lock on the request, so that of many at once one is heard, the things are compared with what was
frozen, the act is carried out, and all of it is recorded, in one unit of work.  What has changed
voids the request; after 72 hours it lapses.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from auth import roles
from auth.events import Recorder
from auth.models import Account
from auth.principals import Principal
from evidence import access, custody, notices
from evidence.access.actions import Action
from evidence.access.approved_acts import ACTS, About, Act
from evidence.access.facts import CONDITIONS, Asked
from evidence.access.models import Approval, ApprovalRequest, RequestState
from evidence.access.roles import CELLS
from evidence.clock import written
from evidence.custody.approval_events import (
    ApprovalCarriedOut,
    ApprovalGiven,
    ApprovalRefused,
    ApprovalRequested,
    ApprovalVoided,
    ApprovalWithdrawn,
)
from evidence.custody.events import Actor
from evidence.database import manage_classes
from evidence.errors import ConflictError, GoneError, IntegrityError, InvalidError, NotFoundError, RefusedError
from evidence.ids import new_id
from evidence.proof import FormatError, canonical

LIFE = timedelta(hours=72)
"""How long a request may be approved."""

MOST_OPEN = 100
"""Requests one account may have open: more would only bury each other."""

MOST_SHOWN = 200


def required_or_done(
    session: Session, recorder: Recorder, act: Act, *, by: Principal, reason: str, at: datetime, request_id: str
) -> ApprovalRequest | None:
    """Do it if the principal may alone, and return None; else freeze it until a second person approves it.

    Raises RefusedError if anything else than the second person is missing, and what the act itself raises.
    """
    manage_classes(session)
    about = act.about(session, at=at)
    asker = by if act.asked_as is None else replace(by, roles=by.roles & act.asked_as)
    for approved in (False, True):
        refusal = _refusal(asker, act.action, about, reason=reason, at=at, approved=approved)
        if refusal is None:
            break
    if refusal is not None:
        raise RefusedError(f"{act.action} is refused: {refusal}.", next_step="Ask whoever runs your agency's roles.")
    act.check(session, by=by, at=at)
    if not approved:
        act.carry_out(session, recorder, reason=reason, by=by, at=at, request_id=request_id)
        return None
    return _freeze(session, act, about, by=by, reason=reason, at=at, request_id=request_id)


def _freeze(
    session: Session, act: Act, about: Sequence[About], *, by: Principal, reason: str, at: datetime, request_id: str
) -> ApprovalRequest:
    mine = select(func.count()).select_from(ApprovalRequest).where(ApprovalRequest.requester_id == by.id, is_open(at))
    if (session.scalar(mine) or 0) >= MOST_OPEN:
        raise ConflictError(
            f"You have {MOST_OPEN} open requests.", next_step="Withdraw some, or wait until they are decided."
        )
    id, expires_at = new_id(), at + LIFE
    document = {
        "v": 1,
        "id": str(id),
        "agency": str(by.agency_id),
        "requester": str(by.id),
        "requested_at": written(at),
        "expires_at": written(expires_at),
        "act": act.name,
        "action": act.action,
        "parameters": act.parameters(),
        "things": [each.frozen() for each in about],
        "reason": reason,
    }
    try:
        frozen = canonical.encode(document)
    except FormatError as error:
        raise InvalidError(f"This cannot be asked: {error}.", next_step="Correct the reason.") from None
    request = ApprovalRequest(
        id=id,
        agency_id=by.agency_id,
        requester_id=by.id,
        action=act.action,
        frozen=frozen,
        sha256=sha256(frozen).digest(),
        requested_at=at,
        expires_at=expires_at,
        state="open",
    )
    session.add(request)
    session.flush()
    custody.record(session, ApprovalRequested(**_said(request, by, request_id), reason=reason))
    notices.give(
        session,
        "approval.requested",
        request.id,
        agency_id=request.agency_id,
        to=[each.id for each in deciders(session, request, at=at)],
        at=at,
    )
    return request


def approve(
    session: Session, recorder: Recorder, id: UUID, *, sha256: bytes, by: Principal, at: datetime, request_id: str
) -> ApprovalRequest:
    """Approve exactly the request with this digest, and carry it out; or find that it is void.

    Returns it `approved`, or `void` when what it is about has changed or the requester might not ask any more: the
    caller has to look.  Raises NotFoundError, RefusedError (one's own, or not allowed), ConflictError (decided, or
    another digest), GoneError (lapsed).
    """
    request, document, act = _to_decide(session, id, by=by, at=at)
    if request.sha256 != sha256:
        raise ConflictError("The request has another digest.", next_step="Read the request, and approve what it says.")
    about = act.about(session, at=at, lock=True)
    if [each.frozen() for each in about] != document["things"] or not _may_still_ask(session, request, at=at):
        _end(session, request, "void", by=by, at=at)
        custody.record(session, ApprovalVoided(**_said(request, by, request_id)))
        return request
    if refusal := _refusal_to_decide(by, request, about, reason=document["reason"], at=at):
        raise RefusedError(f"Approving is refused: {refusal}.", next_step="Somebody else has to decide this.")
    approval = Approval(
        request_id=request.id,
        requester_id=request.requester_id,
        approver_id=by.id,
        sha256=request.sha256,
        given_at=at,
    )
    session.add(approval)
    _end(session, request, "approved", by=by, at=at)
    act.carry_out(session, recorder, reason=document["reason"], by=by, at=at, request_id=request_id)
    custody.record(session, ApprovalGiven(**_said(request, by, request_id)))
    for each in about:
        event = ApprovalCarriedOut(**_said(request, by, request_id), on=each.on, thing_id=each.id, approver_id=by.id)
        custody.record(session, event)
    return request


def _may_still_ask(session: Session, request: ApprovalRequest, *, at: datetime) -> bool:
    """Say whether the requester is here and has a role for it yet: two persons are two who may."""
    requester = session.get_one(Account, request.requester_id)
    held = roles.held(session, requester.id, at=at)
    return requester.suspended_at is None and not held.isdisjoint(CELLS[request.action].keys())


def refuse(session: Session, id: UUID, *, reason: str, by: Principal, at: datetime, request_id: str) -> ApprovalRequest:
    """Refuse a request that one might approve. Raises what `approve` raises."""
    request, document, act = _to_decide(session, id, by=by, at=at)
    if refusal := _refusal_to_decide(by, request, act.about(session, at=at), reason=document["reason"], at=at):
        raise RefusedError(f"Deciding is refused: {refusal}.", next_step="Somebody else has to decide this.")
    _end(session, request, "refused", by=by, at=at)
    custody.record(session, ApprovalRefused(**_said(request, by, request_id), reason=reason))
    return request


def withdraw(session: Session, id: UUID, *, by: Principal, at: datetime, request_id: str) -> ApprovalRequest:
    """Withdraw a request of one's own. Raises what `approve` raises."""
    request = seen(session, id, by=by, at=at, lock=True)
    if request.requester_id != by.id:
        raise RefusedError("Only whoever asked withdraws a request.", next_step="Refuse it instead.")
    _require_open(request, at=at)
    _end(session, request, "withdrawn", by=by, at=at)
    custody.record(session, ApprovalWithdrawn(**_said(request, by, request_id)))
    return request


def seen(session: Session, id: UUID, *, by: Principal, at: datetime, lock: bool = False) -> ApprovalRequest:
    """Return a request that one has made, decided or might decide; NotFoundError for every other and a missing one."""
    request = session.get(ApprovalRequest, id, with_for_update=lock, populate_existing=lock)
    if request is None or not _may_see(session, request, by=by, at=at):
        raise NotFoundError(
            "There is no such request, or none you may know of.", next_step="`evidence approval list` shows yours."
        )
    return request


def to_decide(session: Session, by: Principal, *, at: datetime) -> Sequence[ApprovalRequest]:
    """Return the open requests of others that the principal might decide, oldest first."""
    others = select(ApprovalRequest).where(
        ApprovalRequest.agency_id == by.agency_id, ApprovalRequest.requester_id != by.id, is_open(at)
    )
    actions = [action for action, cells in CELLS.items() if by.roles & cells.keys()]
    found = session.scalars(others.where(ApprovalRequest.action.in_(actions)).order_by(ApprovalRequest.id))
    return [each for each in found.all() if _might_decide(session, each, by=by, at=at)][:MOST_SHOWN]


def requested(session: Session, by: Principal, *, at: datetime, only_open: bool = False) -> Sequence[ApprovalRequest]:
    """Return the requests that the principal has made, newest first."""
    mine: Select[ApprovalRequest] = select(ApprovalRequest).where(ApprovalRequest.requester_id == by.id)
    if only_open:
        mine = mine.where(is_open(at))
    return session.scalars(mine.order_by(ApprovalRequest.id.desc()).limit(MOST_SHOWN)).all()


def deciders(session: Session, request: ApprovalRequest, *, at: datetime) -> Iterator[Account]:
    """Yield the accounts that might decide the request."""
    people = notices.holders(session, request.agency_id, CELLS[request.action].keys(), at=at)
    held = roles.roles_by_account(session, people, at=at)
    for account in session.scalars(select(Account).where(Account.id.in_(people)).order_by(Account.id)):
        principal = Principal(
            kind="account",
            id=account.id,
            agency_id=account.agency_id,
            roles=held[account.id],
            name=account.name,
            method="internal",
            badge=account.badge,
        )
        if _might_decide(session, request, by=principal, at=at):
            yield account


def approver_of(session: Session, request: ApprovalRequest) -> UUID | None:
    """Return who approved the request, if somebody has."""
    return session.scalar(select(Approval.approver_id).where(Approval.request_id == request.id))


def is_open(at: datetime) -> Any:
    """Return the condition under which an ApprovalRequest can still be decided."""
    return (ApprovalRequest.state == "open") & (ApprovalRequest.expires_at > at)


def read(request: ApprovalRequest) -> dict[str, Any]:
    """Return the frozen document; raise IntegrityError if it is not the one that was asked."""
    if sha256(request.frozen).digest() != request.sha256:
        raise IntegrityError("The request is not what was asked.", next_step="Run `evidence doctor` and find out why.")
    document: dict[str, Any] = canonical.decode(request.frozen)
    return document


def _act(document: dict[str, Any]) -> Act:
    return ACTS[document["act"]].read(document["parameters"])


def _to_decide(
    session: Session, id: UUID, *, by: Principal, at: datetime
) -> tuple[ApprovalRequest, dict[str, Any], Act]:
    """Return the request, locked, that one is about to decide."""
    request = seen(session, id, by=by, at=at, lock=True)
    if request.requester_id == by.id:
        raise RefusedError("Nobody decides a request of their own.", next_step="Somebody else has to decide this.")
    _require_open(request, at=at)
    document = read(request)
    manage_classes(session)
    return request, document, _act(document)


def _require_open(request: ApprovalRequest, *, at: datetime) -> None:
    if request.state != "open":
        said = {"approved": "was approved", "refused": "was refused", "withdrawn": "was withdrawn", "void": "is void"}
        raise ConflictError(f"The request {said[request.state]}.", next_step="Ask anew, if it is still needed.")
    if request.expires_at <= at:
        raise GoneError("The request has lapsed: nobody approved it in time.", next_step="Ask anew.")


def _may_see(session: Session, request: ApprovalRequest, *, by: Principal, at: datetime) -> bool:
    return (
        request.requester_id == by.id
        or approver_of(session, request) == by.id
        or (request.agency_id == by.agency_id and _might_decide(session, request, by=by, at=at))
    )


def _might_decide(session: Session, request: ApprovalRequest, *, by: Principal, at: datetime) -> bool:
    """Say whether the principal may decide the request once they have proved their second factor afresh."""
    document = read(request)
    manage_classes(session)
    about = _act(document).about(session, at=at)
    fresh = replace(by, strong_at=at)
    return _refusal_to_decide(fresh, request, about, reason=document["reason"], at=at) is None


def _refusal_to_decide(
    by: Principal, request: ApprovalRequest, about: Sequence[About], *, reason: str, at: datetime
) -> str | None:
    """Return why the principal may not decide this, or None: their own cell has to hold, and they had no part in it."""
    asked_by = frozenset({request.requester_id})
    of_others = [replace(each, thing=replace(each.thing, authors=each.thing.authors | asked_by)) for each in about]
    if request.agency_id != by.agency_id:
        return access.NOT_OURS
    for each in of_others:
        if not CONDITIONS["sod"](Asked(principal=by, action=request.action, thing=each.thing, at=at)):
            return "nobody decides what is their own, or an incident they are listed in"
    return _refusal(by, request.action, of_others, reason=reason, at=at, approved=True)


def _refusal(
    by: Principal, action: Action, about: Sequence[About], *, reason: str, at: datetime, approved: bool
) -> str | None:
    for each in about:
        decision = access.allow(by, action, each.thing, at=at, reason=reason, approved=approved)
        if not decision.allowed:
            return decision.reason
    return None


def _end(session: Session, request: ApprovalRequest, state: RequestState, *, by: Principal, at: datetime) -> None:
    request.state, request.ended_at = state, at
    session.flush()
    if by.id != request.requester_id:
        to = [request.requester_id]
        notices.give(session, "approval.decided", request.id, agency_id=request.agency_id, to=to, at=at)


def _said(request: ApprovalRequest, by: Principal, request_id: str) -> dict[str, Any]:
    return {
        "actor": Actor.of(by),
        "request_id": request_id,
        "approval_id": request.id,
        "action": request.action,
        "sha256": request.sha256,
        "requester_id": request.requester_id,
    }
