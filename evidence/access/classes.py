"""The access class of an item or case, and the mark do-not-disclose. Raising is easy, lowering is not."""

from collections.abc import Sequence
from typing import get_args

from sqlalchemy.orm import Session

from auth.principals import Principal
from evidence import custody
from evidence.access.actions import Action
from evidence.cases.models import CaseFile
from evidence.custody.access_events import ClassLowered, ClassRaised, DisclosureAllowed, DisclosureForbidden
from evidence.custody.events import Actor
from evidence.errors import ConflictError
from evidence.items.models import AccessClass, EvidenceItem

CLASSES: Sequence[AccessClass] = get_args(AccessClass)
"""From the widest to the narrowest."""


def action_for(before: AccessClass, now: AccessClass) -> Action:
    """Return the action that such a change is."""
    return "access.restrict" if CLASSES.index(now) > CLASSES.index(before) else "access.unrestrict"


def require_narrower(of: EvidenceItem | CaseFile, now: AccessClass) -> None:
    """Raise ConflictError unless `now` is a narrower class than the thing's."""
    if CLASSES.index(now) <= CLASSES.index(of.access_class):
        raise ConflictError(f"It is {of.access_class} already.", next_step="To open it again takes a second person.")


def change(
    session: Session, of: EvidenceItem | CaseFile, now: AccessClass, *, reason: str, by: Principal, request_id: str
) -> None:
    """Put the thing into the class; raise ConflictError if it is in it, or moved while this was decided."""
    decided_on = of.access_class
    session.refresh(of, with_for_update=True)
    if of.access_class == now or of.access_class != decided_on:
        raise ConflictError(f"Its class is {of.access_class} now.", next_step="Look at it again.")
    act = ClassRaised if action_for(of.access_class, now) == "access.restrict" else ClassLowered
    event = act(
        actor=Actor.of(by),
        request_id=request_id,
        on="item" if isinstance(of, EvidenceItem) else "case",
        thing_id=of.id,
        before=of.access_class,
        now=now,
        reason=reason,
    )
    of.access_class = now
    session.flush()
    custody.record(session, event)


def mark(
    session: Session,
    item: EvidenceItem,
    *,
    do_not_disclose: bool,
    reason: str,
    by: Principal,
    request_id: str,
) -> None:
    """Set or take the mark do-not-disclose; raise ConflictError if it is so already."""
    session.refresh(item, with_for_update=True)
    if item.do_not_disclose == do_not_disclose:
        raise ConflictError(
            "It is marked do-not-disclose already." if do_not_disclose else "It is not marked do-not-disclose.",
            next_step="Nothing needs to be done.",
        )
    item.do_not_disclose = do_not_disclose
    session.flush()
    act = DisclosureForbidden if do_not_disclose else DisclosureAllowed
    custody.record(session, act(actor=Actor.of(by), request_id=request_id, on="item", thing_id=item.id, reason=reason))
