"""Fixtures of a real S3 server, stores on it, and a faulty proxy before it.

One server for the whole run; every store gets buckets of its own.
"""

import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from pydantic import SecretStr

from evidence.storage.s3 import S3Store
from tests.support import ceph
from tests.support.ceph import S3Server
from tests.support.faulty_s3 import FaultyS3
from tests.support.left_out import left_out

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A real S3 server with Object Lock."""
    if not ceph.is_installed():
        left_out("real S3 server: radosgw not installed")
    with ceph.running() as server:
        yield server


@pytest.fixture(scope="session")
def _faulty_s3(s3_server: S3Server) -> Iterator[FaultyS3]:
    with FaultyS3(s3_server.endpoint).running() as faulty:
        yield faulty


@pytest.fixture
def faulty_s3(_faulty_s3: FaultyS3) -> FaultyS3:
    """A proxy before the server, without a fault until `suffering` says which. Its `endpoint` is for settings."""
    _faulty_s3.fault = None
    return _faulty_s3


def new_bucket() -> str:
    """Make up a name that no other test uses."""
    return f"evidence-{secrets.token_hex(6)}"


def s3_store(server: S3Server, *, bucket: str, endpoint: str | None = None, **rest: Any) -> S3Store:
    """Open a store on the server, or through what stands before it at `endpoint`. It is not prepared."""
    return S3Store(
        bucket=bucket,
        staging_bucket=f"{bucket}-staging",
        endpoint=endpoint or server.endpoint,
        access_key=SecretStr(server.access_key),
        secret_key=SecretStr(server.secret_key),
        pause=0.02,
        **rest,
    )


def s3_client(server: S3Server, *, endpoint: str | None = None, **configuration: Any) -> "S3Client":
    """Open a plain client with all the rights the store has, to cheat with."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint or server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        config=Config(signature_version="s3v4", retries={"total_max_attempts": 1}, **configuration),
    )
