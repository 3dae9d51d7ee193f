"""What only a real S3 server can show: Object Lock refuses by itself, and a version stays what it was."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

import pytest
from botocore.exceptions import ClientError
from pydantic import SecretStr

from evidence.errors import IntegrityError, InvalidError, SetupError, TooLargeError, UnavailableError
from evidence.settings import Settings
from evidence.storage import open_store
from evidence.storage.frames import STORED_FRAME
from evidence.storage.s3 import S3Store
from evidence.storage.store import LockedError, Stored
from tests.evidence.storage.conftest import S3
from tests.support.ceph import S3Server
from tests.support.faulty_s3 import Fault, FaultyS3
from tests.support.s3 import new_bucket, s3_client, s3_store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.s3

KEY = "original/agency/2026/03/object"
BODY = b"footage" * 1000


def put(store: S3Store) -> Stored:
    return store.put(KEY, [BODY], size=len(BODY), sha256=sha256(BODY).digest())


def in_days(days: int) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)


@pytest.fixture
def store(s3: S3) -> S3Store:
    return s3_store(s3.server, bucket=s3.bucket)


@pytest.fixture
def raw(s3_server: S3Server) -> "S3Client":
    return s3_client(s3_server)


def denied(error: ClientError) -> bool:
    return error.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.parametrize("bypass", [False, True])
def test_the_server_itself_refuses_to_delete_a_locked_version(
    s3: S3, store: S3Store, raw: "S3Client", bypass: bool
) -> None:
    stored = store.lock(KEY, until=in_days(90), version=put(store).version)
    assert stored.version is not None

    with pytest.raises(ClientError) as refused:
        raw.delete_object(Bucket=s3.bucket, Key=KEY, VersionId=stored.version, BypassGovernanceRetention=bypass)

    assert denied(refused.value)
    assert b"".join(store.read(KEY, version=stored.version)) == BODY


def test_control_an_object_without_a_lock_is_deleted(s3: S3, raw: "S3Client") -> None:
    """Else the test above would say nothing about the lock."""
    store = s3_store(s3.server, bucket=s3.bucket, default_lock=None)
    version = put(store).version
    assert version is not None

    raw.delete_object(Bucket=s3.bucket, Key=KEY, VersionId=version)

    with pytest.raises(KeyError):
        store.head(KEY, version=version)


@pytest.mark.parametrize("mode", ["COMPLIANCE", "GOVERNANCE"])
def test_the_server_itself_refuses_to_shorten_or_weaken_a_lock(
    s3: S3, store: S3Store, raw: "S3Client", mode: Literal["COMPLIANCE", "GOVERNANCE"]
) -> None:
    until = in_days(90)
    version = store.lock(KEY, until=until, version=put(store).version).version
    assert version is not None

    with pytest.raises(ClientError) as refused:
        raw.put_object_retention(
            Bucket=s3.bucket,
            Key=KEY,
            VersionId=version,
            Retention={"Mode": mode, "RetainUntilDate": in_days(1)},
            BypassGovernanceRetention=True,
        )

    assert denied(refused.value)
    assert store.head(KEY, version=version).locked_until == until
    later = in_days(91)
    assert store.lock(KEY, until=later, version=version).locked_until == later


def test_a_held_version_is_not_deleted_until_released(s3: S3, raw: "S3Client") -> None:
    store = s3_store(s3.server, bucket=s3.bucket, default_lock=None)
    version = store.place_hold(KEY, version=put(store).version).version
    assert version is not None

    with pytest.raises(ClientError) as refused:
        raw.delete_object(Bucket=s3.bucket, Key=KEY, VersionId=version, BypassGovernanceRetention=True)
    assert denied(refused.value)

    store.release_hold(KEY, version=version)
    raw.delete_object(Bucket=s3.bucket, Key=KEY, VersionId=version)


def test_what_somebody_writes_over_a_key_or_hides_does_not_touch_the_version(
    s3: S3, store: S3Store, raw: "S3Client"
) -> None:
    version = put(store).version
    raw.put_object(Bucket=s3.bucket, Key=KEY, Body=b"doctored")
    assert b"".join(store.read(KEY)) == b"doctored"
    assert b"".join(store.read(KEY, version=version)) == BODY

    raw.delete_object(Bucket=s3.bucket, Key=KEY)

    with pytest.raises(KeyError):
        store.head(KEY)
    assert b"".join(store.read(KEY, version=version, start=7, length=7)) == b"footage"
    assert store.lock(KEY, until=in_days(3), version=version).locked_until == in_days(3)


def test_an_object_is_locked_from_the_moment_it_is_there(s3_server: S3Server) -> None:
    """Between completion and `lock` the bucket's default retention stands."""
    store = s3_store(s3_server, bucket=new_bucket())
    store.prepare()
    token = store.begin(KEY)
    store.write_piece(KEY, token, 0, BODY)

    stored = store.complete(KEY, token, size=len(BODY))

    assert stored.locked_until is not None
    assert stored.locked_until > datetime.now(UTC) + timedelta(hours=23)
    with pytest.raises(LockedError):
        store.remove(KEY)


def test_removing_takes_every_version_or_none(s3: S3, raw: "S3Client") -> None:
    store = s3_store(s3.server, bucket=s3.bucket, default_lock=None)
    first = store.place_hold(KEY, version=put(store).version).version
    second = raw.put_object(Bucket=s3.bucket, Key=KEY, Body=b"second")["VersionId"]
    raw.delete_object(Bucket=s3.bucket, Key=KEY)

    with pytest.raises(LockedError):
        store.remove(KEY)
    assert b"".join(store.read(KEY, version=second)) == b"second"

    store.release_hold(KEY, version=first)
    store.remove(KEY)
    left = raw.list_object_versions(Bucket=s3.bucket)
    assert not left.get("Versions")
    assert not left.get("DeleteMarkers")


def test_preparing_makes_what_is_absent_and_is_harmless_again(s3_server: S3Server, raw: "S3Client") -> None:
    bucket = new_bucket()
    store = s3_store(s3_server, bucket=bucket)

    store.prepare()
    store.prepare()

    assert raw.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    rule = raw.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]["Rule"]
    assert rule["DefaultRetention"] == {"Mode": "COMPLIANCE", "Days": 1}
    with pytest.raises(ClientError, match="ObjectLockConfigurationNotFound"):
        raw.get_object_lock_configuration(Bucket=f"{bucket}-staging")


def test_a_bucket_without_object_lock_is_refused(s3_server: S3Server, raw: "S3Client") -> None:
    bucket = new_bucket()
    raw.create_bucket(Bucket=bucket)

    with pytest.raises(SetupError, match="no Object Lock") as refused:
        s3_store(s3_server, bucket=bucket).prepare()

    assert "does not exist yet" in refused.value.next_step


def test_wrong_credentials_are_a_matter_of_setup(s3_server: S3Server) -> None:
    wrong = S3Server(s3_server.endpoint, s3_server.access_key, "wrong")

    with pytest.raises(SetupError, match="credentials"):
        s3_store(wrong, bucket=new_bucket()).prepare()


def test_a_store_that_does_not_answer_is_unavailable(s3: S3) -> None:
    nowhere = s3_store(s3.server, bucket=s3.bucket, endpoint="http://127.0.0.1:9")

    with pytest.raises(UnavailableError):
        nowhere.head(KEY)
    with pytest.raises(UnavailableError):
        list(nowhere.read(KEY))


@pytest.mark.parametrize("position", [1, STORED_FRAME, 8 * STORED_FRAME + 1])
def test_a_piece_has_its_place(store: S3Store, position: int) -> None:
    with pytest.raises(InvalidError):
        store.write_piece(KEY, store.begin(KEY), position, BODY)


def test_says_how_large_an_object_may_be(store: S3Store) -> None:
    token = store.begin(KEY)

    with pytest.raises(TooLargeError):
        store.write_piece(KEY, token, store.maximum_size, BODY)

    assert store.maximum_size > 70 << 30


def test_no_object_is_made_of_parts_that_somebody_exchanged(s3: S3, store: S3Store, raw: "S3Client") -> None:
    """A part of another size, put there by hand, does not go unnoticed into the object."""
    token = store.begin(KEY)
    store.write_piece(KEY, token, 0, BODY)
    raw.upload_part(Bucket=s3.bucket, Key=KEY, UploadId=token, PartNumber=2, Body=b"more")

    with pytest.raises(IntegrityError):
        store.complete(KEY, token, size=len(BODY))


def test_a_request_is_sent_again_at_most_four_times_with_jitter(
    s3: S3, faulty_s3: FaultyS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("evidence.storage.s3.time.sleep", waits.append)
    store = s3_store(s3.server, bucket=s3.bucket, endpoint=faulty_s3.endpoint)

    with faulty_s3.suffering(Fault.SLOW_DOWN, always=True):
        for _ in range(5):
            with pytest.raises(UnavailableError):
                store.head(KEY)
        with pytest.raises(UnavailableError):
            list(store.read("original/2"))

    assert sorted(faulty_s3.tries.values()) == [5, 25]
    assert len(waits) == 24
    assert all(0 <= wait <= 0.02 * 2 ** (index % 4) for index, wait in enumerate(waits))
    assert len(set(waits)) > 20


def test_the_settings_open_an_s3_store(s3_server: S3Server) -> None:
    bucket = new_bucket()
    settings = Settings(
        store="s3",
        s3_endpoint=s3_server.endpoint,
        s3_bucket=bucket,
        s3_access_key=SecretStr(s3_server.access_key),
        s3_secret_key=SecretStr(s3_server.secret_key),
    )

    store = open_store(settings)
    store.prepare()

    stored = store.put(KEY, [BODY], size=len(BODY), sha256=sha256(BODY).digest())
    assert stored.locked_until is not None
    assert "compliance" in store.lock_binds
