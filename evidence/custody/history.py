"""Read the records of a chain, or of an actor: as sealed, with what was disclosed and the receipts that were given.

What is asked for only takes records out.  Those that are left come in the order of the log, with
their own number, hash and predecessor: whoever reads them sees where one is passed over.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, Uuid, and_, cast, func, literal, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute, Session

from evidence.clock import written
from evidence.custody.models import CustodyDisclosure, CustodyHead, CustodyReceipt, CustodyRecordRow
from evidence.proof import canonical, disclosure, record
from evidence.proof.disclosure import Disclosure
from evidence.proof.heads import Head
from evidence.proof.record import CustodyRecord

PAGE = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of a chain. `raw` are the sealed bytes and the truth; the rest is read from beside them.

    `hash` is the stored leaf hash; nothing here says that it agrees with `raw`: that is for the verifier.
    """

    record_id: int
    chain: str
    seq: int
    hash: bytes
    raw: bytes
    disclosures: tuple[Disclosure, ...]
    receipt: str | None

    @property
    def record(self) -> CustodyRecord:
        """The record taken apart. Raises FormatError when the stored bytes are not a record."""
        return record.parse(self.raw)

    @property
    def body(self) -> dict[str, Any]:
        """The body, read. Raises FormatError when it is not canonical."""
        body: dict[str, Any] = canonical.decode(self.record.body)
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which records are asked for: those of which all of it holds. What is left out is not asked.

    `acts`: one of these; `actor`: by its id; `kind`: of the chain (proof/acts.py); `at_to` itself is not included;
    `facts`: by name, a number as its digits.
    """

    acts: Collection[str] = ()
    actor: str | None = None
    at_from: datetime | None = None
    at_to: datetime | None = None
    kind: str | None = None
    request_id: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)

    def holds(self) -> ColumnElement[bool]:
        """Return the condition of a CustodyRecordRow."""
        # An instant as it stands in the record: of equal length everywhere, so earlier is less.
        at = func.split_part(func.encode(CustodyRecordRow.raw, "escape"), "\n", 6, type_=Text).collate("C")
        asked = [said("facts", name) == value for name, value in self.facts.items()]
        if self.acts:
            asked.append(said("act").in_(self.acts))
        if self.actor is not None:
            asked.append(CustodyRecordRow.actor == self.actor)
        if self.at_from is not None:
            asked.append(at >= written(self.at_from))
        if self.at_to is not None:
            asked.append(at < written(self.at_to))
        if self.kind is not None:
            asked.append(on_kind(self.kind))
        if self.request_id is not None:
            asked.append(said("req") == self.request_id)
        return and_(true(), *asked)


EVERYTHING = Asked()


def on_kind(kind: str) -> ColumnElement[bool]:
    """Return the condition that the record stands on a chain of this kind (proof/acts.py)."""
    return func.split_part(CustodyRecordRow.chain, "/", 1, type_=Text) == kind


def of_which() -> ColumnElement[UUID]:
    """Return the id of what the record's chain is of. Ask it only of a kind that has one: the database insists."""
    return cast(func.split_part(CustodyRecordRow.chain, "/", 2), Uuid)


def said(*path: str) -> ColumnElement[str]:
    """Return what the body of a record says under these names, as text; NULL where it does not say it."""
    return func.custody_said(CustodyRecordRow.raw, literal([*path], ARRAY(Text)), type_=Text)


def page(
    session: Session,
    chain: str,
    *,
    after: int = 0,
    limit: int = PAGE,
    asked: Asked = EVERYTHING,
) -> list[Entry]:
    """Return the records of a chain that follow record number `after`, oldest first.

    What of it may be told to somebody is access/telling.py's to say.
    """
    of_chain = and_(CustodyRecordRow.chain == chain, CustodyRecordRow.seq > after, asked.holds())
    return _read(session, of_chain, order=CustodyRecordRow.seq, limit=limit)


def of_actor(
    session: Session,
    actor_id: str,
    *,
    after: int = 0,
    limit: int = PAGE,
    asked: Asked = EVERYTHING,
    where: ColumnElement[bool],
) -> list[Entry]:
    """Return the records of what an actor did, on whichever chains, that follow the record of id `after`.

    What was refused them is among it, on their own chain.  What was done to them, and sign-ins that somebody
    tried in their name, are not: those have another actor, or one nobody knows.
    """
    theirs = and_(CustodyRecordRow.actor == actor_id, CustodyRecordRow.id > after, asked.holds(), where)
    return _read(session, theirs, order=CustodyRecordRow.id, limit=limit)


def _read(
    session: Session,
    which: ColumnElement[bool],
    *,
    order: InstrumentedAttribute[int],
    limit: int,
) -> list[Entry]:
    rows = session.execute(
        select(CustodyRecordRow, CustodyReceipt.note)
        .outerjoin(CustodyReceipt, CustodyReceipt.record_id == CustodyRecordRow.id)
        .where(which)
        .order_by(order)
        .limit(limit)
    ).all()
    disclosures = _disclosures(session, [row.id for row, _ in rows])
    return [
        Entry(row.id, row.chain, row.seq, row.h, row.raw, disclosures.get(row.id, ()), receipt) for row, receipt in rows
    ]


def whole(session: Session, chain: str) -> Iterator[Entry]:
    """Yield every record of a chain, oldest first, holding one page of them at a time."""
    after = 0
    while entries := page(session, chain, after=after):
        yield from entries
        after = entries[-1].seq


def sealed_bytes(session: Session, record_id: int) -> bytes:
    """Return the sealed bytes of one record."""
    return session.execute(select(CustodyRecordRow.raw).where(CustodyRecordRow.id == record_id)).scalar_one()


def disclosed_names(session: Session, chains: Collection[str]) -> set[str]:
    """Return the names of everything that records of these chains disclose."""
    names = session.scalars(
        select(CustodyDisclosure.name)
        .distinct()
        .join(CustodyRecordRow, CustodyRecordRow.id == CustodyDisclosure.record_id)
        .where(CustodyRecordRow.chain.in_(chains))
    )
    return set(names)


def head(session: Session, chain: str) -> Head | None:
    """Return where a chain ends, or None if it has not begun."""
    row = session.execute(
        select(CustodyHead.seq, CustodyHead.h).where(CustodyHead.chain == chain, CustodyHead.seq > 0)
    ).one_or_none()
    return None if row is None else Head(chain, row.seq, row.h)


def _disclosures(session: Session, record_ids: list[int]) -> dict[int, tuple[Disclosure, ...]]:
    rows = session.execute(
        select(CustodyDisclosure.record_id, CustodyDisclosure.disclosure)
        .where(CustodyDisclosure.record_id.in_(record_ids))
        .order_by(CustodyDisclosure.record_id, CustodyDisclosure.name)
    )
    return {
        record_id: tuple(disclosure.parse(row.disclosure) for row in group)
        for record_id, group in groupby(rows, key=attrgetter("record_id"))
    }
