"""What agrees three times becomes an item; what does not goes to quarantine and is explained."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import select, text

from auth.principals import Principal
from evidence.database import unit_of_work
from evidence.errors import UnavailableError
from evidence.ids import UploadId
from evidence.ingest import receive
from evidence.ingest.intake import Intake
from evidence.ingest.models import Upload
from evidence.ingest.quarantine import locked_until
from evidence.items.models import EvidenceItem
from evidence.room import Room
from evidence.storage.frames import seal_all
from evidence.storage.models import StoredObject
from evidence.storage.read_back import ReadBack
from evidence.storage.store import LockedError, ObjectStore
from evidence.storage.vault import Vault
from tests.support.arrivals import acts, begun, ended, entries, lapse, sent, whole, written
from tests.support.uploading import footage_like

BODY = footage_like(9_500_000, seed=7)


def row_of(room: Room, object_id: UUID) -> StoredObject:
    with unit_of_work(room.sessions) as session:
        return session.get_one(StoredObject, object_id)


def item_of(room: Room, upload: Upload) -> EvidenceItem:
    with unit_of_work(room.sessions) as session:
        return session.get_one(EvidenceItem, upload.item_id)


def content_of(room: Room, object_id: UUID) -> bytes:
    with unit_of_work(room.sessions) as session:
        return b"".join(room.vault.read(session, object_id))


def test_a_received_upload_is_an_item_with_its_chunk_list_and_its_record(
    shared_room: Room, intake: Intake, officer: Principal
) -> None:
    upload = sent(intake, officer, BODY)

    item = item_of(shared_room, upload)
    digests = [sha256(BODY[at : at + (8 << 20)]).hexdigest() for at in range(0, len(BODY), 8 << 20)]
    chunks = "".join(f"{digest}\n" for digest in digests).encode()
    assert (item.size, item.sha256, item.declared) == (len(BODY), sha256(BODY).digest(), "sha256")
    assert content_of(shared_room, item.original_object_id) == BODY
    assert content_of(shared_room, item.chunks_object_id) == chunks
    assert item.chunks_sha256 == sha256(chunks).digest()
    [entry] = entries(shared_room, f"item/{item.id}")
    assert entry.body["act"] == "item.received"
    assert {each["kind"]: each["sha256"] for each in entry.body["att"]} == {
        "declared": sha256(BODY).hexdigest(),
        "read_back": sha256(BODY).hexdigest(),
        "streamed_chunks": sha256(chunks).hexdigest(),
        "read_back_chunks": sha256(chunks).hexdigest(),
    }
    original = next(each for each in entry.body["obj"] if each["role"] == "original")
    stored = b"".join(shared_room.vault.store.read(row_of(shared_room, item.original_object_id).key))
    assert original["sha256"] == sha256(BODY).hexdigest()
    assert original["enc"] == {
        "format": "evidence.frame.v1",
        "sha256": sha256(stored).hexdigest(),
        "size": len(stored),
    }
    assert acts(shared_room, f"account/{officer.id}")[-1] == "upload.opened"


def test_both_objects_are_locked_for_the_agency_s_minimum(
    shared_room: Room, intake: Intake, officer: Principal
) -> None:
    item = item_of(shared_room, sent(intake, officer, BODY + b"locked"))

    for object_id in (item.original_object_id, item.chunks_object_id):
        key = row_of(shared_room, object_id).key
        until = shared_room.vault.store.head(key).locked_until
        assert until is not None
        assert until >= item.received_at + timedelta(days=90)
        with pytest.raises(LockedError):
            shared_room.vault.store.remove(key)


def test_the_lock_counts_whole_days(shared_room: Room) -> None:
    late = datetime(2026, 3, 2, 23, 59, tzinfo=UTC)

    assert locked_until(late, shared_room.settings) == datetime(2026, 6, 1, tzinfo=UTC)


def test_without_a_declared_digest_it_says_so(shared_room: Room, intake: Intake, officer: Principal) -> None:
    item = item_of(shared_room, sent(intake, officer, BODY + b"undeclared", declared=None))

    [entry] = entries(shared_room, f"item/{item.id}")
    assert item.declared == "none"
    assert {each["kind"] for each in entry.body["att"]} == {"read_back", "streamed_chunks", "read_back_chunks"}


def test_what_is_not_as_declared_is_kept_locked_and_recorded(
    shared_room: Room, intake: Intake, officer: Principal
) -> None:
    upload = sent(intake, officer, BODY + b"other", declared=sha256(BODY).digest())

    assert (upload.state, upload.item_id) == ("quarantined", None)
    assert sha256(BODY).hexdigest() in str(upload.explanation)
    assert upload.found_sha256 == sha256(BODY + b"other").digest()
    assert content_of(shared_room, upload.object_id) == BODY + b"other"
    with pytest.raises(LockedError):
        shared_room.vault.store.remove(row_of(shared_room, upload.object_id).key)
    entry = entries(shared_room, f"account/{officer.id}")[-1]
    assert (entry.body["act"], entry.body["facts"]["reason"]) == ("upload.quarantined", "not_as_declared")


class Damaging:
    """A store that alters what it has of an upload before it is made the object, or what it reads."""

    def __init__(self, store: ObjectStore, *, alter: Callable[[bytes], bytes] | None = None, reads: int = 0) -> None:
        self._store = store
        self._alter = alter
        self._reads = reads

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def complete(self, key: str, token: str, *, size: int) -> Any:
        if self._alter is not None:
            staged = bytes(self._store.read_staged(key, token, 0, size))
            self._store.write_piece(key, token, 0, self._alter(staged))
            self._store.sync(key, token)
            self._alter = None
        return self._store.complete(key, token, size=size)

    def read(self, key: str, **named: Any) -> Iterator[bytes]:
        for block in self._store.read(key, **named):
            if self._reads:
                self._reads -= 1
                yield block[:-1] + bytes([block[-1] ^ 1])
            else:
                yield block


def damaged(intake: Intake, **how: Any) -> None:
    store = cast("ObjectStore", Damaging(intake.room.vault.store, **how))
    intake.room = replace(intake.room, vault=Vault(store, intake.room.vault.keyring))


@pytest.mark.parametrize("at", [0, 12, 5_000_000, -1])
def test_bytes_altered_in_the_store_are_found_before_anybody_is_told(
    intakes: Callable[[], Intake], officer: Principal, at: int
) -> None:
    server, successor = intakes(), intakes()
    upload_id = whole(server, officer, BODY + b"%d" % at)
    damaged(successor, alter=lambda stored: _flipped(stored, at))

    upload = ended(successor, upload_id)

    assert upload.state == "quarantined"
    assert "cannot be read back" in str(upload.explanation)


def _flipped(stored: bytes, at: int) -> bytes:
    altered = bytearray(stored)
    altered[at] ^= 1
    return bytes(altered)


def test_bytes_that_were_never_in_the_stream_are_found(
    intakes: Callable[[], Intake], officer: Principal, shared_room: Room
) -> None:
    """Somebody who holds the keys puts another recording in its place, sealed as it should be."""
    server, successor = intakes(), intakes()
    upload_id = whole(server, officer, BODY + b"original", declared=None)
    row = row_of(shared_room, server.load(upload_id).object_id)
    other = BODY + b"doctored"

    def exchange(_stored: bytes) -> bytes:
        return b"".join(seal_all(shared_room.vault.cipher(row), [other], size=len(other)))

    damaged(successor, alter=exchange)

    upload = ended(successor, upload_id)

    assert upload.state == "quarantined"
    assert "over the wire" in str(upload.explanation)


def test_a_server_that_does_not_compare_is_caught(
    intakes: Callable[[], Intake], officer: Principal, shared_room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: one that only reads back, and compares nothing, takes another recording for this one."""

    def careless(_arrived: receive.Arrived, read: Callable[[], ReadBack]) -> ReadBack:
        return read()

    monkeypatch.setattr(receive, "_compare", careless)

    assert sent(intakes(), officer, BODY + b"careless", declared=sha256(BODY).digest()).state == "received"


def test_a_read_that_goes_wrong_on_its_way_is_read_again(intakes: Callable[[], Intake], officer: Principal) -> None:
    server, successor = intakes(), intakes()
    upload_id = whole(server, officer, BODY + b"read again")
    # More often than one frame is asked for: the whole object has to be read a second time.
    damaged(successor, reads=4)

    assert ended(successor, upload_id).state == "received"


def test_bytes_that_are_gone_from_the_store_are_explained(
    intakes: Callable[[], Intake], officer: Principal, shared_room: Room
) -> None:
    server, successor = intakes(), intakes()
    upload_id = whole(server, officer, BODY + b"gone")
    upload = server.load(upload_id)
    shared_room.vault.store.abandon(row_of(shared_room, upload.object_id).key, str(upload.staging_token))

    upload = ended(successor, upload_id)

    assert (upload.state, upload.explanation) == ("quarantined", "What had been stored is not there any more.")


def test_the_same_bytes_at_the_same_time_are_one_item(
    shared_room: Room, intakes: Callable[[], Intake], officer: Principal
) -> None:
    servers = [intakes(), intakes()]
    body = BODY + b"at once"
    waiting = [whole(servers[each % 2], officer, body) for each in range(6)]

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda each: ended(servers[each % 2], waiting[each]), range(6)))

    assert {each.state for each in found} == {"received"}
    [item_id] = {each.item_id for each in found}
    assert acts(shared_room, f"item/{item_id}") == ["item.received", *["item.received_again"] * 5]
    item = item_of(shared_room, found[0])
    for each in found:
        row = row_of(shared_room, each.object_id)
        if each.object_id == item.original_object_id:
            assert content_of(shared_room, row.id) == body
        else:
            assert row.wrapped_key is None
            with pytest.raises(KeyError):
                shared_room.vault.store.head(row.key)


def test_an_upload_that_died_with_the_claim_is_helped_to_its_end(
    shared_room: Room, intakes: Callable[[], Intake], officer: Principal
) -> None:
    dead, living = intakes(), intakes()
    body = BODY + b"claimed"
    first = whole(dead, officer, body)
    with unit_of_work(shared_room.sessions) as session:
        session.get_one(Upload, first).claimed_sha256 = sha256(body).digest()

    second = sent(living, officer, body)

    assert second.state == living.load(first).state == "received"
    assert acts(shared_room, f"item/{second.item_id}") == ["item.received", "item.received_again"]
    assert item_of(shared_room, second).original_object_id == living.load(first).object_id


def test_an_upload_of_bytes_that_another_server_is_sealing_waits_and_says_so(
    shared_room: Room, intakes: Callable[[], Intake], officer: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receive, "_PATIENCE", 2)
    other, mine = intakes(), intakes()
    body = BODY + b"waits"
    first = whole(other, officer, body)
    with unit_of_work(shared_room.sessions) as session:
        session.get_one(Upload, first).claimed_sha256 = sha256(body).digest()
    fence = other.fences.take(first, state="sealing")
    second = begun(mine, officer, body)
    written(mine, second, body)

    with pytest.raises(UnavailableError):
        mine.seal(second).result(120)

    other.fences.release(fence)
    assert ended(other, first).state == "received"
    assert ended(mine, second).state == "received"


def test_an_upload_is_sealed_once_however_many_try(
    shared_room: Room, intakes: Callable[[], Intake], officer: Principal
) -> None:
    servers = [intakes() for _ in range(3)]
    upload_id = whole(servers[0], officer, BODY + b"tried")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda server: server.seal(upload_id).exception(120), servers))
    lapse(shared_room)

    upload = ended(servers[0], upload_id)
    assert acts(shared_room, f"item/{upload.item_id}") == ["item.received"]


def test_what_an_ended_upload_is_told_again_is_the_same(
    shared_room: Room, intakes: Callable[[], Intake], officer: Principal
) -> None:
    upload = sent(intakes(), officer, BODY + b"again")

    again = ended(intakes(), UploadId(upload.id))

    assert (again.item_id, again.record_id) == (upload.item_id, upload.record_id)


def test_one_job_looks_into_one_item(shared_room: Room, intake: Intake, officer: Principal) -> None:
    upload = sent(intake, officer, BODY + b"job")
    sent(intake, officer, BODY + b"job")

    with unit_of_work(shared_room.sessions) as session:
        found = session.scalars(
            select(text("count(*)")).select_from(text("procrastinate_jobs")).where(text("args->>'item_id' = :id")),
            {"id": str(upload.item_id)},
        ).one()
    assert found == 1
