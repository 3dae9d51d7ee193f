"""Read a chain: its records as sealed, what was disclosed with them, the receipts that were given."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

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


def page(session: Session, chain: str, *, after: int = 0, limit: int = PAGE) -> list[Entry]:
    """Return the records of a chain that follow record number `after`, oldest first."""
    rows = session.execute(
        select(CustodyRecordRow, CustodyReceipt.note)
        .outerjoin(CustodyReceipt, CustodyReceipt.record_id == CustodyRecordRow.id)
        .where(CustodyRecordRow.chain == chain, CustodyRecordRow.seq > after)
        .order_by(CustodyRecordRow.seq)
        .limit(limit)
    ).all()
    disclosures = _disclosures(session, [row.id for row, _ in rows])
    return [Entry(row.id, row.seq, row.h, row.raw, disclosures.get(row.id, ()), receipt) for row, receipt in rows]


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
