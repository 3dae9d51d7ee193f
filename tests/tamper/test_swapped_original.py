"""Cheat: the bytes of an original are exchanged, and every list is written anew."""

from collections.abc import Callable
from hashlib import sha256

import pytest

from evidence.proof import package
from evidence.verify import originals
from evidence.verify.checks import check_index, check_lists, check_originals
from tests.tamper.catching import ORIGINAL, STOP, caught, examine, records, told
from tests.vectors import make

CHUNK = package.CHUNK_SIZE


@pytest.mark.parametrize("at", [0, 2048, 4095])
def test_one_altered_byte_is_named(at: int) -> None:
    files = make.pack()
    files[ORIGINAL] = files[ORIGINAL][:at] + bytes([files[ORIGINAL][at] ^ 1]) + files[ORIGINAL][at + 1 :]

    finding = caught(make.relist(files), by=check_originals)

    assert told(finding) == ("O01", STOP, None, ORIGINAL)
    assert "1 of 1 chunks differ: chunk 0 (bytes 0 to 4095)" in finding.message


def test_an_altered_byte_is_named_once_when_the_lists_were_left_as_they_were() -> None:
    files = make.pack()
    files[ORIGINAL] = files[ORIGINAL].replace(files[ORIGINAL][:1], b"\0", 1)

    assert told(caught(files, by=(check_originals, check_lists))) == ("O01", STOP, None, ORIGINAL)


@pytest.mark.parametrize("change", [lambda raw: raw[:-1], lambda raw: raw + b"\0", lambda _raw: b""])
def test_another_length_is_named(change: Callable[[bytes], bytes]) -> None:
    files = make.pack()
    files[ORIGINAL] = change(files[ORIGINAL])

    finding = caught(make.relist(files), by=check_originals)

    assert told(finding) == ("O01", STOP, None, ORIGINAL)
    assert f"it has {len(files[ORIGINAL])} bytes and had 4096" in finding.message


def one_item(original: bytes, *, cited: bytes | None = None, listed: bytes | None = None) -> make.Item:
    """An item whose record cites `cited` and whose chunk list is of `listed`, by default the original itself."""
    whole = original if cited is None else cited
    chunks = make.chunk_list(whole if listed is None else listed)
    members = {**make.original_object(whole), "chunks": sha256(chunks).hexdigest()}
    att = [{"kind": "declared", "sha256": sha256(whole).hexdigest()}]
    received = make.body("item.received", obj=[members], att=att, facts={"upload": "1"})
    sealed = make.link(package.item_chain(STOP), [received])
    return make.Item(STOP, "1", tuple(sealed), (), original, chunks)


@pytest.fixture(scope="module")
def long_original() -> bytes:
    return b"".join(sha256(b"%d" % number).digest() * 1024 for number in range(600))


def test_the_chunks_that_differ_are_named_with_their_bytes(long_original: bytes) -> None:
    packed = make.pack([one_item(long_original)])
    altered = bytearray(long_original)
    altered[CHUNK] ^= 1
    altered[2 * CHUNK + 5] ^= 1
    files = make.relist({**packed, ORIGINAL: bytes(altered)})

    finding = caught(files, by=check_originals, control=packed)

    assert told(finding) == ("O01", STOP, None, ORIGINAL)
    assert f"2 of 3 chunks differ: chunk 1 (bytes {CHUNK} to {2 * CHUNK - 1})" in finding.message
    assert f"chunk 2 (bytes {2 * CHUNK} to {len(long_original) - 1})" in finding.message


def test_of_many_chunks_the_first_are_named(long_original: bytes) -> None:
    packed = make.pack([one_item(long_original)])
    files = make.relist({**packed, ORIGINAL: bytes(7 * CHUNK)})

    assert "7 of 7 chunks differ" in (found := caught(files, by=check_originals, control=packed).message)
    assert found.endswith("and 2 more")


def test_an_original_that_ends_on_a_chunk_is_fine() -> None:
    assert examine(make.pack([one_item(bytes(CHUNK))])).outcome == "verified"
    assert examine(make.pack([one_item(b"")])).outcome == "verified"


def test_an_altered_chunk_list_is_named() -> None:
    files = make.pack()
    path = package.chunks_path(STOP)
    files[path] = files[path].replace(files[path][:2], b"00", 1)

    assert told(caught(make.relist(files), by=check_originals)) == ("O01", STOP, None, path)


def test_a_chunk_list_that_is_none_is_named() -> None:
    files = make.pack()
    path = package.chunks_path(STOP)
    files[path] = b"not a list\n"

    assert told(caught(make.relist(files), by=check_originals)) == ("O01", STOP, None, path)


def test_an_altered_original_is_found_without_its_chunk_list_too() -> None:
    files = make.pack()
    path = package.chunks_path(STOP)
    files[path] = b"not a list\n"
    files[ORIGINAL] = b"other footage"

    verdict = examine(make.relist(files))

    assert [told(each)[::3] for each in verdict.findings] == [("O01", path), ("O01", ORIGINAL)]


def test_a_chunk_list_on_record_that_never_fitted_is_named() -> None:
    files = make.pack([one_item(b"footage", listed=b"other footage")])

    finding = caught(files, by=check_originals)

    assert told(finding) == ("O01", STOP, None, package.chunks_path(STOP))


def test_another_original_under_heads_signed_anew_is_held_against_the_record_of_its_reception() -> None:
    """Whoever holds the export key can sign another index, but not change what the record says."""
    finding = caught(make.pack([one_item(b"other footage", cited=b"footage")]), by=check_originals)

    assert told(finding) == ("O01", STOP, None, ORIGINAL)


def test_an_index_that_names_other_bytes_than_the_record_is_named() -> None:
    item = one_item(b"footage")
    files = make.pack([one_item(b"other footage", cited=b"footage")])
    files[ORIGINAL] = b"footage"
    files[package.chunks_path(STOP)] = item.chunks or b""

    finding = caught(make.relist(files), by=check_originals)

    assert told(finding) == ("O01", STOP, None, package.INDEX)


def test_footage_and_record_altered_together_are_both_named() -> None:
    files = make.pack()
    files[ORIGINAL] = b"other footage"
    old, new = (sha256(raw).hexdigest().encode() for raw in (make.FOOTAGE, b"other footage"))
    changed = [raw.replace(old, new) for raw in records()]
    files[package.records_path(STOP)] = package.write_records(changed)

    verdict = examine(make.relist(files))

    assert [told(each)[:3] for each in verdict.findings] == [("C02", STOP, 1), ("O01", STOP, None)]


def test_an_altered_index_and_an_altered_record_leave_nothing_to_compare_with_and_say_so() -> None:
    files = make.pack()
    files[package.INDEX] = files[package.INDEX].replace(b"2026-000417", b"2026-000999")
    files[package.records_path(STOP)] = files[package.records_path(STOP)].replace(b'"password"', b'"passw0rd"', 1)

    verdict = examine(make.relist(files))

    assert [each.code for each in verdict.findings] == ["P01", "C02"]
    assert verdict.items[0].original == "unknown"


def test_an_altered_index_alone_leaves_the_original_to_its_record() -> None:
    files = make.pack()
    files[package.INDEX] = files[package.INDEX].replace(b"2026-000417", b"2026-000999")

    finding = caught(make.relist(files), by=(check_index, check_lists))

    assert told(finding) == ("P01", None, None, package.INDEX)


def test_a_chunk_that_only_a_list_nobody_vouches_for_knows_lies_beyond_the_end() -> None:
    assert originals._range(1, CHUNK + 1) == f"bytes {CHUNK} to {CHUNK}"
    assert originals._range(2, CHUNK + 1) == "beyond its end"
