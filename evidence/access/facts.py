"""What a rule may ask about a principal, a thing and an act, and the conditions made of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from auth.principals import Principal

FRESH = timedelta(minutes=15)
"""How long a sign-in counts as just proved, for the acts that ask for it (`step`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """What the rules may know of the item, upload or account an act is about.

    `officer_badge` is the recording officer as the dock or person named them; `brought_by` is
    whoever opened the upload; `account_id` is set when the thing is itself an account.
    """

    agency_id: UUID
    officer_badge: str | None = None
    brought_by: UUID | None = None
    account_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question: may the principal do this, to this, for this reason, now."""

    principal: Principal
    thing: Thing
    at: datetime
    reason: str | None = None


def _own(asked: Asked) -> bool:
    badge = asked.principal.badge
    return (badge is not None and badge == asked.thing.officer_badge) or _self(asked)


def _self(asked: Asked) -> bool:
    return asked.thing.brought_by == asked.principal.id


def _dockown(asked: Asked) -> bool:
    # Before an upload is open there is nothing to own: an enrolled dock may open one.
    return asked.principal.kind == "dock" and asked.thing.brought_by in (None, asked.principal.id)


def _why(asked: Asked) -> bool:
    return bool(asked.reason and asked.reason.strip())


def _step(asked: Asked) -> bool:
    # Until second factors exist this is a fresh sign-in, not a second factor; auth/README.md says so.
    signed_in = asked.principal.signed_in_at
    return signed_in is not None and timedelta(0) <= asked.at - signed_in <= FRESH


def _sod(asked: Asked) -> bool:
    return asked.thing.account_id != asked.principal.id


CONDITIONS: Mapping[str, Callable[[Asked], bool]] = {
    "A": lambda _asked: True,
    "own": _own,
    "self": _self,
    "dockown": _dockown,
    "why": _why,
    "step": _step,
    "sod": _sod,
    # The right to see that a row exists, without what it says: `Decision.content` is False.
    "noevid": lambda _asked: True,
}
"""The conditions that can be established today; one that is not here never holds."""

SAID: Mapping[str, str] = {
    "own": "you are not the recording officer of this item and did not bring it in",
    "self": "this was opened by somebody else",
    "dockown": "this was opened by another dock",
    "why": "a reason is required and none was given",
    "step": "this needs a sign-in of the last 15 minutes",
    "sod": "nobody may do this to their own account",
}
"""What to tell the principal when a condition fails; the others are named by their word."""
