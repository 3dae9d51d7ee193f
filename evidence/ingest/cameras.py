"""Cameras, and who carried which from when to when.

An assignment says `from_at` (the first moment) and `to_at` (the first moment no longer; None: still).
No two of one camera overlap: the database sees to that (migration 1030), whoever writes.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from auth.models import Account
from auth.principals import Principal
from evidence import custody
from evidence.custody.camera_events import CameraAssigned, CameraAssignmentEnded, CameraEnrolled, CameraRetired
from evidence.custody.events import Actor
from evidence.errors import ConflictError, NotFoundError
from evidence.ids import new_id
from evidence.ingest.models import Camera, CameraAssignment

LONGEST_SERIAL = 255


def enrol(session: Session, *, serial: str, model: str | None, by: Principal, at: datetime, request_id: str) -> Camera:
    """Take a camera of one's own agency onto the books."""
    camera = Camera(id=new_id(), agency_id=by.agency_id, serial=serial, model=model, enrolled_at=at)
    session.add(camera)
    session.flush()
    custody.record(
        session,
        CameraEnrolled(
            actor=Actor.of(by), request_id=request_id, camera_id=camera.id, camera_serial=serial, model=model
        ),
    )
    return camera


def assign(
    session: Session,
    camera: Camera,
    officer: Account,
    *,
    since: datetime,
    until: datetime | None,
    by: Principal,
    request_id: str,
) -> CameraAssignment:
    """Put down who carried the camera from when to when."""
    assignment = CameraAssignment(id=new_id(), camera_id=camera.id, account_id=officer.id, from_at=since, to_at=until)
    session.add(assignment)
    session.flush()
    custody.record(
        session,
        CameraAssigned(
            actor=Actor.of(by),
            request_id=request_id,
            assignment_id=assignment.id,
            camera_id=camera.id,
            account_id=officer.id,
            since=since,
            until=until,
            camera_serial=camera.serial,
            officer_badge=officer.badge,
            name=officer.name,
        ),
    )
    return assignment


def end(
    session: Session,
    camera: Camera,
    assignment: CameraAssignment,
    officer: Account,
    *,
    until: datetime,
    by: Principal,
    request_id: str,
) -> None:
    """Put down until when somebody carried the camera, where that was open."""
    assignment.to_at = until
    session.flush()
    custody.record(
        session,
        CameraAssignmentEnded(
            actor=Actor.of(by),
            request_id=request_id,
            assignment_id=assignment.id,
            camera_id=camera.id,
            account_id=officer.id,
            since=assignment.from_at,
            until=until,
            camera_serial=camera.serial,
            officer_badge=officer.badge,
            name=officer.name,
        ),
    )


def retire(session: Session, camera: Camera, *, by: Principal, at: datetime, request_id: str, reason: str) -> None:
    """Take the camera out of use, and out of the hands of whoever carries it. A second time changes nothing."""
    session.refresh(camera, with_for_update=True)
    if camera.retired_at is not None:
        return
    for assignment, officer in assignments(session, [camera.id]):
        if assignment.to_at is None and assignment.from_at >= at:
            raise ConflictError(
                "Somebody is to carry this camera from a later day on.",
                next_step="Import a roster that says until when, then retire it.",
            )
        if assignment.to_at is None:
            end(session, camera, assignment, officer, until=at, by=by, request_id=request_id)
    camera.retired_at = at
    session.flush()
    custody.record(
        session,
        CameraRetired(
            actor=Actor.of(by),
            request_id=request_id,
            camera_id=camera.id,
            camera_serial=camera.serial,
            reason=reason,
        ),
    )


def named(session: Session, agency_id: UUID, name: str) -> Camera:
    """Return the agency's camera of that serial number or id; NotFoundError for none and another agency's alike."""
    try:
        is_named = or_(Camera.serial == name, Camera.id == UUID(name))
    except ValueError:
        is_named = Camera.serial == name
    camera = None
    if name.isprintable():  # PostgreSQL knows no NUL, and no serial number of ours has what nobody can type
        camera = session.scalar(select(Camera).where(Camera.agency_id == agency_id, is_named).limit(1))
    if camera is None:
        raise NotFoundError("There is no such camera.", next_step="`evidence camera list` shows what there is.")
    return camera


def by_serial(session: Session, agency_id: UUID, serials: Collection[str], *, lock: bool = False) -> dict[str, Camera]:
    """Return the agency's cameras of these serial numbers; locked in one order, if asked, until the end."""
    readable = [each for each in serials if each.isprintable()]  # what a dock says may hold anything
    found = select(Camera).where(Camera.agency_id == agency_id, Camera.serial.in_(readable)).order_by(Camera.id)
    return {each.serial: each for each in session.scalars(found.with_for_update() if lock else found)}


def page(session: Session, agency_id: UUID, *, after: UUID | None, limit: int) -> Sequence[Camera]:
    """Return the agency's cameras in the order they were enrolled, retired ones included."""
    found = select(Camera).where(Camera.agency_id == agency_id).order_by(Camera.id).limit(limit)
    return session.scalars(found if after is None else found.where(Camera.id > after)).all()


def assignments(session: Session, cameras: Collection[UUID]) -> list[tuple[CameraAssignment, Account]]:
    """Return who carried these cameras, oldest first."""
    found = session.execute(
        select(CameraAssignment, Account)
        .join(Account, Account.id == CameraAssignment.account_id)
        .where(CameraAssignment.camera_id.in_(cameras))
        .order_by(CameraAssignment.camera_id, CameraAssignment.from_at)
    )
    return [(assignment, account) for assignment, account in found]


def carried(session: Session, camera: Camera, at: datetime) -> tuple[CameraAssignment, Account] | None:
    """Return who carried the camera at that moment, if anybody did."""
    found = session.execute(
        select(CameraAssignment, Account)
        .join(Account, Account.id == CameraAssignment.account_id)
        .where(
            CameraAssignment.camera_id == camera.id,
            CameraAssignment.from_at <= at,
            or_(CameraAssignment.to_at.is_(None), CameraAssignment.to_at > at),
        )
    ).one_or_none()
    return None if found is None else (found[0], found[1])


def has_roster(session: Session, agency_id: UUID) -> bool:
    """Say whether the agency ever put down who carries a camera."""
    carries = exists().where(CameraAssignment.camera_id == Camera.id, Camera.agency_id == agency_id)
    return bool(session.scalar(select(carries)))
