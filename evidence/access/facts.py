"""What a rule may ask about a principal, a thing and an act, and the conditions made of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from auth.principals import Principal
from evidence.cases.standing import CaseStanding

FRESH = timedelta(minutes=15)
"""How long a second factor counts as just proved, for the acts that ask for it (`step`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """What the rules may know of the item, upload, case or account an act is about.

    `officer_badge` is the recording officer as the dock or person named them, where that is all there is;
    `officer_id` the account whose recording it is by roster or decision; `brought_by` is
    whoever opened the upload or the case; `account_id` is set when the thing is itself an account;
    `cases` are those the item is an exhibit of, or the case itself.
    """

    agency_id: UUID
    officer_badge: str | None = None
    officer_id: UUID | None = None
    brought_by: UUID | None = None
    account_id: UUID | None = None
    cases: tuple[CaseStanding, ...] = ()

    def is_referred_to(self, agency_id: UUID) -> bool:
        """Say whether a case it belongs to stands referred to the agency."""
        return any(agency_id in case.referred_to for case in self.cases)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question: may the principal do this, to this, for this reason, now."""

    principal: Principal
    thing: Thing
    at: datetime
    reason: str | None = None


def _own(asked: Asked) -> bool:
    badge = asked.principal.badge
    said = badge is not None and badge == asked.thing.officer_badge
    return said or asked.thing.officer_id == asked.principal.id or _self(asked)


def _self(asked: Asked) -> bool:
    return asked.thing.brought_by == asked.principal.id


def _dockown(asked: Asked) -> bool:
    # Before an upload is open there is nothing to own: an enrolled dock may open one.
    return asked.principal.kind == "dock" and asked.thing.brought_by in (None, asked.principal.id)


def _case(asked: Asked) -> bool:
    return any(asked.principal.id in case.assigned for case in asked.thing.cases)


def _case_referred(asked: Asked) -> bool:
    me = asked.principal
    return any(me.id in case.assigned and me.agency_id in case.referred_to for case in asked.thing.cases)


def _why(asked: Asked) -> bool:
    return bool(asked.reason and asked.reason.strip())


def _step(asked: Asked) -> bool:
    proved = asked.principal.strong_at
    return proved is not None and timedelta(0) <= asked.at - proved <= FRESH


def _sod(asked: Asked) -> bool:
    return asked.thing.account_id != asked.principal.id


CONDITIONS: Mapping[str, Callable[[Asked], bool]] = {
    "A": lambda _asked: True,
    "own": _own,
    "self": _self,
    "dockown": _dockown,
    "case": _case,
    "caseP": _case_referred,
    "why": _why,
    "step": _step,
    "sod": _sod,
    # The right to see that a row exists, without what it says: `Decision.content` is False.
    "noevid": lambda _asked: True,
}
"""The conditions that can be established today; one that is not here never holds."""

SAID: Mapping[str, str] = {
    "own": "you are not the recording officer of this item and did not bring it in or open it",
    "self": "this was opened by somebody else",
    "dockown": "this was opened by another dock",
    "case": "you are not assigned to a case that it belongs to",
    "caseP": "you are not assigned to a case that it belongs to and that was referred to your agency",
    "why": "a reason is required and none was given",
    "step": "this needs your second factor, proved in the last 15 minutes (`evidence step-up`; to have one: "
    "`evidence account second-factor enrol`)",
    "sod": "nobody may do this to their own account",
}
"""What to tell the principal when a condition fails; the others are named by their word."""
