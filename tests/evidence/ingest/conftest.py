"""An installation for the tests of ingest, an officer of an agency of their own, and what one server process holds."""

from collections.abc import Callable, Iterator

import pytest

from auth.principals import Principal
from evidence.engines.postgres import Cluster
from evidence.ids import new_id
from evidence.ingest.intake import Intake
from evidence.room import Room
from tests.support.database import database_from
from tests.support.people import a_person
from tests.support.rooms import room_for


@pytest.fixture(scope="module")
def shared_room(cluster: Cluster, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """One installation for a module."""
    home = tmp_path_factory.mktemp("ingest") / "home"
    with database_from(cluster, template) as database, room_for(database, home) as room:
        yield room


@pytest.fixture
def officer(shared_room: Room) -> Principal:
    """An officer, alone in their agency."""
    return a_person(shared_room, "officer", agency=f"Police Department {new_id()}", badge="4711").principal


@pytest.fixture
def intakes(shared_room: Room) -> Iterator[Callable[[], Intake]]:
    """Makes what one more server process would hold."""
    made: list[Intake] = []

    def make() -> Intake:
        made.append(Intake(shared_room))
        return made[-1]

    yield make
    for intake in made:
        intake.close()


@pytest.fixture
def intake(intakes: Callable[[], Intake]) -> Intake:
    """What one server process holds."""
    return intakes()
