"""Whatever the description of the interface allows to be sent, and much that it does not, is answered as it says.

Every operation by schemathesis, asked by one role after the other: never a 5xx, never a status, type or body that
the description does not have.  The long run is `python -m bench.fuzzing`.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from evidence.main import create_app
from tests.support.database import database_from
from tests.support.fuzzing import OPERATIONS, fuzz
from tests.support.rooms import room_for
from tests.support.town import Town, a_town


@pytest.fixture(scope="module")
def town(cluster: Any, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with database_from(cluster, template) as database, room_for(database, tmp_path_factory.mktemp("town")) as room:
        yield a_town(room)


@pytest.fixture(scope="module")
def client(town: Town) -> Iterator[TestClient]:
    with TestClient(create_app(town.room), raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_every_operation_answers_as_it_is_described(client: TestClient, town: Town, operation: Any) -> None:
    fuzz(client, town, operation, examples=4)
