"""Names and layout of a package: the file of a production or export (FORMAT.md 10).

A BagIt 1.0 bag, as a zip or as a folder.  `data/package.json` is the index: it names every other
file, and the signed heads name its digest, so that nothing can be added, left out or renamed
without breaking a signature.  This module knows names and texts; writing zips is in
evidence/disclosure, reading them in evidence/verify.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from evidence.proof import FormatError, canonical, disclosure, record

FORMAT = "evidence.package.v1"

BAGIT = "bagit.txt"
BAG_INFO = "bag-info.txt"
MANIFEST = "manifest-sha256.txt"
TAG_MANIFEST = "tagmanifest-sha256.txt"
INDEX = "data/package.json"
HEADS = "data/custody/heads.txt"
README = "data/README.txt"

BAGIT_TEXT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
"""The whole of bagit.txt."""

LARGEST_BAG_INFO = 4 << 10
"""Bytes of bag-info.txt."""

CHUNK_SIZE = 8 << 20
"""Bytes of a chunk; only the last of an original is shorter."""

LARGEST_INDEX = 16 << 20
"""Bytes of package.json."""

LONGEST_PATH = 1024
"""Bytes of a path inside a package, as UTF-8."""

_UUID = re.compile(record.UUID)
_ORIGIN = re.compile(record.ORIGIN)
_SHA256 = re.compile("[0-9a-f]{64}")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_WINDOWS_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
_MANIFEST_LINE = re.compile(r"([0-9a-f]{64})  ([^\n]+)")
_CHUNK_LINES = re.compile(rb"(?:[0-9a-f]{64}\n)*")
_BAG_INFO = {
    "Bagging-Date": re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "External-Identifier": _UUID,
    "Payload-Oxum": re.compile("[0-9]{1,20}[.][0-9]{1,20}"),
    "Source-Organization": _ORIGIN,
}


@dataclass(frozen=True, slots=True)
class PackedFile:
    """A file of the package: where, which SHA-256 (32 bytes), how many bytes."""

    path: str
    sha256: bytes
    size: int


@dataclass(frozen=True, slots=True)
class PackedChunks:
    """The chunk list of an original: where, and the SHA-256 of the list (32 bytes)."""

    path: str
    sha256: bytes


@dataclass(frozen=True, slots=True)
class PackedItem:
    """One evidence item of the package and the paths of what belongs to it."""

    item: str
    number: str
    original: PackedFile | None
    chunks: PackedChunks | None
    records: str
    disclosures: str
    receipts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Withheld:
    """What is left out on purpose: digests of disclosures (as in `sd`), SHA-256 of originals, and why."""

    disclosures: tuple[str, ...] = ()
    objects: tuple[bytes, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Package:
    """The index. `files` are all further files below data/ (the README, a player), pinned by digest."""

    id: str
    origin: str
    made_at: str
    items: tuple[PackedItem, ...]
    withheld: Withheld = Withheld()
    files: tuple[PackedFile, ...] = ()

    def write(self) -> bytes:
        """Return package.json as canonical JSON, or raise FormatError."""
        raw = canonical.encode(
            {
                "format": FORMAT,
                "id": self.id,
                "origin": self.origin,
                "made_at": self.made_at,
                "items": [_item_members(item) for item in self.items],
                "withheld": {
                    "disclosures": sorted(self.withheld.disclosures),
                    "objects": sorted(sha256.hex() for sha256 in self.withheld.objects),
                    "reason": self.withheld.reason,
                },
                "files": [_file_members(file) for file in self.files],
            }
        )
        parse(raw)
        return raw

    def paths(self) -> list[str]:
        """Return every path the index names, in its order."""
        named = []
        for item in self.items:
            named += [part.path for part in (item.original, item.chunks) if part is not None]
            named += [item.records, item.disclosures, *item.receipts]
        return named + [file.path for file in self.files]


def base_folder(package_id: str) -> str:
    """Return the name of the one folder that a package's zip holds."""
    return f"package-{package_id}"


def original_path(item: str, filename: str) -> str:
    """Return where the original of an item lies, under a name that is safe everywhere."""
    return f"data/items/{item}/original/{safe_name(filename)}"


def chunks_path(item: str) -> str:
    """Return where the chunk list of an item's original lies."""
    return f"data/items/{item}/chunks.txt"


def records_path(item: str) -> str:
    """Return where the records of an item's chain lie."""
    return f"data/items/{item}/records.txt"


def disclosures_path(item: str) -> str:
    """Return where the disclosures of an item's records lie."""
    return f"data/items/{item}/disclosures.json"


def receipt_path(item: str, seq: int) -> str:
    """Return where the receipt for one record of an item lies."""
    return f"data/items/{item}/receipt-{seq}.txt"


def item_chain(item: str) -> str:
    """Return the chain of an item."""
    return f"item/{item}"


def safe_name(filename: str) -> str:
    """Return a file name that no system can misread; never empty, at most 100 ASCII letters.

    The name as it came is a disclosure; this one is only for finding the file.
    """
    plain = unicodedata.normalize("NFKD", filename.replace("\\", "/").rpartition("/")[2])
    name = _UNSAFE.sub("_", plain).strip("._")
    if len(name) > 100:
        stem, dot, ending = name.rpartition(".")
        keep = f"{dot}{ending}" if stem and len(ending) <= 10 else ""
        name = name[: 100 - len(keep)] + keep
    if not name or _WINDOWS_DEVICE.fullmatch(name):
        name = f"original_{name}".rstrip("_")
    return name


def require_path(path: object) -> str:
    """Return a path that is safe to name inside a package, or raise FormatError saying why it is not."""
    if type(path) is not str or not path:
        raise FormatError("a path is a string that is not empty")
    if any(ord(letter) < 32 or 0x7F <= ord(letter) < 0xA0 or 0xD800 <= ord(letter) < 0xE000 for letter in path):
        raise FormatError("a path holds a control character")
    if "\\" in path:
        raise FormatError("a path holds a backslash")
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        raise FormatError("a path is absolute")
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise FormatError("a path leaves its folder or has an empty part")
    if len(path.encode()) > LONGEST_PATH:
        raise FormatError(f"a path is longer than {LONGEST_PATH} bytes")
    if unicodedata.normalize("NFC", path) != path:
        raise FormatError("a path is not in Unicode's normal form C")
    return path


def parse(raw: bytes) -> Package:
    """Read package.json, or raise FormatError."""
    if len(raw) > LARGEST_INDEX:
        raise FormatError("the index is larger than 16 MiB")
    top = _members(canonical.decode(raw), "format id origin made_at items withheld files")
    if top["format"] != FORMAT:
        raise FormatError(f"the format of the index is not {FORMAT}")
    withheld = _members(top["withheld"], "disclosures objects reason")
    if withheld["reason"] is not None:
        _string(withheld["reason"])
    package = Package(
        id=_matching(_UUID, top["id"]),
        origin=_matching(_ORIGIN, top["origin"]),
        made_at=record.require_instant(_string(top["made_at"])),
        items=tuple(_parse_item(one) for one in _list(top["items"])),
        withheld=Withheld(
            tuple(disclosure.require_digest(one) for one in _list(withheld["disclosures"])),
            tuple(_parse_sha256(one) for one in _list(withheld["objects"])),
            withheld["reason"],
        ),
        files=tuple(_parse_file(one) for one in _list(top["files"])),
    )
    paths = package.paths()
    if len(set(paths)) != len(paths):
        raise FormatError("the index names a path twice")
    if len({item.item for item in package.items}) != len(package.items):
        raise FormatError("the index names an item twice")
    return package


def write_records(records: Iterable[bytes]) -> bytes:
    """Return records.txt: the sealed bytes of each record and one newline."""
    return b"".join(raw + b"\n" for raw in records)


def write_disclosures(texts: Iterable[str]) -> bytes:
    """Return disclosures.json. In the order of their records, then of `sd`, they are cheapest to verify."""
    return canonical.encode({"disclosures": list(texts)})


def write_chunks(digests: Iterable[bytes]) -> bytes:
    """Return a chunk list: one lower-case hex SHA-256 and a newline for each chunk of 8 MiB."""
    return b"".join(digest.hex().encode() + b"\n" for digest in digests)


def parse_chunks(raw: bytes) -> list[bytes]:
    """Read a chunk list, or raise FormatError."""
    if not _CHUNK_LINES.fullmatch(raw):
        raise FormatError("a chunk list is lines of one SHA-256 each")
    return [bytes.fromhex(line.decode()) for line in raw.splitlines()]


def write_manifest(sha256_by_path: Mapping[str, bytes]) -> bytes:
    """Return a BagIt manifest: `hex  path` lines, sorted by path. Digests are 32 bytes."""
    return "".join(
        f"{sha256.hex()}  {require_path(path)}\n" for path, sha256 in sorted(sha256_by_path.items())
    ).encode()


def parse_manifest_line(line: str) -> tuple[str, bytes]:
    """Return path and digest of one manifest line (without its newline), or raise FormatError."""
    found = _MANIFEST_LINE.fullmatch(line)
    if found is None:
        raise FormatError("a manifest line is 64 hex digits, two spaces and a path")
    return require_path(found[2]), bytes.fromhex(found[1])


def require_bag_info(raw: bytes) -> None:
    """Raise FormatError unless a bag-info.txt says what ours say, each at most once, and nothing else.

    Nobody signs it, so it must have no room for a sentence that a reader would believe.
    """
    if len(raw) > LARGEST_BAG_INFO:
        raise FormatError("it is larger than 4 KiB")
    if raw and not raw.endswith(b"\n"):
        raise FormatError("it does not end in a newline")
    seen = set()
    for number, line in enumerate(raw.decode("ascii", "replace").split("\n")[:-1], 1):
        label, _colon, value = line.partition(": ")
        if label not in _BAG_INFO or label in seen or not _BAG_INFO[label].fullmatch(value):
            raise FormatError(f"line {number} is not one of {', '.join(_BAG_INFO)} as they are written, each once")
        seen.add(label)


def _item_members(item: PackedItem) -> dict[str, Any]:
    return {
        "item": item.item,
        "number": item.number,
        "original": None if item.original is None else _file_members(item.original),
        "chunks": None if item.chunks is None else {"path": item.chunks.path, "sha256": item.chunks.sha256.hex()},
        "records": item.records,
        "disclosures": item.disclosures,
        "receipts": list(item.receipts),
    }


def _file_members(file: PackedFile) -> dict[str, Any]:
    return {"path": file.path, "sha256": file.sha256.hex(), "size": file.size}


def _parse_item(value: canonical.Value) -> PackedItem:
    members = _members(value, "item number original chunks records disclosures receipts")
    item = _matching(_UUID, members["item"])
    chunks = None
    if members["chunks"] is not None:
        inner = _members(members["chunks"], "path sha256")
        chunks = PackedChunks(_data_path(inner["path"]), _parse_sha256(inner["sha256"]))
    return PackedItem(
        item=item,
        number=_string(members["number"]),
        original=None if members["original"] is None else _parse_file(members["original"]),
        chunks=chunks,
        records=_data_path(members["records"]),
        disclosures=_data_path(members["disclosures"]),
        receipts=tuple(_data_path(one) for one in _list(members["receipts"])),
    )


def _parse_file(value: canonical.Value) -> PackedFile:
    members = _members(value, "path sha256 size")
    size = members["size"]
    if type(size) is not int or size < 0:
        raise FormatError("a size is a whole number of bytes")
    return PackedFile(_data_path(members["path"]), _parse_sha256(members["sha256"]), size)


def _members(value: canonical.Value, names: str) -> dict[str, Any]:
    if type(value) is not dict or value.keys() != set(names.split()):
        raise FormatError(f"the index must have exactly the members {names} here")
    return value


def _list(value: canonical.Value) -> list[Any]:
    if type(value) is not list:
        raise FormatError("the index must have a list here")
    return value


def _string(value: canonical.Value) -> str:
    if type(value) is not str or not value:
        raise FormatError("the index must have a string here that is not empty")
    return value


def _matching(pattern: re.Pattern[str], value: canonical.Value) -> str:
    if not pattern.fullmatch(_string(value)):
        raise FormatError(f"{value!r} is not as the index must have it")
    return str(value)


def _parse_sha256(value: canonical.Value) -> bytes:
    return bytes.fromhex(_matching(_SHA256, value))


def _data_path(value: canonical.Value) -> str:
    path = require_path(value)
    if not path.startswith("data/") or path in (INDEX, HEADS):
        raise FormatError(f"the index names {path!r}, which is not its to name")
    return path
