"""What is said of validated cryptography is seen by trying, and never said of what is not."""

import hashlib
from typing import NoReturn

import pytest

from evidence import cjis
from evidence.settings import Settings


def refuse(*_: object, **__: object) -> NoReturn:
    raise ValueError("unsupported hash type")


def test_nothing_is_called_validated_where_nothing_runs_in_fips_mode() -> None:
    found = {each.use: each for each in cjis.uses(Settings())}

    assert {"originals at rest", "passwords"} <= found.keys()
    assert all(each.validated.startswith("no:") for each in found.values())
    assert not found["passwords"].approved


def test_a_module_that_refuses_md5_is_told_from_one_that_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashlib, "md5", refuse)

    said = {each.use: each.validated for each in cjis.uses(Settings())}

    assert said["digests of evidence and of custody records"].startswith("in FIPS mode")
    assert said["originals at rest"].startswith("no:"), "another module, which was not changed"


def test_the_object_store_has_its_own_line_where_there_is_one() -> None:
    assert "in transit, to the object store" not in {each.use for each in cjis.uses(Settings())}
    remote = Settings(store="s3")
    assert "in transit, to the object store" in {each.use for each in cjis.uses(remote)}
