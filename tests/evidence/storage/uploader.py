"""A process that stages what it is told, says so, and is killed: the other side of test_crash.py."""

import json
import os
import signal
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

from evidence.storage.arriving import ArrivingObject
from evidence.storage.frames import FrameCipher, stored_size
from evidence.storage.local import LocalStore
from evidence.storage.store import ObjectStore
from tests.support.ceph import S3Server
from tests.support.s3 import s3_store

KEY = "original/1"
CIPHER = FrameCipher(UUID(int=3), bytes(32))


def footage(size: int) -> bytes:
    """The same bytes in every process."""
    block = b"".join(sha256(index.to_bytes(4, "big")).digest() for index in range(1 << 12))
    return b"".join(block[index % 997 :] for index in range(size // len(block) + 2))[:size]


def opened(where: dict[str, Any]) -> ObjectStore:
    if where["kind"] == "local":
        return LocalStore(Path(where["folder"]))
    return s3_store(S3Server(*where["server"]), bucket=where["bucket"], default_lock=None)


def main(where: dict[str, Any], token: str, size: int, offset: int, until: int, complete: bool) -> None:
    store = opened(where)
    arriving = ArrivingObject(store, KEY, token, CIPHER, size=size, offset=offset)
    arriving.write(footage(size)[offset:until])
    print(arriving.checkpoint(), flush=True)
    arriving.write(footage(size)[until : until + 3_000_000])  # staged in part, counted by nobody
    if complete:
        store.complete(KEY, token, size=stored_size(size))
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
