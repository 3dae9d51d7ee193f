"""What it costs to seek in an encrypted object, against reading the frame's worth of a plain file.

    python -m bench.storage

A 1 GiB object in a local store; 64 KiB read at random places, all in the page cache, so that the
disk is not what is measured.  The yardstick reads 1 MiB at the same places of a plain file of the
same size: whoever authenticates in frames of 1 MiB has to fetch as much.
"""

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from evidence.ids import new_id
from evidence.storage import layout
from evidence.storage.allocation import keep_freed_blocks
from evidence.storage.arriving import ArrivingObject
from evidence.storage.frames import FRAME_SIZE, FrameCipher, Reader, stored_size
from evidence.storage.local import LocalStore

SIZE = 1 << 30
WANTED = 64 << 10
SEEKS = 400
ROUNDS = 5


def run() -> list[dict[str, Any]]:
    """Measure a seek; some ten seconds."""
    keep_freed_blocks()
    with tempfile.TemporaryDirectory() as folder:
        reader, stored, plain = _prepared(Path(folder))
        places = [random.Random(1).randrange(SIZE - WANTED) for _ in range(SEEKS)]

        def encrypted(place: int) -> None:
            assert sum(len(block) for block in reader.read(place, WANTED)) == WANTED

        def unencrypted(place: int) -> None:
            assert os.pread(plain, FRAME_SIZE, place)

        for path in (stored, Path(folder) / "plain"):
            _warmed(path)
        try:
            rounds = [(_seconds(encrypted, places), _seconds(unencrypted, places)) for _ in range(ROUNDS)]
        finally:
            os.close(plain)
    ours, yardstick = (statistics.median(each) for each in zip(*rounds, strict=True))
    return [
        {
            "name": "64 KiB at a random place of a 1 GiB object",
            "value": ours / SEEKS * 1000,
            "unit": "ms",
            "ratio": statistics.median(mine / theirs for mine, theirs in rounds),
            "yardstick": f"pread of 1 MiB of a plain file ({yardstick / SEEKS * 1000:.3f} ms)",
        }
    ]


def _prepared(folder: Path) -> tuple[Reader, Path, int]:
    store, cipher = LocalStore(folder / "store"), FrameCipher(new_id(), os.urandom(32))
    store.prepare()
    key = layout.chunks(uuid4(), bytes(32), new_id())
    token = store.begin(key)
    arriving = ArrivingObject(store, key, token, cipher, size=SIZE, offset=0)
    plain = os.open(folder / "plain", os.O_RDWR | os.O_CREAT)
    for _ in range(SIZE // FRAME_SIZE):
        block = os.urandom(FRAME_SIZE)
        arriving.write(block)
        os.write(plain, block)
    arriving.checkpoint()
    store.complete(key, token, size=stored_size(SIZE))
    return Reader(store, key, cipher, size=SIZE), folder / "store" / "objects" / key, plain


def _warmed(path: Path) -> None:
    with path.open("rb") as file:
        while file.read(FRAME_SIZE):
            pass


def _seconds(read: Callable[[int], None], places: list[int]) -> float:
    began = time.perf_counter()
    for place in places:
        read(place)
    return time.perf_counter() - began


if __name__ == "__main__":
    for row in run():
        print(row)
