"""Principal: whoever acts. A person, a dock or the system itself."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

PrincipalKind = Literal["account", "dock", "system"]

Role = Literal[
    "officer",
    "supervisor",
    "evidence_tech",
    "records_clerk",
    "detective",
    "ia_investigator",
    "prosecutor",
    "paralegal",
    "defence",
    "auditor",
    "agency_admin",
    "system_admin",
    "dock",
    "public_recipient",
]
"""The roles of the permission matrix, spelled as there. `dock` is held by docks only."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The person, dock or part of the system behind a request, as known at this moment.

    `id` is the account's or dock's id; it is what enters custody records.  `name` is for
    answers to the principal itself and for disclosures, never for a record's body.
    `method` says how it proved itself: password, private_key_jwt, console or internal; `session`
    names a person's session, or a dock's token (its `jti`); `signed_in_at` says when the principal last
    proved itself (`auth_time`), and `strong_at` when it last proved a second factor.  `set_aside` are roles
    that the account holds and that do not count from where this request comes.
    """

    kind: PrincipalKind
    id: UUID
    agency_id: UUID
    roles: frozenset[Role]
    name: str
    method: str
    session: str | None = None
    signed_in_at: datetime | None = None
    badge: str | None = None
    strong_at: datetime | None = None
    set_aside: frozenset[Role] = frozenset()
