"""Custody for tests: actors, events, and a checker that says what is wrong with stored chains."""

from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID, uuid4

import psycopg

from evidence.custody.events import AccessRefused, AccountSignedIn, Actor
from evidence.proof import record

OFFICER = UUID("0190b0b0-0000-7000-8000-000000000001")
ITEM_CHAIN = "item/0190b0b0-0000-7000-8000-0000000000aa"

Row = tuple[str, int, bytes, bytes]
"""chain, seq, h, raw, as a ledger keeps them."""


def an_actor(account_id: UUID = OFFICER) -> Actor:
    return Actor(
        type="account",
        id=str(account_id),
        roles=("officer",),
        method="password",
        session="0" * 64,
        name="Officer Park",
        badge="Q-4711",
        agency="0190b0b0-0000-7000-8000-00000000a6e0",
    )


def signed_in(account_id: UUID = OFFICER, *, request_id: str = "") -> AccountSignedIn:
    return AccountSignedIn(actor=an_actor(account_id), request_id=request_id or uuid4().hex, source="198.51.100.7")


def refused(account_id: UUID = OFFICER, *, request_id: str = "") -> AccessRefused:
    return AccessRefused(
        actor=an_actor(account_id), request_id=request_id or uuid4().hex, action="custody.export", reason="not yours"
    )


def rows(connection: psycopg.Connection, table: str = "custody_record") -> list[Row]:
    return connection.execute(f"SELECT chain, seq, h, raw FROM {table} ORDER BY id").fetchall()


def faults(kept: Iterable[Row]) -> set[str]:
    """Say what is wrong: fork, gap, prev, hash, place (says another place than it has), time. Empty: all is well."""
    chains: dict[str, list[Row]] = defaultdict(list)
    for row in kept:
        chains[row[0]].append(row)
    return {fault for chain, of_chain in chains.items() for fault in _faults(chain, of_chain)}


def _faults(chain: str, kept: list[Row]) -> Iterable[str]:
    numbers = sorted(seq for _, seq, _, _ in kept)
    if len(set(numbers)) != len(numbers):
        yield "fork"
    if sorted(set(numbers)) != list(range(1, len(set(numbers)) + 1)):
        yield "gap"
    expected, latest = None, ""
    for _, seq, h, raw in sorted(kept, key=lambda row: row[1]):
        sealed = record.parse(raw)
        if (sealed.chain, sealed.seq) != (chain, seq):
            yield "place"
        if sealed.prev != (expected or record.genesis(sealed.origin, chain)):
            yield "prev"
        if record.leaf_hash(raw) != h:
            yield "hash"
        if sealed.at < latest:
            yield "time"
        expected, latest = h, sealed.at
