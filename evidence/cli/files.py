"""Writing a file so that it is there whole or not at all, and never in the place of another."""

import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

from evidence.errors import InvalidError

NAME_KEPT = 48
"""Characters of a file's name that the name of its part begins with: so much fits whatever they are."""

CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
"""Make a file that was not there, and follow no link."""


class OccupiedError(InvalidError):
    """Something has the name already."""


def write_whole(
    path: Path, blocks: Iterable[bytes], *, check: Callable[[Path], None] | None = None, replace: bool = False
) -> int:
    """Write the blocks into a part beside `path`, make them durable, give them the name; return the size in bytes.

    Raises OccupiedError when something has the name, be it that it came meanwhile; with `replace` a file
    gives way, and nothing else does.  `check` may look at the part and refuse it by raising.
    Whatever fails, the part is removed.
    """
    if os.path.lexists(path) and not (replace and path.is_file()):
        raise _occupied(path)
    # By chance, so that nobody can have put a file or a link there before us.
    part = path.with_name(f"{path.name[:NAME_KEPT]}.{secrets.token_hex(8)}.part")
    descriptor = _create(part, shown=path)
    size = 0
    try:
        with os.fdopen(descriptor, "wb") as stream:
            for block in blocks:
                stream.write(block)
                size += len(block)
            stream.flush()
            os.fsync(stream.fileno())
        if check is not None:
            check(part)
        if replace:
            part.replace(path)
        else:
            _give_free_name(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)
    return size


def write_once(path: Path, content: bytes) -> bool:
    """Write the content unless something has the name; return whether the file then holds it and nothing else.

    Raises OccupiedError when what has the name is no file.
    """
    try:
        write_whole(path, [content])
    except OccupiedError:
        return _holds(path, content)
    return True


def _create(part: Path, *, shown: Path) -> int:
    try:
        return os.open(part, CREATE, 0o666)
    except OSError as error:
        error.filename = str(shown)  # the name that somebody gave; the part's says nothing to them
        raise


def _give_free_name(part: Path, path: Path) -> None:
    """Rename the part to a name that nothing has; a plain rename would replace what came meanwhile."""
    try:
        path.hardlink_to(part)
    except FileExistsError:
        raise _occupied(path) from None
    except OSError:
        _claim(part, path)  # a card or a share may know no hard links
    else:
        part.unlink()


def _claim(part: Path, path: Path) -> None:
    """Take the name with an empty file of our own, and replace that.

    Nothing else is replaced by this either; but for a moment, or for good after a power cut in it,
    the name stands for an empty file.
    """
    try:
        os.close(os.open(path, CREATE, 0o600))
    except FileExistsError:
        raise _occupied(path) from None
    try:
        part.replace(path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _holds(path: Path, content: bytes) -> bool:
    # A device or a pipe may never end, or never begin; and of a file no more is read than is compared.
    if not path.is_file():
        raise _occupied(path, "and is no file that could be compared")
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
        return stream.read(len(content) + 1) == content


def _occupied(path: Path, more: str = "") -> OccupiedError:
    return OccupiedError(f"{path} is there already {more}".rstrip(), next_step="choose another name, or move it away")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
