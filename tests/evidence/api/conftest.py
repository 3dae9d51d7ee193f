"""A whole installation for all tests of one file, for tests that need not be alone in it."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from evidence.engines.postgres import Cluster
from evidence.main import create_app
from evidence.room import Room
from tests.support.database import database_from
from tests.support.rooms import room_for


@pytest.fixture(scope="module")
def one_room(cluster: Cluster, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """An installation whose cases need numbers of their own."""
    with (
        database_from(cluster, template) as database,
        room_for(database, tmp_path_factory.mktemp("one") / "home") as room,
    ):
        yield room


@pytest.fixture(scope="module")
def one_client(one_room: Room) -> Iterator[TestClient]:
    """Its application."""
    with TestClient(create_app(one_room)) as client:
        yield client
