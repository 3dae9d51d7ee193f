"""Receipts: what the caller is given for an accepted act, signed, to hold against us."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from evidence.clock import written
from evidence.custody.keys import SigningKeys
from evidence.custody.ledger import SealedRecord
from evidence.custody.models import CustodyReceipt
from evidence.proof.receipt import ROLE, Receipt

MERGE_DELAY = timedelta(days=1)
"""Our promise, unless the settings make another: by then the record is in the log."""


def give(session: Session, sealed: SealedRecord, signing: SigningKeys, *, merge_delay: timedelta = MERGE_DELAY) -> str:
    """Sign and keep the receipt of a record, and return the signed note.

    A record has one receipt: whoever asks again, because the first answer was lost, gets the same.
    """
    given = of_record(session, sealed.record_id)
    if given is not None:
        return given
    receipt = Receipt(
        origin=signing.origin,
        chain=sealed.chain,
        seq=sealed.seq,
        leaf=sealed.hash,
        at=written(sealed.at),
        merge_delay=int(merge_delay.total_seconds()),
    )
    note = signing.sign(ROLE, receipt.write())
    session.execute(insert(CustodyReceipt).values(record_id=sealed.record_id, note=note))
    return note


def of_record(session: Session, record_id: int) -> str | None:
    """Return the receipt given for a record, if one was."""
    return session.scalars(select(CustodyReceipt.note).where(CustodyReceipt.record_id == record_id)).one_or_none()
