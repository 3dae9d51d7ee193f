"""The verdict in words: everything counted, nothing of the package able to pass for ours."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from evidence.proof import package
from evidence.verify import Finding, Verdict, report
from evidence.verify.verdict import MEANINGS, ItemReport
from tests.tamper.catching import examine
from tests.vectors import make

FORMAT = (Path(package.__file__).parent / "FORMAT.md").read_text()


def test_every_code_has_its_meaning_in_the_format() -> None:
    section = FORMAT.partition("## 11. Verification")[2].partition("## 12")[0]
    written = set(re.findall(r"\b[A-Z]\d\d\b", section)) | {f"C0{number}" for number in range(1, 8)}

    assert written == MEANINGS.keys()


@pytest.mark.parametrize("original", ["unchanged", "changed", "withheld", "missing", "ended", "unknown"])
def test_every_state_of_an_original_has_words(original: str) -> None:
    item = ItemReport("id", "number", original=original)  # type: ignore[arg-type]

    assert report.write(Verdict(items=[item]))


def test_findings_are_numbered_with_code_place_item_and_record() -> None:
    findings = [
        Finding("C02", "a", "altered", item="i", seq=3, where="record 3"),
        Finding("X99", "b", "by another check"),
    ]

    said = report.write(Verdict(findings=findings))

    assert "1. C02: a custody record was altered" in said
    assert "   place    a, record 3\n   item     i\n   record   3\n   found    altered\n" in said
    assert "2. X99: found by an additional check" in said


def test_an_incomplete_verdict_says_that_nothing_wrong_was_found() -> None:
    said = report.write(Verdict(findings=[Finding("L05", "a", "no witness yet")]))

    assert said.startswith("INCOMPLETE: nothing wrong was found")


def test_a_package_that_withholds_nothing_says_so() -> None:
    first, _second = make.items()
    whole = replace(first, disclosures=(*first.disclosures, make.salted("reason", "welfare check").text))

    verdict = examine(make.pack([whole], without=package.Withheld()))

    assert verdict.outcome == "verified"
    assert "Nothing is withheld." in report.write(verdict)


def test_a_reason_that_is_not_given_is_called_none() -> None:
    said = report.write(Verdict(withheld_objects=1))

    assert "Withheld: 0 fields and 1 original." in said
    assert "Reason given: none" in said


def test_a_reason_cannot_move_the_cursor_or_add_lines() -> None:
    said = report.write(Verdict(withheld_objects=1, reason="court\n\x1b[2JVERIFIED: forged\u202e"))

    assert 'Reason given: "court??[2JVERIFIED: forged?"\n' in said


def test_records_of_unknown_acts_are_counted() -> None:
    assert "2 records of an act that this verifier does not know" in report.write(
        Verdict(items=[ItemReport("id", "number", unknown_acts=2)])
    )


def test_a_number_cannot_move_the_cursor_either() -> None:
    assert "\x1b" not in report.write(Verdict(items=[ItemReport("id", "\x1b[2J")]))
