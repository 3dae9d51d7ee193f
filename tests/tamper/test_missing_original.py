"""Cheat: an original, or its chunk list, is left out without a word."""

from dataclasses import replace

import pytest

from evidence.proof import package
from evidence.verify.checks import check_lists, check_originals
from tests.tamper.catching import INTERVIEW, ORIGINAL, STOP, caught, examine, told
from tests.vectors import make


@pytest.mark.parametrize("relisted", [True, False])
def test_an_original_that_was_taken_out_is_named(*, relisted: bool) -> None:
    files = make.pack()
    del files[ORIGINAL]

    finding = caught(make.relist(files) if relisted else files, by=(check_originals, check_lists))

    assert told(finding) == ("O02", STOP, None, ORIGINAL)


def test_a_chunk_list_that_was_taken_out_is_named() -> None:
    files = make.pack()
    del files[package.chunks_path(STOP)]

    finding = caught(make.relist(files), by=(check_originals, check_lists))

    assert told(finding) == ("O02", STOP, None, package.chunks_path(STOP))


def test_an_original_left_out_by_the_exporter_must_be_declared_as_withheld() -> None:
    files = make.pack(without=replace(make.withheld(), objects=()))

    finding = caught(files, by=check_originals)

    assert told(finding) == ("O02", INTERVIEW, None, package.INDEX)


@pytest.mark.parametrize("act", ["item.disposed", "item.expunged", "key.destroyed"])
def test_an_original_whose_lawful_end_is_on_record_is_not_missing(act: str) -> None:
    members = dict(next(body for _chain, body in make.EXAMPLES if body["act"] == act))
    members.pop("sd", None)
    received = make.body("item.received", obj=[make.original_object(b"footage")], facts={"upload": "1"})
    ended = make.Item(STOP, "1", tuple(make.link(package.item_chain(STOP), [received, members])))

    verdict = examine(make.pack([ended]))

    assert verdict.outcome == "verified"
    assert verdict.items[0].original == "ended"


def test_the_end_of_a_derivative_is_not_the_end_of_the_original() -> None:
    received = make.body("item.received", obj=[make.original_object(b"footage")], facts={"upload": "1"})
    ended = make.body("key.destroyed", obj=[{"role": "derivative", "id": "1"}])
    item = make.Item(STOP, "1", tuple(make.link(package.item_chain(STOP), [received, ended])))

    assert told(caught(make.pack([item]), by=check_originals)) == ("O02", STOP, None, package.INDEX)


def test_a_package_without_chunk_list_is_fine() -> None:
    first, _second = make.items()

    assert examine(make.pack([replace(first, chunks=None)])).outcome == "verified"


def test_nothing_is_said_of_an_original_whose_record_cannot_be_relied_on() -> None:
    """The broken history is the finding; whether the original is missing follows from a record in it."""
    files = make.pack(without=replace(make.withheld(), objects=()))
    path = package.records_path(INTERVIEW)
    files[path] = files[path].replace(b'"password"', b'"passw0rd"', 1)

    assert [each.code for each in examine(make.relist(files)).findings] == ["C02"]
