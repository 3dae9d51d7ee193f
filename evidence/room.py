"""Room: what one process of an installation holds open, and how it is opened.

The server, the worker and the commands of the server's own console each open one.  Nothing is
connected while importing, and a room that is not ready says what to run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine

from auth.keys import TokenKeys
from auth.tokens import TokenIssuer, TokenVerifier
from evidence import database
from evidence.clock import Clock, system_clock
from evidence.custody.keys import SigningKeys
from evidence.database import Sessions
from evidence.engines import postgres, schema
from evidence.settings import Settings
from evidence.storage import open_store
from evidence.storage.keyring import AgencyKeyring
from evidence.storage.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Settings, database, object store, keys and clock of one process."""

    settings: Settings
    engine: Engine
    sessions: Sessions
    vault: Vault
    signing: SigningKeys
    issuer: TokenIssuer
    verifier: TokenVerifier
    clock: Clock
    origin: str


