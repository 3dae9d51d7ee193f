"""What a rule may ask about a principal, a thing and an act, and the conditions made of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from auth.principals import Principal
from evidence.access.actions import Action
from evidence.cases.standing import CaseStanding
from evidence.items.models import AccessClass

FRESH = timedelta(minutes=15)
"""How long a second factor counts as just proved, for the acts that ask for it (`step`)."""

NOBODY: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """What the rules may know of the item, upload, case, incident or account an act is about.

    People are known by the ids of their accounts, and what is said of them is as of the instant
    that is asked about.
    """

    agency_id: UUID
    officer_badge: str | None = None
    """The recording officer as the dock or person named them, where that is all there is."""
    officer_id: UUID | None = None
    """The account whose recording it is, by roster or decision."""
    claimed_badge: str | None = None
    """The badge said of a recording of which nobody knows whose it is."""
    claimed_id: UUID | None = None
    """The account that the roster named there, where the badge is another's."""
    brought_by: UUID | None = None
    """Whoever opened the upload or the case."""
    account_id: UUID | None = None
    """Set when the thing is itself an account."""
    cases: tuple[CaseStanding, ...] = ()
    """Those an item is an exhibit of, or the case itself."""
    supervisors: frozenset[UUID] = NOBODY
    """Who supervises its unit."""
    access_class: AccessClass = "unrestricted"
    granted: Mapping[UUID, frozenset[Action]] = field(default_factory=dict)
    """What its access list, or that of a case it belongs to, lets an account do."""
    broken_glass: frozenset[UUID] = NOBODY
    """Who has broken the glass before it, and may still look."""
    listed: frozenset[UUID] = NOBODY
    """Who is involved in or witness of its critical incident."""
    barred: frozenset[UUID] = NOBODY
    """Those of them who have given no statement and to whom viewing was not released."""
    authors: frozenset[UUID] = NOBODY
    """Who made or asked for what is to be approved."""
    disclosed_to: frozenset[UUID] = NOBODY
    """The recipients of live disclosures of exactly this."""
    do_not_disclose: bool = False
    is_on_hold: bool = False
    is_redaction: bool = False
    """It is an approved redacted derivative."""
    is_released: bool = False
    """It is an approved redacted derivative that was released to the public."""

    def is_referred_to(self, agency_id: UUID) -> bool:
        """Say whether a case it belongs to stands referred to the agency."""
        return any(agency_id in case.referred_to for case in self.cases)


class Asked(NamedTuple):
    """One question: may the principal do this, to this, for this reason, now.

    `approved`: a second, different person has approved exactly this.
    """

    principal: Principal
    action: Action
    thing: Thing
    at: datetime
    reason: str | None = None
    approved: bool = False


def _own(asked: Asked) -> bool:
    return is_recorder(asked) or _self(asked)


def is_recorder(asked: Asked) -> bool:
    """Say whether the principal is the recording officer of the item."""
    badge = asked.principal.badge
    said = badge is not None and badge == asked.thing.officer_badge
    return said or asked.thing.officer_id == asked.principal.id


def _may_be_recorder(asked: Asked) -> bool:
    # While badge and roster differ it is nobody's own, and may turn out to be of either.
    badge = asked.principal.badge
    said = badge is not None and badge == asked.thing.claimed_badge
    return said or asked.thing.claimed_id == asked.principal.id


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


def _internal_affairs(asked: Asked) -> bool:
    return any(case.is_internal and asked.principal.id in case.assigned for case in asked.thing.cases)


def _grant(asked: Asked) -> bool:
    return asked.action in asked.thing.granted.get(asked.principal.id, ())


def _why(asked: Asked) -> bool:
    return bool(asked.reason and asked.reason.strip())


def _step(asked: Asked) -> bool:
    proved = asked.principal.strong_at
    return proved is not None and timedelta(0) <= asked.at - proved <= FRESH


def _separate(asked: Asked) -> bool:
    me, thing = asked.principal.id, asked.thing
    is_theirs = is_recorder(asked) or _may_be_recorder(asked)
    return thing.account_id != me and me not in thing.authors | thing.listed and not is_theirs


def _no_hold(asked: Asked) -> bool:
    return not asked.thing.is_on_hold and not any(case.is_open for case in asked.thing.cases)


Condition = Callable[[Asked], bool]

CONDITIONS: Mapping[str, Condition] = {
    "A": lambda _asked: True,
    "own": _own,
    "self": _self,
    "unit": lambda asked: asked.principal.id in asked.thing.supervisors,
    "case": _case,
    "caseP": _case_referred,
    "iac": _internal_affairs,
    "grant": _grant,
    "disc": lambda asked: asked.principal.id in asked.thing.disclosed_to,
    "rel": lambda asked: asked.thing.is_released,
    "why": _why,
    "step": _step,
    "sod": _separate,
    "nohold": _no_hold,
    "two": lambda asked: asked.approved,
    "dnd": lambda asked: not asked.thing.do_not_disclose,
    "red": lambda asked: asked.thing.is_redaction,
    "dockown": _dockown,
    "bg": lambda asked: asked.principal.id in asked.thing.broken_glass,
    # The right to see that a row exists, without what it says: `Decision.content` is False.
    "noevid": lambda _asked: True,
    # Rows of one's own agency: the wall between agencies has decided that already.
    "scope": lambda _asked: True,
}
"""The twenty conditions of the matrix, and `A`."""

SAID: Mapping[str, str] = {
    "own": "you are not the recording officer of this item and did not bring it in or open it",
    "self": "this was opened by somebody else",
    "unit": "you do not supervise the unit that it belongs to",
    "case": "you are not assigned to a case that it belongs to",
    "caseP": "you are not assigned to a case that it belongs to and that was referred to your agency",
    "iac": "it belongs to no internal-affairs matter that you are assigned to",
    "grant": "you are not on its access list for this",
    "disc": "it was not disclosed to you, or the disclosure has ended",
    "rel": "it was not released to the public",
    "why": "a reason is required and none was given",
    "step": "this needs your second factor, proved in the last 15 minutes (`evidence step-up`; to have one: "
    "`evidence account second-factor enrol`)",
    "sod": "nobody may do this to what is their own: their account, recording, request or work, "
    "or an incident they are listed in",
    "nohold": "it is on legal hold or belongs to an open case",
    "two": "a second person must approve it first",
    "dnd": "it is marked do-not-disclose",
    "red": "it is not an approved redaction",
    "dockown": "this was opened by another dock",
    "bg": "an administrator sees no content except by break-glass",
}
"""What to tell the principal when a condition fails."""
