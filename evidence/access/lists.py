"""The access list of an item or a case: who is named besides those whose role opens it, until when."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.sql.expression import SQLColumnExpression

from auth import units
from auth.models import Account, Unit, UnitMember
from auth.principals import Principal
from evidence import custody
from evidence.access.actions import Action
from evidence.access.models import AccessListEntry, Extent
from evidence.cases import standing
from evidence.cases.models import CaseFile, Exhibit
from evidence.clock import written
from evidence.custody.access_events import AccessEnded, AccessGranted
from evidence.custody.events import Actor
from evidence.errors import ConflictError, InvalidError, NotFoundError, RefusedError
from evidence.ids import new_id
from evidence.items.models import EvidenceItem

Of = EvidenceItem | CaseFile
Named = Account | Unit

LOOKING: frozenset[Action] = frozenset(
    {"evidence.list", "evidence.read_meta", "evidence.stream", "case.read", "custody.read", "custody.verify"}
)
OPENED: Mapping[Extent, frozenset[Action]] = {
    "view": LOOKING,
    "work": LOOKING
    | {
        "evidence.download_original",
        "evidence.download_derivative",
        "evidence.categorise",
        "evidence.correct_meta",
        "evidence.reassign",
        "evidence.annotate",
        "evidence.clip",
        "evidence.redact",
        "redaction.approve",
        "case.link",
        "case.unlink",
        "case.assign",
        "case.refer",
        "case.close",
        "custody.export",
        "disclose.external",
        "disclose.revoke",
        "disclose.public",
    },
}
"""What an entry opens, where the role's cell asks for `grant` or the thing's class does. It never adds to a role."""

Granted = dict[UUID, dict[UUID, frozenset[Action]]]


def put(
    session: Session,
    of: Of,
    named: Named,
    *,
    extent: Extent,
    reason: str,
    by: Principal,
    at: datetime,
    request_id: str,
    expires_at: datetime | None = None,
) -> AccessListEntry:
    """Put an account or a unit on the access list of an item or a case.

    Raises RefusedError for oneself and one's own unit, InvalidError for a time that has passed and
    ConflictError for somebody who cannot sign in.
    """
    if expires_at is not None and expires_at <= at:
        raise InvalidError("The entry would have expired already.", next_step="Give a later time, or none.")
    try:
        until = None if expires_at is None else written(expires_at)
    except OverflowError as error:
        raise InvalidError("No such time can be written in UTC.", next_step="Give an earlier one, or none.") from error
    is_account = isinstance(named, Account)
    if named.id == by.id or (
        not is_account and session.scalar(units.of_account(by.id, at=at).where(UnitMember.unit_id == named.id))
    ):
        raise RefusedError("Nobody puts themselves on an access list.", next_step="Ask somebody else who may.")
    if isinstance(named, Account) and named.suspended_at is not None:
        raise ConflictError("The account is suspended.", next_step="Name somebody else.")
    entry = AccessListEntry(
        id=new_id(),
        item_id=of.id if isinstance(of, EvidenceItem) else None,
        case_id=of.id if isinstance(of, CaseFile) else None,
        account_id=named.id if is_account else None,
        unit_id=None if is_account else named.id,
        extent=extent,
        granted_at=at,
        granted_by_id=by.id,
        expires_at=expires_at,
    )
    session.add(entry)
    session.flush()
    event = AccessGranted(
        actor=Actor.of(by),
        request_id=request_id,
        on=_kind(of),
        thing_id=of.id,
        entry_id=entry.id,
        extent=extent,
        name=named.name,
        account_id=entry.account_id,
        unit_id=entry.unit_id,
        expires_at=until,
        reason=reason,
    )
    custody.record(session, event)
    return entry


def end(session: Session, of: Of, entry_id: UUID, *, reason: str, by: Principal, at: datetime, request_id: str) -> None:
    """End an entry, from the next request on.

    Raises NotFoundError if the list has none of that id that stands, and RefusedError for one that names another
    agency's people, unless the thing is one's own agency's.
    """
    entry = session.scalar(_on(of).where(AccessListEntry.id == entry_id, stands(at)).with_for_update())
    if entry is None:
        raise NotFoundError("The access list has no such entry that stands.", next_step="Show the access list.")
    named = session.get(Account, entry.account_id) if entry.account_id else session.get(Unit, entry.unit_id)
    if by.agency_id not in (of.agency_id, named and named.agency_id):
        raise RefusedError("Each agency says who of it is let in.", next_step="Ask the agency whose people they are.")
    entry.ended_at = at
    session.flush()
    event = AccessEnded(
        actor=Actor.of(by), request_id=request_id, on=_kind(of), thing_id=of.id, entry_id=entry.id, reason=reason
    )
    custody.record(session, event)


def entries(session: Session, of: Of) -> Sequence[tuple[AccessListEntry, str]]:
    """Return every entry there is or was, with the name it names, oldest first.

    Whom the database does not show to this session, being of another agency, is called that.
    """
    rows = session.execute(
        select(AccessListEntry, Account.name, Unit.name)
        .outerjoin(Account, Account.id == AccessListEntry.account_id)
        .outerjoin(Unit, Unit.id == AccessListEntry.unit_id)
        .where(_column(of) == of.id)
        .order_by(AccessListEntry.id)
    )
    return [(entry, account or unit or "of another agency") for entry, account, unit in rows]


def granted_of_items(session: Session, item_ids: Collection[UUID], *, at: datetime) -> Granted:
    """Return what the list of each item, and those of the cases it is an exhibit of, open to which account."""
    of = func.coalesce(AccessListEntry.item_id, Exhibit.item_id)
    by_case = and_(Exhibit.case_id == AccessListEntry.case_id, standing.is_linked(at))
    return _granted(session, _people(of, at=at).outerjoin(Exhibit, by_case).where(of.in_(item_ids)))


def granted_of_cases(session: Session, case_ids: Collection[UUID], *, at: datetime) -> Granted:
    """Return what the list of each case opens to which account."""
    of = AccessListEntry.case_id
    return _granted(session, _people(of, at=at).where(of.in_(case_ids)))


def _people(of: SQLColumnExpression[Any], *, at: datetime) -> Select[Any, Any, Any]:
    """Select the entries that stand; a unit is spelled out as its people."""
    return (
        select(of, AccessListEntry.extent, func.coalesce(AccessListEntry.account_id, UnitMember.account_id))
        .outerjoin(UnitMember, and_(UnitMember.unit_id == AccessListEntry.unit_id, units.belongs(at)))
        .where(stands(at))
    )


def _granted(session: Session, people: Select[Any, Any, Any]) -> Granted:
    found: Granted = defaultdict(dict)
    for thing_id, extent, person in session.execute(people):
        found[thing_id][person] = found[thing_id].get(person, frozenset()) | OPENED[extent]
    return found


def items_opened_to(principal: Principal, *, at: datetime) -> Select[UUID]:
    """Select the items whose own list, or that of a case they are an exhibit of, names the principal."""
    by_case = (
        select(Exhibit.item_id)
        .join(AccessListEntry, AccessListEntry.case_id == Exhibit.case_id)
        .where(standing.is_linked(at), _names(principal, at=at))
    )
    itself = select(AccessListEntry.item_id).where(AccessListEntry.item_id.is_not(None), _names(principal, at=at))
    return itself.union(by_case)  # type: ignore[return-value]  # a union selects what its parts do


def cases_opened_to(principal: Principal, *, at: datetime) -> Select[UUID]:
    """Select the cases whose list names the principal."""
    names_me = and_(AccessListEntry.case_id.is_not(None), _names(principal, at=at))
    return select(AccessListEntry.case_id).where(names_me)  # type: ignore[return-value]  # it is not None


def stands(at: datetime) -> ColumnElement[bool]:
    """Return the condition under which an AccessListEntry stands at that instant."""
    return and_(
        AccessListEntry.granted_at <= at,
        or_(AccessListEntry.ended_at.is_(None), AccessListEntry.ended_at > at),
        or_(AccessListEntry.expires_at.is_(None), AccessListEntry.expires_at > at),
    )


def _names(principal: Principal, *, at: datetime) -> ColumnElement[bool]:
    named = or_(
        AccessListEntry.account_id == principal.id,
        AccessListEntry.unit_id.in_(units.of_account(principal.id, at=at)),
    )
    return and_(named, stands(at))


def _on(of: Of) -> Select[AccessListEntry]:
    return select(AccessListEntry).where(_column(of) == of.id)


def _column(of: Of) -> InstrumentedAttribute[UUID | None]:
    return AccessListEntry.item_id if isinstance(of, EvidenceItem) else AccessListEntry.case_id


def _kind(of: Of) -> Literal["item", "case"]:
    return "item" if isinstance(of, EvidenceItem) else "case"
