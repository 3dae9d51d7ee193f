"""What the doctor finds: nothing in a healthy room, and each thing that was broken on purpose."""

import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import make_url

from evidence import doctor, room
from evidence.doctor import Finding
from evidence.engines import postgres, schema
from evidence.engines.postgres import Cluster
from evidence.errors import SetupError
from evidence.settings import Settings
from evidence.storage import open_store
from tests.support.people import a_person


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An installation that is ready, with nothing running."""
    settings = Settings(home=tmp_path_factory.mktemp("home"), port=9)
    room.prepare(settings)
    return settings


@pytest.fixture
def running(healthy: Settings) -> Iterator[Cluster]:
    """Its database, to be broken by its owner."""
    with postgres.attached(healthy.home) as cluster:
        yield cluster


def findings(settings: Settings, **more: object) -> dict[str, Finding]:
    return {each.subject: each for each in doctor.examine(settings, **more)}  # type: ignore[arg-type]


def wrong(settings: Settings) -> list[str]:
    return [each.subject for each in doctor.examine(settings) if each.health == "wrong"]


def as_owner(cluster: Cluster, *statements: str) -> None:
    url = make_url(cluster.superuser_url.replace("/postgres?", "/evidence?")).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True, dbname="evidence") as connection:
        for statement in statements:
            connection.execute(statement.encode())


def test_a_healthy_room_is_well(healthy: Settings) -> None:
    found = findings(healthy)

    assert [each for each in found.values() if each.health == "wrong"] == []
    assert {"database", "clock", "schema", "roles", "custody", "signing keys", "worker", "store", "store lock"} <= set(
        found
    )
    assert {"agency key", "disk", "ffmpeg", "sandbox"} <= set(found)
    assert all(each.sentence.endswith((".", "!")) for each in found.values())
    assert "root" in found["store lock"].sentence
    assert "copy elsewhere" in found["agency key"].next_step


def test_an_agency_with_one_administrator_is_named(healthy: Settings) -> None:
    found = []
    for _ in range(2):
        with room.open_room(healthy) as opened:
            a_person(opened, "agency_admin")
        found.append(findings(healthy)["administrators"])

    assert [each.health for each in found] == ["wrong", "well"]
    assert "Riverbend Police Department has 1" in found[0].sentence


def test_a_room_that_was_never_made_ready_is_named(tmp_path: Path) -> None:
    found = findings(Settings(home=tmp_path / "none"))

    assert {found[each].health for each in ("database", "store", "agency key", "disk")} == {"wrong"}
    assert f"no installation in {tmp_path / 'none'}" in found["database"].sentence
    assert "EVIDENCE_HOME" in found["database"].next_step
    assert not (tmp_path / "none").exists(), "looking makes nothing"


def test_a_room_that_was_never_made_is_not_made_by_opening_it(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no installation"), room.open_room(Settings(home=tmp_path / "none")):
        pass

    assert not (tmp_path / "none").exists()


def test_a_database_that_does_not_answer_is_named(healthy: Settings) -> None:
    away = healthy.model_copy(
        update={"database_url": Settings(database_url="postgresql://x@127.0.0.1:9/x").database_url}
    )

    found = findings(away)["database"]

    assert found.health == "wrong"
    assert "at 127.0.0.1, port 9 cannot be reached: the connection was refused" in found.sentence


@pytest.mark.parametrize("right", ["UPDATE", "DELETE", "TRUNCATE", "UPDATE (raw)"])
def test_a_right_to_change_custody_is_found(healthy: Settings, running: Cluster, right: str) -> None:
    as_owner(running, f"GRANT {right} ON custody_record TO evidence_app")
    try:
        found = findings(healthy)["custody"]
    finally:
        as_owner(running, f"REVOKE {right} ON custody_record FROM evidence_app")

    assert found.health == "wrong"
    assert "custody_record" in found.sentence
    assert wrong(healthy) == []


@pytest.mark.parametrize("table", doctor.SEALED_TABLES)
def test_a_trigger_that_was_disabled_is_found(healthy: Settings, running: Cluster, table: str) -> None:
    trigger = f"{table}_refuse_update"
    as_owner(running, f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
    try:
        found = findings(healthy)["custody"]
    finally:
        as_owner(running, f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")

    assert (found.health, table in found.sentence) == ("wrong", True)
    assert wrong(healthy) == []


def test_an_application_that_owns_the_tables_is_found(healthy: Settings, running: Cluster) -> None:
    as_owner(running, "GRANT evidence_owner TO evidence_app")
    try:
        found = findings(healthy)["roles"]
    finally:
        as_owner(running, "REVOKE evidence_owner FROM evidence_app")

    assert found.health == "wrong"


def test_an_old_schema_is_found(healthy: Settings, running: Cluster) -> None:
    head = schema.pending(None)[-1].split()[0]
    as_owner(running, "UPDATE alembic_version SET version_num = '20261122_0900'")
    try:
        found = findings(healthy)["schema"]
    finally:
        as_owner(running, f"UPDATE alembic_version SET version_num = '{head}'")

    assert (found.health, "evidence migrate" in found.next_step) == ("wrong", True)
    assert wrong(healthy) == []


def test_a_clock_that_is_off_is_found(healthy: Settings) -> None:
    def late() -> datetime:
        return datetime.now(UTC) - timedelta(seconds=5)

    assert findings(healthy, clock=late)["clock"].health == "wrong"


def test_an_agency_key_that_others_can_read_is_found(healthy: Settings) -> None:
    healthy.agency_key_path.chmod(0o640)
    try:
        found = findings(healthy)["agency key"]
    finally:
        healthy.agency_key_path.chmod(0o600)

    assert found.health == "wrong"


def test_an_agency_key_among_the_objects_is_found(healthy: Settings) -> None:
    inside = healthy.objects_path / "keys" / "agency.json"
    inside.parent.mkdir(parents=True)
    inside.write_bytes(healthy.agency_key_path.read_bytes())
    inside.chmod(stat.S_IRUSR | stat.S_IWUSR)

    found = findings(healthy.model_copy(update={"agency_key_file": inside}))["agency key"]

    assert (found.health, "among the objects" in found.sentence) == ("wrong", True)


def test_a_missing_agency_key_is_found(healthy: Settings, tmp_path: Path) -> None:
    lost = healthy.model_copy(update={"agency_key_file": tmp_path / "lost.json"})

    assert wrong(lost) == ["agency key"]


def test_signing_keys_that_custody_does_not_know_are_found(healthy: Settings, tmp_path: Path) -> None:
    other = Settings(home=tmp_path / "other")
    room.prepare(other)

    found = findings(healthy.model_copy(update={"signing_keys_folder": other.signing_keys_path}))["signing keys"]

    assert found.health == "wrong"


def test_missing_signing_keys_are_found(healthy: Settings, tmp_path: Path) -> None:
    found = findings(healthy.model_copy(update={"signing_keys_folder": tmp_path}))["signing keys"]

    assert found.health == "wrong"


def test_a_full_disk_is_found(healthy: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LEAST_FREE", 1 << 62)

    assert wrong(healthy) == ["disk"]


def test_an_ffmpeg_that_is_not_there_is_found(healthy: Settings, tmp_path: Path) -> None:
    without = healthy.transcode.model_copy(update={"ffmpeg": tmp_path / "none"})

    assert wrong(healthy.model_copy(update={"transcode": without})) == ["ffmpeg"]


ORIGINAL = """
    INSERT INTO agency (id, name, created_at) VALUES ('{id}', 'A', now());
    INSERT INTO stored_object (id, agency_id, key, wrapped_key, agency_key_id, size, sha256, stored_size,
        stored_sha256, created_at)
    VALUES ('{id}', '{id}', '{key}', 'k', 'a', 4, 's', 4, 's', now());
    INSERT INTO evidence_item (id, agency_id, number, received_at, received_from_kind, received_from_id, declared,
        filename, content_type, size, sha256, chunks_sha256, original_object_id, chunks_object_id)
    VALUES ('{id}', '{id}', '2026-000001', now(), 'account', '{id}', 'none', 'a', 'b', 4, 's', 's', '{id}', '{id}')
"""


def test_an_original_that_is_gone_or_cut_is_found(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", port=9)
    room.prepare(settings)
    id, key, content = uuid4(), "a" * 32, b"four"
    store = open_store(settings)
    store.put(key, [content], size=4, sha256=sha256(content).digest())
    with postgres.attached(settings.home) as cluster:
        as_owner(cluster, *ORIGINAL.format(id=id, key=key).split(";"))
        (stored,) = [each for each in settings.objects_path.rglob("*") if each.is_file() and each.name.startswith("aa")]

        assert findings(settings)["originals"].health == "well"
        stored.chmod(0o600)
        stored.write_bytes(b"for")
        assert "2026-000001 has 3 stored bytes, not 4" in findings(settings)["originals"].sentence
        stored.unlink()
        assert "2026-000001 is gone" in findings(settings)["originals"].sentence
        assert wrong(settings) == ["administrators", "originals"], "and nobody was made an administrator"
