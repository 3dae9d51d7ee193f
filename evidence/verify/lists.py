"""Hold the files of a package against its lists: manifest, tag manifest and index (BagIt 1.0, FORMAT.md 10).

The lists are signed by nobody, but for the index.  They catch accidents; who alters a file can alter
them too, and is caught by the chain, the signatures or the index.
"""

from collections import Counter, defaultdict
from collections.abc import Generator, Iterator
from hashlib import sha256

from evidence.proof import FormatError, package
from evidence.verify.bundle import DamagedError, alike
from evidence.verify.examination import Examination

Wrong = tuple[str, str]
"""A path and what is wrong with it."""

Digests = dict[str, bytes]
"""Path -> SHA-256, as a list has it."""

_LARGEST_MANIFEST = 32 << 20
_TAGS = (package.BAGIT, package.BAG_INFO, package.MANIFEST)


def find_wrong_entries(seen: Examination) -> Iterator[Wrong]:
    """Yield every file that the lists do not bear out, and every list that is not as it must be.

    The caller adds each path to `seen.explained` before it asks for the next, so that none is named twice.
    """
    tags = yield from _read_manifest(seen, package.TAG_MANIFEST)
    listed = yield from _read_manifest(seen, package.MANIFEST)
    yield from _twins(seen)
    yield from _unlisted(seen, listed, tags)
    yield from _absent(seen, listed, tags)
    yield from _wrong_digests(seen, tags or {})
    yield from _wrong_digests(seen, {package.BAGIT: sha256(package.BAGIT_TEXT).digest()}, by="the format")
    yield from _wrong_bag_info(seen)
    # A manifest that its own list says was altered is named once, not for each of its lines.
    if package.MANIFEST not in seen.explained:
        yield from _wrong_digests(seen, listed or {})
    if seen.index is not None and not seen.index_altered:
        yield from _wrong_digests(seen, {file.path: file.sha256 for file in seen.index.files}, by="the index")


def _read_manifest(seen: Examination, path: str) -> Generator[Wrong, None, Digests | None]:
    """Return path -> SHA-256 of a manifest's lines; None for a manifest that cannot be read at all."""
    if not seen.is_there(path):
        yield path, "it is not there"
        return None
    try:
        text = seen.bundle.read_whole(path, most=_LARGEST_MANIFEST).decode("utf-8")
    except (DamagedError, UnicodeDecodeError) as wrong:
        yield path, f"it cannot be read: {wrong}"
        return None
    digests: Digests = {}
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        try:
            named, digest = package.parse_manifest_line(line)
        except FormatError as wrong:
            yield path, f"line {number}: {wrong}"
            continue
        if named in digests:
            yield named, f"{path} names it twice"
        digests[named] = digest
    return digests


def _twins(seen: Examination) -> Iterator[Wrong]:
    """Names that a system which knows no case, or another form of Unicode, takes for one."""
    count = Counter(map(alike, seen.bundle.sizes))
    twins: dict[str, list[str]] = defaultdict(list)
    for path in seen.bundle.sizes if len(count) < len(seen.bundle.sizes) else ():
        if count[alike(path)] > 1:
            twins[alike(path)].append(path)
    expected = {*_expected(seen), *_TAGS, package.TAG_MANIFEST}
    for paths in twins.values():
        for path in [each for each in paths if each not in expected] or paths[1:]:
            yield path, f"its name differs from that of {paths[0] if paths[0] != path else paths[1]} only by case"


def _unlisted(seen: Examination, listed: Digests | None, tags: Digests | None) -> Iterator[Wrong]:
    expected = set(_expected(seen))
    for path in sorted(seen.bundle.sizes):
        if not path.startswith("data/"):
            # A list that nobody signs cannot vouch for what lies beside the signed part.
            if path not in (*_TAGS, package.TAG_MANIFEST):
                yield path, "nothing lies here but data and the four files of the bag: it was put in afterwards"
            elif tags is not None and path not in tags and path != package.TAG_MANIFEST:
                yield path, f"{package.TAG_MANIFEST} does not list it"
        elif listed is not None and path not in listed:
            yield path, f"{package.MANIFEST} does not list it"
        elif path not in expected and seen.index is not None and not seen.index_altered:
            yield path, "the index does not name it: it was put in afterwards"


def _absent(seen: Examination, listed: Digests | None, tags: Digests | None) -> Iterator[Wrong]:
    required = [*_TAGS, *([] if seen.index_altered else _expected(seen))]
    by_list = (
        (package.TAG_MANIFEST, tags or {}),
        (package.MANIFEST, listed or {}),
        ("the index or the format", required),
    )
    for name, paths in by_list:
        for path in paths:
            if not seen.is_there(path):
                yield path, f"{name} names it, and it is not there"


def _wrong_digests(seen: Examination, digests: Digests, *, by: str = "its list") -> Iterator[Wrong]:
    for path, digest in digests.items():
        if not seen.is_there(path) or path in seen.explained:
            continue
        try:
            found = seen.bundle.digest(path)
        except DamagedError as wrong:
            yield path, f"it cannot be read to its end: {wrong}"
            continue
        if found != digest:
            yield path, f"it was altered: its digest is not the one that {by} names"


def _wrong_bag_info(seen: Examination) -> Iterator[Wrong]:
    path = package.BAG_INFO
    if seen.is_there(path) and path not in seen.explained:
        try:
            package.require_bag_info(seen.bundle.read_whole(path, most=package.LARGEST_BAG_INFO))
        except (DamagedError, FormatError) as wrong:
            yield path, f"it says what no package says there: {wrong}"


def _expected(seen: Examination) -> list[str]:
    named = seen.index.paths() if seen.index is not None else []
    return [package.INDEX, package.HEADS, *named]
