"""What stands over every cell of the matrix: a cell that allows is not enough where a gate is closed.

The wall between agencies comes first and is in `allow` itself.  Here are the access class of a
thing, and viewing before a statement after a critical incident.  They are gates and no conditions
on purpose: written into cells, somebody slips through by their case or their access list.
"""

from auth.principals import Role
from evidence.access.actions import Action
from evidence.access.facts import CONDITIONS, Asked
from evidence.access.roles import CELLS

HIDDEN = "it is confidential"
RESTRICTED = "it is restricted, and you are not on its access list"
BEFORE_STATEMENT = (
    "you are listed in its critical incident; it opens to you once your statement is recorded or viewing is released"
)

VIEWING: frozenset[Action] = frozenset(
    {
        "evidence.stream",
        "evidence.download_original",
        "evidence.download_derivative",
        "evidence.annotate",
        "evidence.clip",
        "evidence.redact",
        "redaction.approve",
        "disclose.external",
        "disclose.public",
    }
)
"""What shows the footage, or lets somebody have it."""

BREAKABLE: frozenset[Action] = frozenset(action for action, cells in CELLS.items() if "bg" in cells.values())
"""What break-glass opens. It passes the class of a thing for these and nothing else, whatever other roles are held."""

GLASS_ROLES: frozenset[Role] = frozenset(
    role for cells in CELLS.values() for role, cell in cells.items() if cell == "bg"
)
"""Who may break the glass: those with a cell that asks for it."""

MANAGING: frozenset[Action] = frozenset({"access.grant", "access.restrict", "access.unrestrict"})
"""What opens and closes the classes themselves; it shows nothing of the thing."""

WITHOUT_CONTENT: frozenset[Action] = frozenset({"evidence.list", "case.read", "custody.read", "custody.verify"})
"""What may still be done with a restricted thing, without what it says: know of it, and check its chain."""

OF_CONTENT = ("evidence.", "redaction.", "disclose.", "custody.", "case.")


def closed(asked: Asked) -> str | None:
    """Return why a gate is closed to this, or None. What is only hidden from view is `is_stub`'s."""
    if asked.action in VIEWING and asked.principal.id in asked.thing.barred:
        return BEFORE_STATEMENT
    if not _class_matters(asked):
        return None
    if asked.thing.access_class == "confidential":
        return HIDDEN
    return None if asked.action in WITHOUT_CONTENT else RESTRICTED


def is_stub(asked: Asked) -> bool:
    """Say whether only that the thing is there may be shown, and its custody."""
    return _class_matters(asked) and asked.thing.access_class == "restricted"


def _class_matters(asked: Asked) -> bool:
    return (
        asked.thing.access_class != "unrestricted"
        and asked.action.startswith(OF_CONTENT)
        and not any(CONDITIONS[name](asked) for name in ("grant", "iac"))
        and not (asked.action in BREAKABLE and _is_by_glass(asked))
        and not (asked.action.startswith("case.") and CONDITIONS["case"](asked))
    )


def _is_by_glass(asked: Asked) -> bool:
    return bool(asked.principal.roles & GLASS_ROLES) and CONDITIONS["bg"](asked)
