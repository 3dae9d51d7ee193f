"""A whole installation in a test: real database, real local store, keys of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from evidence.clock import Clock, system_clock
from evidence.room import Room, open_room, prepare
from evidence.settings import Settings
from tests.support.database import ORIGIN, Database


def settings_for(database: Database, folder: Path, **more: Any) -> Settings:
    """Return the settings of an installation on this database, with everything else in the folder."""
    return Settings(
        home=folder,
        origin=ORIGIN,
        database_url=SecretStr(database.app_url),
        owner_database_url=SecretStr(database.owner_url),
        **more,
    )


@contextmanager
def room_for(database: Database, folder: Path, *, clock: Clock = system_clock, **more: Any) -> Iterator[Room]:
    """Prepare the installation and open its room."""
    settings = settings_for(database, folder, **more)
    prepare(settings)
    with open_room(settings, clock=clock) as room:
        yield room
