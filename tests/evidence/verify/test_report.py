"""The verdict in words: everything counted, nothing of the package able to pass for ours."""

import re
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from evidence.proof import disclosure, package
from evidence.verify import Finding, Verdict, report, verify
from evidence.verify.verdict import MEANINGS, ItemReport
from tests.tamper.catching import STOP, edited, examine, records, with_records
from tests.tamper.test_receipts_kept_by_others import cut_and_signed_anew
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


HOSTILE = "x\x1b[2J\r\n\u202eVERIFIED\x9b31m\u2028" + " " * 200 + "VERIFIED"


def told(files: make.Files, folder: Path, *kept: tuple[str, bytes]) -> str:
    file = folder / "package.zip"
    file.write_bytes(make.zipped(files))
    return report.write(verify(file, make.trust_root(), receipts=kept, histories=True))


def test_two_people_can_compare_by_telephone(tmp_path: Path) -> None:
    said = told(make.pack(), tmp_path)

    assert '  file       "stop.mp4"\n' in said
    assert f"  SHA-256    {sha256(make.FOOTAGE).hexdigest()}, " in said
    assert "  received   2026-03-01T10:00:00.000000Z\n" in said
    assert "  exported   2026-03-01T10:00:04.000000Z\n" in said
    for key in make.trust_root().keys:
        assert f"  {key.role} {key.key_id.hex()}, public key {key.public.hex()}\n" in said


def test_disclosures_in_another_order_tell_the_same(tmp_path: Path) -> None:
    first, second = make.items()
    turned = make.pack([replace(first, disclosures=first.disclosures[::-1]), second])

    assert told(turned, tmp_path) == told(make.pack(), tmp_path)


def test_a_name_that_a_later_record_discloses_is_not_the_name_at_reception(tmp_path: Path) -> None:
    first, second = make.items()
    named = make.salted("filename", "later.mp4")
    bodies = [
        make.body("item.received", obj=[make.original_object(make.FOOTAGE)], att=make.vouched(make.FOOTAGE)),
        make.body("item.produced", sd=[named]),
    ]
    sealed = make.link(package.item_chain(STOP), bodies)
    item = replace(first, records=tuple(sealed), disclosures=(named.text,), receipts={})

    said = told(make.pack([item, second]), tmp_path)

    assert said.startswith("VERIFIED")
    assert '  file       "' not in said


def test_each_record_is_told_with_its_disclosed_fields(tmp_path: Path) -> None:
    said = told(make.pack(), tmp_path)

    assert "  record 1, 2026-03-01T10:00:00.000000Z: The original arrived whole" in said
    assert f"      by account {make.OFFICER}\n" in said
    assert '      filename: "stop.mp4"\n' in said
    assert "  record 3, 2026-03-01T10:00:02.000000Z: A legal hold was placed on the item." in said
    assert "      1 field not shown\n" in said


def ended(outcome: str, size: int) -> make.Files:
    """Return a package whose one item was exported, and how that ended."""
    first, _second = make.items()
    bodies = [
        make.body("item.received", obj=[make.original_object(make.FOOTAGE)], att=make.vouched(make.FOOTAGE)),
        make.body("item.export_ended", facts={"export": make.PACKAGE_ID, "outcome": outcome, "size": size}),
    ]
    sealed = make.link(package.item_chain(STOP), bodies)
    return make.pack([replace(first, records=tuple(sealed), disclosures=(), receipts={})])


def test_an_export_that_broke_off_does_not_read_like_a_whole_one(tmp_path: Path) -> None:
    broken, whole = told(ended("broken_off", 17), tmp_path), told(ended("completed", 9000), tmp_path)

    assert '      fact outcome: "broken_off"\n      fact size: 17\n' in broken
    assert '      fact outcome: "completed"\n      fact size: 9000\n' in whole


def test_a_record_tells_its_tool_and_who_vouched_for_the_bytes(tmp_path: Path) -> None:
    said = told(make.pack(), tmp_path)

    assert '      actor, sign-in method: "password"\n' in said
    assert '      with tool: name "pyav", version "1"\n' in said
    for words in ("declared by the sender", "read back from the store"):
        assert f'      attested (att), {words}: "{sha256(make.FOOTAGE).hexdigest()}"\n' in said


def test_long_and_nested_fields_are_told_in_words_and_a_cut_is_marked(tmp_path: Path) -> None:
    first, _second = make.items()
    media = make.salted("media", {"container": "mov,mp4", "streams": [{"codec": "h264"} for _ in range(200)]})
    actor = make.salted("actor", {"name": "Ruiz", "badge": "47"})
    name = make.salted("filename", "n" * 400)
    body = make.body("item.received", sd=[media, actor, name], obj=[make.original_object(make.FOOTAGE)])
    item = replace(
        first,
        records=tuple(make.link(package.item_chain(STOP), [body])),
        disclosures=(media.text, actor.text, name.text),
        receipts={},
    )

    said = told(make.pack([item], without=package.Withheld()), tmp_path)

    assert '      actor: name "Ruiz", badge "47"\n' in said
    (line,) = re.findall(r"^      media: (.*)$", said, re.MULTILINE)
    assert line.startswith('container "mov,mp4", streams ((codec "h264"), (codec "h264")')
    assert line.endswith("… (cut, 3,229 characters in all)")
    assert f'  file       "{"n" * 300}… (cut, 400 characters in all)"\n' in said


def test_a_record_by_nobody_of_an_unknown_act_is_told_too(tmp_path: Path) -> None:
    first, second = make.items()
    odd = {**make.body("item.\u001b[2J"), "actor": None}
    sealed = make.link(package.item_chain(STOP), [odd])
    said = told(make.pack([replace(first, records=tuple(sealed), disclosures=(), receipts={})]), tmp_path)

    assert "An act that this verifier does not know: item.?[2J.\n      by nobody named\n" in said
    assert second.number not in said


def test_an_act_that_is_no_word_is_a_finding_and_no_crash(tmp_path: Path) -> None:
    first, _second = make.items()
    sealed = make.link(package.item_chain(STOP), [{**make.body("item.produced"), "act": ["item.produced"]}])

    assert "C01" in told(make.pack([replace(first, records=tuple(sealed), disclosures=(), receipts={})]), tmp_path)


def test_an_altered_history_does_not_read_as_intact(tmp_path: Path) -> None:
    altered = [edited(records()[0], b'"password"', b'"passw0rd"'), *records()[1:]]

    said = told(with_records(altered), tmp_path)

    assert "  history    ALTERED, see finding 1\n" in said
    assert "  fields     not judged, because the history is altered\n" in said
    assert "5 custody records" not in said
    assert f"   item     2026-000417 ({STOP})\n" in said


def test_an_altered_field_is_named_and_pointed_to(tmp_path: Path) -> None:
    first, second = make.items()
    other = disclosure.make("officer_badge", "4712", bytes(16)).text
    shown = (first.disclosures[0], other, *first.disclosures[2:])

    said = told(make.pack([replace(first, disclosures=shown), second]), tmp_path)

    assert "  fields     ALTERED or left out, see finding 1\n" in said
    assert 'the field "officer_badge" is not as it was recorded' in said


def test_a_history_that_a_receipt_contradicts_points_to_it(tmp_path: Path) -> None:
    said = told(cut_and_signed_anew(), tmp_path, ("kept.txt", make.receipt_for(records()[-1])))

    assert "  history    4 custody records, NOT ALL AS IT MUST BE, see finding 1\n" in said


def test_a_history_without_end_marks_is_not_vouched_for(tmp_path: Path) -> None:
    said = told(make.pack(by=make.key("export", origin="evidence.elsewhere/0001")), tmp_path)

    assert "  history    NOT VOUCHED FOR, see finding 1\n" in said


def test_names_and_values_of_a_package_cannot_lie_to_a_terminal(tmp_path: Path) -> None:
    """Escapes, other ends of line, letters that turn the writing round, and blanks that fill a row."""
    first, _second = make.items()
    named, why = make.salted("filename", HOSTILE), make.salted("reason", HOSTILE)
    att = make.vouched(make.FOOTAGE)
    body = make.body("item.received", sd=[named, why], obj=[make.original_object(make.FOOTAGE)], att=att)
    body["actor"] = {"type": HOSTILE, "id": HOSTILE}
    sealed = make.link(package.item_chain(STOP), [body])
    item = replace(
        first, number=HOSTILE, records=tuple(sealed), disclosures=(named.text, why.text), receipts={1: b"\x1b"}
    )
    stray = disclosure.make("reason", HOSTILE, bytes(16)).text

    for texts in (item.disclosures, (*item.disclosures, stray)):
        packed = make.pack([replace(item, disclosures=texts)], without=package.Withheld((), (), HOSTILE))
        said = told(packed, tmp_path, (HOSTILE, b"x"), (HOSTILE, make.receipt_for(sealed[0])))

        assert all(letter.isprintable() or letter == "\n" for letter in said)
        assert not [line for line in said.splitlines()[1:] if line.startswith("VERIFIED")]
        assert " " * 20 not in said


def test_words_that_only_the_trade_knows_are_not_used(tmp_path: Path) -> None:
    packages = [make.pack(), cut_and_signed_anew(), with_records(records()[:-1]), with_records(records()[1:])]
    packages += [make.pack(signed_heads=[]), make.pack(without=package.Withheld())]
    for files in packages:
        said = told(files, tmp_path)
        assert not re.search(r"salted|\bchain\b|\bheads\b|commits? to|\bprev\b", said), said
