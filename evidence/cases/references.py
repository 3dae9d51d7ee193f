"""What an agency's other systems call a case or an item. An address is kept and shown, and never fetched by us."""

import ipaddress
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from auth.names import check_name
from auth.principals import Principal
from evidence import custody
from evidence.cases import case_files
from evidence.cases.incidents import kind_of
from evidence.cases.models import CaseFile, ExternalReference
from evidence.custody.events import Actor
from evidence.custody.reference_events import ReferenceAdded, ReferenceWithdrawn
from evidence.errors import ConflictError, InvalidError, NotFoundError
from evidence.ids import new_id
from evidence.items.models import EvidenceItem

LONGEST_ADDRESS = 2000


@dataclass(frozen=True, slots=True)
class External:
    """The name of something in an agency's other system: unique in agency and system."""

    agency_id: UUID
    system: str
    external_id: str

    @classmethod
    def of(cls, agency_id: UUID, system: str, external_id: str) -> Self:
        """Read a name as it was typed; raise AccountError for what cannot be read whole."""
        return cls(
            agency_id,
            check_name(system, what="The name of a system", longest=64),
            check_name(external_id, what="The id in another system", longest=128),
        )


def check_address(address: str) -> str:
    """Return the address if it is one of the web, in ASCII and without a name or password; raise InvalidError."""
    wrong = InvalidError(
        "This is no address of the web.",
        next_step="Write it as https://host/path, in ASCII, without user name or password.",
    )
    if len(address) > LONGEST_ADDRESS or not address.isascii() or not address.isprintable() or " " in address:
        raise wrong
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - raises ValueError when it is none
        if "[" in parts.netloc:
            ipaddress.ip_address(parts.hostname or "")
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or "\\" in address:
        raise wrong
    return address


def take_turn(session: Session, named: External) -> None:
    """Wait until nobody else is at this name, and hold it until the transaction ends."""
    text = "\n".join((str(named.agency_id), named.system, named.external_id))
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(text, 0))))


def find(session: Session, named: External) -> ExternalReference | None:
    """Return the reference of that name, if one stands."""
    return session.scalar(
        _standing().where(
            ExternalReference.agency_id == named.agency_id,
            ExternalReference.system == named.system,
            ExternalReference.external_id == named.external_id,
        )
    )


def put(
    session: Session,
    about: CaseFile | EvidenceItem,
    named: External,
    *,
    address: str | None,
    by: Principal,
    at: datetime,
    request_id: str,
) -> bool:
    """Say what the other system calls the case or item, and where it shows it; return whether that is news.

    `address` None leaves the address as it is.  Raises ConflictError if the name belongs to something else.
    """
    address = None if address is None else check_address(address)
    take_turn(session, named)
    found = find(session, named)
    if found is not None:
        if about.id not in (found.case_id, found.item_id):
            raise ConflictError(
                "Your agency's reference of this system and id belongs to something else.",
                next_step="Look it up by that reference, and withdraw it there if it is wrong.",
            )
        if address is None or address == found.address:
            return False
        _require_open(session, about)
        _end(session, about, found, by=by, at=at, request_id=request_id, reason="another address was said")
    else:
        _require_open(session, about)
    _add(session, about, named, address=address, by=by, at=at, request_id=request_id)
    return True


def withdraw(
    session: Session,
    about: CaseFile | EvidenceItem,
    named: External,
    *,
    by: Principal,
    at: datetime,
    request_id: str,
    reason: str,
) -> None:
    """Withdraw a reference of that name from the case or item; raise NotFoundError if none stands. Closed or not."""
    take_turn(session, named)
    found = find(session, named)
    if found is None or about.id not in (found.case_id, found.item_id):
        raise NotFoundError("It has no such reference of your agency.", next_step="Show it for those it has.")
    _end(session, about, found, by=by, at=at, request_id=request_id, reason=reason)


def of_cases(
    session: Session, case_ids: Collection[UUID], *, agencies: Collection[UUID]
) -> dict[UUID, list[ExternalReference]]:
    """Return the references of these agencies that stand to each of the cases."""
    found = _standing().where(ExternalReference.case_id.in_(case_ids), ExternalReference.agency_id.in_(agencies))
    return _sorted(session.scalars(found.order_by(ExternalReference.id)).all())


def of_items(
    session: Session, item_ids: Collection[UUID], *, agencies: Collection[UUID]
) -> dict[UUID, list[ExternalReference]]:
    """Return the references of these agencies that stand to each of the items."""
    found = _standing().where(ExternalReference.item_id.in_(item_ids), ExternalReference.agency_id.in_(agencies))
    return _sorted(session.scalars(found.order_by(ExternalReference.id)).all())


def carry_over(
    session: Session, merged: CaseFile, into: CaseFile, *, by: Principal, at: datetime, request_id: str, reason: str
) -> None:
    """Let every agency's references to the merged case name the other from now on. The caller holds both cases."""
    for found in session.scalars(_standing().where(ExternalReference.case_id == merged.id)).all():
        named = External(found.agency_id, found.system, found.external_id)
        _end(session, merged, found, by=by, at=at, request_id=request_id, reason=reason)
        _add(session, into, named, address=found.address, by=by, at=at, request_id=request_id)


def _sorted(found: Sequence[ExternalReference]) -> dict[UUID, list[ExternalReference]]:
    by_thing: dict[UUID, list[ExternalReference]] = defaultdict(list)
    for each in found:
        about = each.case_id or each.item_id
        assert about is not None
        by_thing[about].append(each)
    return by_thing


def _standing() -> Select[ExternalReference]:
    return select(ExternalReference).where(ExternalReference.ended_at.is_(None))


def _require_open(session: Session, about: CaseFile | EvidenceItem) -> None:
    if isinstance(about, CaseFile):
        case_files.require_open(session, about)


def _add(
    session: Session,
    about: CaseFile | EvidenceItem,
    named: External,
    *,
    address: str | None,
    by: Principal,
    at: datetime,
    request_id: str,
) -> None:
    added = ExternalReference(
        id=new_id(),
        agency_id=named.agency_id,
        **{f"{kind_of(about)}_id": about.id},
        system=named.system,
        external_id=named.external_id,
        address=address,
        added_at=at,
        ended_at=None,
    )
    session.add(added)
    session.flush()
    event = ReferenceAdded(
        actor=Actor.of(by),
        request_id=request_id,
        on=kind_of(about),
        about_id=about.id,
        reference_id=added.id,
        agency_id=added.agency_id,
        system=added.system,
        called=added.external_id,
        address=address,
    )
    custody.record(session, event)


def _end(
    session: Session,
    about: CaseFile | EvidenceItem,
    found: ExternalReference,
    *,
    by: Principal,
    at: datetime,
    request_id: str,
    reason: str,
) -> None:
    found.ended_at = at
    session.flush()
    event = ReferenceWithdrawn(
        actor=Actor.of(by),
        request_id=request_id,
        on=kind_of(about),
        about_id=about.id,
        reference_id=found.id,
        agency_id=found.agency_id,
        system=found.system,
        called=found.external_id,
        reason=reason,
    )
    custody.record(session, event)
