"""Write a package as a stream: BagIt 1.0 in ZIP64, laid out as FORMAT.md says.

Originals are stored without compression, so that a reader can slice them out of a file of many
gigabytes; nothing is ever held whole but the small texts.  What is written is hashed on the way,
and an original that is not what its record says breaks the file off instead of finishing it.
"""

import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID

from evidence.clock import written
from evidence.errors import IntegrityError
from evidence.proof import heads, package

if TYPE_CHECKING:
    from typing_extensions import Buffer

README_TEXT = """\
This is a package of evidence with its chain of custody.

  data/items/*/original/     the original of each item, bit for bit as it was received
  data/items/*/records.txt   its custody records, oldest first, seven lines each
  data/items/*/disclosures.json   what the records say beyond their digests
  data/items/*/receipt-*.txt receipts given for records, signed
  data/custody/heads.txt     where each chain ends, signed
  data/package.json          the index, pinned by the signed heads

To check it you need the trust file of the installation it came from, which must reach you another
way than this package, and one of:

  evidence verify PACKAGE --trust TRUST.json
  python3 evidence-verify.pyz PACKAGE --trust TRUST.json

Both work without a network. A match means that nothing changed since the item was received; it
says nothing about what happened before, and nothing about whether what it shows is true.
"""


class DamagedOriginalError(IntegrityError):
    """A stored original is gone, cannot be read, or is not what was recorded at its receipt."""

    def __init__(self, item_id: UUID) -> None:
        super().__init__(
            f"the stored original of item {item_id} is not what was recorded at its receipt",
            next_step="nothing was handed over; tell whoever runs this installation: the original must be looked into",
        )
        self.item_id = item_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """An original to be packed: its name as it came, size in bytes, SHA-256, and its bytes when asked for."""

    filename: str
    size: int
    sha256: bytes
    read: Callable[[], Iterable[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Everything of one item. `chunks` is its chunk list; records are sealed bytes, oldest first."""

    item_id: UUID
    number: str
    original: Original | None
    chunks: bytes | None
    records: Sequence[bytes]
    disclosures: Sequence[str]
    receipts: Mapping[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """One package to be written. `sign` turns the text of the heads into a signed note."""

    id: UUID
    origin: str
    made_at: datetime
    items: Sequence[Contents]
    heads: Sequence[heads.Head]
    withheld: package.Withheld
    sign: Callable[[str], str]


def write(packing: Packing) -> Iterator[bytes]:
    """Yield the bytes of the zip. Raises DamagedOriginalError where an original is not what was recorded."""
    bag = _Bag(package.base_folder(str(packing.id)), packing.made_at)
    index = _index(packing)
    texts = _texts(packing)
    yield from bag.add(package.BAGIT, package.BAGIT_TEXT)
    yield from bag.add(package.INDEX, index)
    yield from bag.add(package.HEADS, packing.sign(_heads(packing, index)).encode())
    for path, text in texts.items():
        yield from bag.add(path, text)
    for contents in packing.items:
        if contents.original is not None:
            yield from bag.add_original(contents.item_id, contents.original)
    yield from bag.close(packing)


def _texts(packing: Packing) -> dict[str, bytes]:
    texts = {package.README: README_TEXT.encode()}
    for contents in packing.items:
        item = str(contents.item_id)
        texts[package.records_path(item)] = package.write_records(contents.records)
        texts[package.disclosures_path(item)] = package.write_disclosures(contents.disclosures)
        if contents.chunks is not None:
            texts[package.chunks_path(item)] = contents.chunks
        for seq, note in contents.receipts.items():
            texts[package.receipt_path(item, seq)] = note.encode()
    return texts


def _index(packing: Packing) -> bytes:
    readme = README_TEXT.encode()
    return package.Package(
        id=str(packing.id),
        origin=packing.origin,
        made_at=written(packing.made_at),
        items=tuple(_packed(contents) for contents in packing.items),
        withheld=packing.withheld,
        files=(package.PackedFile(package.README, sha256(readme).digest(), len(readme)),),
    ).write()


def _packed(contents: Contents) -> package.PackedItem:
    item = str(contents.item_id)
    original = chunks = None
    if contents.original is not None:
        path = package.original_path(item, contents.original.filename)
        original = package.PackedFile(path, contents.original.sha256, contents.original.size)
    if contents.chunks is not None:
        chunks = package.PackedChunks(package.chunks_path(item), sha256(contents.chunks).digest())
    return package.PackedItem(
        item=item,
        number=contents.number,
        original=original,
        chunks=chunks,
        records=package.records_path(item),
        disclosures=package.disclosures_path(item),
        receipts=tuple(package.receipt_path(item, seq) for seq in contents.receipts),
    )


def _heads(packing: Packing, index: bytes) -> str:
    return heads.Heads(packing.origin, written(packing.made_at), sha256(index).digest(), tuple(packing.heads)).write()


def _intact(original: Original, item_id: UUID) -> Iterator[bytes]:
    try:
        yield from original.read()
    except (IntegrityError, KeyError) as damage:
        raise DamagedOriginalError(item_id) from damage


class _Outlet:
    """Where the zip is written to: keeps what was written until it is taken away.

    No file object, so that a package broken off in the middle leaves nothing to be closed.
    """

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, piece: "Buffer") -> int:
        """Keep a piece."""
        self._written.append(bytes(piece))
        return len(self._written[-1])

    def flush(self) -> None:
        """Do nothing: what is written is there."""

    def close(self) -> None:
        """Do nothing."""

    def take(self) -> bytes:
        """Hand over what was written since the last time."""
        written, self._written = b"".join(self._written), []
        return written


class _Bag:
    """A BagIt bag being written as a zip, and the digests its manifests will need."""

    def __init__(self, folder: str, made_at: datetime) -> None:
        self._folder = folder
        self._stamp = made_at.timetuple()[:6]
        self._outlet = _Outlet()
        self._zip = zipfile.ZipFile(self._outlet, "w")
        self._payload: dict[str, bytes] = {}
        self._tags: dict[str, bytes] = {}
        self._payload_size = 0

    def add(self, path: str, text: bytes) -> Iterator[bytes]:
        """Write a small file, compressed."""
        info = self._entry(path)
        info.compress_type = zipfile.ZIP_DEFLATED
        self._zip.writestr(info, text)
        self._note(path, sha256(text).digest(), len(text))
        yield self._outlet.take()

    def add_original(self, item_id: UUID, original: Original) -> Iterator[bytes]:
        """Write an original as it is, and hold it to its digest."""
        path = package.original_path(str(item_id), original.filename)
        info = self._entry(path)
        info.file_size = original.size
        hashed, size = sha256(), 0
        with self._zip.open(info, "w", force_zip64=True) as entry:
            for piece in _intact(original, item_id):
                hashed.update(piece)
                size += len(piece)
                entry.write(piece)
                yield self._outlet.take()
        if (hashed.digest(), size) != (original.sha256, original.size):
            raise DamagedOriginalError(item_id)
        self._note(path, hashed.digest(), size)

    def close(self, packing: Packing) -> Iterator[bytes]:
        """Write what only the end knows: sizes and manifests."""
        info = (
            f"Bagging-Date: {packing.made_at:%Y-%m-%d}\n"
            f"External-Identifier: {packing.id}\n"
            f"Payload-Oxum: {self._payload_size}.{len(self._payload)}\n"
            f"Source-Organization: {packing.origin}\n"
        )
        yield from self.add(package.BAG_INFO, info.encode())
        yield from self.add(package.MANIFEST, package.write_manifest(self._payload))
        yield from self.add(package.TAG_MANIFEST, package.write_manifest(self._tags))
        self._zip.close()
        yield self._outlet.take()

    def _entry(self, path: str) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(f"{self._folder}/{path}", self._stamp)
        info.external_attr = 0o100644 << 16
        return info

    def _note(self, path: str, digest: bytes, size: int) -> None:
        if path.startswith("data/"):
            self._payload[path] = digest
            self._payload_size += size
        elif path != package.TAG_MANIFEST:
            self._tags[path] = digest
