"""Where a worker keeps plaintext for the minutes it needs it, and how it goes away whatever happens.

Each worker has a folder of its own that nobody else may enter.  Beside it lies a file whose lock
the worker holds while it lives.  A worker that is killed leaves its folder behind; whoever comes
next sees by the free lock that nobody lives there, and removes it.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from evidence.engines import flocks
from evidence.ids import new_id

_LOCK = ".lock"
_GUARD = "guard"
"""Held while folders come and go, so that none is taken for a dead worker's before its lock is held."""


@contextmanager
def folder(root: Path) -> Iterator[Path]:
    """Have a private folder below the root, gone at the end; remove those of dead workers first."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    clear(root)
    ours = root / str(new_id())
    lock = ours.with_suffix(_LOCK)
    with ExitStack() as held:
        with flocks.exclusive(root / _GUARD):
            held.enter_context(flocks.exclusive(lock))
            ours.mkdir(mode=0o700)
        try:
            yield ours
        finally:
            shutil.rmtree(ours, ignore_errors=True)
            lock.unlink(missing_ok=True)


def clear(root: Path) -> None:
    """Remove what dead workers left below the root."""
    with flocks.exclusive(root / _GUARD):
        for lock in root.glob(f"*{_LOCK}"):
            if not flocks.is_held(lock):
                shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
                lock.unlink(missing_ok=True)
