"""Role and action -> under which conditions. An action or role that is not here is refused.

A cell reads like the permission matrix: `A` allows, `a+b` asks for all, `a | b` for one of
them.  Conditions are named in evidence/access/facts.py; a cell may name a condition that
nothing here can establish yet (a unit, a case, a second person), and is then refused until it
can: what cannot be shown is not granted.
"""

from collections.abc import Mapping

from auth.principals import Role
from evidence.access.actions import Action

CELLS: Mapping[Action, Mapping[Role, str]] = {
    "upload.open": {
        "officer": "A",
        "supervisor": "A",
        "evidence_tech": "A",
        "detective": "A",
        "ia_investigator": "A",
        "prosecutor": "A",
        "paralegal": "A",
        "dock": "dockown",
    },
    "upload.append": {
        "officer": "self",
        "supervisor": "self",
        "evidence_tech": "self",
        "detective": "self",
        "ia_investigator": "self",
        "prosecutor": "self",
        "paralegal": "self",
        "dock": "dockown",
    },
    "upload.finish": {
        "officer": "self",
        "supervisor": "self",
        "evidence_tech": "self",
        "detective": "self",
        "ia_investigator": "self",
        "prosecutor": "self",
        "paralegal": "self",
        "dock": "dockown",
    },
    "evidence.list": {
        "officer": "own | grant",
        "supervisor": "own | unit | grant",
        "evidence_tech": "A",
        "records_clerk": "A",
        "detective": "own | case | grant",
        "ia_investigator": "iac | grant",
        "prosecutor": "caseP | grant",
        "paralegal": "caseP | grant",
        "defence": "disc",
        "auditor": "noevid",
        "agency_admin": "noevid",
        "public_recipient": "rel",
    },
    "evidence.read_meta": {
        "officer": "own | grant",
        "supervisor": "own | unit | grant",
        "evidence_tech": "A",
        "records_clerk": "A",
        "detective": "own | case | grant",
        "ia_investigator": "iac | grant",
        "prosecutor": "caseP | grant",
        "paralegal": "caseP | grant",
        "defence": "disc",
        "auditor": "noevid",
        "agency_admin": "noevid",
        "public_recipient": "rel",
    },
    "evidence.download_original": {
        "supervisor": "unit+why+step",
        "evidence_tech": "why+step",
        "detective": "case+why+step",
        "ia_investigator": "iac+why+step",
        "prosecutor": "caseP+why+step",
        "defence": "disc",
        "agency_admin": "bg",
    },
    "evidence.reassign": {
        "supervisor": "unit+why",
        "evidence_tech": "why",
        "ia_investigator": "iac+why",
    },
    "case.create": {
        "officer": "A",
        "supervisor": "A",
        "evidence_tech": "A",
        "detective": "A",
        "ia_investigator": "A",
        "prosecutor": "A",
    },
    "case.read": {
        "officer": "own | case",
        "supervisor": "unit | case",
        "evidence_tech": "A",
        "records_clerk": "A",
        "detective": "case | grant",
        "ia_investigator": "iac | grant",
        "prosecutor": "caseP | grant",
        "paralegal": "caseP | grant",
        "defence": "disc",
        "auditor": "noevid",
        "agency_admin": "noevid",
    },
    "case.link": {
        "officer": "own",
        "supervisor": "own | unit",
        "evidence_tech": "A",
        "detective": "own | case",
        "ia_investigator": "iac",
        "prosecutor": "caseP",
        "paralegal": "caseP",
    },
    "case.unlink": {
        "supervisor": "unit+why",
        "evidence_tech": "why",
        "detective": "case+why",
        "ia_investigator": "iac+why",
        "prosecutor": "caseP+why",
    },
    "case.assign": {
        "supervisor": "unit",
        "ia_investigator": "iac",
        "prosecutor": "caseP",
        "agency_admin": "A",
    },
    "case.refer": {
        "supervisor": "unit",
        "evidence_tech": "A",
        "detective": "case",
        "ia_investigator": "iac",
    },
    "case.close": {
        "supervisor": "unit",
        "detective": "case",
        "ia_investigator": "iac",
        "prosecutor": "caseP",
    },
    "custody.read": {
        "officer": "own",
        "supervisor": "own | unit",
        "evidence_tech": "A",
        "records_clerk": "A",
        "detective": "own | case",
        "ia_investigator": "iac",
        "prosecutor": "caseP",
        "paralegal": "caseP",
        "defence": "disc",
        "auditor": "A",
    },
    "custody.export": {
        "supervisor": "unit+why",
        "evidence_tech": "why",
        "records_clerk": "why",
        "detective": "case+why",
        "ia_investigator": "iac+why",
        "prosecutor": "caseP+why",
        "paralegal": "caseP+why",
        "defence": "disc",
        "auditor": "why",
    },
    "users.manage": {"agency_admin": "sod+step"},
    "devices.manage": {"evidence_tech": "A", "agency_admin": "step"},
}

OVER_THE_WALL = "caseP"
"""Of another agency's thing, only an alternative that asks for this holds: a referral names both agencies."""

BY_THE_OFFICE: frozenset[tuple[Action, Role]] = frozenset(
    {("case.read", "agency_admin"), ("case.assign", "agency_admin")}
)
"""And these, of a case that stands referred to one's agency: somebody there has to assign the first attorney."""
