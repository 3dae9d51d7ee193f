"""The whole journey, in processes of its own: everything embedded, and a city's own database and object store."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from sqlalchemy import make_url

from tests.support import footage
from tests.support.ceph import S3Server
from tests.support.database import Database
from tests.support.installation import Installation, free_port
from tests.support.s3 import new_bucket, s3_client
from tests.support.waiting import until


def without_driver(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture
def embedded(tmp_path: Path) -> Installation:
    return Installation(tmp_path, free_port())


@pytest.fixture
def city(tmp_path: Path, database: Database, s3_server: S3Server) -> Installation:
    """An installation on a PostgreSQL and an S3 that were there before it."""
    settings = {
        "EVIDENCE_DATABASE_URL": without_driver(database.app_url),
        "EVIDENCE_OWNER_DATABASE_URL": without_driver(database.owner_url),
        "EVIDENCE_STORE": "s3",
        "EVIDENCE_S3_ENDPOINT": s3_server.endpoint,
        "EVIDENCE_S3_ACCESS_KEY": s3_server.access_key,
        "EVIDENCE_S3_SECRET_KEY": s3_server.secret_key,
        "EVIDENCE_S3_BUCKET": new_bucket(),
    }
    return Installation(tmp_path, free_port(), settings)


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A camera's card: a real recording, its sidecar, and a file that is no recording."""
    folder = tmp_path / "card"
    folder.mkdir()
    recording = folder / "CAM-0417_20260301_211405.mp4"
    recording.write_bytes(footage.recording())
    said = {"camera": "CAM-0417", "officer": "4711", "recorded_at": "2026-03-01T21:14:05Z"}
    recording.with_name(recording.name + ".json").write_text(json.dumps(said))
    (folder / "notes.bin").write_bytes(b"\0\1\2" * 4_000_000)
    return folder


def dock_to_verdict(room: Installation, card: Path) -> list[str]:
    """Dock, wait for the worker, export, verify as a stranger; return the evidence numbers."""
    uploaded = room.run("dock", "upload", card, "--still", "0", "--json")
    numbers = sorted(line["number"] for line in uploaded.of_kind("verified"))
    assert len(numbers) == 2
    until(lambda: all(media_is_known(room, number) for number in numbers), what="the worker to look at both")
    trust, package = room.folder / "trust.json", room.folder / "package.zip"
    room.run("trust", "--out", trust)
    room.run("export", *numbers, "--out", package, "--reason", "trial")
    stranger = subprocess.run(
        [sys.executable, "-I", "-m", "evidence.verify", package, "--trust", trust, "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=room.folder,
    )
    assert stranger.returncode == 0, stranger.stdout
    return numbers


def media_is_known(room: Installation, number: str) -> bool:
    content = room.run("item", "show", number, "--json").summary["result"]["item"]["content"]
    return content["media"] is not None or content["media_note"] is not None


def test_everything_embedded(embedded: Installation, card: Path) -> None:
    embedded.prepare()
    with embedded.serving():
        embedded.people()
        dock_to_verdict(embedded, card)


@pytest.fixture
def two_servers(city: Installation) -> Iterator[Installation]:
    """The city's installation behind two servers on one database and one object store."""
    city.prepare()
    second = Installation(city.folder / "second", free_port(), dict(city.settings))
    second.folder.mkdir()
    # Keys are brought to every host that serves, as a city's secrets are.
    keys = {
        "EVIDENCE_AGENCY_KEY_FILE": str(city.home / "keys" / "agency.json"),
        "EVIDENCE_SIGNING_KEYS_FOLDER": str(city.home / "keys" / "signing"),
        "EVIDENCE_PUBLIC_URL": city.url,
    }
    second.settings = {**second.settings, **keys}
    with city.serving(), second.serving("--no-worker"):
        city.people()
        yield city


@pytest.mark.s3
def test_a_city_of_its_own(two_servers: Installation, card: Path, s3_server: S3Server) -> None:
    dock_to_verdict(two_servers, card)

    client = s3_client(s3_server)
    bucket = two_servers.settings["EVIDENCE_S3_BUCKET"]
    versions = client.list_object_versions(Bucket=bucket)["Versions"]
    assert len(versions) >= 4, "two originals and two chunk lists"
    for version in versions:
        with pytest.raises(ClientError, match="AccessDenied"):
            client.delete_object(
                Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"], BypassGovernanceRetention=True
            )
