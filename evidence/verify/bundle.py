"""Open a package, a zip or a folder, without trusting it: no path tricks, no bombs, no surprises.

A zip is listed by the standard library and read by us: straight from its stored bytes, without its
own checksums, so that one flipped byte of footage is found by custody and named by its place,
instead of ending in "bad CRC".  Nothing is ever unpacked to disk.
"""

import os
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from evidence.proof import FormatError, package

BLOCK = 1 << 20
"""Bytes read at a time."""

MOST_FILES = 20_000
LARGEST_RATIO = 200
"""A compressed file may not grow by more than this (what is below 1 MiB may)."""

MOST_GROWTH = 64 << 20
"""Nor may all compressed files together grow by more than that, beyond this many bytes."""

_LARGEST_DIRECTORY = 32 << 20
_ORIGINAL = re.compile(r"(?:[^/]+/)?data/items/[^/]+/original/.+")
_ANCHORS = (package.INDEX, package.HEADS, package.MANIFEST, package.BAGIT)
_ENTRY = b"PK\x01\x02"
_END = b"PK\x05\x06"
_END_SIZE = 22
"""Bytes of an end record, without its comment."""

_SECOND_NAME = 0x7075
"""Number of the Unicode path field: Info-ZIP takes the name in it instead of the entry's own."""

_DOS_LABEL = 0x08
_DOS_FOLDER = 0x10
"""Attributes of DOS: programs pass over a volume's label, and make a folder of what is marked as one."""

_END64 = b"PK\x06\x06"
_LOCATOR = b"PK\x06\x07"
_NO_ROOM = (0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
"""What an end record says where only the ZIP64 record has room for the number."""

_REPACKED = (
    "an original is compressed, and packages store originals as they are: packing a package anew does this. "
    "The original was not read. Ask for the package again as it was made, or unpack this one and check the folder"
)

_NO_SUCH_PLACE = (OSError, OverflowError, ValueError)
"""What a file says to a place that no file can have: a directory may name any number of 64 bits."""


class UnreadableError(Exception):
    """There is no package to verify here. The message says why, `next_step` what to do."""

    def __init__(self, message: str, *, next_step: str) -> None:
        super().__init__(message)
        self.next_step = next_step


class _AmbiguousError(Exception):
    """Programs that open zips would see different files in this one, or it would grow without measure."""


class _TooManyError(Exception):
    """So many files that reading their names alone may exhaust this machine."""


class DamagedError(Exception):
    """A file of the package cannot be read."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that is not safe to read, or that should not be there."""

    path: str
    message: str


@dataclass(slots=True)
class Bundle:
    """The files of a package under their paths, sizes in bytes, and what was refused on the way in.

    `folders` are those that a zip names by themselves; they hold nothing and need not be there.
    `hopeless`: so unsafe that nothing of it was read.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    digests: dict[str, bytes] = field(default_factory=dict)
    _read: Callable[[str], Iterator[bytes]] = field(default=lambda _path: iter(()))
    on_read: Callable[[int], None] = field(default=lambda _size: None)
    hopeless: bool = False

    @property
    def refused(self) -> set[str]:
        """Paths that a problem was named for."""
        return {problem.path for problem in self.problems}

    def read(self, path: str) -> Iterator[bytes]:
        """Yield a file in blocks; once it was read to its end, its SHA-256 is in `digests`.

        Raises KeyError for a path that is not there and DamagedError for one that cannot be read.
        """
        size = self.sizes[path]
        whole, seen = sha256(), 0
        for block in self._read(path):
            whole.update(block)
            seen += len(block)
            self.on_read(len(block))
            yield block
        if seen != size:
            raise DamagedError(f"{seen} bytes where {size} were announced")
        self.digests[path] = whole.digest()

    def read_whole(self, path: str, *, most: int) -> bytes:
        """Return a small file; DamagedError if it has more than `most` bytes."""
        if self.sizes[path] > most:
            raise DamagedError(f"it has {self.sizes[path]} bytes; {most} are the most it may have")
        return b"".join(self.read(path))

    def digest(self, path: str) -> bytes:
        """Return the SHA-256 of a file, reading it if nobody has yet."""
        if path not in self.digests:
            for _block in self.read(path):
                pass
        return self.digests[path]


def open_bundle(path: Path, stack: ExitStack) -> Bundle:
    """Open the package at a path for as long as the stack lives, or raise UnreadableError."""
    try:
        if path.exists() and not (path.is_dir() or path.is_file()):
            # To open a pipe is to wait for whoever writes to it.
            raise UnreadableError(
                f"{path} is neither a file nor a folder",
                next_step="Give the zip as you received it, or the folder it was unpacked to.",
            )
        found = _open_folder(path) if path.is_dir() else _open_zip(stack.enter_context(path.open("rb")))
    except _TooManyError:
        message = f"it holds more than {MOST_FILES} files; nothing in it was read"
        return Bundle(problems=[Problem(path.name, message)], hopeless=True)
    except _AmbiguousError as wrong:
        message = f"the container is ambiguous: {wrong}; nothing in it was read"
        return Bundle(problems=[Problem(path.name, message)], hopeless=True)
    except FileNotFoundError as wrong:
        missing = wrong.filename or path
        raise UnreadableError(f"there is no file {missing}", next_step="Check the name of the package.") from None
    except OSError as wrong:
        raise UnreadableError(
            f"{wrong.filename or path} cannot be read: {wrong.strerror}",
            next_step="Check that you may read the file, and the disk.",
        ) from None
    bundle = _below_base(found)
    if not any(anchor in bundle.sizes for anchor in _ANCHORS):
        raise _no_package(path)
    return bundle


def _below_base(found: Bundle) -> Bundle:
    """Take away the one folder that everything lies in, if there is one."""
    base = _base(found.sizes)
    if not base:
        return found
    bundle = Bundle(_read=lambda path: found._read(base + path))
    for path, size in found.sizes.items():
        if path.startswith(base):
            bundle.sizes[path.removeprefix(base)] = size
        else:
            bundle.problems.append(Problem(path, "it lies outside the folder of the package"))
    outside = [name for name in found.folders if not name.startswith(base)]
    bundle.problems += [Problem(name, "it lies outside the folder of the package") for name in outside]
    bundle.problems += [Problem(problem.path.removeprefix(base), problem.message) for problem in found.problems]
    return bundle


def _base(paths: dict[str, int]) -> str:
    folders = Counter(
        path.removesuffix(anchor)
        for path in paths
        for anchor in _ANCHORS
        if path == anchor or (path.endswith("/" + anchor) and path.count("/") == anchor.count("/") + 1)
    )
    return max(sorted(folders), key=folders.__getitem__) if folders and "" not in folders else ""


def _open_folder(root: Path) -> Bundle:
    bundle = Bundle()
    files: dict[str, Path] = {}
    for folder, folders, names in os.walk(root, onerror=_raise):
        # Folders without files count for nothing: what lies below this cannot have a path that is safe.
        if len(Path(folder).relative_to(root).as_posix()) > package.LONGEST_PATH:
            path = Path(folder).relative_to(root).as_posix()
            bundle.problems.append(Problem(_shown(path), "folders lie in one another deeper than any path may be"))
            folders.clear()
            continue
        folders.sort()
        for name in sorted(names + [each for each in folders if (Path(folder) / each).is_symlink()]):
            file = Path(folder) / name
            path = file.relative_to(root).as_posix()
            status = file.lstat()
            if stat.S_ISLNK(status.st_mode):
                bundle.problems.append(Problem(_shown(path), "it is a symbolic link, which may lead anywhere"))
            elif not stat.S_ISREG(status.st_mode):
                bundle.problems.append(Problem(_shown(path), "it is no plain file"))
            elif unsafe := _wrong_name(path):
                bundle.problems.append(Problem(_shown(path), unsafe))
            else:
                files[path] = file
                bundle.sizes[path] = status.st_size
            if len(files) > MOST_FILES:
                raise _TooManyError if _holds_anchor(root) else _no_package(root)
    bundle._read = lambda path: _read_file(files[path], bundle.sizes[path])
    return bundle


def _raise(wrong: OSError) -> None:
    """Pass over no folder that cannot be listed: anything might lie in it."""
    raise wrong


def _holds_anchor(root: Path) -> bool:
    return any(any(root.glob(place + anchor)) for anchor in _ANCHORS for place in ("", "*/"))


def _no_package(path: Path) -> UnreadableError:
    return UnreadableError(
        f"{path} is no package of this evidence room: it holds none of {', '.join(_ANCHORS)}",
        next_step="Give the zip as you received it, or the folder it was unpacked to.",
    )


def _read_file(file: Path, size: int) -> Iterator[bytes]:
    try:
        with file.open("rb", buffering=0) as stream:
            while block := stream.read(BLOCK):
                yield block
    except OSError as wrong:
        raise DamagedError(f"the disk says: {wrong.strerror} (of {size} bytes)") from None


def _open_zip(stream: BinaryIO) -> Bundle:
    directory_at = _find_directory(stream)
    try:
        entries = zipfile.ZipFile(stream).infolist()
    except (zipfile.BadZipFile, NotImplementedError, struct.error, ValueError, EOFError, *_NO_SUCH_PLACE) as wrong:
        raise UnreadableError(
            f"it cannot be read as a zip: {wrong}",
            next_step="It may have been cut off on its way: fetch it again and compare its size.",
        ) from None
    bundle = Bundle()
    kept: dict[str, tuple[zipfile.ZipInfo, int]] = {}
    twice: set[str] = set()
    folders: set[str] = set()
    ends = _ends_of_data(entries, directory_at)
    if entries and min(ends.keys()) != 0:
        raise _AmbiguousError("bytes lie before its first file")
    for entry in entries:
        # orig_filename: the library itself cuts names at NUL and turns the separators of other systems.
        name, end = entry.orig_filename, ends[entry.header_offset]
        if name in kept or name in folders or name in twice:
            # Two programs would take two different ones, so none is taken.
            kept.pop(name, None)
            folders.discard(name)
            if name not in twice:
                bundle.problems.append(Problem(_shown(name), "it stands twice in the zip"))
            twice.add(name)
            continue
        unsafe = _wrong_name(name.removesuffix("/") or name) or _wrong_entry(entry, end)
        try:
            data_at = 0 if unsafe else _find_data(stream, entry, end)
        except DamagedError as wrong:
            unsafe = f"the container is ambiguous: {wrong}"
        if unsafe:
            bundle.problems.append(Problem(_shown(name), unsafe))
        elif name.endswith("/"):
            folders.add(name)
        else:
            kept[name] = (entry, data_at)
    compressed = [entry for entry, _at in kept.values() if entry.compress_type == zipfile.ZIP_DEFLATED]
    if sum(entry.file_size for entry in compressed) > max(
        LARGEST_RATIO * sum(entry.compress_size for entry in compressed), MOST_GROWTH
    ):
        raise _AmbiguousError("its compressed files together grow too much: a bomb")
    for name in _in_place_of_files(folders, kept) if folders else ():
        bundle.problems.append(
            Problem(_shown(name), "it is a folder with the name of a file, or below one; case does not count")
        )
        folders.discard(name)
    bundle.folders = sorted(folders)
    bundle.sizes = {name: entry.file_size for name, (entry, _at) in kept.items()}
    bundle._read = lambda path: _read_entry(stream, *kept[path])
    return bundle


def _in_place_of_files(folders: Iterable[str], files: Iterable[str]) -> list[str]:
    """Return the folders that have the name of a file or lie below one; case and form of Unicode do not count."""
    # No name holds a NUL, and it sorts first: whatever lies below a file comes right behind it.
    named = [(f"{alike(name)}/".replace("/", "\0"), "") for name in files]
    named += [(alike(name).replace("/", "\0"), name) for name in folders]
    found, file = [], "/"
    for key, folder in sorted(named):
        if folder and key.startswith(file):
            found.append(folder)
        elif not folder and not key.startswith(file):
            file = key
    return found


def alike(path: str) -> str:
    """Return what a system that knows no case, or another form of Unicode, takes a path for."""
    return unicodedata.normalize("NFC", path.casefold())


def _find_directory(stream: BinaryIO) -> int:
    """Return where the directory begins, having counted what it holds before the library reads it into memory.

    The end record says how many files there are, but readers go by its bytes.  Nothing may lie between
    directory and end record or after it, so that every reader finds the same directory.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - 65_557))
    tail = stream.read()
    if _END not in tail or size < 22:
        raise UnreadableError(
            "it is neither a folder nor a whole zip", next_step="Give the zip as you received it, not cut off."
        )
    if _is_cut_off(tail, size - len(tail)):
        raise UnreadableError(
            "the zip is cut off: it ends inside its own end record",
            next_step="Give the zip as you received it, not cut off.",
        )
    end = size - 22
    if not tail[-22:].startswith(_END) or tail[-2:] != b"\0\0":
        raise _AmbiguousError("bytes lie behind its end")
    told: tuple[int, ...] = struct.unpack("<HHHHII", tail[-18:-2])
    if tail[-42:-22].startswith(_LOCATOR):
        end -= 76
        told = _told_in_full(stream, told, locator=tail[-42:-22], end=end)
    disk, disk_of_directory, count_here, count, length, at = told
    if count > MOST_FILES or length > _LARGEST_DIRECTORY:
        raise _TooManyError
    if (disk, disk_of_directory, count_here) != (0, 0, count):
        raise _AmbiguousError("its end record says that a part of it is on another disk")
    if at + length != end:
        raise _AmbiguousError("its directory is not where its end record says")
    stream.seek(at)
    directory = stream.read(length)
    found = place = 0
    while place < length:
        if directory[place : place + 4] != _ENTRY or length - place < 46:
            raise _AmbiguousError("its directory holds something else than files")
        name_size, extra_size, comment_size = struct.unpack_from("<HHH", directory, place + 28)
        if comment_size:
            raise _AmbiguousError("a file in it carries a comment")
        place += 46 + name_size + extra_size
        found += 1
        if found > MOST_FILES:
            raise _TooManyError
    if place != length or found != count:
        raise _AmbiguousError("its directory does not hold as many files as its end record says")
    return at


def _is_cut_off(tail: bytes, start: int) -> bool:
    """Say whether a zip ends inside its end record, given its last bytes and where in the file they begin.

    Behind a whole zip may lie what looks like the begin of another end record: nothing is cut off there.
    """
    *before, last = (found.start() for found in re.finditer(_END, tail))
    there = len(tail) - last
    if there >= _END_SIZE + _comment_size(tail, last):
        return False
    return _follows_a_directory(tail, last) and not any(_ends_a_zip(tail, at, start) for at in before)


def _comment_size(tail: bytes, end: int) -> int:
    """Return how long an end record says that its comment is; nought if it does not come to that."""
    return int.from_bytes(tail[end + 20 : end + _END_SIZE], "little")


def _follows_a_directory(tail: bytes, end: int) -> bool:
    """Say whether the last entry of a directory, or a locator, ends where an end record begins."""
    if _has_locator(tail, end):
        return True
    for found in re.finditer(_ENTRY, tail[: max(0, end - 42)]):
        if found.start() + 46 + sum(struct.unpack_from("<HHH", tail, found.start() + 28)) == end:
            return True
    return False


def _has_locator(tail: bytes, end: int) -> bool:
    return end >= 20 and tail.startswith(_LOCATOR, end - 20)


def _ends_a_zip(tail: bytes, end: int, start: int) -> bool:
    """Say whether an end record is there and names a directory that ends where it begins, so that a zip is whole."""
    if end + _END_SIZE > len(tail):
        return False
    if _has_locator(tail, end):
        (record,) = struct.unpack_from("<Q", tail, end - 12)
        return bool(record + 76 == start + end)
    return bool(sum(struct.unpack_from("<II", tail, end + 12)) == start + end)


def _ends_of_data(entries: list[zipfile.ZipInfo], directory_at: int) -> dict[int, int]:
    """Return for each entry's offset where the next entry, or the directory, begins: no data may reach beyond."""
    offsets = sorted({entry.header_offset for entry in entries})
    return dict(zip(offsets, [*offsets[1:], directory_at], strict=False))  # of a zip without files: nothing


def _told_in_full(stream: BinaryIO, told: tuple[int, ...], *, locator: bytes, end: int) -> tuple[int, ...]:
    """Return what the ZIP64 end record, which must begin at `end`, says in place of the short one."""
    stream.seek(max(0, end))
    record = stream.read(56)
    if struct.unpack("<IQI", locator[4:]) != (0, end, 1) or not record.startswith(_END64 + struct.pack("<Q", 44)):
        raise _AmbiguousError("its end record is not right before what points to it")
    full: tuple[int, ...] = struct.unpack("<IIQQQQ", record[16:])
    if any(short not in (long, no_room) for short, long, no_room in zip(told, full, _NO_ROOM, strict=True)):
        raise _AmbiguousError("its two end records contradict each other")
    return full


def _wrong_name(name: str) -> str | None:
    try:
        package.require_path(name)
    except FormatError as wrong:
        return f"its name is unsafe: {wrong}"
    return None


def _wrong_entry(entry: zipfile.ZipInfo, end: int) -> str | None:
    is_folder = entry.orig_filename.endswith("/")
    if wrong := _wrong_kind(entry.external_attr, is_folder=is_folder):
        return wrong
    if entry.flag_bits & 0x1:
        return "it is encrypted"
    if _SECOND_NAME in _extra_fields(entry.extra):
        return "it carries a second name, which some programs would take instead"
    if _start_disk(entry):
        return "it begins on another disk, it says, and there is none"
    if is_folder:
        hollow = entry.compress_type == zipfile.ZIP_STORED and not entry.compress_size and not entry.file_size
        return None if hollow else "it is a folder that holds bytes itself: they would be hidden"
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"it is compressed in a way ({entry.compress_type}) that packages do not use"
    if entry.compress_type == zipfile.ZIP_STORED and entry.compress_size != entry.file_size:
        return "its sizes in the zip contradict each other"
    if entry.compress_type == zipfile.ZIP_DEFLATED and _ORIGINAL.fullmatch(entry.filename):
        return _REPACKED
    if entry.file_size > max(entry.compress_size * LARGEST_RATIO, 1 << 20):
        return f"it would grow from {entry.compress_size} to {entry.file_size} bytes: a bomb"
    if entry.header_offset + 30 + entry.compress_size > end:
        return "it shares its bytes with another file of the zip: a bomb"
    return None


def _wrong_kind(attributes: int, *, is_folder: bool) -> str | None:
    """Say what is wrong with the kinds of file that an entry's attributes name: Unix's above, those of DOS below."""
    kind = stat.S_IFMT(attributes >> 16)
    if kind == stat.S_IFLNK:
        return "it is a symbolic link, which may lead anywhere"
    # Only the slash makes a folder: with it every program takes the entry for one, whatever else it says.
    if kind not in ((0, stat.S_IFREG, stat.S_IFDIR) if is_folder else (0, stat.S_IFREG)) or attributes & _DOS_LABEL:
        return "it is no plain file"
    if attributes & _DOS_FOLDER and not is_folder:
        return "it is marked as a folder and named as a file"
    return None


def _start_disk(entry: zipfile.ZipInfo) -> int:
    """Return the disk that an entry begins on; where there was no room for it, its ZIP64 field ends with it."""
    wide = _extra_fields(entry.extra).get(1, b"")
    return int.from_bytes(wide[-4:], "little") if entry.volume == 0xFFFF and len(wide) % 8 == 4 else entry.volume


def _extra_fields(extra: bytes) -> dict[int, bytes]:
    fields = {}
    while len(extra) >= 4:
        number, size = struct.unpack_from("<HH", extra)
        fields[number] = extra[4 : 4 + size]
        extra = extra[4 + size :]
    return fields


def _find_data(stream: BinaryIO, entry: zipfile.ZipInfo, end: int) -> int:
    """Return where an entry's bytes begin, or raise DamagedError where readers of the zip could differ.

    Some read only the directory, others only what stands before (and behind) the bytes.
    """
    header = _read_at(stream, entry.header_offset, 30)
    if len(header) != 30 or not header.startswith(b"PK\x03\x04"):
        raise DamagedError("the zip has no file where its directory says")
    flags, method, _stamp, crc, packed, size, name_size, extra_size = struct.unpack("<HHIIIIHH", header[6:])
    name = _read_at(stream, entry.header_offset + 30, name_size)
    if name.decode("utf-8", "replace") != entry.orig_filename:
        raise DamagedError("the zip calls this file by two names")
    extra = _extra_fields(_read_at(stream, entry.header_offset + 30 + name_size, extra_size))
    if _SECOND_NAME in extra:
        raise DamagedError("it carries a second name, which some programs would take instead")
    if len(wide := extra.get(1, b"")) == 16 and size == packed == 0xFFFFFFFF:
        size, packed = struct.unpack("<QQ", wide)
    true = (entry.CRC, entry.compress_size, entry.file_size)
    streamed = bool(flags & 0x8)
    if (flags, method) != (entry.flag_bits, entry.compress_type) or (
        (crc, packed, size) != true and not (streamed and (crc, packed, size) == (0, 0, 0))
    ):
        raise DamagedError("what stands before its bytes contradicts the directory")
    data_at: int = entry.header_offset + 30 + name_size + extra_size
    behind = end - data_at - entry.compress_size
    if behind < 0 or behind > 24:
        raise DamagedError("bytes lie between it and what follows, or it has too few")
    descriptors = [b""]
    if streamed:
        forms = ["<IQQ"] + ["<III"] * (max(true) <= 0xFFFFFFFF)
        bare = [struct.pack(form, *true) for form in forms]
        descriptors = bare + [b"PK\x07\x08" + each for each in bare]
    if _read_at(stream, data_at + entry.compress_size, behind) not in descriptors:
        raise DamagedError("what stands behind its bytes contradicts the directory")
    return data_at


def _read_entry(stream: BinaryIO, entry: zipfile.ZipInfo, data_at: int) -> Iterator[bytes]:
    stored = _stored_blocks(stream, data_at, entry.compress_size)
    return stored if entry.compress_type == zipfile.ZIP_STORED else _inflated(stored, entry.file_size)


def _read_at(stream: BinaryIO, position: int, size: int) -> bytes:
    try:
        stream.seek(position)
        return stream.read(size)
    except _NO_SUCH_PLACE as wrong:
        # A place before the first byte or beyond any file, or a disk that fails.
        raise DamagedError(f"the zip cannot be read at byte {position}: {wrong}") from None


def _stored_blocks(stream: BinaryIO, position: int, size: int) -> Iterator[bytes]:
    while size:
        # Others may read other files between two blocks: find the place again each time.
        block = _read_at(stream, position, min(BLOCK, size))
        if not block:
            raise DamagedError("the zip ends inside this file")
        position += len(block)
        size -= len(block)
        yield block


def _inflated(stored: Iterator[bytes], size: int) -> Iterator[bytes]:
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    ended = False
    left = size + 1  # one byte more than announced is enough to know: what comes then may be a bomb
    try:
        for block in stored:
            rest, piece = block, block
            while not inflate.eof and (rest or piece):
                piece = inflate.decompress(rest, min(BLOCK, left))
                rest = inflate.unconsumed_tail
                left -= len(piece)
                yield piece
                if not left:
                    raise DamagedError(f"it grows beyond the {size} bytes that were announced")
            if inflate.unused_data or (inflate.eof and ended):
                # Nobody would ever see them, and every digest would hold.
                raise DamagedError("bytes are hidden behind its compressed end")
            ended = inflate.eof
    except zlib.error as wrong:
        raise DamagedError(f"its compressed bytes are damaged ({wrong})") from None
    if not inflate.eof:
        raise DamagedError("its compressed bytes have no end")


def _shown(path: str) -> str:
    """Make a hostile name safe to print."""
    return path.encode("unicode_escape", "backslashreplace").decode("ascii")[:200]
