"""Which custody records may be told to somebody who may read their chain.

A record can name something else than what its chain is of: on a case's chain the item that was
linked, on an item's the case.  Where that is confidential and not opened to whoever reads, the
record is left out whole.  Its bytes are sealed, so nothing in it can be covered; and to show of it
only number, time or act would tell more than the one thing that cannot be hidden: that the
numbers of the records around it leave one out, and that the next names a predecessor that is not
shown.  That is no more than the gap in the numbers of a case's exhibits tells, and a record left
out at the end of a chain shows nowhere.  Pages are full all the same, so that their length tells
nothing either.

A use of break-glass is told, whatever it names, to those who were told of it at once.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from auth.principals import Principal
from evidence.access import glass, scope
from evidence.cases.models import CaseFile, Exhibit
from evidence.custody import history
from evidence.custody.history import EVERYTHING, Asked, Entry
from evidence.items.models import EvidenceItem
from evidence.proof import FormatError

NAMES_AN_ITEM = frozenset({"item"})
NAMES_A_CASE = frozenset({"case", "to_case", "merged", "into"})
NAMES_AN_EXHIBIT = frozenset({"exhibit", "to_exhibit"})
NAMING = NAMES_AN_ITEM | NAMES_A_CASE | NAMES_AN_EXHIBIT
"""Facts that name by its id something with a class, or that belongs to it (proof/acts.py)."""


def of_chain(
    session: Session,
    principal: Principal,
    chain: str,
    *,
    after: int = 0,
    limit: int,
    asked: Asked = EVERYTHING,
    at: datetime,
) -> list[Entry]:
    """Return the records of a chain that follow record number `after`, oldest first, and may be told."""

    def read(place: int) -> list[Entry]:
        return history.page(session, chain, after=place, limit=limit, asked=asked)

    return _told(session, principal, read, lambda entry: entry.seq, after=after, limit=limit, at=at)


def of_actor(
    session: Session,
    principal: Principal,
    actor_id: str,
    *,
    after: int = 0,
    limit: int,
    asked: Asked = EVERYTHING,
    at: datetime,
) -> list[Entry]:
    """Return the records of what an actor did that follow the record of id `after`, and may be told to an auditor."""
    audited = scope.audited_records(principal, at=at)

    def read(place: int) -> list[Entry]:
        return history.of_actor(session, actor_id, after=place, limit=limit, asked=asked, where=audited)

    return _told(session, principal, read, lambda entry: entry.record_id, after=after, limit=limit, at=at)


def among(session: Session, principal: Principal, entries: Sequence[Entry], *, at: datetime) -> list[Entry]:
    """Return those of the records that may be told."""
    watches = not principal.roles.isdisjoint(glass.WATCHERS)
    named = [_others(each) for each in entries]
    hidden = _hidden(session, principal, named, at=at)
    return [
        each
        for each, others in zip(entries, named, strict=True)
        if hidden.isdisjoint(others) or (watches and _is_of_glass(each))
    ]


def _told(
    session: Session,
    principal: Principal,
    read: Callable[[int], list[Entry]],
    place_of: Callable[[Entry], int],
    *,
    after: int,
    limit: int,
    at: datetime,
) -> list[Entry]:
    """Read on until so many may be told or none is left."""
    told: list[Entry] = []
    while len(told) < limit and (batch := read(after)):
        told += among(session, principal, batch, at=at)
        after = place_of(batch[-1])
        if len(batch) < limit:
            break
    return told[:limit]


def _hidden(
    session: Session, principal: Principal, named_by_each: Sequence[Mapping[UUID, str]], *, at: datetime
) -> set[UUID]:
    """Return the items, cases and exhibits among these that the principal may not know of."""
    named = {id: fact for each in named_by_each for id, fact in each.items()}
    items = {id for id, fact in named.items() if fact in NAMES_AN_ITEM}
    cases = {id for id, fact in named.items() if fact in NAMES_A_CASE}
    exhibits = named.keys() - items - cases
    item_of: dict[UUID, UUID] = {}
    if exhibits:
        of = select(Exhibit.id, Exhibit.item_id).where(Exhibit.id.in_(exhibits))
        item_of = {exhibit: item for exhibit, item in session.execute(of)}
        items |= {*item_of.values()}
    known: set[UUID] = set()
    if items:
        known |= {*session.scalars(scope.known_items(principal, at=at).where(EvidenceItem.id.in_(items)))}
    if cases:
        known |= {*session.scalars(scope.known_cases(principal, at=at).where(CaseFile.id.in_(cases)))}
    known |= {exhibit for exhibit, item in item_of.items() if item in known}
    return named.keys() - known


def _others(entry: Entry) -> dict[UUID, str]:
    """Return what has a class and is named by the record, beside what its chain is of: the id, and by which fact."""
    own = entry.chain.partition("/")[2]
    try:
        facts = {name: said for name, said in entry.body.get("facts", {}).items() if name in NAMING and said != own}
        return {UUID(said): name for name, said in facts.items()}
    except (FormatError, AttributeError, ValueError):
        return {}  # Somebody wrote past the program: it is shown for what it is, and hides no other.


def _is_of_glass(entry: Entry) -> bool:
    return str(entry.body.get("act")).startswith("glass.")
