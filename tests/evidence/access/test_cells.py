"""Every cell of the matrix: a world in which it allows and one in which it refuses, and the gates over them all."""

from dataclasses import replace

import pytest

from auth.principals import Role
from evidence.access import Action
from evidence.items.models import AccessClass
from tests.evidence.access.matrix import Cell, cells
from tests.evidence.access.worlds import ACTIONS, AGAINST, FOR, ROLES, Badge, World, meeting, of

CELLS = list(cells())
DENIED = [(action, role) for action, role, cell in CELLS if not cell]
GIVEN = [(action, role, cell) for action, role, cell in CELLS if cell]

VIEWING = {
    "evidence.stream",
    "evidence.download_original",
    "evidence.download_derivative",
    "evidence.annotate",
    "evidence.clip",
    "evidence.redact",
    "redaction.approve",
    "disclose.external",
    "disclose.public",
}
"""What nobody does who was involved or saw it and has made no statement: as the rules list it."""

OF_NO_CONTENT: tuple[str, ...] = ("upload.", "access.", "statement.", "hold.", "deletion.", "audit.")
OF_NO_CONTENT += ("users.", "roles.", "devices.", "retention.", "agencies.", "system.")
"""What is done to accounts and docks, or about a thing without showing it: no class stands before it."""

KNOWING = {"evidence.list", "case.read", "custody.read", "custody.verify"}
"""What may still be done with a restricted thing: know of it, without what it says."""


def test_every_cell_is_there() -> None:
    assert {(action, role) for action, role, _ in CELLS} == {(action, role) for action in ACTIONS for role in ROLES}
    assert (len(CELLS), len(DENIED)) == (616, 358)


@pytest.mark.parametrize("world", [FOR, replace(FOR, badge="same", cases=())], ids=["all for it", "the recorder's own"])
def test_a_cell_that_denies_refuses_whatever_speaks_for_it(world: World) -> None:
    allowed = [(action, role) for action, role in DENIED if of(role, world).decide(action).allowed]

    assert allowed == []


def test_a_cell_that_allows_does_so_where_exactly_that_is_met_and_nothing_else() -> None:
    asked = [(action, role, each) for action, role, cell in GIVEN for each in cell]
    refused = [(action, role, each) for action, role, each in asked if not meeting(role, each).decide(action).allowed]

    assert refused == []
    assert len(asked) == sum(len(cell) for _, _, cell in GIVEN) > len(GIVEN)


def test_a_cell_with_conditions_refuses_where_none_is_met() -> None:
    unconditional = {"A", "noevid", "scope"}
    conditional = [
        (action, role) for action, role, cell in GIVEN if not any(set(each) <= unconditional for each in cell)
    ]

    assert [each for each in conditional if of(each[1], AGAINST).decide(each[0]).allowed] == []
    assert len(conditional) == 219 - 7 - 2  # noevid and scope alone ask nothing more of a row of one's own agency


def test_no_cell_allows_anything_to_a_thing_of_another_agency() -> None:
    alone = replace(FOR, ours=False, cases=())

    assert [(a, r) for a, r, _ in CELLS if of(r, alone).decide(a).allowed] == []


def test_nobody_without_a_role_is_allowed_anything() -> None:
    assert [action for action in ACTIONS if FOR.decide(action).allowed] == []


@pytest.mark.parametrize("badge", ["same", "other", "neither has one"])
def test_a_referral_opens_to_those_who_work_the_case_there_and_to_no_other_role(badge: Badge) -> None:
    """Of another agency's thing: cells that ask for assignment and referral, and the office that assigns."""
    over = {
        (action, role)
        for action, role, _ in CELLS
        if of(role, replace(FOR, ours=False, badge=badge)).decide(action).allowed
    }

    expected = {(action, role) for action, role, cell in CELLS if any("caseP" in each for each in cell)}
    if badge == "same":  # then it is the attorney's own recording, of which they approve nothing
        expected -= {("redaction.approve", "prosecutor")}
    assert over == expected | {("case.read", "agency_admin"), ("case.assign", "agency_admin")}


@pytest.mark.parametrize(("action", "role", "cell"), GIVEN, ids=str)
def test_the_gates_stand_over_every_cell(action: Action, role: Role, cell: Cell) -> None:
    for each in cell:
        met = meeting(role, each)
        assert replace(met, barred=True).decide(action).allowed is (action not in VIEWING)
        opened = (
            bool({"grant", "iac", "bg"} & set(each))
            or (action.startswith("case.") and bool({"case", "caseP"} & set(each)))
            or action.startswith(OF_NO_CONTENT)
        )
        restricted = replace(met, access_class="restricted").decide(action)
        assert restricted.allowed is (opened or action in KNOWING)
        assert restricted.content is (opened and "noevid" not in each)
        assert replace(met, access_class="confidential").decide(action).allowed is opened


@pytest.mark.parametrize("access_class", ["restricted", "confidential"])
def test_a_class_opens_by_access_list_to_whom_the_cell_allows(access_class: AccessClass) -> None:
    """And it never adds to a role: what the cell refuses stays refused."""
    for action, role, cell in GIVEN:
        for each in cell:
            met = replace(meeting(role, each), access_class=access_class, granted="this")
            assert met.decide(action).allowed
            assert met.decide(action).content is ("noevid" not in each)
    for action, role in DENIED:
        world = replace(of(role), access_class=access_class, granted="this")
        assert not world.decide(action).allowed


@pytest.mark.parametrize("access_class", ["restricted", "confidential"])
def test_a_class_opens_by_break_glass_to_administrators_and_to_watch_alone(access_class: AccessClass) -> None:
    opened = set()
    for action, role, cell in GIVEN:
        for each in cell:
            plain = replace(meeting(role, each), access_class=access_class, granted="something else")
            closed, broken = (replace(plain, broken_glass=glass).decide(action) for glass in (False, True))
            if broken.allowed and not closed.allowed:
                opened.add((action, role))

    assert opened == {
        ("evidence.stream", "agency_admin"),
        ("evidence.stream", "system_admin"),
        ("evidence.download_original", "agency_admin"),
        ("evidence.download_derivative", "agency_admin"),
    }
