"""Sealer: somebody with a key outside the database, under which small secrets are kept in it."""

from typing import Protocol


class Sealer(Protocol):
    """Seals small secrets and opens them again. The application hands in one that has the key.

    A sealed secret opens only for what it was sealed for: moved to another row it is worthless.
    """

    def seal(self, secret: bytes, *, purpose: str) -> bytes:
        """Return the secret encrypted and authenticated, for that purpose alone."""
        ...

    def open(self, sealed: bytes, *, purpose: str) -> bytes:
        """Return the secret; raise ValueError when it was altered, is for another purpose, or its key is gone."""
        ...
