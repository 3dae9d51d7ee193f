"""The roster: taken whole or not at all, patient about form, never about content; no two officers for one camera."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from auth.models import Account
from evidence.database import unit_of_work
from evidence.engines.postgres import Cluster
from evidence.errors import InvalidError
from evidence.ids import new_id
from evidence.ingest import attribution, cameras, roster
from evidence.ingest.attribution import Attribution
from evidence.ingest.manifests import Manifest, write
from evidence.ingest.models import Camera, CameraAssignment
from evidence.ingest.roster import RosterError, Taken
from evidence.room import Room
from tests.support.arrivals import acts
from tests.support.database import database_from
from tests.support.people import Person, a_person
from tests.support.rooms import room_for

SIX = datetime(2026, 3, 1, 6, tzinfo=UTC)
HEAD = "serial,badge,from,to\n"
SHIFT = "CAM-1,4711,2026-03-01T06:00Z,2026-03-01T18:00Z\n"


@pytest.fixture(scope="module")
def room(cluster: Cluster, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    home = tmp_path_factory.mktemp("roster") / "home"
    with database_from(cluster, template) as database, room_for(database, home) as room:
        yield room


@pytest.fixture
def agency() -> str:
    return f"Police Department {new_id()}"


@pytest.fixture
def keeper(room: Room, agency: str) -> Person:
    return of_three(room, agency)


@pytest.fixture(scope="module")
def on_shift(room: Room) -> Person:
    """The technician of an agency with a roster, for tests that change nothing there."""
    keeper = of_three(room, "Shift Police Department")
    taken(room, keeper, HEAD + SHIFT + "CAM-1,4712,2026-03-02T18:00Z,\n")
    return keeper


def of_three(room: Room, agency: str) -> Person:
    """Return the technician of an agency with two officers."""
    for badge in ("4711", "4712"):
        a_person(room, "officer", agency=agency, badge=badge)
    return a_person(room, "evidence_tech", agency=agency)


def taken(room: Room, by: Person, text: str) -> Taken:
    with unit_of_work(room.sessions) as session:
        return roster.take(
            session, roster.read(text.encode()), by=by.principal, at=room.clock(), request_id=str(new_id())
        )


def faults(room: Room, by: Person, text: str) -> list[tuple[int, str]]:
    with pytest.raises(RosterError) as wrong:
        taken(room, by, text)
    return [(each["line"], each["what"]) for each in wrong.value.members["lines"]]  # type: ignore[attr-defined]


def on_the_books(room: Room, by: Person) -> int:
    with unit_of_work(room.sessions) as session:
        count = select(func.count()).select_from(CameraAssignment).join(Camera, Camera.id == CameraAssignment.camera_id)
        return session.scalar(count.where(Camera.agency_id == by.principal.agency_id)) or 0


PLAIN = "serial,badge,from,to\nCAM-1,4711,2026-03-01T06:00:00+00:00,\n"


@pytest.mark.parametrize(
    "raw",
    [
        PLAIN.encode(),
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.replace("\n", "\r").encode(),
        PLAIN.replace(",", ";").encode(),
        PLAIN.replace(",", "\t").encode(),
        PLAIN.replace("serial,badge", "Camera , E-Mail".replace("E-Mail", "EMAIL")).encode(),
        (PLAIN + ",,,\n\n").encode(),
        b'from,to,serial,badge\n"2026-03-01T01:00:00-05:00",,"CAM-1","4711"\n',
    ],
)
def test_a_roster_is_read_however_a_spreadsheet_wrote_it(raw: bytes) -> None:
    (line,) = roster.read(raw)

    assert (line.serial, line.officer, line.since, line.until) == ("CAM-1", "4711", SIX, None)


@pytest.mark.parametrize(
    "text",
    ["", "\n", "a,b\n", "serial,badge,from\n", "serial,badge,from,to,to\n", "serial,badge,email,from,to\n", "a\0b"],
)
def test_what_is_no_roster_is_said_to_be_none(text: str) -> None:
    with pytest.raises(InvalidError):
        roster.read(text.encode())


def test_bytes_that_are_no_text_are_said_to_be_none() -> None:
    with pytest.raises(InvalidError, match="UTF-8"):
        roster.read(HEAD.encode() + b"CAM-1,M\xfcller,2026-03-01T06:00Z,\n")


def test_every_wrong_line_is_named_and_nothing_is_taken() -> None:
    lines = [
        ",4711,2026-03-01T06:00Z,",
        "CAM-1,,2026-03-01T06:00Z,",
        "CAM-1,4711,2026-03-01 06:00,",
        "CAM-1,4711,yesterday,",
        "CAM-1,4711,2026-03-01T06:00Z,2026-03-01T06:00Z",
        "CAM-1,4711,2026-03-01T06:00Z",
        "CAM-1,47\u202e11,2026-03-01T06:00Z,",
        "CAM-1,4711,9999-12-31T23:59:59-12:00,",
        f"{'C' * 256},4711,2026-03-01T06:00Z,",
    ]
    with pytest.raises(RosterError) as wrong:
        roster.read((HEAD + SHIFT + "\n".join(lines)).encode())

    assert [each["line"] for each in wrong.value.members["lines"]] == list(range(3, 12))  # type: ignore[attr-defined]
    with pytest.raises(RosterError, match="table"):
        roster.read((HEAD + '"CAM-1,4711\n').encode())


def test_a_roster_taken_twice_is_taken_once(room: Room, keeper: Person) -> None:
    text = HEAD + SHIFT + "CAM-1,4712,2026-03-01T18:00Z,\nCAM-2,4711,2026-03-02T06:00Z,2026-03-02T18:00Z\n"

    first, second = taken(room, keeper, text), taken(room, keeper, text)

    assert (first.enrolled, first.assigned, first.unchanged) == (2, 3, 0)
    assert (second.enrolled, second.assigned, second.unchanged) == (0, 0, 3)
    done = acts(room, f"account/{keeper.principal.id}")
    assert sorted(done[3:]) == ["camera.assigned"] * 3 + ["camera.enrolled"] * 2
    ended = taken(room, keeper, HEAD + "CAM-1,4712,2026-03-01T18:00Z,2026-03-02T06:00Z\n")
    assert (ended.ended, acts(room, f"account/{keeper.principal.id}")[-1]) == (1, "camera.assignment_ended")


def test_a_trial_does_nothing(room: Room, keeper: Person) -> None:
    with unit_of_work(room.sessions) as session:
        tried = roster.tried(session, roster.read((HEAD + SHIFT).encode()), by=keeper.principal)

    assert (tried.enrolled, tried.assigned) == (1, 1)
    assert on_the_books(room, keeper) == 0
    assert acts(room, f"account/{keeper.principal.id}") == ["account.created", "role.granted", "account.signed_in"]


def test_one_wrong_line_keeps_the_others_out(room: Room, keeper: Person) -> None:
    taken(room, keeper, HEAD + "CAM-9,4711,2026-03-01T06:00Z,2026-03-01T18:00Z\n")
    wrong = faults(
        room,
        keeper,
        HEAD
        + SHIFT
        + "CAM-1,4712,2026-03-01T17:00Z,2026-03-01T19:00Z\n"  # crosses line 2
        + "CAM-9,4712,2026-03-01T05:00Z,\n"  # crosses the books
        + "CAM-9,4711,2026-03-01T06:00Z,2026-03-01T19:00Z\n"  # another end than on the books
        + "CAM-2,nobody,2026-03-01T06:00Z,\n",
    )

    assert [line for line, _ in wrong] == [3, 4, 5, 6]
    assert "line 2" in wrong[0][1]
    assert "on the books" in wrong[1][1]
    assert on_the_books(room, keeper) == 1


def test_an_officer_is_named_by_badge_or_address_and_only_once(room: Room, keeper: Person, agency: str) -> None:
    twin = a_person(room, "officer", agency=agency, badge="4711")
    a_person(room, "officer", agency="Lakeside Police Department", badge="7777")

    assert [what[:10] for _, what in faults(room, keeper, HEAD + SHIFT)] == ["2 accounts"]
    assert [line for line, _ in faults(room, keeper, HEAD + SHIFT.replace("4711", "7777"))] == [2]
    email = f"{twin.principal.name}@Riverbend.Example"
    assert taken(room, keeper, HEAD + SHIFT.replace("4711", email)).assigned == 1


def test_shifts_that_touch_do_not_cross(room: Room, keeper: Person) -> None:
    next_shift = SHIFT.replace("03-01T18", "03-02T06").replace("03-01T06", "03-01T18")

    assert taken(room, keeper, HEAD + SHIFT + next_shift).assigned == 2


def test_a_retired_camera_is_carried_by_nobody(room: Room, keeper: Person) -> None:
    taken(room, keeper, HEAD + "CAM-1,4711,2026-03-01T06:00Z,\n")
    with unit_of_work(room.sessions) as session:
        camera = cameras.named(session, keeper.principal.agency_id, "CAM-1")
        at = SIX + timedelta(days=1)
        cameras.retire(session, camera, by=keeper.principal, at=at, request_id="r", reason="broken")

    assert acts(room, f"account/{keeper.principal.id}")[-2:] == ["camera.assignment_ended", "camera.retired"]
    assert len(faults(room, keeper, HEAD + "CAM-1,4712,2026-03-05T06:00Z,\n")) == 1
    assert taken(room, keeper, HEAD + "CAM-1,4711,2026-03-01T06:00Z,2026-03-02T06:00Z\n").unchanged == 1


def test_of_two_who_write_at_once_one_is_refused_by_the_database(room: Room, keeper: Person) -> None:
    taken(room, keeper, HEAD + "CAM-1,4711,2026-01-01T06:00Z,2026-01-01T18:00Z\n")
    with unit_of_work(room.sessions) as session:
        camera = cameras.named(session, keeper.principal.agency_id, "CAM-1").id
        people = list(session.scalars(select(Account.id).where(Account.agency_id == keeper.principal.agency_id)))

    def write_past_everything(number: int) -> bool:
        since = SIX + timedelta(minutes=number)
        try:
            with unit_of_work(room.sessions) as session:
                session.add(
                    CameraAssignment(
                        id=new_id(), camera_id=camera, account_id=people[number % 2], from_at=since, to_at=None
                    )
                )
        except IntegrityError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(write_past_everything, range(6))) == [False] * 5 + [True]
    assert on_the_books(room, keeper) == 2


def asked(
    room: Room, by: Person, *, by_dock: bool = True, at: datetime = SIX + timedelta(days=30), **said: str
) -> Attribution | None:
    announced = {"camera": "CAM-1", "recorded_at": "2026-03-01T07:00:00Z", "officer": "4711", **said}
    with unit_of_work(room.sessions) as session:
        manifest = Manifest.read(write({name: value for name, value in announced.items() if value}))
        return attribution.attribute(session, by.principal.agency_id, manifest, by_dock=by_dock, at=at)


def test_without_any_roster_what_was_said_is_all_there_is(room: Room, keeper: Person) -> None:
    assert asked(room, keeper) is None


def test_who_carried_the_camera_is_the_officer_where_the_badge_agrees(room: Room, on_shift: Person) -> None:
    first, second = asked(room, on_shift), asked(room, on_shift, recorded_at="2026-03-02T18:00:00Z", officer="4712")
    unsaid = asked(room, on_shift, officer="")

    assert first is not None
    assert second is not None
    assert unsaid is not None
    assert first.officer.basis == second.officer.basis == unsaid.officer.basis == "roster"
    assert first.officer.account_id == unsaid.officer.account_id != second.officer.account_id


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"officer": "4712"}, "badge_differs"),
        ({"officer": "unheard of"}, "badge_differs"),
        ({"camera": "CAM-404"}, "unknown_camera"),
        ({"camera": ""}, "no_camera"),
        ({"camera": "CAM-1\0"}, "unknown_camera"),
        ({"camera": "CAM-1\u202e"}, "unknown_camera"),
        ({"officer": "4711\0"}, "badge_differs"),
        ({"recorded_at": "2026-03-01T05:59:59Z"}, "unassigned_camera"),
        ({"recorded_at": "2026-03-01T18:00:00Z"}, "unassigned_camera"),
        ({"recorded_until": "2026-03-01T18:00:01Z"}, "handed_over"),
        ({"recorded_at": ""}, "clock"),
        ({"recorded_at": "2026-03-01T07:00:00"}, "clock"),
        ({"recorded_at": "2000-01-01T00:00:07Z"}, "clock"),
        ({"recorded_at": "2027-01-01T00:00:00Z"}, "clock"),
        ({"recorded_until": "2026-03-01T06:59:59Z"}, "clock"),
    ],
)
def test_what_does_not_agree_is_nobody_s_and_never_guessed(
    room: Room, on_shift: Person, said: dict[str, Any], why: str
) -> None:
    found = asked(room, on_shift, **said)

    assert found is not None
    assert (found.officer.basis, found.officer.account_id, found.officer.why) == ("unresolved", None, why)


def test_what_a_person_hands_in_from_no_camera_of_ours_is_as_they_said(room: Room, on_shift: Person) -> None:
    assert asked(room, on_shift, by_dock=False, camera="") is None
    assert asked(room, on_shift, by_dock=False, camera="a telephone") is None
    differing = asked(room, on_shift, by_dock=False, officer="4712")
    assert differing is not None
    assert differing.officer.why == "badge_differs", "of a camera of ours the roster is asked, whoever brings it"
