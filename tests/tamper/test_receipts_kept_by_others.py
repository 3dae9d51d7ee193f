"""Cheat: an insider with the export key drops the last record and signs the package anew.

Nothing inside the package contradicts it.  A receipt in other hands does.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from evidence.proof import heads, package, receipt, record
from evidence.verify import CHECKS, Check, Verdict, report, verify
from evidence.verify import __main__ as command
from evidence.verify.checks import check_kept_receipts
from tests.tamper.catching import INTERVIEW, RECORDS, STOP, edited, records, told
from tests.vectors import make

LAST = 5
LATER = "2026-03-01T12:00:00.000001Z"


def cut_and_signed_anew() -> make.Files:
    first, second = make.items()
    return make.pack([replace(first, records=first.records[:-1], disclosures=first.disclosures[:2]), second])


def held_against(
    files: make.Files, *kept: bytes, folder: Path, checks: Sequence[Check] = CHECKS, origin: str = make.ORIGIN
) -> Verdict:
    file = folder / "package.zip"
    file.write_bytes(make.zipped(files))
    named = [(f"kept-{number}.txt", raw) for number, raw in enumerate(kept, 1)]
    return verify(file, make.trust_root(origin=origin), receipts=named, checks=checks)


def given_for(seq: int, *, chain: str = package.item_chain(STOP), at: str = make.NOON) -> bytes:
    text = receipt.Receipt(make.ORIGIN, chain, seq, bytes(32), at, 86_400).write()
    return make.key("receipt").sign(text).encode()


def test_only_the_receipt_tells_of_a_last_record_dropped_by_who_holds_the_export_key(tmp_path: Path) -> None:
    kept = make.receipt_for(records()[-1])
    files = cut_and_signed_anew()

    assert held_against(files, folder=tmp_path).outcome == "verified"
    (finding,) = held_against(files, kept, folder=tmp_path).findings

    assert told(finding) == ("R01", STOP, LAST, "receipt given: kept-1.txt")
    assert "dropped" in finding.message
    others = [check for check in CHECKS if check is not check_kept_receipts]
    assert held_against(files, kept, folder=tmp_path, checks=others).outcome == "verified"


def test_a_receipt_for_a_record_that_was_replaced_is_named(tmp_path: Path) -> None:
    (finding,) = held_against(make.pack(), given_for(2), folder=tmp_path).findings

    assert told(finding)[:3] == ("R01", STOP, 2)
    assert "replaced" in finding.message


def test_a_receipt_for_a_record_that_is_here_is_said_to_agree(tmp_path: Path) -> None:
    verdict = held_against(make.pack(), *map(make.receipt_for, records()), folder=tmp_path)

    assert verdict.outcome == "verified"
    assert verdict.remarks[-1] == "kept-5.txt is for record 5 of item 2026-000417, and that record is here, unchanged"
    assert f"  - {verdict.remarks[0]}\n" in report.write(verdict)


@pytest.mark.parametrize(("at", "codes"), [(LATER, []), (make.NOON, ["R01"])])
def test_a_record_made_after_the_package_is_not_missing_from_it(at: str, codes: list[str], tmp_path: Path) -> None:
    verdict = held_against(make.pack(), given_for(6, at=at), folder=tmp_path)

    assert [each.code for each in verdict.findings] == codes
    assert ["made earlier" in each for each in verdict.remarks] == ([] if codes else [True])


def test_a_receipt_for_a_history_that_is_not_in_the_package_is_unrelated(tmp_path: Path) -> None:
    first, _second = make.items()
    whole = make.pack([first])

    verdict = held_against(whole, make.receipt_for(records(INTERVIEW)[0]), folder=tmp_path)

    assert verdict.outcome == "verified"
    assert "unrelated" in verdict.remarks[0]


def test_a_receipt_of_another_installation_is_unrelated(tmp_path: Path) -> None:
    elsewhere = "evidence.elsewhere/0001"
    text = receipt.Receipt(elsewhere, package.item_chain(STOP), 1, bytes(32), make.NOON, 0).write()
    theirs = make.key("receipt", origin=elsewhere).sign(text).encode()

    verdict = held_against(make.pack(), theirs, folder=tmp_path)

    assert verdict.outcome == "verified"
    assert verdict.remarks == [f"kept-1.txt is unrelated: it is a receipt of {elsewhere}"]


@pytest.mark.parametrize(
    ("kept", "code"),
    [
        (make.receipt_for(records()[0], by=make.key("export")), "K01"),
        (make.receipt_for(records()[0], by=make.key("receipt", origin="evidence.elsewhere/0001")), "K03"),
        (make.receipt_for(records()[0]).replace(b"seq 1", b"seq 2"), "K03"),
        (make.receipt_for(records()[0]).replace(make.ORIGIN.encode(), b"evidence.elsewhere/0001", 1), "L02"),
        (b"thank you", "K03"),
        (make.key("receipt").sign("thank you\n").encode(), "R01"),
    ],
)
def test_a_receipt_that_cannot_be_relied_on_is_named_and_the_package_not_blamed(
    kept: bytes, code: str, tmp_path: Path
) -> None:
    verdict = held_against(make.pack(), kept, folder=tmp_path)

    assert [each.code for each in verdict.findings] == [code]
    blamed = "this package is not as it was recorded" in report.write(verdict)
    assert blamed == (code == "R01")


def test_against_an_altered_history_nothing_is_compared(tmp_path: Path) -> None:
    one = edited(records()[1], b'"password"', b'"passw0rd"')
    altered = [records()[0], one, *records()[2:]]
    files = make.relist({**make.pack(), RECORDS: package.write_records(altered)})

    verdict = held_against(files, make.receipt_for(records()[1]), folder=tmp_path)

    assert [each.code for each in verdict.findings] == ["C02"]
    assert "could not be compared" in verdict.remarks[0]


def test_without_signed_end_marks_a_receipt_is_still_compared(tmp_path: Path) -> None:
    files = {path: raw for path, raw in make.pack().items() if path != package.HEADS}

    codes = [each.code for each in held_against(files, given_for(6, at=LATER), folder=tmp_path).findings]

    assert "R01" in codes


def test_the_command_takes_several_receipts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "package.zip").write_bytes(make.zipped(cut_and_signed_anew()))
    (tmp_path / "trust.json").write_bytes(make.trust_root().write())
    asked = [str(tmp_path / "package.zip"), "--trust", str(tmp_path / "trust.json")]
    for seq in (1, LAST):
        (tmp_path / f"{seq}.txt").write_bytes(make.receipt_for(records()[seq - 1]))
    several = [*asked, "--receipt", str(tmp_path / "1.txt"), "--receipt", str(tmp_path / "5.txt")]

    assert command.main(asked) == 0
    assert command.main(several) == 7
    assert "place    receipt given: 5.txt" in capsys.readouterr().out
    assert command.main([*asked, "--receipt", str(tmp_path / "nothing.txt")]) == 2
    assert "the receipt" in capsys.readouterr().err


KEPT = make.receipt_for(records()[0])

NO_RECEIPTS = {
    "a letter": b"thank you\n\nsee you in court\n",
    "nothing": b"",
    "a letter with a receipt in it": b"here it is:\n" + KEPT + b"regards\n",
    "bytes": bytes(range(256)),
    "text that is not UTF-8": KEPT.decode().encode("utf-16"),
    "a file that is too long": b"x" * (2 << 20),
}

WRONG_RECEIPTS = {
    "a signature that does not hold": KEPT.replace(b"seq 1", b"seq 2"),
    "no signature": KEPT.partition(b"\n\n")[0] + b"\n",
    "other ends of line": KEPT.replace(b"\n", b"\r\n"),
    "another first line": KEPT.replace(b".v1", b".v2"),
    "another text, rightly signed": make.key("receipt").sign("thank you\n").encode(),
    "a receipt that is too long": KEPT + b"x" * (2 << 20),
}


def status_with(kept: bytes, folder: Path) -> int:
    (folder / "package.zip").write_bytes(make.zipped(make.pack()))
    (folder / "trust.json").write_bytes(make.trust_root().write())
    (folder / "kept.txt").write_bytes(kept)
    asked = ["--trust", str(folder / "trust.json"), "--receipt", str(folder / "kept.txt")]
    return command.main([str(folder / "package.zip"), *asked])


@pytest.mark.parametrize("what", NO_RECEIPTS)
def test_a_file_that_is_no_receipt_at_all_ends_with_2(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_with(KEPT, tmp_path) == 0
    capsys.readouterr()

    assert status_with(NO_RECEIPTS[what], tmp_path) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert f"{tmp_path / 'kept.txt'} is no receipt: " in said.err
    assert "Check the name of the receipt" in said.err


@pytest.mark.parametrize("what", WRONG_RECEIPTS)
def test_a_receipt_that_is_wrong_ends_with_7(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_with(WRONG_RECEIPTS[what], tmp_path) == 7
    assert "place    receipt given: kept.txt" in capsys.readouterr().out


def test_the_help_says_what_becomes_of_a_file_that_is_no_receipt(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--help"])

    assert "--receipt names what is no receipt\n" in capsys.readouterr().out


def test_the_heads_of_the_cheat_are_rightly_signed() -> None:
    """Negative control of the story: the package is not caught for another reason."""
    text = cut_and_signed_anew()[package.HEADS].decode().partition("\n\n")[0] + "\n"

    assert [head.seq for head in heads.parse(text).heads if head.chain == package.item_chain(STOP)] == [LAST - 1]
    assert record.parse(records()[-1]).seq == LAST
