"""R-3 and R-4: a failing S3 and a full disk under uploads. Nothing wrong is received, nothing is left undone."""

import os
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from evidence.engines.postgres import Cluster
from evidence.ids import new_id
from evidence.ingest.sweep import sweep
from evidence.room import Room
from evidence.storage.read_back import CHUNK_SIZE
from tests.support.application import application_over
from tests.support.ceph import S3Server
from tests.support.database import Database, database_from
from tests.support.faulty_s3 import Fault, FaultyS3
from tests.support.left_out import left_out
from tests.support.people import a_person
from tests.support.rooms import room_for
from tests.support.s3 import new_bucket
from tests.support.uploading import Sender, footage_like, require_receipt, stored_original

SIZES = [0, 1, 100_000, 1 << 20, (1 << 20) + 1, 3_000_000, CHUNK_SIZE, CHUNK_SIZE + 500_000]
PATIENCE = 20
"""How often a client comes back before it gives up."""


def carried_through(officer: Sender, body: bytes) -> str:
    """Upload as a patient client does: whatever goes wrong, ask for the offset and go on. Return the address."""
    where = _opened(officer, body)
    officer.append(where, body[: len(body) // 2], at=0)
    for _ in range(PATIENCE):
        head = officer.head(where)
        if head.status_code == 200:
            offset = int(head.headers["Upload-Offset"])
            if "Link" in head.headers:
                return where
            officer.append(where, body[offset:], at=offset)
        else:
            assert head.status_code in (423, 503, 507), (head.status_code, officer.show(where))
            time.sleep(0.2)
    raise AssertionError(f"never received: {officer.show(where)}")


def _opened(officer: Sender, body: bytes) -> str:
    for _ in range(PATIENCE):
        answer = officer.open(len(body), filename="stop.mp4", sha256=sha256(body).hexdigest())
        if answer.status_code == 201:
            return str(answer.headers["Location"])
        assert answer.status_code == 503, answer.text
        time.sleep(0.2)
    raise AssertionError("never opened")


@contextmanager
def room_on_s3(cluster: Cluster, template: str, folder: Path, server: S3Server, endpoint: str) -> Iterator[Room]:
    with (
        database_from(cluster, template) as database,
        room_for(
            database,
            folder,
            store="s3",
            s3_endpoint=endpoint,
            s3_bucket=new_bucket(),
            s3_access_key=SecretStr(server.access_key),
            s3_secret_key=SecretStr(server.secret_key),
        ) as room,
    ):
        yield room


@pytest.fixture(scope="module")
def room(
    cluster: Cluster, template: str, tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server, _faulty_s3: FaultyS3
) -> Iterator[Room]:
    folder = tmp_path_factory.mktemp("s3") / "home"
    _faulty_s3.fault = None
    with room_on_s3(cluster, template, folder, s3_server, _faulty_s3.endpoint) as room:
        yield room


@pytest.mark.s3
@pytest.mark.parametrize("fault", Fault)
def test_uploads_are_received_however_s3_fails(room: Room, faulty_s3: FaultyS3, fault: Fault) -> None:
    headers = a_person(room, "officer", agency=f"Police Department {new_id()}").headers
    faulty_s3.slow = 1.0
    bodies = [footage_like(size, seed=number) for number, size in enumerate(SIZES)]

    with TestClient(application_over(room)) as client:
        officer = Sender(client, headers)
        with faulty_s3.suffering(fault), ThreadPoolExecutor(4) as pool:
            uploads = list(pool.map(lambda body: carried_through(officer, body), bodies))

        assert faulty_s3.faults >= len(SIZES), "the fault must have happened"
        for where, body in zip(uploads, bodies, strict=True):
            require_receipt(room, where, officer.receipt(where).text)
            assert stored_original(room, where) == body
    sweep(room)
    assert list(room.vault.store.staged()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """An installation's home whose objects are on a file system of 8 MiB."""
    if os.geteuid() != 0:
        left_out("a full disk under an upload: mounting an 8 MiB file system needs root")
    objects = tmp_path / "home" / "objects"
    objects.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(objects)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        left_out("a full disk under an upload: this machine does not let root mount a tmpfs")
    yield tmp_path / "home"
    subprocess.run(["umount", str(objects)], check=True)


@pytest.mark.root
def test_a_full_disk_is_said_and_the_upload_goes_on_when_there_is_room(database: Database, small_disk: Path) -> None:
    body = footage_like(5_000_000)
    with room_for(database, small_disk) as room, TestClient(application_over(room)) as client:
        officer = Sender(client, a_person(room, "officer").headers)
        where = officer.opened(body)
        officer.append(where, body[:1_500_000], at=0)
        filler = room.settings.objects_path / "filler"
        _fill(filler)

        answer = officer.append(where, body[1_500_000:], at=1_500_000)

        assert answer.status_code == 507
        assert answer.json()["next_step"]
        assert int(answer.headers["Retry-After"]) > 0
        assert officer.show(where)["state"] == "open"
        assert officer.head(where).headers["Upload-Offset"] == "1500000"

        filler.unlink()
        assert officer.append(where, body[1_500_000:], at=1_500_000).status_code == 204
        assert stored_original(room, where) == body


def _fill(filler: Path) -> None:
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return
