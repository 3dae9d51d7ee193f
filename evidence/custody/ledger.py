"""Append: an event becomes the bytes of a body, and the database makes it a record of its chain."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import orjson
import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from evidence.custody.events import CustodyEvent
from evidence.errors import TooLargeError
from evidence.proof import acts, disclosure
from evidence.proof.canonical import Value
from evidence.proof.disclosure import Disclosure
from evidence.proof.record import LARGEST_RECORD

CLOCK = {"source": "server"}
"""Where `at` comes from: the database server's clock, whose error is not known."""

_LARGEST_BODY = LARGEST_RECORD - 512
"""Bytes. The header of a record has at most 320."""

_LONGEST_KEY = 1024

_NONCE_SIZE = 16

_ORJSON = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER | orjson.OPT_PASSTHROUGH_SUBCLASS
_ORJSON |= orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME

APPEND = """
    SELECT place, record_id, seq, h, at, repeated
    FROM custody_append(%(chains)s::text[], %(keys)s::text[], %(bodies)s::text[])
"""
"""Without disclosures. Each parameter is made by `array_of`."""

# One round trip under the lock.  A repeated record has its own disclosures, whose salts are others.
_APPEND_AND_DISCLOSE = """
    WITH appended AS MATERIALIZED (
        SELECT * FROM custody_append(%(chains)s::text[], %(keys)s::text[], %(bodies)s::text[])
    ), disclosed AS (
        INSERT INTO custody_disclosure (record_id, digest, name, disclosure)
        SELECT appended.record_id, said.digest, said.name, said.disclosure
        FROM json_to_recordset(%(said)s::json) AS said (place integer, digest text, name text, disclosure text)
        JOIN appended ON appended.place = said.place
        WHERE NOT appended.repeated
    )
    SELECT place, record_id, seq, h, at, repeated FROM appended
"""


@dataclass(frozen=True, slots=True)
class Draft:
    """An event made ready: everything of its record but number, time and predecessor."""

    event: CustodyEvent
    chain: str
    key: str
    body: str
    disclosures: tuple[Disclosure, ...]


@dataclass(frozen=True, slots=True)
class SealedRecord:
    """Where an event stands in its chain. `hash` is the record's leaf hash (32 bytes), `at` the server's UTC.

    `repeated`: the same request had recorded it before, and this is that record.
    """

    event: CustodyEvent
    record_id: int
    chain: str
    seq: int
    hash: bytes
    at: datetime
    repeated: bool


def draft(event: CustodyEvent) -> Draft:
    """Make an event ready; raise FormatError when its act does not allow what it says."""
    disclosures = tuple(_disclose(event))
    said = {
        "n": secrets.token_hex(_NONCE_SIZE),
        "act": event.act,
        "clk": CLOCK,
        "actor": event.actor.members(),
        "req": event.request_id,
        **event.members(),
    }
    if event.on_behalf is not None:
        said["on_behalf"] = event.on_behalf.members()
    if facts := event.facts():
        said["facts"] = facts
    if disclosures:
        said["sd"] = sorted(salted.digest for salted in disclosures)
    acts.check(event.chain, said)
    body = encode(said)
    if len(body) > _LARGEST_BODY or len(event.key) > _LONGEST_KEY:
        raise TooLargeError(f"what {event.act} says is too long to be recorded", next_step="shorten what was sent")
    return Draft(event, event.chain, event.key, body.decode(), disclosures)


def encode(body: Value) -> bytes:
    """Encode a body as proof.canonical does, only quicker; a test holds the two equal."""
    return orjson.dumps(body, option=_ORJSON)


def append(session: Session, drafts: Sequence[Draft]) -> list[SealedRecord]:
    """Append the drafts to their chains, in one statement, and return the records in the same order.

    The heads of the chains stay locked until the transaction ends.
    """
    if not drafts:
        return []
    # The database wants chains in order, so that units of work with the same chains follow one another.
    in_order = sorted(drafts, key=attrgetter("chain"))
    asked: dict[str, Any] = {
        "chains": array_of(draft.chain for draft in in_order),
        "keys": array_of(draft.key for draft in in_order),
        "bodies": array_of(draft.body for draft in in_order),
    }
    said = [
        {"place": place, "digest": salted.digest, "name": salted.name, "disclosure": salted.text}
        for place, draft in enumerate(in_order, start=1)
        for salted in draft.disclosures
    ]
    if said:
        asked["said"] = orjson.dumps(said).decode()
    sealed = {}
    for place, record_id, seq, h, at, repeated in _call(session, _APPEND_AND_DISCLOSE if said else APPEND, asked):
        draft = in_order[place - 1]
        sealed[draft.chain, draft.key] = SealedRecord(
            draft.event, record_id, draft.chain, seq, h, at.astimezone(UTC), repeated
        )
    return [sealed[draft.chain, draft.key] for draft in drafts]


def array_of(texts: Iterable[str]) -> str:
    """Write an array as PostgreSQL reads one: the driver takes longer over a list than over all the rest."""
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in quoted) + "}"


def _call(session: Session, statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Execute by the driver itself: here SQLAlchemy would cost as much again as the append."""
    driver: psycopg.Connection | None = session.connection().connection.driver_connection
    assert driver is not None
    try:
        return driver.execute(statement, parameters).fetchall()
    except psycopg.Error as error:
        # What SQLAlchemy would raise, so that whoever ends the unit of work knows it.
        raise DBAPIError.instance(None, None, error, psycopg.Error) from error


def _disclose(event: CustodyEvent) -> list[Disclosure]:
    """Salt what the event says in confidence, and who the actor was."""
    said = event.sensitive()
    if actor := event.actor.sensitive():
        said["actor"] = actor
    if event.on_behalf is not None and (behalf := event.on_behalf.sensitive()):
        said["on_behalf"] = behalf
    return [disclosure.make(name, value, secrets.token_bytes(disclosure.SALT_SIZE)) for name, value in said.items()]
