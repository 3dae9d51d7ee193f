"""The three stores, each with a way to open it again and to let time pass."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from evidence.storage.local import LocalStore
from evidence.storage.memory import MemoryStore
from evidence.storage.store import ObjectStore
from tests.conftest import NOON
from tests.support.ceph import S3Server
from tests.support.clock import FixedClock
from tests.support.s3 import new_bucket, s3_store


class Place(ABC):
    """One kind of store, empty. `store` is an open one; `reopened` is what another process would have."""

    store: ObjectStore

    @abstractmethod
    def reopened(self) -> ObjectStore: ...

    @abstractmethod
    def now(self) -> datetime: ...

    @abstractmethod
    def let_pass(self, until: datetime) -> None: ...


class _Clocked(Place):
    def __init__(self) -> None:
        self.clock = FixedClock(NOON)

    def now(self) -> datetime:
        return self.clock()

    def let_pass(self, until: datetime) -> None:
        self.clock.now = until


class Memory(_Clocked):
    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore(clock=self.clock)

    def reopened(self) -> ObjectStore:
        return self.store


class Local(_Clocked):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.store = self.reopened()
        self.store.prepare()

    def reopened(self) -> ObjectStore:
        return LocalStore(self.folder, clock=self.clock)


class S3(Place):
    def __init__(self, server: S3Server) -> None:
        self.server = server
        self.bucket = new_bucket()
        self.store = self.reopened()
        self.store.prepare()

    def reopened(self) -> ObjectStore:
        return s3_store(self.server, bucket=self.bucket, default_lock=None)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def let_pass(self, until: datetime) -> None:
        while datetime.now(UTC) <= until + timedelta(seconds=1):
            time.sleep(0.1)


@pytest.fixture(params=["memory", "local", pytest.param("s3", marks=pytest.mark.s3)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    match request.param:
        case "memory":
            yield Memory()
        case "local":
            yield Local(tmp_path / "objects")
        case _:
            yield S3(request.getfixturevalue("s3_server"))


@pytest.fixture
def store(place: Place) -> ObjectStore:
    return place.store


@pytest.fixture
def s3(s3_server: S3Server) -> S3:
    """The S3 kind alone."""
    return S3(s3_server)


@pytest.fixture
def local(tmp_path: Path) -> Local:
    """The local kind alone."""
    return Local(tmp_path / "objects")
