"""An agency's own PostgreSQL that does not answer is named, with the cause, and nothing secret."""

import pytest
from sqlalchemy import make_url

from evidence.engines import agencys_own
from evidence.engines.postgres import Cluster
from evidence.errors import SetupError, UnavailableError

SETTING = "EVIDENCE_DATABASE_URL"


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("nonsense", "not the address of a database"),
        ("postgresql://x:rosebud@host:port/x", "not the address of a database"),
        ("mysql://x:rosebud@host/x", "must be PostgreSQL, not mysql"),
        ("postgresql://host/x", "names no role"),
    ],
)
def test_what_is_no_address_is_refused_by_the_name_of_its_setting(address: str, why: str) -> None:
    with pytest.raises(SetupError, match=why) as refused:
        agencys_own.read_url(address, setting=SETTING)

    assert SETTING in f"{refused.value} {refused.value.next_step}"
    assert "rosebud" not in f"{refused.value} {refused.value.next_step}"


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("postgresql://x:rosebud@127.0.0.1:9/files", "files at 127.0.0.1, port 9 cannot .* refused"),
        ("postgresql://x:rosebud@nowhere.invalid/files", "at nowhere.invalid, port 5432 .* no host of this name"),
        ("postgresql://x:rosebud@/files?host=/nowhere", "at /nowhere, port 5432 .* nothing listens"),
    ],
)
def test_what_does_not_answer_is_named_with_the_cause(address: str, why: str) -> None:
    with pytest.raises(UnavailableError, match=why) as away:
        agencys_own.require_answer(agencys_own.read_url(address, setting=SETTING), setting=SETTING)

    assert "rosebud" not in f"{away.value} {away.value.next_step}"


def test_what_the_server_turns_away_is_a_matter_of_setup(cluster: Cluster) -> None:
    url = make_url(cluster.app_url)
    agencys_own.require_answer(url, setting=SETTING)

    with pytest.raises(SetupError, match="no database of this name"):
        agencys_own.require_answer(url.set(database="none"), setting=SETTING)
    with pytest.raises(SetupError, match="no role of this name"):
        agencys_own.require_answer(url.set(username="nobody"), setting=SETTING)
