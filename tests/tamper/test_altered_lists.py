"""Cheat or accident: a file is added, taken out or altered, or a list of the package is."""

from dataclasses import replace
from hashlib import sha256

import pytest

from evidence.proof import package
from evidence.verify import MOST_FINDINGS
from evidence.verify.checks import check_index, check_lists, check_receipts
from tests.tamper.catching import ORIGINAL, RECORDS, STOP, caught, examine, told
from tests.vectors import make


def test_an_added_file_is_named() -> None:
    files = {**make.pack(), "data/more.txt": b"more"}

    finding = caught(files, by=check_lists)

    assert told(finding) == ("P01", None, None, "data/more.txt")


def test_an_added_file_is_named_though_every_list_was_written_anew() -> None:
    finding = caught(make.relist({**make.pack(), "data/more.txt": b"more"}), by=check_lists)

    assert told(finding) == ("P01", None, None, "data/more.txt")
    assert "index" in finding.message


def test_an_added_file_beside_the_lists_is_named() -> None:
    assert told(caught({**make.pack(), "more.txt": b"more"}, by=check_lists))[::3] == ("P01", "more.txt")


def test_of_many_added_files_the_first_are_named() -> None:
    files = {**make.pack(), **{f"data/{number}": b"" for number in range(MOST_FINDINGS + 1)}}

    verdict = examine(files)

    assert len(verdict.findings) == MOST_FINDINGS + 1
    assert "more of the same" in verdict.findings[-1].message


def listing_tags(files: make.Files) -> make.Files:
    """Write the tag manifest anew for all that lies outside data, as a cheat would: nobody signs it."""
    tags = {path: sha256(raw).digest() for path, raw in files.items() if not path.startswith("data/")}
    del tags[package.TAG_MANIFEST]
    return {**files, package.TAG_MANIFEST: package.write_manifest(tags)}


@pytest.mark.parametrize("path", ["READ-ME.html", "original/TRUE-FOOTAGE.mp4", "fetch.txt", "Data/x", "data"])
def test_an_added_file_outside_data_is_named_though_the_tag_manifest_lists_it(path: str) -> None:
    if path == "data":
        path = "data\u2044items/x.mp4"  # a letter that looks like the separator

    finding = caught(listing_tags({**make.pack(), path: b"more"}), by=check_lists)

    assert told(finding) == ("P01", None, None, path)


def test_every_file_of_a_second_bag_inside_the_genuine_one_is_named() -> None:
    false = {f"package-2/{path}": raw for path, raw in make.pack().items()}

    findings = examine(listing_tags({**make.pack(), **false})).findings

    assert sorted(told(each)[::3] for each in findings) == sorted(("P01", path) for path in false)


@pytest.mark.parametrize(
    "raw",
    [
        b"Verified-By: Court\n",
        b"Source-Organization: this footage is false\n",
        b"Bagging-Date: 2026-03-01\nBagging-Date: 2026-03-01\n",
        b"Bagging-Date: 2026-03-01",
        b"Bagging-Date: 2026-03-01\n see the true footage\n",
        b"Bagging-Date: 2026-03-01\n" * 1000,
    ],
)
def test_a_bag_info_that_says_more_than_it_may_is_named_though_it_is_listed(raw: bytes) -> None:
    finding = caught(listing_tags({**make.pack(), package.BAG_INFO: raw}), by=check_lists)

    assert told(finding) == ("P01", None, None, package.BAG_INFO)


@pytest.mark.parametrize("path", [package.README, package.receipt_path(STOP, 1)])
@pytest.mark.parametrize("relisted", [True, False])
def test_a_file_that_was_taken_out_is_named(path: str, *, relisted: bool) -> None:
    files = make.pack()
    del files[path]

    assert told(caught(make.relist(files) if relisted else files, by=check_lists))[::3] == ("P01", path)


@pytest.mark.parametrize("relisted", [True, False])
def test_an_altered_file_that_no_other_check_looks_into_is_named(*, relisted: bool) -> None:
    files = {**make.pack(), package.README: b"other words\n"}

    finding = caught(make.relist(files) if relisted else files, by=check_lists)

    assert told(finding) == ("P01", None, None, package.README)


@pytest.mark.parametrize("path", [package.BAG_INFO, package.BAGIT])
def test_an_altered_tag_file_is_named(path: str) -> None:
    assert told(caught({**make.pack(), path: b"other words\n"}, by=check_lists))[::3] == ("P01", path)


def test_another_bagit_txt_is_named_though_it_is_listed() -> None:
    files = {**make.pack(), package.BAGIT: b"BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-8\n"}
    old, new = (sha256(raw).hexdigest().encode() for raw in (package.BAGIT_TEXT, files[package.BAGIT]))
    files[package.TAG_MANIFEST] = files[package.TAG_MANIFEST].replace(old, new)

    assert told(caught(files, by=check_lists))[::3] == ("P01", package.BAGIT)


@pytest.mark.parametrize("path", [package.MANIFEST, package.TAG_MANIFEST, package.BAGIT, package.BAG_INFO])
def test_a_list_or_tag_file_that_is_gone_is_named(path: str) -> None:
    files = make.pack()
    del files[path]

    places = {told(each)[::3] for each in examine(files).findings}

    assert ("P01", path) in places


def test_an_altered_line_of_the_manifest_is_named_once() -> None:
    files = make.pack()
    digest = sha256(make.FOOTAGE).hexdigest().encode()
    files[package.MANIFEST] = files[package.MANIFEST].replace(digest, b"0" * 64)

    assert told(caught(files, by=check_lists))[::3] == ("P01", package.MANIFEST)


def test_an_altered_line_under_a_tag_manifest_written_anew_is_named_at_its_file() -> None:
    files = make.pack()
    digest = sha256(make.FOOTAGE).hexdigest().encode()
    old = sha256(files[package.MANIFEST]).hexdigest().encode()
    files[package.MANIFEST] = files[package.MANIFEST].replace(digest, b"0" * 64)
    new = sha256(files[package.MANIFEST]).hexdigest().encode()
    files[package.TAG_MANIFEST] = files[package.TAG_MANIFEST].replace(old, new)

    assert told(caught(files, by=check_lists))[::3] == ("P01", ORIGINAL)


@pytest.mark.parametrize(
    "line",
    [
        b"no line",
        b"0" * 64 + b" data/one-space",
        b"0" * 64 + b"  /etc/passwd",
        b"0" * 64 + b"  data/../../etc/passwd",
        b"0" * 64 + b"  data/a\\b",
        b"F" * 64 + b"  data/upper",
        b"",
        b"\xff",
    ],
)
def test_a_line_that_is_none_is_named(line: bytes) -> None:
    files = make.pack()
    old = sha256(files[package.MANIFEST]).hexdigest().encode()
    files[package.MANIFEST] += line + b"\n"
    new = sha256(files[package.MANIFEST]).hexdigest().encode()
    files[package.TAG_MANIFEST] = files[package.TAG_MANIFEST].replace(old, new)

    findings = examine(files).findings

    assert told(findings[0])[::3] == ("P01", package.MANIFEST)


def test_a_path_listed_twice_is_named() -> None:
    files = make.pack()
    files[package.TAG_MANIFEST] += f"{'0' * 64}  {package.BAGIT}\n".encode()

    assert told(caught(files, by=check_lists))[::3] == ("P01", package.BAGIT)


@pytest.mark.parametrize("manifest", [package.MANIFEST, package.TAG_MANIFEST])
def test_a_listed_file_that_never_was_is_named(manifest: str) -> None:
    files = make.pack()
    old = sha256(files[package.MANIFEST]).hexdigest().encode()
    files[manifest] += f"{'0' * 64}  data/ghost\n".encode()
    new = sha256(files[package.MANIFEST]).hexdigest().encode()
    files[package.TAG_MANIFEST] = files[package.TAG_MANIFEST].replace(old, new)

    assert told(caught(files, by=check_lists))[::3] == ("P01", "data/ghost")


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"2026-000417", b"2026-000999"), (b"sealed by the court", b"sealed by the Court"), (b'"size":4096', b'"size":1')],
)
def test_an_altered_index_is_named(old: bytes, new: bytes) -> None:
    files = make.pack()
    assert old in files[package.INDEX]

    finding = caught(
        make.relist({**files, package.INDEX: files[package.INDEX].replace(old, new)}), by=(check_index, check_lists)
    )

    assert told(finding) == ("P01", None, None, package.INDEX)


@pytest.mark.parametrize("raw", [b"", b"{}", b'{"format":"evidence.package.v2"}'])
def test_an_index_that_cannot_be_read_is_named(raw: bytes) -> None:
    verdict = examine(make.relist({**make.pack(), package.INDEX: raw}))

    assert [told(each) for each in verdict.findings] == [("P01", None, None, package.INDEX)]


def test_an_index_that_is_gone_is_named() -> None:
    files = make.pack()
    del files[package.INDEX]

    assert [told(each) for each in examine(make.relist(files)).findings] == [("P01", None, None, package.INDEX)]


def test_an_item_taken_out_of_the_index_is_the_index_altered() -> None:
    first, _second = make.items()
    index = make.index_of([first], make.withheld()).write()

    verdict = examine(make.relist({**make.pack(), package.INDEX: index}))

    assert [told(each) for each in verdict.findings] == [("P01", None, None, package.INDEX)]


def test_a_record_altered_and_its_lists_left_as_they_were_is_one_finding() -> None:
    files = make.pack()
    files[RECORDS] = files[RECORDS].replace(b'"password"', b'"passw0rd"', 1)

    assert [told(each)[:3] for each in examine(files).findings] == [("C02", STOP, 1)]


def test_a_receipt_in_the_place_of_another_is_named() -> None:
    first, second = make.items()
    receipts = {1: make.receipt_for(first.records[0]), 5: make.receipt_for(first.records[4])}
    genuine = make.pack([replace(first, receipts=receipts), second])
    false = {**genuine, package.receipt_path(STOP, 1): genuine[package.receipt_path(STOP, 5)]}

    finding = caught(make.relist(false), by=check_receipts, control=genuine)

    assert told(finding) == ("R01", STOP, 5, package.receipt_path(STOP, 1))
