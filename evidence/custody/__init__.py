"""Chain of custody: what happened to every item, in an order nobody can change afterwards.

`record(session, event)` is the only door.  It stands beside the act, in the act's own unit of
work, and only queues.  When the unit of work ends well, everything queued is sealed as its last
statement and commits with the act, so that there is no act without its record and no record of
an act that did not take place.

Sealing is one call of the database function `custody_append` (migration 0910).  For every chain,
in sorted order, it locks the chain's head, so that two units of work follow one another and
never fork; gives the record its number, its time, and the hash of the record before it; keeps the
bytes and moves the head on.  Nobody else can write these tables: the application's role has no
right to, and triggers refuse everyone who has.

Every event has a key made of its request.  A request that is sent again, because its answer was
lost, finds its first record (`repeated`) instead of making a second.

An item's chain is `item/<id>`; what people and docks do stands on their own chains; the rest of the
map is in evidence/proof/FORMAT.md.  `receipts` gives the caller something to hold against us,
`history` reads, `keys` signs.
"""

from dataclasses import dataclass, field

from sqlalchemy import event as listening
from sqlalchemy.orm import Session, SessionTransaction

from evidence.custody import ledger
from evidence.custody.events import CustodyEvent
from evidence.custody.ledger import Draft, SealedRecord
from evidence.database import at_the_end

__all__ = ["SealedRecord", "record", "seal"]

_QUEUE = "custody_queue"
_SAVEPOINTS = "custody_savepoints"


@dataclass(slots=True)
class _Queue:
    drafts: list[Draft] = field(default_factory=list)
    is_sealed: bool = False
    is_lost: bool = False
    """It was sealed, and that was rolled back: nothing of this unit of work may be kept any more."""


def record(session: Session, event: CustodyEvent) -> None:
    """Enter an event in the chain of custody when, and only when, this unit of work commits.

    Raises at once when the event does not fit its act (FormatError), is too long to be recorded
    (TooLargeError), stands twice in this unit of work, or comes after `seal`.
    """
    queue: _Queue | None = session.info.get(_QUEUE)
    if queue is None:
        queue = session.info[_QUEUE] = _Queue()
        at_the_end(session, _seal_the_rest)
    if queue.is_sealed:
        raise RuntimeError(f"{event.act} comes after this unit of work was sealed")
    draft = ledger.draft(event)
    if any((draft.chain, draft.key) == (other.chain, other.key) for other in queue.drafts):
        raise RuntimeError(f"{event.act} stands twice in this unit of work and would be taken for a retry of itself")
    queue.drafts.append(draft)


def seal(session: Session) -> list[SealedRecord]:
    """Seal what is queued, in the order it was recorded, and return the records.

    For what needs a record's number or hash, such as a receipt: call it once, after everything
    else the unit of work does, because the heads of its chains stay locked until it ends.
    """
    queue: _Queue | None = session.info.get(_QUEUE)
    if queue is None:
        return []
    if queue.is_sealed:
        raise RuntimeError("this unit of work was sealed before")
    queue.is_sealed = True
    session.flush()
    return ledger.append(session, queue.drafts)


def _seal_the_rest(session: Session) -> None:
    queue: _Queue = session.info[_QUEUE]
    if not queue.is_sealed:
        seal(session)


@listening.listens_for(Session, "before_commit")
def _require_sealed(session: Session) -> None:
    """Refuse a commit past the unit of work, which would keep the act and lose its record."""
    queue: _Queue | None = session.info.get(_QUEUE)
    # A savepoint that is released asks too; it keeps nothing by itself.
    if queue is None or session.in_nested_transaction():
        return
    if queue.is_lost:
        raise RuntimeError("the custody of this unit of work was sealed and then rolled back")
    if queue.drafts and not queue.is_sealed:
        raise RuntimeError("custody events are queued: end the unit of work by evidence.database.unit_of_work")


@listening.listens_for(Session, "after_transaction_create")
def _remember_how_many(session: Session, transaction: SessionTransaction) -> None:
    """Note, for every savepoint, what was queued when it began."""
    queue: _Queue | None = session.info.get(_QUEUE)
    if transaction.nested:
        session.info.setdefault(_SAVEPOINTS, {})[transaction] = len(queue.drafts) if queue else 0


@listening.listens_for(Session, "after_soft_rollback")
def _forget_what_did_not_happen(session: Session, transaction: SessionTransaction) -> None:
    """Take out of the queue what was recorded of acts that were rolled back, all or to a savepoint."""
    queue: _Queue | None = session.info.get(_QUEUE)
    if queue is not None:
        queue.is_lost |= queue.is_sealed
        del queue.drafts[session.info.get(_SAVEPOINTS, {}).pop(transaction, 0) :]
