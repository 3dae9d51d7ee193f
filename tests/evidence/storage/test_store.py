"""The promises of ObjectStore, put to every adapter alike."""

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from threading import Barrier

import pytest

from evidence.errors import IntegrityError, InvalidError
from evidence.storage.frames import STORED_FRAME
from evidence.storage.store import AlreadyThereError, DigestError, LockedError, ObjectStore, Stored
from tests.conftest import NOON
from tests.evidence.storage.conftest import Place

KEY = "original/agency/2026/03/object"
BODY = bytes(range(256)) * 40


def put(store: ObjectStore, body: bytes = BODY, *, key: str = KEY) -> Stored:
    return store.put(key, [body[:100], body[100:]], size=len(body), sha256=sha256(body).digest())


def read(store: ObjectStore, *, key: str = KEY, start: int = 0, length: int | None = None) -> bytes:
    return b"".join(store.read(key, start=start, length=length))


def two_pieces_and_some(store: ObjectStore) -> list[bytes]:
    piece = store.piece_frames * STORED_FRAME
    return [secrets.token_bytes(piece), secrets.token_bytes(piece), secrets.token_bytes(1000)]


def stage(store: ObjectStore, pieces: list[bytes], *, leaving_out: int | None = None) -> str:
    token = store.begin(KEY)
    for index, piece in enumerate(pieces):
        if index != leaving_out:
            store.write_piece(KEY, token, index * len(pieces[0]), piece)
    store.sync(KEY, token)
    return token


def size_of(pieces: list[bytes]) -> int:
    return sum(len(piece) for piece in pieces)


def test_reads_back_what_was_put(store: ObjectStore) -> None:
    stored = put(store)

    assert read(store) == BODY
    assert (stored.key, stored.size, stored.locked_until, stored.held) == (KEY, len(BODY), None, False)
    assert store.head(KEY) == stored


def test_never_replaces_an_object(store: ObjectStore) -> None:
    put(store)

    with pytest.raises(AlreadyThereError):
        put(store, b"doctored footage")
    with pytest.raises(AlreadyThereError):
        store.begin(KEY)

    assert read(store) == BODY


@pytest.mark.parametrize("announced", [(len(BODY), sha256(b"other").digest()), (7, sha256(BODY).digest())])
def test_writes_nothing_that_is_not_what_was_announced(store: ObjectStore, announced: tuple[int, bytes]) -> None:
    size, digest = announced

    with pytest.raises(DigestError):
        store.put(KEY, [BODY], size=size, sha256=digest)

    with pytest.raises(KeyError):
        store.head(KEY)
    assert list(store.staged()) == []


def test_an_object_larger_than_a_piece_is_put_whole(store: ObjectStore) -> None:
    pieces = two_pieces_and_some(store)

    store.put(KEY, pieces, size=size_of(pieces), sha256=sha256(b"".join(pieces)).digest())

    assert read(store) == b"".join(pieces)
    assert list(store.staged()) == []


@pytest.mark.parametrize(
    "act",
    [
        lambda store: list(store.read(KEY)),
        lambda store: store.head(KEY),
        lambda store: store.lock(KEY, until=NOON),
        lambda store: store.place_hold(KEY),
        lambda store: store.release_hold(KEY),
        lambda store: store.remove(KEY),
    ],
)
def test_a_missing_key_is_a_key_error(store: ObjectStore, act: Callable[[ObjectStore], object]) -> None:
    with pytest.raises(KeyError):
        act(store)


@pytest.mark.parametrize(("start", "length"), [(0, 1), (100, 1000), (5000, None), (len(BODY) - 5, 100), (0, 0)])
def test_reads_any_range_clipped_to_the_object(store: ObjectStore, start: int, length: int | None) -> None:
    put(store)

    assert read(store, start=start, length=length) == BODY[start:][:length]


def test_reads_nothing_beyond_the_end(store: ObjectStore) -> None:
    put(store)

    assert read(store, start=len(BODY)) == b""
    assert read(store, start=len(BODY) + 5, length=3) == b""


def test_an_object_appears_when_it_is_complete_and_not_before(place: Place) -> None:
    pieces = two_pieces_and_some(place.store)
    token = stage(place.store, pieces)
    with pytest.raises(KeyError):
        place.reopened().head(KEY)

    stored = place.store.complete(KEY, token, size=size_of(pieces))

    assert stored.size == size_of(pieces)
    assert read(place.reopened()) == b"".join(pieces)
    assert list(place.store.staged()) == []


def test_pieces_may_come_in_any_order_and_more_than_once(store: ObjectStore) -> None:
    pieces = two_pieces_and_some(store)
    token = store.begin(KEY)
    for index in (2, 0, 1):
        store.write_piece(KEY, token, index * len(pieces[0]), secrets.token_bytes(len(pieces[index])))
        store.write_piece(KEY, token, index * len(pieces[0]), pieces[index])

    store.complete(KEY, token, size=size_of(pieces))

    assert read(store) == b"".join(pieces)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_refuses_to_complete_while_a_piece_is_missing(store: ObjectStore, missing: int) -> None:
    pieces = two_pieces_and_some(store)
    token = stage(store, pieces, leaving_out=missing)

    with pytest.raises(IntegrityError):
        store.complete(KEY, token, size=size_of(pieces))
    with pytest.raises(KeyError):
        store.head(KEY)

    store.write_piece(KEY, token, missing * len(pieces[0]), pieces[missing])
    store.complete(KEY, token, size=size_of(pieces))
    assert read(store) == b"".join(pieces)


def test_refuses_to_complete_what_has_another_size(store: ObjectStore) -> None:
    token = stage(store, [BODY])

    for size in (len(BODY) - 1, len(BODY) + 1):
        with pytest.raises(IntegrityError):
            store.complete(KEY, token, size=size)

    with pytest.raises(KeyError):
        store.head(KEY)


def test_completing_again_gives_the_same_object(place: Place) -> None:
    token = stage(place.store, [BODY])
    first = place.store.complete(KEY, token, size=len(BODY))

    assert place.store.complete(KEY, token, size=len(BODY)) == first
    assert place.reopened().complete(KEY, token, size=len(BODY)) == first
    with pytest.raises(IntegrityError):
        place.store.complete(KEY, token, size=len(BODY) + 1)


def test_completing_what_was_never_staged_is_a_key_error(store: ObjectStore) -> None:
    with pytest.raises(KeyError):
        store.complete(KEY, "0" * 30, size=1)


def test_many_may_complete_at_once_and_get_one_object(place: Place) -> None:
    pieces = two_pieces_and_some(place.store)
    token = stage(place.store, pieces)
    start = Barrier(6)

    def complete(store: ObjectStore) -> Stored:
        start.wait()
        return store.complete(KEY, token, size=size_of(pieces))

    with ThreadPoolExecutor(6) as pool:
        results = set(pool.map(complete, [place.reopened() for _ in range(6)]))

    assert len(results) == 1
    assert read(place.store) == b"".join(pieces)
    assert list(place.store.staged()) == []


def test_of_many_putting_different_objects_at_once_none_is_told_that_it_stands_where_another_does(place: Place) -> None:
    bodies = [secrets.token_bytes(2000) for _ in range(6)]
    start = Barrier(6)

    def try_to_put(body: bytes) -> tuple[Stored, bytes] | None:
        store = place.reopened()
        start.wait()
        try:
            return put(store, body), body
        except AlreadyThereError:
            return None

    with ThreadPoolExecutor(6) as pool:
        kept = [result for result in pool.map(try_to_put, bodies) if result is not None]

    # Where the store has no versions this says: exactly one.
    assert kept
    assert len({stored.version for stored, _ in kept}) == len(kept)
    for stored, body in kept:
        assert b"".join(place.store.read(KEY, version=stored.version)) == body


def test_nothing_is_written_to_a_complete_object(store: ObjectStore) -> None:
    token = stage(store, [BODY])
    store.complete(KEY, token, size=len(BODY))

    with pytest.raises(KeyError):
        store.write_piece(KEY, token, 0, b"late")

    assert read(store) == BODY


def test_a_tail_stands_beside_the_pieces_until_it_is_dropped(place: Place) -> None:
    store = place.store
    token = stage(store, [BODY])
    store.write_tail(KEY, token, 0, b"begun")
    store.write_tail(KEY, token, 0, b"begun and longer")
    store.write_tail(KEY, token, STORED_FRAME * store.piece_frames, b"next")
    store.sync(KEY, token)

    other = place.reopened()
    assert other.read_tail(KEY, token, 0) == b"begun and longer"
    assert other.read_tail(KEY, token, STORED_FRAME * store.piece_frames) == b"next"
    other.drop_tail(KEY, token, 0)
    other.drop_tail(KEY, token, 0)
    with pytest.raises(KeyError):
        store.read_tail(KEY, token, 0)

    store.complete(KEY, token, size=len(BODY))
    assert read(store) == BODY
    with pytest.raises(KeyError):
        store.read_tail(KEY, token, STORED_FRAME * store.piece_frames)
    assert list(store.staged()) == []


def test_staged_pieces_can_be_read_again_where_the_store_says_so(store: ObjectStore) -> None:
    pieces = two_pieces_and_some(store)
    token = stage(store, pieces)

    if store.reads_staged:
        assert store.read_staged(KEY, token, 10, len(pieces[0])) == b"".join(pieces)[10:][: len(pieces[0])]
    else:
        with pytest.raises(NotImplementedError):
            store.read_staged(KEY, token, 10, 10)


def test_lists_what_is_staged_and_abandons_it(place: Place) -> None:
    store = place.store
    first = store.begin("original/1")
    second = store.begin("original/2")
    store.write_piece("original/1", first, 0, BODY)
    store.write_tail("original/1", first, 0, BODY)

    assert {(each.key, each.token) for each in place.reopened().staged()} == {
        ("original/1", first),
        ("original/2", second),
    }
    begun = [each.begun_at for each in store.staged()]
    assert begun == sorted(begun)
    for each in list(store.staged()):
        store.abandon(each.key, each.token)
        store.abandon(each.key, each.token)

    assert list(store.staged()) == []
    with pytest.raises(KeyError):
        store.write_piece("original/1", first, 0, BODY)
    with pytest.raises(KeyError):
        store.complete("original/1", first, size=len(BODY))


def test_abandoning_what_is_complete_leaves_the_object(store: ObjectStore) -> None:
    token = stage(store, [BODY])
    store.complete(KEY, token, size=len(BODY))

    store.abandon(KEY, token)

    assert read(store) == BODY


def test_a_locked_object_stays_until_its_date_and_the_date_moves_only_later(place: Place) -> None:
    store = place.store
    put(store)
    short, long = place.now() + timedelta(seconds=1), place.now() + timedelta(seconds=3)

    locked = store.lock(KEY, until=long)
    assert locked.locked_until is not None
    assert long <= locked.locked_until < long + timedelta(seconds=1)
    assert store.lock(KEY, until=long) == locked
    assert store.lock(KEY, until=short) == locked
    with pytest.raises(LockedError):
        place.reopened().remove(KEY)
    assert read(store) == BODY

    extended = store.lock(KEY, until=long + timedelta(seconds=1)).locked_until
    assert extended is not None
    assert extended > locked.locked_until
    place.let_pass(extended)
    store.remove(KEY)
    with pytest.raises(KeyError):
        store.head(KEY)


def test_a_held_object_stays_until_the_hold_is_released(place: Place) -> None:
    store = place.store
    put(store)

    assert store.place_hold(KEY).held
    assert store.place_hold(KEY).held
    with pytest.raises(LockedError):
        place.reopened().remove(KEY)
    assert not store.release_hold(KEY).held
    assert not store.release_hold(KEY).held
    store.remove(KEY)

    with pytest.raises(KeyError):
        store.head(KEY)


def test_a_hold_leaves_the_lock_date_and_the_lock_date_the_hold(place: Place) -> None:
    put(place.store)
    until = place.now().replace(microsecond=0) + timedelta(days=1)

    place.store.place_hold(KEY)
    place.store.lock(KEY, until=until)

    stored = place.store.release_hold(KEY)
    assert (stored.locked_until, stored.held) == (until, False)
    with pytest.raises(LockedError):
        place.store.remove(KEY)


@pytest.mark.parametrize(
    "key",
    ["", "/etc/passwd", "../up", "a/../b", "a//b", "a/", ".hidden", "a/.b", "A", "a\0b", "a\nb", "ä", "~", "a" * 300],
)
def test_no_key_leads_anywhere_else(store: ObjectStore, key: str) -> None:
    for act in (store.begin, store.head, lambda key: put(store, key=key), lambda key: list(store.read(key))):
        with pytest.raises((InvalidError, KeyError)):
            act(key)

    assert list(store.staged()) == []
