"""An arriving object loses no byte that a checkpoint counted, whoever goes on with it and wherever it broke off."""

import random
import secrets
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.errors import InvalidError
from evidence.storage.arriving import ArrivingObject
from evidence.storage.frames import (
    FRAME_SIZE,
    STORED_FRAME,
    FrameCipher,
    FrameError,
    Reader,
    frame_count,
    frame_length,
    kind_of,
    stored_position,
    stored_size,
)
from evidence.storage.memory import MemoryStore
from evidence.storage.read_back import CHUNK_SIZE, HASHED_AT_ONCE, ReadingBack, read_back
from evidence.storage.store import ObjectStore
from tests.evidence.storage.conftest import Place

KEY = "original/1"
CIPHER = FrameCipher(UUID(int=9), bytes(32))
FOOTAGE = random.Random(7).randbytes(CHUNK_SIZE + 3 * FRAME_SIZE + 4321)


class EightFrames(MemoryStore):
    """Takes pieces as S3 does."""

    piece_frames = 8


def go_on(store: ObjectStore, token: str, offset: int, size: int = len(FOOTAGE)) -> ArrivingObject:
    return ArrivingObject(store, KEY, token, CIPHER, size=size, offset=offset)


def completed(store: ObjectStore, token: str, size: int = len(FOOTAGE)) -> bytes:
    store.complete(KEY, token, size=stored_size(size))
    return b"".join(Reader(store, KEY, CIPHER, size=size).read())


@pytest.mark.parametrize("size", [0, 1, FRAME_SIZE, 8 * FRAME_SIZE, 8 * FRAME_SIZE + 1, len(FOOTAGE)])
def test_what_arrives_in_one_go_is_kept(store: ObjectStore, size: int) -> None:
    token = store.begin(KEY)
    arriving = go_on(store, token, 0, size)

    for at in range(0, size, 300_000):
        arriving.write(FOOTAGE[at : min(at + 300_000, size)])

    assert arriving.checkpoint() == size
    assert completed(store, token, size) == FOOTAGE[:size]


@pytest.mark.parametrize(
    "breaks",
    [
        [10, 20, FRAME_SIZE - 1, FRAME_SIZE, FRAME_SIZE + 1],
        [3 * FRAME_SIZE, 3 * FRAME_SIZE + 5, 7 * FRAME_SIZE + 9],
        [CHUNK_SIZE, CHUNK_SIZE + 1, CHUNK_SIZE + 2 * FRAME_SIZE, len(FOOTAGE) - 1],
        [len(FOOTAGE)],
    ],
)
def test_another_process_goes_on_at_every_checkpoint(place: Place, breaks: list[int]) -> None:
    token, offset = place.store.begin(KEY), 0
    for until in breaks:
        arriving = go_on(place.reopened(), token, offset)
        assert (
            b"".join(arriving.replay(offset // CHUNK_SIZE * CHUNK_SIZE))
            == FOOTAGE[offset // CHUNK_SIZE * CHUNK_SIZE : offset]
        )
        arriving.write(FOOTAGE[offset:until])
        offset = arriving.checkpoint()
        assert offset == until

    last = go_on(place.reopened(), token, offset)
    last.write(FOOTAGE[offset:])
    last.checkpoint()

    assert completed(place.reopened(), token) == FOOTAGE


steps = st.lists(
    st.tuples(st.integers(1, 3 * FRAME_SIZE), st.sampled_from(["write", "checkpoint", "die", "die before it is kept"])),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(steps, st.sampled_from([MemoryStore, EightFrames]))
def test_no_byte_is_lost_wherever_processes_die(steps: list[tuple[int, str]], kind: type[MemoryStore]) -> None:
    """The row keeps an offset; a process may die before or after that, with more staged than was kept."""
    store = kind()
    token, kept = store.begin(KEY), 0
    arriving = go_on(store, token, kept)
    for length, then in steps:
        arriving.write(FOOTAGE[arriving.offset :][:length])
        if then == "checkpoint":
            kept = arriving.checkpoint()
        elif then == "die before it is kept":
            arriving.checkpoint()
        if then.startswith("die"):
            arriving = go_on(store, token, kept)
            chunk = kept // CHUNK_SIZE * CHUNK_SIZE
            assert b"".join(arriving.replay(chunk)) == FOOTAGE[chunk:kept]

    arriving.write(FOOTAGE[arriving.offset :])
    arriving.checkpoint()

    assert completed(store, token) == FOOTAGE


class Forgetful(EightFrames):
    """Keeps only the newest tail, as a store might think is enough."""

    def write_tail(self, key, token, position, tail):  # type: ignore[no-untyped-def]
        for each in [at for at in self._staging[key, token].tails if at != position]:
            self.drop_tail(key, token, each)
        super().write_tail(key, token, position, tail)


def test_control_a_store_that_keeps_only_the_newest_tail_loses_bytes() -> None:
    store = Forgetful()
    token = store.begin(KEY)
    arriving = go_on(store, token, 0)
    arriving.write(FOOTAGE[: FRAME_SIZE + 10])
    kept = arriving.checkpoint()
    arriving.write(FOOTAGE[kept : CHUNK_SIZE + 10])
    arriving.checkpoint()

    with pytest.raises(KeyError):
        go_on(store, token, kept)


def test_tails_that_were_passed_are_dropped() -> None:
    store = EightFrames()
    token = store.begin(KEY)
    arriving = go_on(store, token, 0)
    for until in (10, FRAME_SIZE + 10, CHUNK_SIZE + 10, CHUNK_SIZE + 20, len(FOOTAGE)):
        arriving.write(FOOTAGE[arriving.offset : until])
        arriving.checkpoint()

    assert list(store._staging[KEY, token].tails) == [stored_position(8)]


def test_takes_no_more_than_was_announced(store: ObjectStore) -> None:
    arriving = go_on(store, store.begin(KEY), 0, size=5)
    arriving.write(b"1234")

    with pytest.raises(InvalidError):
        arriving.write(b"56")


def test_a_damaged_tail_is_noticed_when_taken_up() -> None:
    store = MemoryStore()
    token = store.begin(KEY)
    arriving = go_on(store, token, 0)
    arriving.write(FOOTAGE[: FRAME_SIZE + 10])
    kept = arriving.checkpoint()
    tails = store._staging[KEY, token].tails
    (position,) = tails
    tails[position] = tails[position][:-1] + b"x"

    with pytest.raises(FrameError, match="Frame 1 "):
        go_on(store, token, kept)


def test_reading_back_may_trail_the_upload_where_staged_pieces_can_be_read() -> None:
    store = MemoryStore()
    token = store.begin(KEY)
    arriving, reading = go_on(store, token, 0), ReadingBack(CIPHER, size=len(FOOTAGE))
    while arriving.offset < len(FOOTAGE):
        arriving.write(FOOTAGE[arriving.offset :][:2_500_000])
        durable = arriving.checkpoint()
        while reading.next_frame < durable // FRAME_SIZE or (
            durable == len(FOOTAGE) and reading.next_frame * FRAME_SIZE < durable
        ):
            index = reading.next_frame
            length = frame_length(index, len(FOOTAGE))
            reading.take(store.read_staged(KEY, token, stored_position(index), length))
    store.complete(KEY, token, size=stored_size(len(FOOTAGE)))

    back = reading.result()

    reader = Reader(store, KEY, CIPHER, size=len(FOOTAGE))
    assert back == read_back(CIPHER, reader.frames(), size=len(FOOTAGE))
    assert (back.size, back.sha256) == (len(FOOTAGE), sha256(FOOTAGE).digest())
    assert back.chunks_sha256 == sha256(FOOTAGE[:CHUNK_SIZE]).digest() + sha256(FOOTAGE[CHUNK_SIZE:]).digest()
    stored = b"".join(store.read(KEY))
    assert (back.stored_size, back.stored_sha256) == (len(stored), sha256(stored).digest())


def test_digests_computed_side_by_side_are_those_computed_in_order() -> None:
    content = secrets.token_bytes(5 * CHUNK_SIZE + 1)
    count = frame_count(len(content))
    pieces = [content[at : at + FRAME_SIZE] for at in range(0, len(content), FRAME_SIZE)]
    frames = [CIPHER.seal(index, each, kind=kind_of(index, len(content))) for index, each in enumerate(pieces)]
    blocks = [b"".join(frames[at : at + 3]) for at in range(0, count, 3)]
    areas = [bytearray(3 * STORED_FRAME) for _ in range(HASHED_AT_ONCE + 1)]
    with ThreadPoolExecutor(4) as hands:
        reading = ReadingBack(CIPHER, size=len(content), executor=hands)

        for number, block in enumerate(blocks):
            # What was taken so many takes ago is hashed, and its memory may be used again.
            area = memoryview(areas[number % len(areas)])[: len(block)]
            area[:] = block
            reading.take(area)

        back = reading.result()
    assert (reading.next_frame, back.sha256) == (count, sha256(content).digest())
    assert back.stored_sha256 == sha256(b"".join(frames)).digest()
    chunks = [content[at : at + CHUNK_SIZE] for at in range(0, len(content), CHUNK_SIZE)]
    assert back.chunks_sha256 == b"".join(sha256(chunk).digest() for chunk in chunks)


@pytest.mark.parametrize(
    ("size", "chunks"), [(0, 0), (1, 1), (CHUNK_SIZE, 1), (CHUNK_SIZE + 1, 2), (2 * CHUNK_SIZE, 2)]
)
def test_the_chunk_list_has_an_entry_for_every_chunk_begun(size: int, chunks: int) -> None:
    store, content = MemoryStore(), secrets.token_bytes(size)
    token = store.begin(KEY)
    arriving = go_on(store, token, 0, size)
    arriving.write(content)
    arriving.checkpoint()
    store.complete(KEY, token, size=stored_size(size))

    back = read_back(CIPHER, Reader(store, KEY, CIPHER, size=size).frames(), size=size)

    expected = [sha256(content[at : at + CHUNK_SIZE]).digest() for at in range(0, size, CHUNK_SIZE)]
    assert back.chunks_sha256 == b"".join(expected)
    assert len(expected) == chunks
