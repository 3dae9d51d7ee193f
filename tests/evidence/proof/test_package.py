"""Names and index of a package: safe everywhere, read back as written."""

import json
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.proof import FormatError, package
from tests.vectors import make

INDEX = make.index_of(make.items(), make.withheld())


def test_reading_an_index_undoes_writing_it() -> None:
    assert package.parse(INDEX.write()) == INDEX
    empty = package.Package(make.PACKAGE_ID, make.ORIGIN, make.NOON, ())
    assert package.parse(empty.write()) == empty


def test_the_index_knows_every_path() -> None:
    below = {path for path in make.pack() if path.startswith("data/")}

    assert set(INDEX.paths()) == below - {package.INDEX, package.HEADS}


FIRST = INDEX.items[0]
assert FIRST.original is not None
assert FIRST.chunks is not None


@pytest.mark.parametrize(
    "wrong",
    [
        replace(INDEX, id="1"),
        replace(INDEX, origin="A"),
        replace(INDEX, made_at="now"),
        replace(INDEX, items=(FIRST, FIRST)),
        replace(INDEX, items=(replace(FIRST, item="1"),)),
        replace(INDEX, items=(replace(FIRST, number=""),)),
        replace(INDEX, items=(replace(FIRST, records="records.txt"),)),
        replace(INDEX, items=(replace(FIRST, records="data/../x"),)),
        replace(INDEX, items=(replace(FIRST, records=package.INDEX),)),
        replace(INDEX, items=(replace(FIRST, disclosures=package.HEADS),)),
        replace(INDEX, items=(replace(FIRST, disclosures=FIRST.records),)),
        replace(INDEX, items=(FIRST, replace(INDEX.items[1], item=FIRST.item))),
        replace(INDEX, items=(replace(FIRST, original=replace(FIRST.original, size=-1)),)),
        replace(INDEX, items=(replace(FIRST, original=replace(FIRST.original, size=True)),)),
        replace(INDEX, items=(replace(FIRST, chunks=replace(FIRST.chunks, sha256=b"")),)),
        replace(INDEX, withheld=replace(INDEX.withheld, disclosures=("x",))),
        replace(INDEX, withheld=replace(INDEX.withheld, objects=(b"x",))),
        replace(INDEX, withheld=replace(INDEX.withheld, reason="")),
    ],
)
def test_an_index_that_breaks_the_format_is_not_written(wrong: package.Package) -> None:
    with pytest.raises(FormatError):
        wrong.write()


@pytest.mark.parametrize("members", [{"format": "evidence.package.v2"}, {"items": {}}, {"more": 1}, {"withheld": []}])
def test_an_index_that_breaks_the_format_is_not_read(members: dict[str, object]) -> None:
    changed = {**json.loads(INDEX.write()), **members}

    with pytest.raises(FormatError):
        package.parse(json.dumps(changed, sort_keys=True, separators=(",", ":")).encode())


def test_an_index_of_absurd_size_is_not_read() -> None:
    with pytest.raises(FormatError):
        package.parse(b" " * (package.LARGEST_INDEX + 1))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_file_name_becomes_a_safe_one(name: str) -> None:
    safe = package.safe_name(name)

    path = package.require_path(package.original_path(make.STOP, name))
    assert path.endswith(safe)
    assert safe.isascii()
    assert 1 <= len(safe) <= 110
    assert "/" not in safe


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("stop.mp4", "stop.mp4"),
        ("../../etc/passwd", "passwd"),
        ("C:\\video\\a b.mp4", "a_b.mp4"),
        ("CON", "original_CON"),
        ("nul.mp4", "original_nul.mp4"),
        ("", "original"),
        ("...", "original"),
        ("\u202egpj.exe", "gpj.exe"),
        ("Núñez.mov", "Nu_n_ez.mov"),
        ("x" * 300 + ".mp4", "x" * 96 + ".mp4"),
        ("y" * 300, "y" * 100),
        ("z." + "w" * 300, "z." + "w" * 98),
    ],
)
def test_file_names_stay_as_they_are_where_that_is_safe(name: str, safe: str) -> None:
    assert package.safe_name(name) == safe


@pytest.mark.parametrize(
    "path",
    [
        None,
        "",
        "/a",
        "a/",
        "a//b",
        ".",
        "a/../b",
        "a\\b",
        "C:a",
        "a\nb",
        "a\x7f",
        "a\x85",
        "e\u0301",
        "x" * 1025,
        "\ud800",
    ],
)
def test_an_unsafe_path_is_refused(path: object) -> None:
    with pytest.raises(FormatError):
        package.require_path(path)


paths = st.from_regex(r"[a-z]{1,5}(/[a-zé]{1,5}){0,3}", fullmatch=True)


@given(st.dictionaries(paths, st.binary(min_size=32, max_size=32)))
def test_reading_a_manifest_undoes_writing_it(digests: dict[str, bytes]) -> None:
    lines = package.write_manifest(digests).decode().splitlines()

    assert dict(map(package.parse_manifest_line, lines)) == digests
    assert [line[66:] for line in lines] == sorted(digests)


@pytest.mark.parametrize("line", ["", "0" * 64 + " a", "0" * 63 + "  a", "0" * 64 + "  ../a", "0" * 64 + " *a"])
def test_what_is_no_manifest_line_is_refused(line: str) -> None:
    with pytest.raises(FormatError):
        package.parse_manifest_line(line)


@given(st.lists(st.binary(max_size=5).map(lambda raw: sha256(raw).digest())))
def test_reading_a_chunk_list_undoes_writing_it(digests: list[bytes]) -> None:
    assert package.parse_chunks(package.write_chunks(digests)) == digests


@pytest.mark.parametrize("raw", [b"\n", b"0" * 64, b"0" * 64 + b"\r\n", b"F" * 64 + b"\n"])
def test_what_is_no_chunk_list_is_refused(raw: bytes) -> None:
    with pytest.raises(FormatError):
        package.parse_chunks(raw)


def test_the_bag_info_of_every_package_is_accepted_and_no_larger_one() -> None:
    package.require_bag_info(b"")
    package.require_bag_info(
        b"Bagging-Date: 2026-03-01\nExternal-Identifier: 0197a000-0000-7000-8000-000000000001\n"
        b"Payload-Oxum: 4096.12\nSource-Organization: evidence.example.org\n"
    )
    with pytest.raises(FormatError, match="4 KiB"):
        package.require_bag_info(b"x" * (package.LARGEST_BAG_INFO + 1))
