"""What commands say: lines that fit the schema for programs, and nothing that steers a terminal for people."""

import json
import logging
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from evidence.cli import custody, items, logs, output
from evidence.cli.exits import ExitCode
from evidence.cli.output import Output, Step
from evidence.errors import UnavailableError
from tests.support.output_lines import LINES, SCHEMA, schema


def test_the_schema_file_is_that_of_the_lines() -> None:
    """To write it anew: python -m tests.support.output_lines."""
    assert json.loads(SCHEMA.read_bytes()) == schema()


def test_every_kind_of_line_fits_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output("dock upload", as_json=True)

    out.plan([Step(act="send", name="a.mp4", size=7)])
    out.found({"number": "2026-1"}, done=1)
    out.note("Listening")
    out.kept("a.mp4", 3, 7)
    out.waiting(UnavailableError("away."), 4.6)
    out.verified("a.mp4", "received", size=7, sha256="00", item="i", number="n", receipt="r")
    out.problem("no room", exit_code=ExitCode.TEMPORARY, name="a.mp4", next_step="wait", request_id="r", reference="x")
    out.sum_up(ExitCode.TEMPORARY, received=1)

    lines = capsys.readouterr().out.splitlines()
    kinds = [LINES.validate_json(line).kind for line in lines]
    assert kinds == ["plan", "progress", "progress", "progress", "progress", "verified", "problem", "summary"]


def test_what_is_waited_for_is_said_to_people_beside_the_results(capsys: pytest.CaptureFixture[str]) -> None:
    Output("dock upload").waiting(UnavailableError("the evidence room does not answer."), 4.6)

    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "the evidence room does not answer; trying again in 5 s\n")


@pytest.mark.parametrize(
    "line",
    [
        {"kind": "progress", "command": "x", "unit": "byte", "done": 1, "surprise": True},
        {"kind": "summary", "command": "x", "exit_code": 99, "outcome": "done", "result": {}},
        {"kind": "summary", "command": "x", "exit_code": 0, "outcome": "lovely", "result": {}},
        {"kind": "chatter", "command": "x"},
        {"kind": "verified", "command": "x", "name": "a"},
    ],
)
def test_the_schema_refuses_what_is_not_in_it(line: object) -> None:
    with pytest.raises(ValueError, match="validation error"):
        LINES.validate_json(json.dumps(line))


def test_only_the_first_summary_counts(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output("x", as_json=True)

    out.sum_up(ExitCode.OK, count=3)
    out.sum_up(ExitCode.ERROR)

    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["result"] == {"count": 3}


def test_programs_get_nothing_but_lines(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output("x", as_json=True)

    out.say("for people")
    out.remark("for people")
    out.table(("a",), [("b",)])

    assert capsys.readouterr() == ("", "")


def test_the_quiet_get_results_and_problems_only(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output("x", quiet=True)

    out.remark("on the way")
    out.say("result")
    out.problem("wrong", exit_code=ExitCode.ERROR, next_step="mend it")

    said = capsys.readouterr()
    assert said.out == "result\n"
    assert said.err == "wrong\n  next: mend it\n"


HOSTILE = ["a\x1b[2Jb", "a\rb", "a\nb", "\u202egpj.exe", "a\x00b", "\x9b31m", "a\u2028b", "\udcff"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_cannot_steer_the_terminal(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = Output("x")

    out.table(("file",), [(name,)])
    out.verified(name, "received")
    out.problem("wrong", exit_code=ExitCode.ERROR, name=name)
    out.remark(name)

    said = "".join(capsys.readouterr())
    assert all(each.isprintable() or each == "\n" for each in said)
    assert said.count("\\") >= 4


@pytest.mark.parametrize("name", ["\udcff\udcfe.mp4", "\\\ud800", "a\u00e9.mp4"])
def test_a_name_that_is_no_text_goes_to_programs_as_it_is(name: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    Output("dock upload", as_json=True).problem("wrong", exit_code=ExitCode.ERROR, name=name)

    (line,) = capfdbinary.readouterr().out.decode().splitlines()
    assert json.loads(line)["name"] == name


def test_words_in_any_script_stay_as_they_are() -> None:
    assert output.printable("Größe 証拠 дело café") == "Größe 証拠 дело café"


@pytest.mark.parametrize(
    ("size", "written"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (4_200_000_000, "4.2 GB"), (5 * 10**12, "5.0 TB")],
)
def test_sizes_are_written_as_people_read_them(size: int, written: str) -> None:
    assert output.readable_size(size) == written


def test_the_schema_travels_with_the_program() -> None:
    assert Path(output.__file__).parent == SCHEMA.parent
    assert TypeAdapter(dict[str, object]).validate_json(SCHEMA.read_bytes())


def test_what_a_library_logs_is_one_line_without_the_text_of_an_exception(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(logging.root, "level", logging.root.level)
    logs.configure()

    try:
        raise ConnectionError("a secret\non two lines")
    except ConnectionError as error:
        logging.getLogger("procrastinate.worker").exception("Side task failed: %s, stopping", error)

    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert (said["event"], said["exception"]) == ("Side task failed: ConnectionError, stopping", "ConnectionError")
    assert "a secret" not in line


def test_custody_is_told_in_words() -> None:
    body = {
        "actor": {"type": "account", "id": "7", "roles": ["officer"]},
        "facts": {"outcome": "read"},
    }
    record = {"seq": 2, "at": "2026-11-22T05:06:07.123Z", "act": "item.probed", "body": body}

    told = custody.row(
        record | {"disclosures": {"actor": {"name": "O. Officer", "badge": "4711"}, "note": {"a": [1, 2], "b": None}}}
    )
    withheld = custody.row(record | {"disclosures": None})

    assert told == ["2", "2026-11-22 05:06:07", "item.probed", "O. Officer (officer)", "outcome: read; note: a 1, 2"]
    assert withheld[3:] == ["officer 7", "outcome: read"]


def test_an_item_says_what_the_recording_is() -> None:
    video = {"type": "video", "width": 1920, "height": 1080, "codec": "h264"}
    media = {"container": "mov", "duration_us": 8_040_000, "streams": [video, {"type": "other", "codec": None}]}
    content = {"filename": "a.mp4", "content_type": items.UNSAID, "media": media, "media_note": "Its end is missing."}
    item = {"number": "2026-1", "id": "i", "size": 7, "sha256": "00", "declared": "none", "received_at": "now"}
    item |= {"access_class": "restricted", "do_not_disclose": True}

    said = dict(items.lines(item | {"content": content}))

    assert (said["container"], said["length"], said["video"]) == ("mov", "8.040 s", "1920 x 1080, h264")
    assert (said["kind"], said["media note"]) == ("not said", "Its end is missing.")
    assert "video" not in dict(items.lines(item | {"content": None}))
