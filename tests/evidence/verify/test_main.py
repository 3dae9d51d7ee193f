"""The command: what it prints, for people and for programs, and its exit codes."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from evidence.proof import package
from evidence.verify import CHECKS, Finding, verify
from evidence.verify import __main__ as command
from evidence.verify.examination import Examination
from tests.tamper.catching import ORIGINAL, STOP
from tests.tamper.test_swapped_original import one_item
from tests.vectors import make


@pytest.fixture
def zipped(tmp_path: Path) -> Path:
    file = tmp_path / "package.zip"
    file.write_bytes(make.zipped(make.pack()))
    return file


@pytest.fixture
def tampered(tmp_path: Path) -> Path:
    file = tmp_path / "tampered.zip"
    file.write_bytes(make.zipped(make.relist({**make.pack(), ORIGINAL: b"other footage"})))
    return file


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    file = tmp_path / "trust.json"
    file.write_bytes(make.trust_root().write())
    return file


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_package_as_it_should_be_ends_with_0(zipped: Path, trust: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(zipped), "--trust", str(trust)]) == 0

    said = capsys.readouterr().out
    assert said.startswith("VERIFIED")
    assert "2026-000417" in said
    assert "5 custody records\n" in said
    assert "3 disclosed, 1 withheld" in said
    assert "declared: none" in said
    assert 'Reason given: "sealed by the court"' in said
    for word in ("unchanged since", "never means: authentic", "never recorded", "unwitnessed", "export key"):
        assert word in said, word


def test_an_altered_package_ends_with_7_and_says_where(
    tampered: Path, trust: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([str(tampered), "--trust", str(trust)]) == 7

    said = capsys.readouterr().out
    assert said.startswith("BROKEN")
    assert "1. O01: the bytes of an original" in said
    assert f"place    {ORIGINAL}" in said
    assert f"item     2026-000417 ({STOP})" in said


def test_programs_get_one_object_a_line_and_the_summary_last(
    tampered: Path, trust: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([str(tampered), "--trust", str(trust), "--json"]) == 7

    told = lines(capsys.readouterr().out)
    assert [each["kind"] for each in told] == ["plan", "problem", "verified", "summary"]
    finding = {key: value for key, value in told[1].items() if key != "kind"}
    assert told[-1]["verdict"] == "broken"
    assert told[-1]["findings"] == [finding]
    assert set(finding) == {"code", "item", "seq", "place", "message"}
    assert (finding["code"], finding["item"], finding["place"]) == ("O01", STOP, ORIGINAL)


def test_a_verified_summary_has_no_findings(zipped: Path, trust: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(zipped), "--trust", str(trust), "--json"]) == 0

    summary = lines(capsys.readouterr().out)[-1]
    assert (summary["kind"], summary["verdict"], summary["findings"]) == ("summary", "verified", [])


def test_a_missing_part_that_is_still_to_come_ends_with_8(zipped: Path, trust: Path) -> None:
    """A stronger check is handed in as one more function."""

    def check_witnesses(_seen: Examination) -> list[Finding]:
        return [Finding("L05", package.HEADS, "no witness has signed")]

    verdict = verify(zipped, make.trust_root(), checks=(*CHECKS, check_witnesses))

    assert verdict.outcome == "incomplete"
    assert command.EXIT_CODES[verdict.outcome] == 8


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (None, "cannot be read"),
        (b"", "not JSON"),
        (b'{"format":"evidence.trust.v1","origin":"a","keys":[]}', "no keys"),
        (b"x" * (2 << 20), "larger"),
    ],
)
def test_without_a_trust_file_nothing_is_verified(
    raw: bytes | None, word: str, zipped: Path, trust: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trust.unlink()
    if raw is not None:
        trust.write_bytes(raw)

    assert command.main([str(zipped), "--trust", str(trust)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Nothing was verified" in said.err
    assert word in said.err
    assert "another way than by the package" in said.err


@pytest.mark.parametrize("make_it", ["missing", "empty", "text", "cut off", "another zip", "empty folder"])
def test_what_is_no_package_ends_with_2_and_a_next_step(
    make_it: str, zipped: Path, trust: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "it"
    if make_it == "empty folder":
        file.mkdir()
    elif make_it == "another zip":
        file.write_bytes(make.zipped({"hello.txt": b"hello"}))
    elif make_it != "missing":
        file.write_bytes({"empty": b"", "text": b"hello", "cut off": zipped.read_bytes()[:-200]}[make_it])

    assert command.main([str(file), "--trust", str(trust), "--json"]) == 2
    said = capsys.readouterr()
    assert "Nothing was verified" in said.err
    assert len(said.err.splitlines()) == 2
    summary = lines(said.out)[-1]
    assert (summary["kind"], summary["verdict"], summary["findings"]) == ("summary", "unreadable", [])


def test_the_trust_file_must_be_named(zipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main([str(zipped)])

    assert ended.value.code == 2
    assert "--trust" in capsys.readouterr().err


def test_run_ends_the_process_with_the_exit_code(tampered: Path, trust: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "evidence.verify", str(tampered), "--trust", str(trust)],
        capture_output=True,
        timeout=60,
        env={"PYTHONIOENCODING": "ascii"},
        cwd=Path(__file__).parents[3],
    )

    assert (ended.returncode, ended.stderr) == (7, b"")
    assert ended.stdout.startswith(b"BROKEN")


def test_run_takes_streams_that_cannot_be_reconfigured(
    zipped: Path, trust: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = io.StringIO()
    monkeypatch.setattr(sys, "argv", ["verify", str(zipped), "--trust", str(trust)])
    monkeypatch.setattr(sys, "stdout", said)

    with pytest.raises(SystemExit) as ended:
        command.run()

    assert ended.value.code == 0
    assert said.getvalue().startswith("VERIFIED")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("terminal", [True, False])
def test_people_see_progress_on_a_terminal_only(
    *, terminal: bool, tmp_path: Path, trust: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "long.zip"
    file.write_bytes(make.zipped(make.pack([one_item(bytes(65 << 20))])))
    shown = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)

    assert command.main([str(file), "--trust", str(trust)]) == 0
    assert ("bytes read" in shown.getvalue()) == terminal


def test_programs_see_progress_as_lines(tmp_path: Path, trust: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "long.zip"
    file.write_bytes(make.zipped(make.pack([one_item(bytes(65 << 20))])))

    command.main([str(file), "--trust", str(trust), "--json"])

    progress = [each for each in lines(capsys.readouterr().out) if each["kind"] == "progress"]
    assert len(progress) == 1
    assert 64 << 20 <= int(str(progress[0]["done"])) <= int(str(progress[0]["of"]))


def test_the_help_says_what_each_exit_status_means(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--help"])

    said = capsys.readouterr().out
    for code in command.EXIT_CODES.values():
        assert f"\n  {code}  " in said
    assert "--receipt" in said


def test_a_fault_of_the_verifier_itself_is_no_verdict_and_no_traceback(
    zipped: Path, trust: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_arguments: object, **_more: object) -> None:
        raise ZeroDivisionError("so\x1b[2J")

    monkeypatch.setattr(command, "verify", fails)

    assert command.main([str(zipped), "--trust", str(trust)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Nothing was verified: the verifier failed at this package (ZeroDivisionError: so?[2J)")
