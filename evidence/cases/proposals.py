"""Items that may belong to a case, each with its reasons. A person accepts them; nothing is ever linked by itself."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Interval, Select, cast, func, literal, select, union
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from evidence.cases import incidents
from evidence.cases.models import CaseFile, Exhibit, IncidentNumber
from evidence.items.models import EvidenceItem

LONGEST_RECORDING = timedelta(hours=24)
"""A recording that claims to be longer counts as this long."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """An item, and why it may belong to the case: incidents in common, exhibits of its officer at about that time."""

    item: EvidenceItem
    incidents: tuple[str, ...]
    exhibits: tuple[int, ...]


def of_case(
    session: Session,
    case: CaseFile,
    readable: Select[EvidenceItem],
    *,
    window: timedelta,
    after: UUID | None,
    limit: int,
) -> list[Proposal]:
    """Return the next items, in the order they were received, of those the principal may read.

    An item is proposed if it names the case's number or one of its incident numbers as its incident, or if its
    officer wore a camera within `window` of an exhibit of theirs.  What the principal may not read neither is proposed
    nor leads to a proposal.
    """
    numbers = {case.number, *incidents.of_cases(session, [case.id])[case.id]}
    linked = aliased(Exhibit)
    stands = select(linked.item_id).where(linked.case_id == case.id, linked.withdrawn_at.is_(None))
    read = session.scalars(readable.where(EvidenceItem.id.in_(stands))).all()
    near, said, there = aliased(EvidenceItem), aliased(IncidentNumber), aliased(EvidenceItem)
    about_then = (
        there.id.in_([each.id for each in read]),
        near.agency_id == case.agency_id,
        # The first two are what the index finds; the third is exact.
        near.recorded_at <= there.recorded_at + _length(there.media) + window,
        near.recorded_at >= there.recorded_at - (window + LONGEST_RECORDING),
        near.recorded_at + _length(near.media) >= there.recorded_at - window,
    )
    candidates = union(
        select(near.id).where(near.agency_id == case.agency_id, near.incident.in_(numbers)),
        select(said.item_id).where(
            said.agency_id == case.agency_id,
            said.number.in_(numbers),
            said.ended_at.is_(None),
            said.item_id.is_not(None),
        ),
        select(near.id).join(there, there.officer_id == near.officer_id).where(*about_then),
        select(near.id)
        .join(there, there.officer_badge == near.officer_badge)
        .where(*about_then, there.officer_id.is_(None), near.officer_id.is_(None)),
    ).subquery()
    proposed = readable.where(
        EvidenceItem.agency_id == case.agency_id,
        EvidenceItem.id.in_(select(candidates.c.id)),
        EvidenceItem.id.not_in(stands),
    )
    if after is not None:
        proposed = proposed.where(EvidenceItem.id > after)
    found = session.scalars(proposed.order_by(EvidenceItem.id).limit(limit)).all()
    said_of = incidents.of_items(session, [each.id for each in found])
    exhibits = _by_officer(session, case, read)
    return [
        Proposal(
            each,
            tuple(sorted(numbers & {each.incident or "", *said_of[each.id]})),
            tuple(number for number, other in exhibits[_officer(each)] if _is_near(each, other, window)),
        )
        for each in found
    ]


def _length(media: InstrumentedAttribute[dict[str, object] | None]) -> ColumnElement[timedelta]:
    """Return how long a recording lasts, as far as its footage was read: nothing else is believed."""
    microseconds = cast(media["duration_us"].astext, BigInteger)
    bounded = func.least(
        func.greatest(func.coalesce(microseconds, 0), 0), LONGEST_RECORDING // timedelta(microseconds=1)
    )
    return bounded * cast(literal("1 microsecond"), Interval)


def _by_officer(
    session: Session, case: CaseFile, read: Sequence[EvidenceItem]
) -> dict[UUID | str | None, list[tuple[int, EvidenceItem]]]:
    items = {each.id: each for each in read if _officer(each) is not None and each.recorded_at is not None}
    found = session.execute(
        select(Exhibit.number, Exhibit.item_id)
        .where(Exhibit.case_id == case.id, Exhibit.withdrawn_at.is_(None), Exhibit.item_id.in_(list(items)))
        .order_by(Exhibit.number)
    )
    by_officer: dict[UUID | str | None, list[tuple[int, EvidenceItem]]] = defaultdict(list)
    for number, item_id in found:
        by_officer[_officer(items[item_id])].append((number, items[item_id]))
    return by_officer


def _officer(item: EvidenceItem) -> UUID | str | None:
    """Return whose recording it is, or the badge that was said where that is all there is."""
    return item.officer_id or item.officer_badge


def _is_near(one: EvidenceItem, other: EvidenceItem, window: timedelta) -> bool:
    # In seconds: a camera's clock may stand at the end of the years Python knows.
    (begin, end), (other_begin, other_end) = _seconds(one), _seconds(other)
    return begin <= other_end + window.total_seconds() and end >= other_begin - window.total_seconds()


def _seconds(item: EvidenceItem) -> tuple[float, float]:
    if item.recorded_at is None:
        return float("inf"), float("-inf")
    length = min(max((item.media or {}).get("duration_us") or 0, 0) / 1e6, LONGEST_RECORDING.total_seconds())
    begin = item.recorded_at.timestamp()
    return begin, begin + length
