"""The server's application for tests that start it again and again: putting it together takes a fifth of a second."""

from fastapi import FastAPI

from evidence.ingest.intake import Intake
from evidence.main import create_app
from evidence.room import Room

_APPLICATION = create_app()
"""Made at import, so that whoever forks has it too."""


def application_over(room: Room) -> FastAPI:
    """Return the application over an open room. One at a time: the one before is over another room no longer."""
    _APPLICATION.state.room = room
    _APPLICATION.state.intake = Intake(room)
    return _APPLICATION
