"""The cells in use are the permission matrix, and each condition decides."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args
from uuid import UUID, uuid4

import pytest

from auth.principals import Principal, Role
from evidence import access
from evidence.access import Action, Thing
from evidence.access.facts import CONDITIONS, FRESH, SAID
from evidence.access.roles import CELLS
from evidence.cases.standing import CaseStanding

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AGENCY = UUID("0190aaaa-0000-7000-8000-000000000001")
MATRIX = json.loads((Path(__file__).parent / "permission_matrix.json").read_text())["matrix"]


def person(*roles: Role, badge: str | None = "4711", strong: datetime | None = NOW) -> Principal:
    return Principal(
        kind="account",
        id=uuid4(),
        agency_id=AGENCY,
        roles=frozenset(roles),
        name="A. Person",
        method="password",
        signed_in_at=NOW,
        strong_at=strong,
        badge=badge,
    )


def dock() -> Principal:
    return Principal(
        kind="dock", id=uuid4(), agency_id=AGENCY, roles=frozenset({"dock"}), name="Dock 1", method="private_key_jwt"
    )


def test_every_cell_in_use_is_the_matrix_cell() -> None:
    for action in get_args(Action):
        ours = {role: cell.replace(" ", "") for role, cell in CELLS[action].items()}
        matrix = {role: cell for role, cell in MATRIX[action].items() if cell != "-"}
        assert ours == matrix, action


def test_another_agency_is_refused_whatever_the_role() -> None:
    thing = Thing(agency_id=uuid4(), officer_badge="4711")
    for role in get_args(Role):
        for action in get_args(Action):
            assert not access.allow(person(role), action, thing, at=NOW, reason="why").allowed


def test_no_role_means_no_action() -> None:
    for action in get_args(Action):
        assert not access.allow(person(), action, Thing(agency_id=AGENCY), at=NOW, reason="why").allowed


def test_an_officer_sees_an_own_recording_and_no_other() -> None:
    officer = person("officer", badge="4711")

    assert access.allow(officer, "evidence.read_meta", Thing(agency_id=AGENCY, officer_badge="4711"), at=NOW).allowed
    assert access.allow(officer, "evidence.read_meta", Thing(agency_id=AGENCY, brought_by=officer.id), at=NOW).allowed
    other = access.allow(officer, "evidence.read_meta", Thing(agency_id=AGENCY, officer_badge="9999"), at=NOW)
    assert not other.allowed
    assert "recording officer" in other.reason


def test_an_officer_without_a_badge_owns_no_unassigned_recording() -> None:
    nobody = access.allow(person("officer", badge=None), "evidence.read_meta", Thing(agency_id=AGENCY), at=NOW)

    assert not nobody.allowed


def test_every_condition_of_the_matrix_is_there_with_its_sentence() -> None:
    named = {name for row in MATRIX.values() for cell in row.values() for name in re.split("[|+]", cell)} - {"-"}

    assert set(CONDITIONS) == named
    assert set(SAID) == named - {"A", "noevid", "scope"}


OFFICE = UUID("0190aaaa-0000-7000-8000-000000000002")


@pytest.mark.parametrize(("assigned", "referred"), [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("agency_id", [AGENCY, OFFICE])
def test_a_prosecutor_reads_what_is_in_an_assigned_and_referred_case(
    assigned: bool, referred: bool, agency_id: UUID
) -> None:
    attorney = replace(person("prosecutor"), agency_id=agency_id)
    thing = Thing(agency_id=AGENCY, cases=(a_case(attorney, assigned=assigned, referred=referred),))

    decision = access.allow(attorney, "evidence.read_meta", thing, at=NOW)

    assert decision.allowed is (assigned and referred)


def test_assignment_and_referral_of_two_different_cases_are_not_those_of_one() -> None:
    attorney = replace(person("prosecutor"), agency_id=OFFICE)
    cases = (a_case(attorney, referred=False), a_case(attorney, assigned=False))

    assert not access.allow(attorney, "evidence.read_meta", Thing(agency_id=AGENCY, cases=cases), at=NOW).allowed


def test_a_referral_opens_a_case_to_attorneys_and_paralegals_and_to_nobody_else() -> None:
    opened = set()
    for role in get_args(Role):
        someone = replace(person(role), agency_id=OFFICE)
        thing = Thing(agency_id=AGENCY, officer_badge=someone.badge, cases=(a_case(someone),))
        for action in get_args(Action):
            decision = access.allow(someone, action, thing, at=NOW, reason="trial")
            if decision.allowed and decision.content:
                opened.add((role, action))

    assert {role for role, _ in opened} == {"prosecutor", "paralegal", "agency_admin"}
    assert {action for role, action in opened if role == "agency_admin"} == {"case.assign"}
    assert ("prosecutor", "evidence.download_original") in opened
    assert ("paralegal", "evidence.download_original") not in opened


def a_case(someone: Principal, *, assigned: bool = True, referred: bool = True) -> CaseStanding:
    return CaseStanding(
        assigned=frozenset({someone.id} if assigned else ()),
        referred_to=frozenset({someone.agency_id} if referred else ()),
    )


@pytest.mark.parametrize(
    ("strong", "reason", "allowed"),
    [
        (NOW, "trial", True),
        (NOW - FRESH, "trial", True),
        (NOW - FRESH - timedelta(seconds=1), "trial", False),
        (None, "trial", False),
        (NOW + timedelta(minutes=1), "trial", False),
        (NOW, None, False),
        (NOW, "   ", False),
    ],
)
def test_an_original_goes_out_only_for_a_reason_and_with_a_second_factor_just_proved(
    strong: datetime | None, reason: str | None, allowed: bool
) -> None:
    technician = person("evidence_tech", strong=strong)

    decision = access.allow(technician, "evidence.download_original", Thing(agency_id=AGENCY), at=NOW, reason=reason)

    assert decision.allowed is allowed


def test_an_auditor_knows_that_an_item_is_there_and_not_what_it_says() -> None:
    decision = access.allow(person("auditor"), "evidence.read_meta", Thing(agency_id=AGENCY), at=NOW)

    assert decision.allowed
    assert not decision.content


def test_the_wider_of_two_roles_counts() -> None:
    both = access.allow(person("auditor", "evidence_tech"), "evidence.read_meta", Thing(agency_id=AGENCY), at=NOW)

    assert both.content


def test_an_upload_is_gone_on_with_only_by_whoever_opened_it() -> None:
    for uploader in (person("officer"), dock()):
        assert access.allow(uploader, "upload.append", Thing(agency_id=AGENCY, brought_by=uploader.id), at=NOW).allowed
        assert not access.allow(uploader, "upload.append", Thing(agency_id=AGENCY, brought_by=uuid4()), at=NOW).allowed


def test_a_dock_only_brings_in() -> None:
    for action in get_args(Action):
        allowed = access.might(dock(), action, at=NOW).allowed
        assert allowed is action.startswith("upload."), action


def test_an_account_with_the_role_of_a_dock_is_no_dock() -> None:
    assert not access.might(person("dock"), "upload.open", at=NOW).allowed


def test_nobody_manages_their_own_account() -> None:
    admin = person("agency_admin")

    assert access.allow(admin, "users.manage", Thing(agency_id=AGENCY, account_id=uuid4()), at=NOW).allowed
    assert not access.allow(admin, "users.manage", Thing(agency_id=AGENCY, account_id=admin.id), at=NOW).allowed
