"""What a role may do to which item or case. `auth` says who somebody is; this says what they may do now.

`allow` answers one question with its reason; `scope.visible_items` is the same rule as SQL, for
lists.  tests/evidence/access holds the two to each other.
"""

from datetime import datetime
from functools import cache
from typing import NamedTuple

from auth.principals import Principal
from evidence.access import gates
from evidence.access.actions import Action
from evidence.access.facts import CONDITIONS, SAID, Asked, Condition, Thing
from evidence.access.roles import BY_THE_OFFICE, CELLS, OVER_THE_WALL, alternatives
from evidence.cases.standing import CaseStanding

__all__ = ["Action", "Decision", "Thing", "allow", "might"]

NOT_OURS = "not of your agency"


class Decision(NamedTuple):
    """The answer, why, and whether what the thing says may be shown or only that it is there."""

    allowed: bool
    reason: str
    content: bool = True


class _Alternative(NamedTuple):
    """What a cell asks for, each name with its condition."""

    text: str
    names: tuple[str, ...]
    conditions: tuple[tuple[str, Condition], ...]


def allow(
    principal: Principal,
    action: Action,
    thing: Thing,
    *,
    at: datetime,
    reason: str | None = None,
    approved: bool = False,
) -> Decision:
    """Decide whether the principal may do this to the thing. Another agency's is refused unless a case was referred.

    `approved`: a second, different person has approved exactly this.
    """
    asked = Asked(principal=principal, action=action, thing=thing, at=at, reason=reason, approved=approved)
    by_role = _by_role(asked)
    if not by_role.allowed:
        return by_role
    if why := gates.closed(asked):
        return Decision(False, why, content=False)
    return Decision(True, by_role.reason, content=by_role.content and not gates.is_stub(asked))


def might(principal: Principal, action: Action, *, at: datetime) -> Decision:
    """Decide whether the principal may do this to anything at all: to a thing of its own, for some reason."""
    me = frozenset({principal.id})
    case = CaseStanding(assigned=me, referred_to=frozenset({principal.agency_id}), is_internal=True, is_open=False)
    thing = Thing(
        agency_id=principal.agency_id,
        brought_by=principal.id,
        cases=(case,),
        supervisors=me,
        granted={principal.id: frozenset({action})},
        broken_glass=me,
        disclosed_to=me,
        is_redaction=True,
        is_released=True,
    )
    return allow(principal, action, thing, at=at, reason="any", approved=True)


def _by_role(asked: Asked) -> Decision:
    """Decide by the cells of the principal's roles alone."""
    principal, action = asked.principal, asked.action
    is_ours = principal.agency_id == asked.thing.agency_id
    if not is_ours and not asked.thing.is_referred_to(principal.agency_id):
        return Decision(False, NOT_OURS, content=False)
    without_content: Decision | None = None
    missing: list[str] = []
    for role in sorted(principal.roles):
        for alternative in _alternatives(action, role):
            if not is_ours and OVER_THE_WALL not in alternative.names and (action, role) not in BY_THE_OFFICE:
                missing.append(NOT_OURS)
                continue
            failed = [name for name, holds in alternative.conditions if not holds(asked)]
            if failed:
                missing.extend([SAID[name] for name in failed])
            elif "noevid" in alternative.names:
                without_content = Decision(True, f"{role}: {alternative.text}", content=False)
            else:
                return Decision(True, f"{role}: {alternative.text}")
    if without_content:
        return without_content
    for role in sorted(principal.set_aside):
        if _alternatives(action, role):
            missing.append(f"your role {role} does not count from this network address")
    return Decision(False, "; ".join(dict.fromkeys(missing)) or f"your role does not include {action}", content=False)


def _alternatives(action: Action, role: str) -> tuple[_Alternative, ...]:
    return _read(CELLS[action].get(role, ""))  # type: ignore[call-overload]  # roles come from the database as text


@cache
def _read(cell: str) -> tuple[_Alternative, ...]:
    return tuple(
        _Alternative("+".join(names), names, tuple((name, CONDITIONS[name]) for name in names))
        for names in alternatives(cell)
    )
