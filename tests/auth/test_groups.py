"""What a group gives: what somebody said last, of one agency and provider, and never an administrator."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from auth import agencies, groups
from auth.errors import AccountError, NotPermittedError, UnknownError
from auth.events import GroupMapped, GroupUnmapped, Remembered
from auth.models import Agency, GroupMapping
from auth.principals import Role
from auth.providers import Provider
from auth.settings import ProviderSettings
from tests.auth.conftest import the_console
from tests.conftest import NOON
from tests.support.provider_tokens import FromMemory


def put(session: Session, recorder: Remembered, agency_id: UUID, group: str, *roles: Role) -> GroupMapping:
    return groups.put(
        session,
        recorder,
        id=uuid4(),
        provider="city",
        group=group,
        roles=roles,
        reason="new class",
        by=the_console(agency_id),
        at=NOON,
        request_id="test",
    )


def end(session: Session, recorder: Remembered, agency_id: UUID, group: str) -> None:
    groups.end(
        session,
        recorder,
        provider="city",
        group=group,
        reason="not used",
        by=the_console(agency_id),
        at=NOON,
        request_id="test",
    )


def test_what_was_said_last_counts(session: Session, agency: Agency, recorder: Remembered) -> None:
    first = put(session, recorder, agency.id, "officers", "officer")
    second = put(session, recorder, agency.id, "officers", "records_clerk", "officer")
    other = put(session, recorder, agency.id, "/clerks", "records_clerk")

    assert groups.of_agency(session, agency.id) == [other, second]
    assert (first.ended_at, second.roles) == (NOON, ["officer", "records_clerk"])
    assert [
        (type(each), each.mapping_id) for each in recorder.events if isinstance(each, GroupMapped | GroupUnmapped)
    ] == [
        *((GroupMapped, first.id), (GroupUnmapped, first.id), (GroupMapped, second.id), (GroupMapped, other.id)),
    ]


def test_it_is_ended_once_and_by_its_own_agency(session: Session, agency: Agency, recorder: Remembered) -> None:
    mapping = put(session, recorder, agency.id, "officers", "officer")
    elsewhere = agencies.create(session, f"Elsewhere {uuid4()}", at=NOON)

    with pytest.raises(UnknownError):
        end(session, recorder, elsewhere.id, "officers")
    end(session, recorder, agency.id, "officers")
    with pytest.raises(UnknownError):
        end(session, recorder, agency.id, "officers")

    assert mapping.ended_at == NOON
    assert groups.of_agency(session, agency.id) == []


@pytest.mark.parametrize("role", ["agency_admin", "system_admin", "dock", "public_recipient", "king", None])
def test_no_group_gives_these(session: Session, agency: Agency, recorder: Remembered, role: Role | None) -> None:
    with pytest.raises(AccountError):
        put(session, recorder, agency.id, "officers", *(["officer", role] if role else []))

    assert recorder.events == []


def test_a_role_that_got_into_a_mapping_by_another_way_is_not_given(
    session: Session, agency: Agency, recorder: Remembered
) -> None:
    mapping = put(session, recorder, agency.id, "officers", "officer")
    mapping.roles = ["officer", "agency_admin", "a role of a later version"]

    assert groups.roles_of(mapping) == {"officer"}


@pytest.mark.parametrize("group", ["", "x" * 256, "a\0b", "a\nb", "\ud800"], ids=repr)
def test_what_nobody_can_read_is_no_group(session: Session, agency: Agency, recorder: Remembered, group: str) -> None:
    with pytest.raises(AccountError):
        put(session, recorder, agency.id, group, "officer")


def test_a_provider_of_others_is_refused(session: Session, agency: Agency) -> None:
    asked = {"profile": "generic", "issuer": "https://id.example", "client_id": "c", "agencies": ["Another"]}
    with pytest.raises(NotPermittedError):
        groups.check_provider(
            session, Provider("city", ProviderSettings.model_validate(asked), FromMemory()), agency.id
        )


@pytest.mark.parametrize("change", ["roles = '{agency_admin}'", "group_name = 'x'", "began_at = now()"])
def test_the_application_cannot_change_what_was_approved(
    session: Session, agency: Agency, recorder: Remembered, change: str
) -> None:
    put(session, recorder, agency.id, "officers", "officer")

    with pytest.raises(DBAPIError, match="permission denied"):
        session.execute(text(f"UPDATE group_mapping SET {change}"))
