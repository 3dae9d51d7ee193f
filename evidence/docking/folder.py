"""A folder of recordings: which files are to be sent, and what their sidecars say of them.

Names and contents come from cameras and strangers.  Links are never followed, so nothing from
outside the folder can be drawn in; a file is opened by what it was when it was listed, not by
its name alone.  Nothing is written here.
"""

import json
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from evidence.errors import ConflictError, EvidenceError, InvalidError

LISTED = 5
"""How many mistakes of one sidecar are named."""

SIDECAR_LIMIT = 65_536
"""The largest sidecar read, in bytes."""

LONGEST_VALUE = 255
"""Characters of one value of a sidecar; the server shows no more."""

FORMS: Mapping[str, str] = {
    "recorded_at": 'a date and time with its zone in quotes, such as "2026-11-22T14:03:00-05:00"',
    "recorded_until": 'a date and time with its zone in quotes, such as "2026-11-22T14:09:30-05:00"',
    "camera": "the camera's serial number as text in quotes",
    "officer": "the officer's badge as text in quotes",
    "incident": "the incident number as text in quotes",
    "content_type": 'the kind of file in quotes, such as "video/mp4"',
}
"""What a sidecar may say, and in what form: text of up to LONGEST_VALUE characters that is not empty."""


COARSE_NS = 10_000_000
"""FAT and its like keep times in steps of 10 ms or more, written by the camera, and no times of the system."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file as it was when it was listed. `size` in bytes, `path` absolute.

    `ctime_ns` is the one mark that nobody can set back: it tells a file from another that was
    given its name, size and time.
    """

    path: Path
    name: str
    size: int
    mtime_ns: int
    ctime_ns: int
    device: int
    inode: int
    sidecar: Path | None = None

    @property
    def identity(self) -> tuple[int, int, int, int, int]:
        """What the system said of the file."""
        return self.device, self.inode, self.size, self.mtime_ns, self.ctime_ns

    @property
    def mark(self) -> str | None:
        """What tells this file from any other in a later run, or None where the file system has no such thing.

        On FAT the inode is counted up at every mount and ctime is made of what the camera's
        clock said: both can come back with other bytes.
        """
        if self.ctime_ns % COARSE_NS == 0:
            return None
        return f"{self.device}:{self.inode}:{self.ctime_ns}"

    def unchanged(self) -> bool:
        """Say whether the file still is what was listed."""
        try:
            now = self.path.lstat()
        except OSError:
            return False
        return _identity(now) == self.identity

    def open(self) -> BinaryIO:
        """Open the very file that was listed; raise ConflictError when another stands in its place."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        if _identity(os.fstat(descriptor)) != self.identity:
            os.close(descriptor)
            raise ConflictError(
                "the file changed after it was listed", next_step="run the same command when it stands still"
            )
        return os.fdopen(descriptor, "rb")


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something in the folder that will not be sent, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What a folder holds: files to send in the order of their names, what is left out, what cannot be read."""

    files: Sequence[FoundFile] = field(default_factory=list)
    skipped: Sequence[Skipped] = field(default_factory=list)
    unreadable: Sequence[Skipped] = field(default_factory=list)


def scan(folder: Path) -> Listing:
    """List a folder and the folders in it. Hidden files, links, sidecars and special files are skipped.

    What the system refuses to show, in whatever depth, is listed as unreadable, and the rest is
    listed all the same; OSError is raised only for the folder itself.
    """
    root = folder.resolve(strict=True)
    files: list[FoundFile] = []
    skipped: list[Skipped] = []
    unreadable: list[Skipped] = []
    # A list and no recursion: a stranger's folders may be deeper than calls can go.
    left = _entries(root)
    while left:
        entry = left.pop()
        name = os.path.relpath(entry.path, root)
        try:
            if why := _why_not(entry):
                skipped.append(Skipped(name, why))
            elif entry.is_dir(follow_symlinks=False):
                left.extend(_entries(Path(entry.path)))
            else:
                files.append(_found(Path(entry.path), name, entry.stat(follow_symlinks=False)))
        except OSError as error:
            unreadable.append(Skipped(name, (error.strerror or "the system refused").lower()))
    return replace(_with_sidecars(files, skipped), unreadable=unreadable)


def one(path: Path) -> FoundFile:
    """Return a file that a person named. A link they named is followed, for it was they who named it."""
    resolved = path.resolve(strict=True)
    found = resolved.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise InvalidError(f"{path} is not a file", next_step="name a file, or use `evidence dock upload FOLDER`")
    return _found(resolved, str(path), found)


def settle(
    files: Sequence[FoundFile], *, still_for: timedelta, now: datetime, sleep: Callable[[float], None]
) -> tuple[list[FoundFile], list[FoundFile]]:
    """Return the files that stand still, and those somebody is still writing.

    A file touched within `still_for` (or in the future, for cameras' clocks are wrong) is
    looked at again after that time; all of them are waited for together.
    """
    latest = (now - still_for).timestamp()
    fresh = {each.path for each in files if each.mtime_ns / 1e9 > latest}
    if fresh:
        sleep(still_for.total_seconds())
    moving = [each for each in files if each.path in fresh and not each.unchanged()]
    still = [each for each in files if each not in moving]
    return still, moving


def metadata(file: FoundFile, general: Mapping[str, str], *, sidecars: bool = True) -> dict[str, str]:
    """Return what is said of a recording: what holds for the whole folder, and its sidecar, which knows better.

    A sidecar says what is in FORMS and nothing else.  Raises InvalidError when it says anything
    else or in another form: whose recording it is must neither be guessed nor left out unsaid.
    """
    own = _read_sidecar(file.sidecar) if sidecars and file.sidecar else {}
    return {**general, **own}


def sent_name(file: FoundFile) -> str:
    """Return the file's own name as it is sent; bytes that are no UTF-8 are written out."""
    return os.fsencode(file.path.name).decode("utf-8", errors="backslashreplace")


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder, the last name first."""
    with os.scandir(folder) as listed:
        return sorted(listed, key=lambda entry: os.fsencode(entry.name), reverse=True)


def _why_not(entry: os.DirEntry[str]) -> str | None:
    if entry.is_symlink():
        return "a link; links are not followed"
    if entry.name.startswith("."):
        return "hidden"
    if not entry.is_dir(follow_symlinks=False) and not entry.is_file(follow_symlinks=False):
        return "neither a file nor a folder"
    return None


def _with_sidecars(files: Sequence[FoundFile], skipped: list[Skipped]) -> Listing:
    """Take `NAME.json` (or `NAME.mp4.json`) beside `NAME.mp4` for its sidecar, and off the list."""
    paths = {each.path for each in files}
    sidecars: dict[Path, Path] = {}
    for each in files:
        for candidate in (each.path.with_name(each.path.name + ".json"), each.path.with_suffix(".json")):
            if each.path.suffix.lower() != ".json" and candidate in paths:
                sidecars[each.path] = candidate
                break
    taken = set(sidecars.values())
    skipped = [
        *skipped,
        *(Skipped(each.name, "a sidecar; it is read, not sent") for each in files if each.path in taken),
    ]
    kept = [replace(each, sidecar=sidecars.get(each.path)) for each in files if each.path not in taken]
    return Listing(kept, skipped)


def _read_sidecar(path: Path) -> dict[str, str]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            content = stream.read(SIDECAR_LIMIT + 1)
        members = json.loads(content, object_pairs_hook=_once_each) if len(content) <= SIDECAR_LIMIT else None
    except (OSError, ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        raise _unreadable(path, "it must be one JSON object that names nothing twice")
    if wrong := [why for name, value in members.items() if (why := _why_not_said(name, value))]:
        raise _unreadable(path, "; ".join(wrong[:LISTED]))
    return members


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands there twice")
    return members


def _why_not_said(name: str, value: object) -> str | None:
    if name not in FORMS:
        shown = name[:64].encode("utf-8", "backslashreplace").decode()
        return f"`{shown}` is not known here (known: {', '.join(FORMS)})"
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_VALUE:
        return f"`{name}` must be {FORMS[name]}, of up to {LONGEST_VALUE} characters"
    if not is_text(value):
        return f"`{name}` holds half a character (a lone surrogate), which nobody can send or show"
    if name in ("recorded_at", "recorded_until") and not is_instant(value):
        return f"`{name}` must be {FORMS[name]}"
    return None


def is_text(value: str) -> bool:
    """Say whether the text is made of whole characters, and so can be sent at all."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_instant(text: str) -> bool:
    """Say whether the text is a date and time with its zone, which alone is an instant."""
    try:
        instant = datetime.fromisoformat(text)
        instant.astimezone(UTC)  # the first and last days there are overflow
    except (ValueError, OverflowError):
        return False
    return instant.tzinfo is not None


def _unreadable(path: Path, why: str) -> EvidenceError:
    return InvalidError(
        f"the sidecar {path.name} cannot be understood: {why}",
        next_step="mend it, or send without sidecars: --no-sidecars",
    )


def _found(path: Path, name: str, found: os.stat_result) -> FoundFile:
    device, inode, size, mtime_ns, ctime_ns = _identity(found)
    return FoundFile(path, name, size=size, mtime_ns=mtime_ns, ctime_ns=ctime_ns, device=device, inode=inode)


def _identity(found: os.stat_result) -> tuple[int, int, int, int, int]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
