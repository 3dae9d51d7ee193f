"""A process is killed between pieces, or right after completing; another one goes on."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evidence.storage.frames import Reader, stored_size
from tests.evidence.storage.uploader import CIPHER, KEY, footage, opened
from tests.support.s3 import new_bucket

SIZE = 20_000_000


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.s3)])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    if request.param == "local":
        return {"kind": "local", "folder": str(tmp_path / "objects")}
    server = request.getfixturevalue("s3_server")
    return {
        "kind": "s3",
        "server": [server.endpoint, server.access_key, server.secret_key],
        "bucket": new_bucket(),
    }


def killed_at(where: dict[str, Any], token: str, *, offset: int, until: int, complete: bool = False) -> int:
    """Let another process upload from `offset` until it is killed; return what it made durable."""
    told = {"where": where, "token": token, "size": SIZE, "offset": offset, "until": until, "complete": complete}
    run = subprocess.run(
        [sys.executable, "-m", "tests.evidence.storage.uploader", json.dumps(told)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.returncode == -signal.SIGKILL, run.stderr
    return int(run.stdout)


def test_whoever_comes_next_goes_on_after_kill_9(where: dict[str, Any]) -> None:
    store = opened(where)
    store.prepare()
    token, offset = store.begin(KEY), 0
    for until in (700_000, 9_000_001, 18_500_000):
        offset = killed_at(where, token, offset=offset, until=until)
        assert offset == until
    offset = killed_at(where, token, offset=offset, until=SIZE, complete=True)

    assert offset == SIZE
    stored = store.complete(KEY, token, size=stored_size(SIZE))
    assert b"".join(Reader(store, KEY, CIPHER, size=SIZE).read()) == footage(SIZE)
    assert stored.size == stored_size(SIZE)
    assert list(store.staged()) == []


def test_what_a_killed_process_left_is_swept(where: dict[str, Any]) -> None:
    store = opened(where)
    store.prepare()
    killed_at(where, store.begin(KEY), offset=0, until=9_000_001)

    for left in list(store.staged()):
        store.abandon(left.key, left.token)

    assert list(store.staged()) == []
    with pytest.raises(KeyError):
        store.head(KEY)
