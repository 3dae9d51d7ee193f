"""Eight ways in which S3 and the network fail: no wrong byte is accepted, and in the end all is there."""

import random
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import TYPE_CHECKING, Literal
from uuid import UUID

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from evidence.storage.arriving import ArrivingObject
from evidence.storage.frames import FRAME_SIZE, FrameCipher, Reader, stored_size
from evidence.storage.read_back import CHUNK_SIZE, read_back
from evidence.storage.s3 import RETRIES, S3Store
from tests.support.ceph import S3Server
from tests.support.faulty_s3 import Fault, FaultyS3
from tests.support.s3 import new_bucket, s3_client, s3_store

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedMultipartUploadTypeDef

pytestmark = pytest.mark.s3

CIPHER = FrameCipher(UUID(int=4), bytes(32))
SIZES = [0, 1, 100_000, FRAME_SIZE, FRAME_SIZE + 1, 3_000_000, CHUNK_SIZE, CHUNK_SIZE + 500_000]


def footage(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def key_of(size: int) -> str:
    return f"original/{size}"


def upload(store: S3Store, size: int) -> bytes:
    """Do what ingest does, taking the upload up anew half-way, and return the digest of what was read back."""
    content, key, half = footage(size), key_of(size), size // 2
    token = store.begin(key)
    first = ArrivingObject(store, key, token, CIPHER, size=size, offset=0)
    first.write(content[:half])
    offset = first.checkpoint() if half else 0
    second = ArrivingObject(store, key, token, CIPHER, size=size, offset=offset)
    second.write(content[offset:])
    second.checkpoint()
    stored = store.complete(key, token, size=stored_size(size))
    frames = Reader(store, key, CIPHER, size=size, version=stored.version).frames(afresh=True)
    return read_back(CIPHER, frames, size=size).sha256


@pytest.mark.parametrize("checksums", ["when_required", "when_supported"])
@pytest.mark.parametrize("fault", Fault)
def test_every_upload_is_whole_in_the_end_and_no_wrong_byte_is_accepted(
    s3_server: S3Server, faulty_s3: FaultyS3, fault: Fault, checksums: Literal["when_required", "when_supported"]
) -> None:
    bucket = new_bucket()
    direct = s3_store(s3_server, bucket=bucket, default_lock=None)
    direct.prepare()
    faulty_s3.slow = 2.5
    store = s3_store(s3_server, bucket=bucket, endpoint=faulty_s3.endpoint, timeout=2, checksums=checksums)

    with faulty_s3.suffering(fault), ThreadPoolExecutor(8) as pool:
        accepted = dict(zip(SIZES, pool.map(lambda size: upload(store, size), SIZES), strict=True))

    assert faulty_s3.faults >= len(SIZES) // 2, "the fault must have happened"
    for size in SIZES:
        assert accepted[size] == sha256(footage(size)).digest()
        assert b"".join(Reader(direct, key_of(size), CIPHER, size=size).read()) == footage(size)
    assert all(tries <= 1 + RETRIES for (method, _), tries in faulty_s3.tries.items() if method == "PUT")
    for left in list(direct.staged()):
        direct.abandon(left.key, left.token)
    assert list(direct.staged()) == []


@pytest.mark.parametrize("fault", [Fault.DAMAGED_WRITE, Fault.DAMAGED_READ])
def test_control_without_md5_and_reading_back_wrong_bytes_are_accepted(
    s3_server: S3Server, faulty_s3: FaultyS3, fault: Fault
) -> None:
    """The proxy does damage: a client that believes the server takes wrong bytes for right."""
    bucket = new_bucket()
    s3_client(s3_server).create_bucket(Bucket=bucket)
    naive = s3_client(
        s3_server,
        endpoint=faulty_s3.endpoint,
        s3={"payload_signing_enabled": False},
        request_checksum_calculation="when_required",
    )

    wrong = 0
    with faulty_s3.suffering(fault):
        for size in SIZES:
            try:
                naive.put_object(Bucket=bucket, Key=key_of(size), Body=footage(size))
                found = naive.get_object(Bucket=bucket, Key=key_of(size))["Body"].read()
            except (ClientError, BotoCoreError):
                continue
            wrong += found != footage(size)

    assert wrong > 0


def test_control_a_client_that_takes_a_lost_answer_for_a_failure_is_wrong(
    s3_server: S3Server, faulty_s3: FaultyS3
) -> None:
    bucket = new_bucket()
    raw = s3_client(s3_server)
    raw.create_bucket(Bucket=bucket)
    naive = s3_client(s3_server, endpoint=faulty_s3.endpoint)
    token = raw.create_multipart_upload(Bucket=bucket, Key="a")["UploadId"]
    tag = raw.upload_part(Bucket=bucket, Key="a", UploadId=token, PartNumber=1, Body=b"footage")["ETag"]

    parts: CompletedMultipartUploadTypeDef = {"Parts": [{"PartNumber": 1, "ETag": tag}]}

    with faulty_s3.suffering(Fault.LOST_REPLY), pytest.raises(BotoCoreError):
        naive.complete_multipart_upload(Bucket=bucket, Key="a", UploadId=token, MultipartUpload=parts)

    assert raw.head_object(Bucket=bucket, Key="a")["ContentLength"] == len(b"footage")
