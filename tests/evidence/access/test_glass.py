"""Break-glass opens one item to be watched, for an hour, and nothing else to anybody."""

from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from typing import get_args
from uuid import uuid4

import pytest

from auth.principals import Role
from evidence import access
from evidence.access import Action, Thing
from evidence.access.gates import BREAKABLE, GLASS_ROLES
from evidence.cases.standing import CaseStanding
from evidence.items.models import AccessClass
from tests.evidence.access.test_allow import AGENCY, NOW, person


def test_what_it_opens_and_to_whom_is_the_matrix() -> None:
    assert set(BREAKABLE) == {"evidence.stream", "evidence.download_original", "evidence.download_derivative"}
    assert set(GLASS_ROLES) == {"agency_admin", "system_admin"}


@pytest.mark.parametrize("access_class", get_args(AccessClass))
def test_it_opens_nothing_but_looking_whatever_else_one_is(access_class: AccessClass) -> None:
    """F8: it never deletes, discloses, releases a hold or lifts a restriction; every action, every pair of roles."""
    opened: set[Action] = set()
    for roles in combinations([role for role in get_args(Role) if role != "dock"], 2):
        me = person(*roles)
        mine = CaseStanding(assigned=frozenset({me.id}), referred_to=frozenset({AGENCY}))
        for cases in ((), (mine,)):
            thing = Thing(
                agency_id=AGENCY, access_class=access_class, officer_badge="4711", cases=cases, is_redaction=True
            )
            broken = replace(thing, broken_glass=frozenset({me.id}))
            for action in get_args(Action):
                before, after = (
                    access.allow(me, action, each, at=NOW, reason="x", approved=True) for each in (thing, broken)
                )
                if after != before:
                    assert after.allowed
                    opened.add(action)

    assert opened == BREAKABLE


@pytest.mark.parametrize("role", ["agency_admin", "system_admin"])
def test_an_administrator_watches_behind_it_and_only_there(role: Role) -> None:
    admin, other = person(role), person(role)
    thing = Thing(agency_id=AGENCY, access_class="confidential", broken_glass=frozenset({admin.id}))

    assert access.allow(admin, "evidence.stream", thing, at=NOW).allowed
    assert not access.allow(other, "evidence.stream", thing, at=NOW).allowed
    assert not access.allow(admin, "evidence.stream", replace(thing, broken_glass=frozenset()), at=NOW).allowed
    assert not access.allow(admin, "evidence.stream", replace(thing, agency_id=uuid4()), at=NOW).allowed
    assert not access.allow(person("officer"), "evidence.stream", thing, at=NOW).allowed


def test_it_does_not_open_the_viewing_gate() -> None:
    admin = person("agency_admin")
    thing = Thing(agency_id=AGENCY, broken_glass=frozenset({admin.id}), listed=frozenset({admin.id}))

    refused = access.allow(
        admin, "evidence.stream", replace(thing, barred=frozenset({admin.id})), at=NOW + timedelta(minutes=1)
    )

    assert not refused.allowed
    assert "statement" in refused.reason
    assert access.allow(admin, "evidence.stream", thing, at=NOW).allowed, "the control: with a statement it is open"
