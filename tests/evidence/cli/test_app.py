"""The command line as such: what it loads, how it refuses, and that nothing ends in a traceback."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from auth.errors import AccountError, NotSignedInError, PasswordError, TakenError
from evidence import __version__
from evidence.cli import app, boundary
from evidence.cli.boundary import command, exit_code_of
from evidence.cli.exits import ExitCode
from evidence.cli.output import Output
from evidence.errors import (
    BusyError,
    ChecksumError,
    ConflictError,
    EvidenceError,
    IntegrityError,
    InvalidError,
    NoSpaceError,
    NotFoundError,
    RefusedError,
    SetupError,
    UnavailableError,
)
from tests.support.output_lines import LINES

HEAVY = {
    "fastapi",
    "sqlalchemy",
    "uvicorn",
    "httpx2",
    "boto3",
    "procrastinate",
    "alembic",
    "pydantic",
    "cryptography",
    "av",
    "rich",
    "psycopg",
}


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "evidence.cli", *arguments],
        env={"PATH": "/usr/bin:/bin", "EVIDENCE_CONFIG_DIR": "/nonexistent", **environment},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_building_the_commands_loads_nothing_heavy() -> None:
    code = "import sys; from evidence.cli import app; app.build(); print(*{name.split('.')[0] for name in sys.modules})"

    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )

    assert loaded & HEAVY == set()
    assert "typer" in loaded, "this test must see what is loaded"


def test_help_names_every_exit_code() -> None:
    said = " ".join(run("--help").stdout.split())

    assert all(f" {code.value} " in said for code in ExitCode)


@pytest.mark.parametrize(
    "arguments",
    [("item", "list", "--jsn"), ("nonsense",), ("item",), ("export", "1"), ("item", "list", "--limit", "many"), ()],
    ids=["option", "command", "subcommand", "missing option", "not a number", "nothing"],
)
def test_a_command_that_is_not_understood_ends_with_2(arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)

    assert (ended.returncode, ended.stdout) == (ExitCode.USAGE, "")
    assert "next: evidence" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("option", ["--still", "--patience", "--rate"])
@pytest.mark.parametrize("value", ["inf", "nan", "1e300", "-1", "9" * 20, "9" * 400, "9" * 5000])
def test_a_number_that_nobody_can_reckon_with_ends_with_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, option: str, value: str
) -> None:
    assert app.run(["dock", "upload", str(tmp_path), option, value, "--dry-run"]) == ExitCode.USAGE

    said = capsys.readouterr().err
    assert option in said
    assert said.endswith("next: evidence dock upload --help\n")


@pytest.mark.parametrize(
    "arguments",
    [
        *(["item", "add", __file__, "--patience", value] for value in ("inf", "nan", "9" * 20, "9" * 400)),
        *(["item", "list", "--limit", value] for value in ("inf", "nan", "0")),  # too high is none: a list has an end
    ],
    ids=lambda arguments: " ".join([*arguments[:2], arguments[-1][:20]]),
)
def test_so_it_is_with_every_command(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert app.run(arguments) == ExitCode.USAGE

    assert arguments[-2] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "help_of"),
    [
        (["bogus"], "evidence --help"),
        (["serve", "--dry-run"], "evidence serve --help"),
        (["item", "bogus"], "evidence item --help"),
        (["item", "show", "2026-1", "--bogus"], "evidence item show --help"),
    ],
)
def test_whoever_mistypes_is_sent_to_help_that_is_there(
    capsys: pytest.CaptureFixture[str], arguments: list[str], help_of: str
) -> None:
    assert app.run(arguments) == ExitCode.USAGE

    assert capsys.readouterr().err.endswith(f"next: {help_of}\n")


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["--version"]) == ExitCode.OK

    assert capsys.readouterr().out == f"evidence {__version__}\n"


@pytest.mark.parametrize("words", [["account", "create"], ["admin", "create", "--agency", "A"]])
def test_an_unknown_role_is_answered_with_those_there_are(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert app.run([*words, "--email", "x@y.example", "--name", "X", "--role", "king"]) == ExitCode.USAGE

    assert "the roles are agency_admin, auditor, " in capsys.readouterr().err


def test_a_token_that_is_none_is_not_sent(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVIDENCE_TOKEN", "tök\u200ben")

    assert app.run(["item", "list"]) == ExitCode.USAGE

    assert "EVIDENCE_TOKEN holds characters that no token has" in capsys.readouterr().err


def test_a_home_that_cannot_be_one_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EVIDENCE_HOME", str(tmp_path / "file"))

    assert app.run(["migrate"]) == ExitCode.ERROR

    assert "check EVIDENCE_HOME" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "promise"), [("dock upload", "goes on where it stopped"), ("export", "begins afresh")]
)
def test_what_was_stopped_is_promised_no_more_than_it_does(
    capsys: pytest.CaptureFixture[str], name: str, promise: str
) -> None:
    assert boundary.report(KeyboardInterrupt(), Output(name)) == ExitCode.INTERRUPTED

    assert promise in capsys.readouterr().err


def test_a_command_that_is_not_understood_says_so_to_programs_too() -> None:
    ended = run("item", "list", "--jsn", "--json")

    problem, summary = [LINES.validate_json(line) for line in ended.stdout.splitlines()]
    assert (problem.kind, summary.kind, summary.command) == ("problem", "summary", "item list")
    assert ended.returncode == ExitCode.USAGE


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EvidenceError("x"), ExitCode.ERROR),
        (NotFoundError("x"), ExitCode.ERROR),
        (ConflictError("x"), ExitCode.ERROR),
        (SetupError("x"), ExitCode.ERROR),
        (TakenError("x"), ExitCode.ERROR),
        (InvalidError("x"), ExitCode.USAGE),
        (PasswordError("x"), ExitCode.USAGE),
        (AccountError("x"), ExitCode.USAGE),
        (RefusedError("x"), ExitCode.REFUSED),
        (NotSignedInError(), ExitCode.REFUSED),
        (UnavailableError("x"), ExitCode.TEMPORARY),
        (NoSpaceError("x"), ExitCode.TEMPORARY),
        (BusyError("x"), ExitCode.TEMPORARY),
        (IntegrityError("x"), ExitCode.INTEGRITY),
        (ChecksumError("x"), ExitCode.INTEGRITY),
    ],
)
def test_each_failure_has_its_exit_code(error: EvidenceError, code: ExitCode) -> None:
    assert exit_code_of(error) == code


def failing(error: BaseException) -> typer.Typer:
    tree = typer.Typer()

    def fail(out: Output) -> None:
        raise error

    command(tree, "fail")(fail)
    command(tree, "other")(fail)
    return tree


def ended_by(error: BaseException, *arguments: str) -> int:
    code = failing(error)(["fail", *arguments], standalone_mode=False)
    assert isinstance(code, int)
    return code


def test_the_unexpected_gets_a_reference_and_no_text_of_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EVIDENCE_DEBUG", raising=False)

    assert ended_by(ValueError("a secret")) == ExitCode.ERROR

    said = capsys.readouterr().err
    assert "reference: tests/evidence/cli/test_app.py:" in said
    assert "ValueError" in said
    assert "a secret" not in said
    assert "Traceback" not in said


def test_a_traceback_is_there_for_who_asks(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVIDENCE_DEBUG", "1")

    ended_by(ValueError("a secret"))

    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_ends_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended_by(KeyboardInterrupt(), "--json") == ExitCode.INTERRUPTED

    *_, last = capsys.readouterr().out.splitlines()
    assert json.loads(last)["outcome"] == "stopped"


def test_a_missing_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended_by(FileNotFoundError(2, "No such file or directory", "trust.json")) == ExitCode.USAGE

    assert "trust.json: no such file or directory" in capsys.readouterr().err


def test_what_was_said_and_what_to_do_reach_the_reader(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended_by(RefusedError("Not for you.", next_step="Ask an administrator."), "--json") == ExitCode.REFUSED

    problem, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert (problem["what"], problem["next_step"]) == ("Not for you.", "Ask an administrator.")
    assert (summary["exit_code"], summary["outcome"]) == (ExitCode.REFUSED, "failed")


def test_a_reader_that_went_away_is_no_traceback() -> None:
    code = f"{sys.executable} -m evidence.cli openapi | head -c 100 > /dev/null; exit ${{PIPESTATUS[0]}}"

    ended = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=False)

    assert "Traceback" not in ended.stderr
    assert ended.returncode in (ExitCode.OK, ExitCode.ERROR)


def test_wrong_settings_are_named_and_their_values_are_not() -> None:
    ended = run("migrate", EVIDENCE_PORT="rosebud", EVIDENCE_HOME="/nonexistent/home")

    assert ended.returncode == ExitCode.ERROR
    assert "EVIDENCE_PORT" in ended.stderr
    assert "rosebud" not in ended.stderr


def test_every_command_has_the_options_that_all_have() -> None:
    for path in leaves(app.build()):
        said = run(*path, "--help").stdout
        assert "--json" in said, path


def leaves(tree: typer.Typer) -> list[tuple[str, ...]]:
    """Every command, as its words."""
    own = [(str(each.name),) for each in tree.registered_commands]
    below = [
        (str(group.name), *words)
        for group in tree.registered_groups
        if group.typer_instance is not None
        for words in leaves(group.typer_instance)
    ]
    return [*own, *below]


def test_the_boundary_is_the_only_broad_except() -> None:
    sources = [path for path in Path(boundary.__file__).parent.glob("*.py") if "BLE001" in path.read_text()]

    assert [path.name for path in sources] == ["boundary.py"]
