"""Exports: what may go out, for whom and why, entered in custody before a byte leaves.

An export is two acts on every item's chain: the *intent*, committed before the first byte, and
the *completion* with the bytes sent and how it ended.  An intent without a completion reads
"outcome unknown", never "not sent".  The records of an export end with its own intent, and the
signed heads pin that end.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Literal
from uuid import UUID

from sqlalchemy.orm import Session

from auth.principals import Principal
from evidence import access, custody
from evidence.access import reach, telling
from evidence.access.reach import Seen
from evidence.custody import history
from evidence.custody.events import Actor, CitedObject, ItemExported, ItemExportEnded, chain_of
from evidence.database import reading, unit_of_work
from evidence.disclosure import package as packages
from evidence.disclosure.package import Contents, Original, Packing
from evidence.errors import InvalidError
from evidence.ids import new_id
from evidence.items.models import EvidenceItem
from evidence.proof import package
from evidence.proof.disclosure import Disclosure
from evidence.proof.heads import ROLE, Head
from evidence.room import Room

MOST_ITEMS = 1000
"""Items of one export."""

Outcome = Literal["whole", "broken off", "original damaged"]

NEUTRAL_NAME = "original.bin"
"""What an original is called in a package whose file name is withheld."""


SAID_BY_MANIFEST = frozenset({"filename", "camera_serial", "officer_badge", "incident"})
"""Fields that a dock's signed manifest says as well: whoever withholds one of them withholds it too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One export that has begun: its intent is committed and bytes may go out."""

    id: UUID
    begun_at: datetime
    by: Principal
    items: tuple["Exported", ...]
    withhold: frozenset[str]
    reason: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """One item of an export: how it may be seen, whether its original goes along, and where its chain ended."""

    item: EvidenceItem
    content: bool
    with_original: bool
    head: Head


def begin(
    room: Room, principal: Principal, named: Sequence[str], *, reason: str, withhold: Sequence[str], request_id: str
) -> Export:
    """Decide on every item and commit the intent on each chain.

    Raises NotFoundError or RefusedError for the first item that may not go out; then nothing is
    recorded on any item.  `withhold` names disclosures that are to stay behind; a dock's manifest,
    which is signed whole, stays behind with any that it says.
    """
    if not named or len(named) > MOST_ITEMS:
        raise InvalidError(
            f"An export has 1 to {MOST_ITEMS} items, not {len(named)}.", next_step="Make several exports."
        )
    export_id, now = new_id(), room.clock()
    kept_back = frozenset(withhold)
    if kept_back & SAID_BY_MANIFEST:
        kept_back |= {"manifest"}
    with unit_of_work(room.sessions, by=principal) as session:
        seen = {}
        for each in named:
            found = reach.item(session, principal, "custody.export", each, at=now, reason=reason)
            seen[found.item.id] = found
        _require_known(session, seen, kept_back)
        for item_id in sorted(seen):
            intent = _intent(seen[item_id], export_id, principal, reason=reason, at=now, request_id=request_id)
            custody.record(session, intent)
        intents = custody.seal(session)
    heads = {sealed.chain: Head(sealed.chain, sealed.seq, sealed.hash) for sealed in intents}
    return Export(
        id=export_id,
        # Not before the records it ends with: what is dated later than a package is none of its business.
        begun_at=max(now, *(sealed.at for sealed in intents)),
        by=principal,
        items=tuple(
            Exported(
                item=found.item,
                content=found.content,
                with_original=_original_goes(found, principal, reason=reason, at=now),
                head=heads[chain_of("item", found.item.id)],
            )
            for found in seen.values()
        ),
        withhold=kept_back,
        reason=reason,
        request_id=request_id,
    )


def write(room: Room, export: Export) -> Iterator[bytes]:
    """Yield the package. The caller says with `end` what became of it.

    What `begin` let out is read for the system: objects, and a chain as it stood, are no longer asked for by whom.
    """
    with room.sessions() as session:
        packed = [_pack(room, session, export, each) for each in export.items]
        packing = Packing(
            id=export.id,
            origin=room.origin,
            made_at=export.begun_at,
            items=[contents for contents, _withheld in packed],
            heads=[each.head for each in export.items],
            withheld=package.Withheld(
                disclosures=tuple(digest for _contents, withheld in packed for digest in withheld),
                objects=tuple(sorted({each.item.sha256 for each in export.items if not each.with_original})),
                reason=_why_withheld(export),
            ),
            sign=lambda text: room.signing.sign(ROLE, text),
        )
        yield from packages.write(packing)


def end(room: Room, export: Export, *, outcome: Outcome, sent: int, damaged: UUID | None = None) -> None:
    """Commit the completion on each chain; `sent` in bytes of the package.

    `damaged` names the item whose stored original broke the export off; its chain says so.
    """
    with unit_of_work(room.sessions) as session:
        for each in sorted(export.items, key=lambda exported: exported.item.id):
            completion = ItemExportEnded(
                actor=Actor.of(export.by),
                request_id=export.request_id,
                item_id=each.item.id,
                export_id=export.id,
                outcome="original damaged" if each.item.id == damaged else outcome,
                size=sent,
            )
            custody.record(session, completion)


def _require_known(session: Session, seen: Mapping[UUID, Seen], withhold: frozenset[str]) -> None:
    """Raise InvalidError for a name that no record of these items discloses: nothing would be withheld by it."""
    chains = [chain_of("item", item_id) for item_id in seen]
    known = history.disclosed_names(session, chains) | set(ItemExported.withheld) | {"actor", "manifest"}
    if unknown := sorted(withhold - known):
        raise InvalidError(
            f"Nothing of these items is called {', '.join(unknown)}.",
            next_step=f"What can be withheld: {', '.join(sorted(known))}.",
        )


def _intent(
    found: Seen, export_id: UUID, principal: Principal, *, reason: str, at: datetime, request_id: str
) -> ItemExported:
    item = found.item
    goes = _original_goes(found, principal, reason=reason, at=at)
    original = CitedObject(role="original", id=item.original_object_id, sha256=item.sha256, size=item.size)
    return ItemExported(
        actor=Actor.of(principal),
        request_id=request_id,
        item_id=item.id,
        export_id=export_id,
        reason=reason,
        objects=(original,) if goes else (),
    )


def _original_goes(found: Seen, principal: Principal, *, reason: str, at: datetime) -> bool:
    return access.allow(principal, "evidence.download_original", found.thing, at=at, reason=reason).allowed


def _pack(room: Room, session: Session, export: Export, exported: Exported) -> tuple[Contents, list[str]]:
    """Gather one item; return it and the digests of the disclosures that stay behind."""
    item = exported.item
    # What was recorded since the intent belongs to the next export: this one ends with itself.
    entries = history.whole(session, exported.head.chain)
    records = list(takewhile(lambda entry: entry.seq <= exported.head.seq, entries))
    # A chain goes whole or not at all; what a record says of something else that they may not know of stays behind.
    with reading(room.sessions, by=export.by) as theirs:
        tellable = telling.among(theirs, export.by, records, at=export.begun_at)
    given: list[Disclosure] = [
        disclosed
        for record in tellable
        for disclosed in record.disclosures
        if exported.content and disclosed.name not in export.withhold
    ]
    # Not only what is withheld by name: also what was erased, of which a record keeps the digest.
    promised = [digest for record in records for digest in record.body.get("sd", [])]
    told = {disclosed.digest for disclosed in given}
    contents = Contents(
        item_id=item.id,
        number="withheld" if "number" in export.withhold else item.number,
        original=_original(room, session, item, export) if exported.with_original else None,
        chunks=b"".join(room.vault.read(session, item.chunks_object_id)) if exported.with_original else None,
        records=[record.raw for record in records],
        disclosures=[disclosed.text for disclosed in given],
        receipts={record.seq: record.receipt for record in records if record.receipt is not None},
    )
    return contents, [digest for digest in promised if digest not in told]


def _original(room: Room, session: Session, item: EvidenceItem, export: Export) -> Original:
    return Original(
        # A name that is withheld must not leave by way of the path.
        filename=NEUTRAL_NAME if "filename" in export.withhold else item.filename,
        size=item.size,
        sha256=item.sha256,
        read=lambda: room.vault.read(session, item.original_object_id),
    )


def _why_withheld(export: Export) -> str | None:
    reasons = []
    if export.withhold:
        reasons.append("withheld by whoever exported: " + ", ".join(sorted(export.withhold)))
    if not all(each.with_original for each in export.items):
        reasons.append("originals withheld: the role of whoever exported does not include them")
    if not all(each.content for each in export.items):
        reasons.append("descriptions withheld: the role of whoever exported does not include them")
    return "; ".join(reasons) or None
