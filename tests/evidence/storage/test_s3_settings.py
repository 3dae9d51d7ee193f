"""What is not set for an S3 store is named; no server is needed to find that out."""

import os

import pytest
from pydantic import SecretStr

from evidence.errors import SetupError
from evidence.storage.s3 import S3Store


def test_settings_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in os.environ if each.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    nothing_set = S3Store(bucket="b", staging_bucket="b-staging", endpoint="http://127.0.0.1:9")

    with pytest.raises(SetupError, match="no credentials") as refused:
        nothing_set.prepare()
    with pytest.raises(SetupError, match="EVIDENCE_S3_SECRET_KEY is not set"):
        S3Store(bucket="b", staging_bucket="b-staging", access_key=SecretStr("a"))

    for name in ("EVIDENCE_S3_ACCESS_KEY", "EVIDENCE_S3_SECRET_KEY", "EVIDENCE_S3_ENDPOINT"):
        assert name in refused.value.next_step
