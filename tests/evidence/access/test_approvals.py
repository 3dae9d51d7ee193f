"""Two people: one effect, exactly what was asked, never by one person alone."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from auth import groups, roles
from auth.errors import AccountError
from auth.models import Account
from auth.principals import Principal, Role
from evidence.access import approvals, classes, incidents
from evidence.access.approved_acts import AllowDisclosure, AssignRoles, LowerClass, MapGroup, ReleaseViewing
from evidence.access.models import ApprovalRequest
from evidence.cases import assignments, case_files, exhibits
from evidence.custody import history
from evidence.database import unit_of_work
from evidence.engines.postgres import Cluster
from evidence.errors import ConflictError, EvidenceError, GoneError, NotFoundError, RefusedError
from evidence.ids import new_id
from evidence.items.models import EvidenceItem
from evidence.proof import canonical
from evidence.room import Room
from tests.conftest import NOON
from tests.support.builders import an_item_on_the_books
from tests.support.clock import FixedClock
from tests.support.database import database_from
from tests.support.people import a_person
from tests.support.rooms import room_for

CLOCK = FixedClock(NOON)


@pytest.fixture(scope="module")
def shared(cluster: Cluster, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """One room for all tests here: each makes its own items and requests."""
    with (
        database_from(cluster, template) as database,
        room_for(database, tmp_path_factory.mktemp("home"), clock=CLOCK) as room,
    ):
        yield room


@pytest.fixture
def clock() -> FixedClock:
    CLOCK.now = NOON
    return CLOCK


@pytest.fixture
def room(shared: Room, clock: FixedClock) -> Room:
    return shared


def anew(room: Room, by: Principal) -> Any:
    """What every act is told: who, when, in which request."""
    return {"by": replace(by, strong_at=room.clock()), "at": room.clock(), "request_id": str(new_id())}


def a_confidential_item(room: Room, by: Principal, **described: Any) -> UUID:
    with unit_of_work(room.sessions) as session:
        item = an_item_on_the_books(session, room, by, **described)
        classes.change(session, item, "confidential", reason="informant", by=by, request_id=str(new_id()))
        return item.id


def lowering(room: Room, by: Principal, item_id: UUID) -> ApprovalRequest:
    with unit_of_work(room.sessions) as session:
        act = LowerClass("item", item_id, "restricted")
        waiting = approvals.required_or_done(session, room.recorder, act, reason="Informant moved", **anew(room, by))
        assert waiting is not None
        return waiting


def approve(room: Room, by: Principal, request: ApprovalRequest, *, digest: bytes | None = None) -> ApprovalRequest:
    with unit_of_work(room.sessions) as session:
        return approvals.approve(session, room.recorder, request.id, sha256=digest or request.sha256, **anew(room, by))


def class_of(room: Room, item_id: UUID) -> str:
    with unit_of_work(room.sessions) as session:
        return session.get_one(EvidenceItem, item_id).access_class


def records(room: Room, chain: str) -> list[dict[str, Any]]:
    with unit_of_work(room.sessions) as session:
        return [entry.body for entry in history.whole(session, chain)]


def acts(room: Room, chain: str) -> list[str]:
    return [str(body["act"]) for body in records(room, chain)]


KNOWN: dict[tuple[str, Role], list[Principal]] = defaultdict(list)


def people(room: Room, *roles: Role) -> list[Principal]:
    """Different people of these roles, the same ones for each test."""
    found: list[Principal] = []
    for role in roles:
        known = KNOWN[room.url, role]
        free = [each for each in known if each not in found]
        if not free:
            free.append(a_person(room, role).principal)
            known.append(free[0])
        found.append(free[0])
    return found


def test_what_two_people_want_takes_effect_and_is_on_three_chains(room: Room) -> None:
    technician, admin = people(room, "evidence_tech", "agency_admin")
    item_id = a_confidential_item(room, technician)

    waiting = lowering(room, technician, item_id)
    assert class_of(room, item_id) == "confidential", "nothing has happened yet"
    done = approve(room, admin, waiting)

    assert done.state == "approved"
    assert class_of(room, item_id) == "restricted"
    assert acts(room, f"account/{technician.id}")[-1] == "approval.requested"
    assert acts(room, f"account/{admin.id}")[-1] == "approval.given"
    on_item = records(room, f"item/{item_id}")[-2:]
    assert [each["act"] for each in on_item] == ["access.unrestricted", "approval.carried_out"]
    assert on_item[1]["facts"] == {
        "approval": str(waiting.id),
        "action": "access.unrestrict",
        "sha256": waiting.sha256.hex(),
        "requester": str(technician.id),
        "approver": str(admin.id),
    }


def test_the_digest_is_of_everything_that_was_asked(room: Room) -> None:
    technician, _ = people(room, "evidence_tech", "agency_admin")
    item_id = a_confidential_item(room, technician)

    waiting = lowering(room, technician, item_id)

    document = canonical.decode(waiting.frozen)
    assert sha256(waiting.frozen).digest() == waiting.sha256
    assert document["requester"] == str(technician.id)
    assert (document["action"], document["parameters"]["now"]) == ("access.unrestrict", "restricted")
    assert (document["things"][0]["id"], document["things"][0]["class"]) == (str(item_id), "confidential")
    assert document["reason"] == "Informant moved"


def given(room: Room, approvers: list[Principal]) -> list[int]:
    return [acts(room, f"account/{each.id}").count("approval.given") for each in approvers]


def test_eight_approvers_at_once_have_one_effect(room: Room) -> None:
    """T-B7."""
    (technician,) = people(room, "evidence_tech")
    eight: list[Role] = ["agency_admin"] * 8
    approvers = people(room, *eight)
    item_id = a_confidential_item(room, technician)
    waiting = lowering(room, technician, item_id)
    start = Barrier(8)
    before = given(room, approvers)

    def try_it(by: Principal) -> str:
        start.wait()
        try:
            return approve(room, by, waiting).state
        except ConflictError as error:
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        ended = Counter(pool.map(try_it, approvers))

    assert ended == {"approved": 1, "The request was approved.": 7}
    assert acts(room, f"item/{item_id}").count("approval.carried_out") == 1
    assert acts(room, f"item/{item_id}").count("access.unrestricted") == 1
    assert sum(given(room, approvers)) == sum(before) + 1


def test_eight_at_once_without_the_lock_would_all_be_heard(room: Room) -> None:
    """The control: without the lock everybody finds the request open."""
    technician, first, second = people(room, "evidence_tech", "agency_admin", "agency_admin")
    waiting = lowering(room, technician, a_confidential_item(room, technician))
    at = room.clock()

    with unit_of_work(room.sessions) as one, unit_of_work(room.sessions) as other:
        found = [approvals.seen(one, waiting.id, by=first, at=at), approvals.seen(other, waiting.id, by=second, at=at)]

    assert [each.state for each in found] == ["open", "open"]


def test_nobody_approves_a_request_of_their_own(room: Room) -> None:
    (admin,) = people(room, "agency_admin")
    item_id = a_confidential_item(room, admin)
    waiting = lowering(room, admin, item_id)

    with pytest.raises(RefusedError, match="own"):
        approve(room, admin, waiting)
    with unit_of_work(room.sessions) as session, suppress(DBAPIError):
        session.execute(
            text(
                "INSERT INTO approval (request_id, requester_id, approver_id, sha256, given_at)"
                " SELECT id, requester_id, requester_id, sha256, requested_at FROM approval_request"
            )
        )
        raise AssertionError("the database takes no approval of one's own either")

    assert class_of(room, item_id) == "confidential"


def test_the_application_cannot_change_what_was_asked(room: Room) -> None:
    technician, _ = people(room, "evidence_tech", "agency_admin")
    lowering(room, technician, a_confidential_item(room, technician))

    for column in ("frozen", "sha256", "requester_id", "expires_at"):
        with pytest.raises(DBAPIError, match="permission denied"), unit_of_work(room.sessions) as session:
            session.execute(text(f"UPDATE approval_request SET {column} = {column}"))


def test_a_request_lapses(room: Room, clock: FixedClock) -> None:
    technician, admin = people(room, "evidence_tech", "agency_admin")
    item_id = a_confidential_item(room, technician)
    waiting = lowering(room, technician, item_id)

    clock.advance(timedelta(hours=72))
    with pytest.raises(GoneError):
        approve(room, admin, waiting)
    clock.advance(-timedelta(seconds=1))

    assert approve(room, admin, waiting).state == "approved", "the control: a second before it does"


def test_any_change_of_what_it_is_about_voids_it(room: Room) -> None:
    technician, admin = people(room, "evidence_tech", "agency_admin")
    item_id = a_confidential_item(room, technician)
    waiting = lowering(room, technician, item_id)
    with unit_of_work(room.sessions) as session:
        item = session.get_one(EvidenceItem, item_id)
        classes.mark(session, item, do_not_disclose=True, reason="x", by=technician, request_id=str(new_id()))

    assert approve(room, admin, waiting).state == "void"

    assert class_of(room, item_id) == "confidential"
    assert acts(room, f"account/{admin.id}")[-1] == "approval.voided"
    with pytest.raises(ConflictError, match="void"):
        approve(room, admin, waiting)


def test_another_digest_approves_nothing(room: Room) -> None:
    technician, admin = people(room, "evidence_tech", "agency_admin")
    waiting = lowering(room, technician, a_confidential_item(room, technician))

    with pytest.raises(ConflictError, match="digest"):
        approve(room, admin, waiting, digest=bytes(32))


@pytest.mark.parametrize("how", ["refused", "withdrawn"])
def test_a_refused_and_a_withdrawn_request_are_over(room: Room, how: str) -> None:
    technician, admin = people(room, "evidence_tech", "agency_admin")
    waiting = lowering(room, technician, a_confidential_item(room, technician))

    with unit_of_work(room.sessions) as session:
        if how == "refused":
            approvals.refuse(session, waiting.id, reason="Trial pending", **anew(room, admin))
        else:
            approvals.withdraw(session, waiting.id, **anew(room, technician))

    with pytest.raises(ConflictError, match=how):
        approve(room, admin, waiting)
    by = admin if how == "refused" else technician
    assert acts(room, f"account/{by.id}")[-1] == f"approval.{how}"


def test_whoever_has_no_such_cell_or_no_fresh_sign_in_approves_nothing(room: Room) -> None:
    technician, admin = people(room, "evidence_tech", "agency_admin")
    others = people(room, "officer", "supervisor", "detective", "records_clerk", "auditor", "system_admin")
    others.append(a_person(room, "agency_admin", agency="Springfield Police Department").principal)
    waiting = lowering(room, technician, a_confidential_item(room, technician))

    for other in others:
        with pytest.raises(NotFoundError):
            approve(room, other, waiting)
    stale = anew(room, admin) | {"by": replace(admin, strong_at=NOON - timedelta(minutes=16))}
    with unit_of_work(room.sessions) as session, pytest.raises(RefusedError, match="15 minutes"):
        approvals.approve(session, room.recorder, waiting.id, sha256=waiting.sha256, **stale)

    assert approve(room, admin, waiting).state == "approved", "the control"


def test_the_recording_officer_has_a_part_in_it(room: Room) -> None:
    (technician,) = people(room, "evidence_tech")
    recorder = a_person(room, "agency_admin", badge="4711").principal
    other = a_person(room, "agency_admin", badge="4712").principal
    waiting = lowering(room, technician, a_confidential_item(room, technician, officer_badge="4711"))

    with pytest.raises(NotFoundError):
        approve(room, recorder, waiting)

    assert approve(room, other, waiting).state == "approved"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"reason": " "}, "reason"),
        ({"stale": True}, "15 minutes"),
        ({"role": "officer"}, "role"),
        ({"role": "ia_investigator"}, "internal-affairs"),
    ],
    ids=str,
)
def test_nothing_else_may_be_missing_when_it_is_asked(room: Room, asked: dict[str, Any], says: str) -> None:
    by = people(room, asked.get("role", "evidence_tech"))[0]
    (admin,) = people(room, "agency_admin")
    item_id = a_confidential_item(room, admin)
    told = anew(room, by)
    if asked.get("stale"):
        told["by"] = replace(by, strong_at=NOON - timedelta(hours=1))

    act = LowerClass("item", item_id, "restricted")
    with unit_of_work(room.sessions) as session, pytest.raises(RefusedError, match=says):
        approvals.required_or_done(session, room.recorder, act, reason=asked.get("reason", "x"), **told)


def test_do_not_disclose_is_taken_by_two(room: Room) -> None:
    technician, admin = people(room, "evidence_tech", "agency_admin")
    with unit_of_work(room.sessions) as session:
        item = an_item_on_the_books(session, room, technician)
        act = AllowDisclosure(item.id)
        with pytest.raises(ConflictError, match="not marked"):
            approvals.required_or_done(session, room.recorder, act, reason="x", **anew(room, technician))
        classes.mark(session, item, do_not_disclose=True, reason="x", by=technician, request_id=str(new_id()))
        waiting = approvals.required_or_done(session, room.recorder, act, reason="x", **anew(room, technician))
    assert waiting is not None

    approve(room, admin, waiting)

    with unit_of_work(room.sessions) as session:
        assert not session.get_one(EvidenceItem, item.id).do_not_disclose
    assert acts(room, f"item/{item.id}")[-2:] == ["disclosure.allowed", "approval.carried_out"]


def test_viewing_is_released_by_internal_affairs_and_a_second_who_is_not_listed(room: Room) -> None:
    ia, second, listed_admin, tech, officer = people(
        room, "ia_investigator", "agency_admin", "agency_admin", "evidence_tech", "officer"
    )
    with unit_of_work(room.sessions) as session:
        item = an_item_on_the_books(session, room, officer, incident="26-1")
        matter = case_files.open_new(session, number="IA-1", title="x", kind="internal_affairs", **anew(room, ia))
        exhibits.link(session, matter, item, **anew(room, ia))
        assignments.make(session, matter, session.get_one(Account, ia.id), capacity="lead", **anew(room, ia))
        incident = incidents.declare(session, "26-1", reason="shooting", **anew(room, ia))
        listing, _ = [
            incidents.enlist(
                session, incident, session.get_one(Account, each.id), "involved", reason="x", **anew(room, ia)
            )
            for each in (officer, listed_admin)
        ]
    act = ReleaseViewing(incident.id, listing.id)

    with unit_of_work(room.sessions) as session, pytest.raises(RefusedError):
        approvals.required_or_done(session, room.recorder, act, reason="x", **anew(room, tech))
    with unit_of_work(room.sessions) as session:
        waiting = approvals.required_or_done(session, room.recorder, act, reason="Union, day 3", **anew(room, ia))
        assert waiting is not None
        told = {each.id for each in approvals.deciders(session, waiting, at=room.clock())}
    assert {second.id, tech.id} <= told
    assert not told & {ia.id, officer.id, listed_admin.id}, "whoever is listed is not even told"
    with pytest.raises(NotFoundError):
        approve(room, listed_admin, waiting)
    approve(room, second, waiting)

    assert acts(room, f"account/{officer.id}")[-2:] == ["viewing.released", "approval.carried_out"]
    with unit_of_work(room.sessions) as session:
        assert incidents.of_items(session, [item.id], at=room.clock())[item.id].barred == {listed_admin.id}


def test_one_request_grants_roles_to_many_and_none_of_them_approves_it(room: Room) -> None:
    asker, second, subject, *recruits = people(
        room, "agency_admin", "agency_admin", "agency_admin", "officer", "officer"
    )
    named = tuple(sorted(each.id for each in (subject, *recruits)))
    act = AssignRoles(named, ("detective",))

    with unit_of_work(room.sessions) as session:
        waiting = approvals.required_or_done(session, room.recorder, act, reason="New squad", **anew(room, asker))
    assert waiting is not None
    with pytest.raises(NotFoundError):
        approve(room, subject, waiting)
    approve(room, second, waiting)

    with unit_of_work(room.sessions) as session:
        held = roles.roles_by_account(session, named, at=room.clock())
    assert all("detective" in each for each in held.values())
    assert acts(room, f"account/{second.id}")[-4:] == ["role.granted"] * 3 + ["approval.given"]
    assert all(acts(room, f"account/{each}")[-1] == "approval.carried_out" for each in named)


def mapping(room: Room, by: Principal, *granted: Role, group: str) -> tuple[MapGroup, ApprovalRequest]:
    act = MapGroup(by.agency_id, new_id(), "city", group, granted)
    with unit_of_work(room.sessions) as session:
        waiting = approvals.required_or_done(session, room.recorder, act, reason="New class", **anew(room, by))
    assert waiting is not None, "nobody maps a group alone"
    return act, waiting


def given_by(room: Room, by: Principal, group: str) -> tuple[UUID, list[str]] | None:
    with unit_of_work(room.sessions) as session:
        found = groups.standing(session, by.agency_id, "city", group)
        return (found.id, found.roles) if found else None


def test_two_people_say_once_what_a_group_gives(room: Room) -> None:
    asker, second = people(room, "agency_admin", "agency_admin")
    act, waiting = mapping(room, asker, "officer", "records_clerk", group="/evidence/officers")
    assert canonical.decode(waiting.frozen)["parameters"] == act.parameters()
    assert given_by(room, asker, act.group) is None, "nothing has happened yet"
    with pytest.raises(RefusedError, match="own"):
        approve(room, asker, waiting)

    approve(room, second, waiting)

    assert given_by(room, asker, act.group) == (act.mapping_id, ["officer", "records_clerk"])
    on_second = records(room, f"account/{second.id}")[-3:]
    assert {each["act"] for each in on_second} == {"group.mapped", "approval.given", "approval.carried_out"}
    (said,) = [each for each in on_second if each["act"] == "group.mapped"]
    assert said["facts"] == {"mapping": str(act.mapping_id), "provider": "city", "roles": "officer records_clerk"}
    assert acts(room, f"account/{asker.id}")[-1] == "approval.requested"
    with unit_of_work(room.sessions) as session, pytest.raises(ConflictError, match="already"):
        approvals.required_or_done(session, room.recorder, act, reason="x", **anew(room, asker))


def test_what_a_group_gives_is_changed_from_what_was_read(room: Room) -> None:
    asker, second = people(room, "agency_admin", "agency_admin")
    first, one = mapping(room, asker, "officer", group="squad")
    _, other = mapping(room, asker, "detective", group="squad")

    assert approve(room, second, one).state == "approved"
    assert approve(room, second, other).state == "void", "it gave nothing when that was asked"
    assert given_by(room, asker, "squad") == (first.mapping_id, ["officer"])
    changed, again = mapping(room, asker, "detective", group="squad")
    assert approve(room, second, again).state == "approved", "the control"

    assert given_by(room, asker, "squad") == (changed.mapping_id, ["detective"])
    assert acts(room, f"account/{second.id}").count("group.unmapped") == 1


def test_of_two_who_map_a_group_at_the_same_moment_one_does(room: Room) -> None:
    asker, second, third = people(room, "agency_admin", "agency_admin", "agency_admin")
    waiting = [mapping(room, asker, role, group="at once")[1] for role in ("officer", "detective")]
    start = Barrier(2)

    def try_it(by: Principal, request: ApprovalRequest) -> str:
        start.wait()
        return approve(room, by, request).state

    with ThreadPoolExecutor(2) as pool:
        ended = sorted(pool.map(try_it, (second, third), waiting))

    assert ended == ["approved", "void"], "the other was approved for a group that gave nothing"


@pytest.mark.parametrize("role", ["agency_admin", "system_admin", "dock"])
def test_no_two_people_make_administrators_by_a_group(room: Room, role: Role) -> None:
    (asker,) = people(room, "agency_admin")

    with pytest.raises(AccountError, match=role):
        mapping(room, asker, "officer", role, group="chiefs")


def test_only_administrators_map_groups(room: Room) -> None:
    asker, second = people(room, "agency_admin", "agency_admin")
    technician, system = people(room, "evidence_tech", "system_admin")
    stranger = a_person(room, "agency_admin", agency="Springfield Police Department").principal
    _, waiting = mapping(room, asker, "officer", group="theirs")

    for other in (technician, system, stranger):
        with pytest.raises(NotFoundError):
            approve(room, other, waiting)
    with pytest.raises(RefusedError):
        mapping(room, technician, "officer", group="theirs")
    act = MapGroup(asker.agency_id, new_id(), "city", "theirs", ("officer",))
    with unit_of_work(room.sessions) as session, pytest.raises(RefusedError):
        approvals.required_or_done(session, room.recorder, act, reason="x", **anew(room, stranger))

    assert approve(room, second, waiting).state == "approved", "the control"


def test_nobody_asks_for_a_role_of_their_own(room: Room) -> None:
    (admin, _) = people(room, "agency_admin", "agency_admin")

    act = AssignRoles((admin.id,), ("evidence_tech",))
    with unit_of_work(room.sessions) as session, pytest.raises(RefusedError, match="their account"):
        approvals.required_or_done(session, room.recorder, act, reason="x", **anew(room, admin))


def test_nobody_buries_the_others_in_requests(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    technician = a_person(room, "evidence_tech").principal
    item_id = a_confidential_item(room, technician)
    monkeypatch.setattr(approvals, "MOST_OPEN", 2)
    for _ in range(2):
        lowering(room, technician, item_id)

    with pytest.raises(EvidenceError, match="open requests"):
        lowering(room, technician, item_id)
