"""Whose recording an item is: who carried the camera when it recorded, held against the badge that was said.

Never guessed.  Where roster and badge agree, or no badge was said, the item is that officer's.  Where
they do not, or the roster cannot say, it is nobody's until an evidence technician decides: it is on
the worklist.  An agency that never imported a roster has what it had before: the badge as said.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy.orm import Session

from evidence.ingest import cameras
from evidence.ingest.manifests import Manifest
from evidence.items.register import Officer

AHEAD = timedelta(minutes=5)
"""How far a camera's clock may be before ours and still be believed."""

FIRST_YEAR = 2010
"""A camera whose clock was reset begins to count long before this."""

Why = Literal[
    "no_camera", "unknown_camera", "retired_camera", "unassigned_camera", "clock", "handed_over", "badge_differs"
]
"""Why the roster cannot say whose recording it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """What the roster said of a recording: whose it is, and by which line; None where there is no roster to ask."""

    officer: Officer
    camera_id: UUID | None = None
    assignment_id: UUID | None = None


def attribute(session: Session, agency_id: UUID, said: Manifest, *, by_dock: bool, at: datetime) -> Attribution | None:
    """Ask the roster of the agency whose recording this is; None where what was said is all there is."""
    if not cameras.has_roster(session, agency_id):
        return None
    camera = cameras.by_serial(session, agency_id, [said.camera]).get(said.camera) if said.camera else None
    if camera is None:
        # What a person hands in need not come from a camera of the agency at all.
        return _unresolved("unknown_camera" if said.camera else "no_camera") if by_dock else None
    begun, ended = said.recorded_at, said.recorded_until
    if begun is None or not is_reliable(begun, ended, at=at):
        return _unresolved("clock", camera.id)
    if camera.retired_at is not None and begun >= camera.retired_at:
        return _unresolved("retired_camera", camera.id)
    carried = cameras.carried(session, camera, begun)
    if carried is None:
        return _unresolved("unassigned_camera", camera.id)
    assignment, officer = carried
    if ended is not None and assignment.to_at is not None and ended > assignment.to_at:
        return _unresolved("handed_over", camera.id)
    if said.officer is not None and said.officer != officer.badge:
        whose = Officer(basis="unresolved", why="badge_differs", rostered_id=officer.id)
    else:
        whose = Officer(basis="roster", account_id=officer.id, rostered_id=officer.id)
    return Attribution(officer=whose, camera_id=camera.id, assignment_id=assignment.id)


def is_reliable(begun: datetime, ended: datetime | None, *, at: datetime) -> bool:
    """Say whether a camera's clock can have been right: not reset, not ahead of ours, not running backwards."""
    last = begun if ended is None else ended
    return begun.year >= FIRST_YEAR and begun <= last <= at + AHEAD


def _unresolved(why: Why, camera_id: UUID | None = None) -> Attribution:
    return Attribution(officer=Officer(basis="unresolved", why=why), camera_id=camera_id)
