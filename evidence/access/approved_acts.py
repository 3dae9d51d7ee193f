"""The acts that a second person has to approve: what each is about, how that stands now, and how it is carried out.

An act is added here, with its name in ACTS, and asked for by approvals.required_or_done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol, Self, TypeVar, cast
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from auth import groups, roles
from auth.events import Recorder
from auth.models import Account
from auth.principals import Principal, Role
from evidence.access import classes, incidents, reach
from evidence.access.actions import Action
from evidence.access.facts import Thing
from evidence.access.models import CriticalIncident, IncidentListing
from evidence.cases.models import CaseFile
from evidence.custody.approval_events import Kept
from evidence.errors import ConflictError, InvalidError, NotFoundError, RefusedError
from evidence.items.models import AccessClass, EvidenceItem
from evidence.proof.canonical import Value

Row = TypeVar("Row", EvidenceItem, CaseFile, CriticalIncident, IncidentListing)


@dataclass(frozen=True, slots=True)
class About:
    """One thing an act is about: whose chain names it, what the rules ask of it, and how it stands now."""

    on: Kept
    id: UUID
    thing: Thing
    stands: Mapping[str, Value]

    def frozen(self) -> dict[str, Value]:
        """Return it as it enters the frozen request; when it comes out otherwise, the request is void."""
        return {"on": self.on, "id": str(self.id), **self.stands}


class Act(Protocol):
    """One act that may need a second person."""

    name: ClassVar[str]
    action: ClassVar[Action]
    asked_as: ClassVar[frozenset[Role] | None]
    """Only by which of their roles somebody may ask for it; None: by any whose cell allows it."""

    @classmethod
    def read(cls, parameters: Mapping[str, Value]) -> Self:
        """Make the act of the parameters of a frozen request."""

    def parameters(self) -> dict[str, Value]:
        """Return what `read` reads."""

    def about(self, session: Session, *, at: datetime, lock: bool = False) -> Sequence[About]:
        """Return what it is about; `lock` keeps that from changing until the transaction ends."""

    def check(self, session: Session, *, by: Principal, at: datetime) -> None:
        """Raise what is wrong with asking for this, whoever approves it."""

    def carry_out(
        self, session: Session, recorder: Recorder, *, reason: str, by: Principal, at: datetime, request_id: str
    ) -> None:
        """Do it, with its custody events."""


@dataclass(frozen=True, slots=True)
class LowerClass:
    """Let more people know of an item or a case."""

    name: ClassVar[str] = "class.lower"
    action: ClassVar[Action] = "access.unrestrict"
    asked_as: ClassVar[frozenset[Role] | None] = None

    on: Kept
    thing_id: UUID
    now: AccessClass

    @classmethod
    def read(cls, parameters: Mapping[str, Value]) -> Self:
        """Make the act of its parameters."""
        return cls(parameters["on"], UUID(parameters["thing"]), parameters["now"])

    def parameters(self) -> dict[str, Value]:
        """Return what `read` reads."""
        return {"on": self.on, "thing": str(self.thing_id), "now": self.now}

    def about(self, session: Session, *, at: datetime, lock: bool = False) -> Sequence[About]:
        """Return the item or case and its class."""
        if self.on == "item":
            return [_item(session, self.thing_id, at=at, lock=lock)]
        case = _row(session, CaseFile, self.thing_id, lock=lock)
        stands = {"number": case.number, "class": case.access_class}
        return [About("case", case.id, reach.thing_of_case(session, case, at=at), stands)]

    def check(self, session: Session, *, by: Principal, at: datetime) -> None:
        """Refuse what would not lower the class."""
        before = self._of(session).access_class
        if before == self.now:
            raise ConflictError(f"Its class is {before} already.", next_step="Nothing needs to be done.")
        if classes.action_for(before, self.now) != self.action:
            raise ConflictError(f"Its class is {before}, which is wider.", next_step="Restrict it instead.")

    def carry_out(
        self, session: Session, recorder: Recorder, *, reason: str, by: Principal, at: datetime, request_id: str
    ) -> None:
        """Put it into the class."""
        classes.change(session, self._of(session), self.now, reason=reason, by=by, request_id=request_id)

    def _of(self, session: Session) -> EvidenceItem | CaseFile:
        if self.on == "item":
            return session.get_one(EvidenceItem, self.thing_id)
        return session.get_one(CaseFile, self.thing_id)


@dataclass(frozen=True, slots=True)
class AllowDisclosure:
    """Take the mark do-not-disclose from an item."""

    name: ClassVar[str] = "disclosure.allow"
    action: ClassVar[Action] = "access.unrestrict"
    asked_as: ClassVar[frozenset[Role] | None] = None

    item_id: UUID

    @classmethod
    def read(cls, parameters: Mapping[str, Value]) -> Self:
        """Make the act of its parameters."""
        return cls(UUID(parameters["item"]))

    def parameters(self) -> dict[str, Value]:
        """Return what `read` reads."""
        return {"item": str(self.item_id)}

    def about(self, session: Session, *, at: datetime, lock: bool = False) -> Sequence[About]:
        """Return the item and its mark."""
        return [_item(session, self.item_id, at=at, lock=lock)]

    def check(self, session: Session, *, by: Principal, at: datetime) -> None:
        """Refuse what is so already."""
        if not session.get_one(EvidenceItem, self.item_id).do_not_disclose:
            raise ConflictError("It is not marked do-not-disclose.", next_step="Nothing needs to be done.")

    def carry_out(
        self, session: Session, recorder: Recorder, *, reason: str, by: Principal, at: datetime, request_id: str
    ) -> None:
        """Take the mark."""
        item = session.get_one(EvidenceItem, self.item_id)
        classes.mark(session, item, do_not_disclose=False, reason=reason, by=by, request_id=request_id)


@dataclass(frozen=True, slots=True)
class ReleaseViewing:
    """Let somebody listed in a critical incident watch without a statement. Internal affairs asks for it."""

    name: ClassVar[str] = "viewing.release"
    action: ClassVar[Action] = "access.unrestrict"
    asked_as: ClassVar[frozenset[Role] | None] = frozenset({"ia_investigator"})

    incident_id: UUID
    listing_id: UUID

    @classmethod
    def read(cls, parameters: Mapping[str, Value]) -> Self:
        """Make the act of its parameters."""
        return cls(UUID(parameters["incident"]), UUID(parameters["listing"]))

    def parameters(self) -> dict[str, Value]:
        """Return what `read` reads."""
        return {"incident": str(self.incident_id), "listing": str(self.listing_id)}

    def about(self, session: Session, *, at: datetime, lock: bool = False) -> Sequence[About]:
        """Return the listing, on the chain of whoever is listed."""
        incident = _row(session, CriticalIncident, self.incident_id)
        listing = _row(session, IncidentListing, self.listing_id, lock=lock)
        if listing.incident_id != incident.id:
            raise NotFoundError("The incident has no such listing.", next_step="Show the incident.")
        stands = {
            "number": incident.number,
            "listing": str(listing.id),
            "part": listing.part,
            "may_watch": listing.opened_at is not None,
        }
        thing = reach.thing_of_incident(session, incident, at=at)
        return [About("account", listing.account_id, thing, stands)]

    def check(self, session: Session, *, by: Principal, at: datetime) -> None:
        """Refuse what is so already, and whoever is listed in the incident themselves."""
        if session.get_one(IncidentListing, self.listing_id).opened_at is not None:
            raise ConflictError("They may watch already.", next_step="Nothing needs to be done.")
        if any(by.id in each.thing.listed for each in self.about(session, at=at)):
            raise RefusedError("Nobody listed in an incident releases viewing in it.", next_step="Ask somebody else.")

    def carry_out(
        self, session: Session, recorder: Recorder, *, reason: str, by: Principal, at: datetime, request_id: str
    ) -> None:
        """Release viewing to them."""
        incident = session.get_one(CriticalIncident, self.incident_id)
        incidents.open_viewing(
            session, incident, self.listing_id, released=True, reason=reason, by=by, at=at, request_id=request_id
        )


@dataclass(frozen=True, slots=True)
class AssignRoles:
    """Grant roles to accounts and end others; one request may name many accounts."""

    name: ClassVar[str] = "roles.assign"
    action: ClassVar[Action] = "roles.assign"
    asked_as: ClassVar[frozenset[Role] | None] = None

    accounts: tuple[UUID, ...]
    granted: tuple[Role, ...]
    ended: tuple[Role, ...] = ()

    @classmethod
    def read(cls, parameters: Mapping[str, Value]) -> Self:
        """Make the act of its parameters."""
        named = tuple(map(UUID, parameters["accounts"]))
        return cls(named, tuple(parameters["grant"]), tuple(parameters["end"]))

    def parameters(self) -> dict[str, Value]:
        """Return what `read` reads."""
        return {
            "accounts": [str(each) for each in self.accounts],
            "grant": list(self.granted),
            "end": list(self.ended),
        }

    def about(self, session: Session, *, at: datetime, lock: bool = False) -> Sequence[About]:
        """Return the accounts and the roles they hold."""
        # In one order, so that two requests about the same accounts wait for one another and never lock up.
        found = select(Account).where(Account.id.in_(self.accounts)).order_by(Account.id)
        if lock:
            found = found.with_for_update().execution_options(populate_existing=True)
        rows = session.scalars(found).all()
        if len(rows) != len(self.accounts):
            raise NotFoundError("There is no such account.", next_step="Check the ids.")
        held = roles.roles_by_account(session, self.accounts, at=at)
        return [
            About(
                "account",
                each.id,
                Thing(agency_id=each.agency_id, account_id=each.id),
                _of_account(each, held[each.id]),
            )
            for each in rows
        ]

    def check(self, session: Session, *, by: Principal, at: datetime) -> None:
        """Refuse what cannot be granted or ended, and what is so already."""
        if not self.granted and not self.ended:
            raise InvalidError("No role is named.", next_step="Name what to grant or to end.")
        held = roles.roles_by_account(session, self.accounts, at=at)
        for account_id in self.accounts:
            account = session.get_one(Account, account_id)
            for role in (*self.granted, *self.ended):
                roles.check_granter(account, role, by=by)
            if held[account_id] & set(self.granted) or set(self.ended) - held[account_id]:
                raise ConflictError(
                    "An account holds a role already that is to be granted, or does not hold one that is to end.",
                    next_step="Show the accounts and ask for what is missing.",
                )

    def carry_out(
        self, session: Session, recorder: Recorder, *, reason: str, by: Principal, at: datetime, request_id: str
    ) -> None:
        """Grant and end the roles."""
        for account_id in self.accounts:
            account = session.get_one(Account, account_id)
            for role in self.granted:
                roles.grant(session, recorder, account, role, by=by, at=at, request_id=request_id)
            for role in self.ended:
                roles.end(session, recorder, account, role, by=by, at=at, request_id=request_id)


@dataclass(frozen=True, slots=True)
class MapGroup:
    """Let a provider's group give roles at a first sign-in: to people nobody names, without another approval.

    `mapping_id` is the new mapping's, which every role granted under it names in custody.
    """

    name: ClassVar[str] = "group.map"
    action: ClassVar[Action] = "roles.assign"
    asked_as: ClassVar[frozenset[Role] | None] = None

    agency_id: UUID
    mapping_id: UUID
    provider: str
    group: str
    roles: tuple[Role, ...]

    @classmethod
    def read(cls, parameters: Mapping[str, Value]) -> Self:
        """Make the act of its parameters."""
        agency, mapping = UUID(parameters["agency"]), UUID(parameters["mapping"])
        return cls(agency, mapping, parameters["provider"], parameters["group"], tuple(parameters["roles"]))

    def parameters(self) -> dict[str, Value]:
        """Return what `read` reads."""
        return {
            "agency": str(self.agency_id),
            "mapping": str(self.mapping_id),
            "provider": self.provider,
            "group": self.group,
            "roles": list(self.roles),
        }

    def about(self, session: Session, *, at: datetime, lock: bool = False) -> Sequence[About]:
        """Return the agency and what the group gives there now."""
        before = groups.standing(session, self.agency_id, self.provider, self.group, lock=lock)
        stands = {"given": list(before.roles) if before else []}
        return [About("agency", self.agency_id, Thing(agency_id=self.agency_id), stands)]

    def check(self, session: Session, *, by: Principal, at: datetime) -> None:
        """Refuse what no group gives, and what is so already."""
        groups.check(self.group, self.roles)
        before = groups.standing(session, self.agency_id, self.provider, self.group)
        if before is not None and set(before.roles) == set(self.roles):
            raise ConflictError("The group gives exactly these roles already.", next_step="Nothing needs to be done.")

    def carry_out(
        self, session: Session, recorder: Recorder, *, reason: str, by: Principal, at: datetime, request_id: str
    ) -> None:
        """Map the group."""
        groups.put(
            session,
            recorder,
            id=self.mapping_id,
            provider=self.provider,
            group=self.group,
            roles=self.roles,
            reason=reason,
            by=by,
            at=at,
            request_id=request_id,
        )


ACTS: Mapping[str, type[Act]] = {
    each.name: each
    for each in cast("Sequence[type[Act]]", (LowerClass, AllowDisclosure, ReleaseViewing, AssignRoles, MapGroup))
}
"""Every act by its name."""


def _item(session: Session, item_id: UUID, *, at: datetime, lock: bool) -> About:
    item = _row(session, EvidenceItem, item_id, lock=lock)
    stands = {
        "number": item.number,
        "sha256": item.sha256.hex(),
        "class": item.access_class,
        "do_not_disclose": item.do_not_disclose,
    }
    return About("item", item.id, reach.thing(session, item, at=at), stands)


def _of_account(account: Account, held: frozenset[Role]) -> dict[str, Value]:
    return {"email": account.email, "roles": sorted(held), "suspended": account.suspended_at is not None}


def _row(session: Session, table: type[Row], id: UUID, *, lock: bool = False) -> Row:
    found = session.get(table, id, with_for_update=lock, populate_existing=lock)
    if found is None:
        raise NotFoundError("There is no such thing, or none you may know of.", next_step="Check what you named.")
    return found
