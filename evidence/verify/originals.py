"""Hold the bytes of an original against what was received, and say which chunks differ."""

from collections.abc import Iterable
from hashlib import sha256

from evidence.proof import FormatError, package
from evidence.verify.bundle import DamagedError
from evidence.verify.examination import Examination
from evidence.verify.history import Received
from evidence.verify.verdict import Finding

_MOST_CHUNKS_NAMED = 5
_LARGEST_CHUNK_LIST = 64 << 20


def find_differences(seen: Examination, item: package.PackedItem, received: Received | None) -> list[Finding]:
    """Return what is wrong with an original that is in the package, and with its chunk list.

    It must be what the record of its reception says; where that record cannot be relied on, what
    the index says, unless that was altered as well.
    """
    assert item.original is not None
    report = seen.reports[item.item]
    path, size = item.original.path, seen.bundle.sizes[item.original.path]
    findings, chunks = _read_chunk_list(seen, item, received)
    report.original, report.size = "changed", size
    try:
        found, found_chunks = hash_original(seen.bundle.read(path))
    except DamagedError as wrong:
        return [*findings, Finding("O01", path, f"the original cannot be read to its end: {wrong}", item=item.item)]
    expected = _expected(seen, item.original, received)
    if expected is not None and found != expected.sha256:
        message = _what_changed(found_chunks, chunks, size=size, expected_size=expected.size)
        return [*findings, Finding("O01", path, message, item=item.item)]
    report.original = "unchanged" if expected is not None else "unknown"
    if received is not None and not seen.index_altered and item.original.sha256 != received.sha256:
        message = "the index names other bytes than those that were received"
        return [*findings, Finding("O01", package.INDEX, message, item=item.item)]
    if item.chunks is not None and chunks is not None and chunks != found_chunks:
        message = "the chunk list does not fit the original"
        return [*findings, Finding("O01", item.chunks.path, message, item=item.item)]
    return findings


def hash_original(blocks: Iterable[bytes]) -> tuple[bytes, list[bytes]]:
    """Return the SHA-256 of the whole and of each chunk of 8 MiB, in one pass."""
    whole, chunk, room = sha256(), sha256(), package.CHUNK_SIZE
    chunks: list[bytes] = []
    for block in blocks:
        whole.update(block)
        view = memoryview(block)
        while len(view) >= room:
            chunk.update(view[:room])
            chunks.append(chunk.digest())
            view, chunk, room = view[room:], sha256(), package.CHUNK_SIZE
        chunk.update(view)
        room -= len(view)
    if room < package.CHUNK_SIZE:
        chunks.append(chunk.digest())
    return whole.digest(), chunks


def _expected(seen: Examination, packed: package.PackedFile, received: Received | None) -> package.PackedFile | None:
    if received is not None:
        return package.PackedFile(packed.path, received.sha256, packed.size if received.size is None else received.size)
    return None if seen.index_altered else packed


def _read_chunk_list(
    seen: Examination, item: package.PackedItem, received: Received | None
) -> tuple[list[Finding], list[bytes] | None]:
    """Return the chunk list if it is the one on record, else the finding about it."""
    if item.chunks is None or item.chunks.path in seen.bundle.refused:
        return [], None
    path = item.chunks.path
    if not seen.is_there(path):
        message = "the chunk list is not in the package, though its index names it"
        return [Finding("O02", path, message, item=item.item)], None
    try:
        raw = seen.bundle.read_whole(path, most=_LARGEST_CHUNK_LIST)
        chunks = package.parse_chunks(raw)
    except (DamagedError, FormatError) as wrong:
        return [Finding("O01", path, f"the chunk list cannot be read: {wrong}", item=item.item)], None
    on_record = received.chunks if received is not None else None
    if on_record is None and not seen.index_altered:
        on_record = item.chunks.sha256
    if on_record is not None and sha256(raw).digest() != on_record:
        return [Finding("O01", path, "the chunk list is not the one on record", item=item.item)], None
    return [], chunks


def _range(number: int, size: int) -> str:
    """Return the bytes of a chunk of a file of this size."""
    first = number * package.CHUNK_SIZE
    last = min(first + package.CHUNK_SIZE, size) - 1
    return f"bytes {first} to {last}" if last >= first else "beyond its end"


def _what_changed(found: list[bytes], listed: list[bytes] | None, *, size: int, expected_size: int) -> str:
    parts = ["the bytes are not those that were received"]
    if size != expected_size:
        parts.append(f"it has {size} bytes and had {expected_size}")
    if listed is not None:
        differing = [
            number
            for number in range(max(len(found), len(listed)))
            if number >= len(found) or number >= len(listed) or found[number] != listed[number]
        ]
        named = ", ".join(
            f"chunk {number} ({_range(number, max(size, expected_size))})" for number in differing[:_MOST_CHUNKS_NAMED]
        )
        more = f" and {len(differing) - _MOST_CHUNKS_NAMED} more" if len(differing) > _MOST_CHUNKS_NAMED else ""
        parts.append(f"{len(differing)} of {max(len(found), len(listed))} chunks differ: {named}{more}")
    return "; ".join(parts)
