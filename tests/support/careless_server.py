"""A server that counts what it sends of a viewing only when all of it was sent: a kill in between is not on record."""

from collections.abc import Iterator

from evidence.clock import Clock
from evidence.database import Sessions
from evidence.review import viewings
from evidence.review.viewings import Footage
from tests.support.server import serve


def counted_afterwards(
    sessions: Sessions, clock: Clock, opened: Footage, *, start: int, length: int
) -> Iterator[bytes]:
    """Do what `viewings.read` does, the wrong way round."""
    yield from opened.reader.read(start, length)
    viewings._count(sessions, opened.viewing.id, length, at=clock())


if __name__ == "__main__":
    viewings.read = counted_afterwards
    serve()
