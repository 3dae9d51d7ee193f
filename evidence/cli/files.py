"""Writing a file so that it is there whole or not at all."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path


def write_whole(path: Path, blocks: Iterable[bytes], *, check: Callable[[Path], None] | None = None) -> int:
    """Write the blocks to `path.part`, make them durable, rename; return the size in bytes.

    `check` may look at the part and refuse it by raising.  When it does, or a block fails to
    come, the part is removed and nothing has the name.
    """
    part = path.with_name(f"{path.name}.part")
    size = 0
    try:
        with part.open("wb") as stream:
            for block in blocks:
                stream.write(block)
                size += len(block)
            stream.flush()
            os.fsync(stream.fileno())
        if check is not None:
            check(part)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)
    return size


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
