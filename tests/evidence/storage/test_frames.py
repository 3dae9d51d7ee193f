"""Frames open only whole, in place, in their own object; any range reads, and only its frames are fetched."""

import io
import secrets
from collections.abc import Callable, Iterator
from hashlib import sha256
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.errors import IntegrityError
from evidence.storage.frames import (
    FRAME_OVERHEAD,
    FRAME_SIZE,
    STORED_FRAME,
    FrameCipher,
    FrameError,
    Kind,
    Reader,
    seal_all,
    stored_size,
)
from evidence.storage.memory import MemoryStore

KEY = "original/1"
FOOTAGE = secrets.token_bytes(3 * FRAME_SIZE + 5000)
LAST = 3


def sealed(cipher: FrameCipher, plaintext: bytes = FOOTAGE) -> bytes:
    return b"".join(seal_all(cipher, [plaintext], size=len(plaintext)))


def store_of(stored: bytes) -> MemoryStore:
    store = MemoryStore()
    store.put(KEY, [stored], size=len(stored), sha256=sha256(stored).digest())
    return store


def read(stored: bytes, cipher: FrameCipher, *, size: int = len(FOOTAGE)) -> bytes:
    return b"".join(Reader(store_of(stored), KEY, cipher, size=size).read())


@pytest.fixture(scope="module")
def cipher() -> FrameCipher:
    return FrameCipher(uuid4(), secrets.token_bytes(32))


@pytest.fixture(scope="module")
def stored(cipher: FrameCipher) -> bytes:
    return sealed(cipher)


def frame(stored: bytes, index: int) -> bytes:
    return stored[index * STORED_FRAME :][:STORED_FRAME]


@pytest.mark.parametrize("size", [0, 1, FRAME_SIZE - 1, FRAME_SIZE, FRAME_SIZE + 1, 2 * FRAME_SIZE])
def test_reads_back_what_was_sealed(cipher: FrameCipher, size: int) -> None:
    plaintext = FOOTAGE[:size]

    stored = sealed(cipher, plaintext)

    assert len(stored) == stored_size(size)
    assert read(stored, cipher, size=size) == plaintext


def test_no_two_sealings_are_alike(cipher: FrameCipher) -> None:
    first = cipher.seal(0, b"footage", kind=Kind.LAST)
    second = cipher.seal(0, b"footage", kind=Kind.LAST)

    assert first[:12] != second[:12]
    assert first != second


@pytest.mark.parametrize("size", [len(FOOTAGE) - 1, len(FOOTAGE) + 1])
def test_refuses_to_seal_another_size_than_announced(cipher: FrameCipher, size: int) -> None:
    with pytest.raises(IntegrityError):
        list(seal_all(cipher, [FOOTAGE], size=size))


CHEATS: dict[str, tuple[Callable[[bytes], bytes], int]] = {
    "flip a bit of the first nonce": (lambda s: flip(s, 3), 0),
    "flip a bit in the middle of a frame": (lambda s: flip(s, STORED_FRAME + 1000), 1),
    "flip a bit of a tag": (lambda s: flip(s, 2 * STORED_FRAME - 1), 1),
    "flip the very last bit": (lambda s: flip(s, len(s) - 1), LAST),
    "exchange two frames": (lambda s: frame(s, 0) + frame(s, 2) + frame(s, 1) + frame(s, 3), 1),
    "repeat a frame in place of the next": (lambda s: frame(s, 0) + frame(s, 1) * 2 + frame(s, 3), 2),
    "leave a frame out": (lambda s: frame(s, 0) + frame(s, 2) + frame(s, 3), 1),
    "cut off at a frame's end": (lambda s: s[: LAST * STORED_FRAME], LAST),
    "cut off within a frame": (lambda s: s[: 2 * STORED_FRAME + 77], 2),
    "cut off within a nonce": (lambda s: s[: LAST * STORED_FRAME + 5], LAST),
    "cut off one byte": (lambda s: s[:-1], LAST),
    "append a byte": (lambda s: s + b"x", LAST + 1),
    "append a frame": (lambda s: s + frame(s, 0), LAST + 1),
    "empty it": (lambda _: b"", 0),
}


def flip(stored: bytes, at: int) -> bytes:
    return stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 :]


@pytest.mark.parametrize("cheat", CHEATS)
def test_every_cheat_is_caught_and_its_frame_named(cipher: FrameCipher, stored: bytes, cheat: str) -> None:
    alter, place = CHEATS[cheat]
    assert read(stored, cipher) == FOOTAGE

    with pytest.raises(FrameError, match=f"Frame {place} ") as caught:
        read(alter(stored), cipher)

    assert caught.value.index == place


def test_what_is_before_the_altered_frame_is_yielded_and_nothing_of_it_or_after(
    cipher: FrameCipher, stored: bytes
) -> None:
    reading = Reader(store_of(flip(stored, 2 * STORED_FRAME + 20)), KEY, cipher, size=len(FOOTAGE)).read()
    arrived: list[bytes] = []

    with pytest.raises(FrameError):
        arrived.extend(reading)

    assert b"".join(arrived) == FOOTAGE[: 2 * FRAME_SIZE]


def test_a_frame_of_another_object_does_not_open_even_under_the_same_key(stored: bytes) -> None:
    key, one, other = secrets.token_bytes(32), UUID(int=1), UUID(int=2)
    mine, theirs = sealed(FrameCipher(one, key)), sealed(FrameCipher(other, key))

    with pytest.raises(FrameError, match="Frame 1 "):
        read(frame(mine, 0) + frame(theirs, 1) + mine[2 * STORED_FRAME :], FrameCipher(one, key))


def test_a_shorter_object_cannot_pass_for_a_longer_one_cut_off_where_it_suits(
    cipher: FrameCipher, stored: bytes
) -> None:
    """Whoever alters both the object and its row still cannot end it at a frame that was not the last."""
    with pytest.raises(FrameError, match="Frame 2 "):
        read(stored[: 3 * STORED_FRAME], cipher, size=3 * FRAME_SIZE)


def test_an_object_cannot_go_on_after_its_last_frame(cipher: FrameCipher) -> None:
    one = sealed(cipher, FOOTAGE[:FRAME_SIZE])
    more = cipher.seal(1, b"more", kind=Kind.LAST)

    with pytest.raises(FrameError, match="Frame 0 "):
        read(one + more, cipher, size=FRAME_SIZE + 4)


@pytest.mark.parametrize("kind", [Kind.INNER, Kind.LAST])
def test_the_tail_of_an_upload_is_no_frame_of_an_object(cipher: FrameCipher, kind: Kind) -> None:
    tail = cipher.seal(5, b"begun", kind=Kind.TAIL)
    assert cipher.open(5, tail, kind=Kind.TAIL) == b"begun"

    with pytest.raises(FrameError):
        cipher.open(5, tail, kind=kind)


@pytest.mark.parametrize("length", [0, FRAME_OVERHEAD - 1, STORED_FRAME + 1])
def test_what_cannot_be_a_frame_is_refused(cipher: FrameCipher, length: int) -> None:
    with pytest.raises(FrameError):
        cipher.open(0, bytes(length), kind=Kind.LAST)


class CountingStore(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.fetched = 0

    def read(self, key: str, *, start: int = 0, length: int | None = None, **rest: object) -> Iterator[bytes]:
        for block in super().read(key, start=start, length=length):
            self.fetched += len(block)
            yield block


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(FOOTAGE) + 10), st.none() | st.integers(0, len(FOOTAGE) + 10))
def test_any_range_reads_as_cut_from_the_plaintext_and_fetches_only_its_frames(start: int, length: int | None) -> None:
    cipher = FrameCipher(UUID(int=7), bytes(32))
    store = CountingStore()
    stored = _SEALED.setdefault("once", sealed(cipher))
    store.put(KEY, [stored], size=len(stored), sha256=sha256(stored).digest())

    found = b"".join(Reader(store, KEY, cipher, size=len(FOOTAGE)).read(start, length))

    assert found == FOOTAGE[start:][:length]
    touched = -(-(start % FRAME_SIZE + len(found)) // FRAME_SIZE) if found else 0
    assert store.fetched <= touched * STORED_FRAME


_SEALED: dict[str, bytes] = {}


class DamagingStore(MemoryStore):
    """Flips a bit of the first few answers, as a wire may."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def read(self, key: str, **rest: object) -> Iterator[bytes]:
        content = io.BytesIO(b"".join(super().read(key, **rest)))  # type: ignore[arg-type]
        while block := content.read(1 << 20):
            if self.times:
                self.times -= 1
                block = flip(block, len(block) // 2)
            yield block


def test_a_frame_damaged_on_its_way_is_asked_for_again(cipher: FrameCipher, stored: bytes) -> None:
    store = DamagingStore(times=2)
    store.put(KEY, [stored], size=len(stored), sha256=sha256(stored).digest())

    assert b"".join(Reader(store, KEY, cipher, size=len(FOOTAGE)).read()) == FOOTAGE


def test_a_frame_damaged_every_time_is_an_error(cipher: FrameCipher, stored: bytes) -> None:
    store = DamagingStore(times=1000)
    store.put(KEY, [stored], size=len(stored), sha256=sha256(stored).digest())

    with pytest.raises(FrameError):
        list(Reader(store, KEY, cipher, size=len(FOOTAGE)).read())


def test_an_object_gone_from_the_store_is_an_integrity_error(cipher: FrameCipher) -> None:
    with pytest.raises(FrameError, match="no such object"):
        list(Reader(MemoryStore(), KEY, cipher, size=5).read())


def test_the_format_is_the_one_written_down() -> None:
    """FORMAT.md 12 gives this frame; it was made without evidence.storage."""
    cipher = FrameCipher(UUID("018f0000-0000-7000-8000-000000000001"), bytes(range(32)))
    written = bytes.fromhex("000102030405060708090a0b216db96fa482a723c14a36a36a0213a58d46bbeb661881")

    assert cipher.open(3, written, kind=Kind.LAST) == b"footage"
