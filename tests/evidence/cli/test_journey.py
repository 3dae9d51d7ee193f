"""From a card to a package that verifies, by commands against a real server."""

import hashlib
import json
import os
import secrets
import signal
import sqlite3
import subprocess
import zipfile
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from evidence.cli.exits import ExitCode
from evidence.docking import folder
from evidence.proof import disclosure, note, receipt, trust
from tests.support.faulty_http import Fault, faulty
from tests.support.installation import AGENCY, OFFICER, PASSWORD, TECHNICIAN, Installation, free_port

MEGABYTE = 1_000_000

BADGE = "Q-4711"
"""Letters that no digest has, so that none of them says it by chance."""


def recording(path: Path, size: int = 3000) -> Path:
    """A file that stood still for long, of bytes that nobody else has."""
    path.write_bytes(secrets.token_bytes(size))
    os.utime(path, (1_600_000_000, 1_600_000_000))
    return path


def everything_about(folder: Path) -> list[tuple[str, str, int, int, int]]:
    """Names, digests, sizes, modes and times of all there is in a folder."""
    return [
        (
            str(path.relative_to(folder)),
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            path.lstat().st_size if path.is_file() else 0,
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
        )
        for path in [folder, *sorted(folder.rglob("*"))]
    ]


def upload_ids(room: Installation, path: Path) -> list[str]:
    with closing(sqlite3.connect(room.config / "docks" / "east-1" / "uploads.sqlite")) as state:
        rows = state.execute("SELECT upload_id FROM sent_file WHERE path = ?", [os.fsencode(path)]).fetchall()
    return [row[0] for row in rows]


def test_a_folder_is_received_with_receipts_and_nothing_in_it_changes(room: Installation, card: Path) -> None:
    one, other = recording(card / "a.mp4"), recording(card / "empty.txt", size=0)
    (card / "a.json").write_text(json.dumps({"camera": "CAM-1", "officer": "4711"}))
    before = everything_about(card)

    ended = room.run("dock", "upload", card, "--camera", "CAM-9", "--still", "0", "--json")

    assert everything_about(card) == before
    assert ended.of_kind("problem") == []
    verified = {line["name"]: line for line in ended.of_kind("verified")}
    assert verified["a.mp4"]["sha256"] == hashlib.sha256(one.read_bytes()).hexdigest()
    assert set(verified) == {"a.mp4", other.name}
    item = room.run("item", "show", verified["a.mp4"]["number"], "--json").summary["result"]["item"]
    assert (item["content"]["camera"], item["content"]["officer"], item["declared"]) == ("CAM-1", "4711", "sha256")
    assert ended.summary["result"]["received"] == 2


def test_the_receipt_that_is_printed_is_signed_by_the_room(room: Installation, card: Path, tmp_path: Path) -> None:
    recording(card / "a.mp4")
    room.run("trust", "--out", tmp_path / "trust.json")
    keys = trust.parse((tmp_path / "trust.json").read_bytes()).keys

    (line,) = room.run("dock", "upload", card, "--still", "0", "--json").of_kind("verified")

    opened = note.open_note(note.parse(line["receipt"]), [key.verifier_key for key in keys if key.role == "receipt"])
    assert receipt.parse(opened.text).chain == f"item/{line['item']}"


def test_a_second_run_has_nothing_to_do(room: Installation, card: Path) -> None:
    recording(card / "a.mp4")
    room.run("dock", "upload", card, "--still", "0")

    ended = room.run("dock", "upload", card, "--still", "0", "--json", expect=[ExitCode.NOTHING_TO_DO])

    assert [step["act"] for step in ended.of_kind("plan")[0]["steps"]] == ["skip"]
    assert ended.summary["outcome"] == "nothing_to_do"


def test_a_dry_run_sends_nothing(room: Installation, card: Path) -> None:
    recording(card / "a.mp4")

    ended = room.run("dock", "upload", card, "--still", "0", "--dry-run", "--json")

    assert [(step["act"], step["name"]) for step in ended.of_kind("plan")[0]["steps"]] == [("send", "a.mp4")]
    assert room.run("dock", "upload", card, "--still", "0", "--json").summary["result"]["received"] == 1


@pytest.mark.root
def test_a_folder_mounted_read_only_will_do(room: Installation, card: Path) -> None:
    recording(card / "a.mp4")
    ours_alone = ["unshare", "--mount", "sh", "-c", 'mount --bind -o ro "$0" "$0" && exec "$@"', str(card)]

    refused = subprocess.run([*ours_alone, "touch", str(card / "new")], capture_output=True, text=True, check=False)
    ended = room.run("dock", "upload", card, "--still", "0", "--json", under=ours_alone)

    assert "Read-only" in refused.stderr, "this test must see a folder that nobody can write to"
    assert ended.summary["result"]["received"] == 1


LONG = 20 * MEGABYTE
"""What is kept first, 8 MiB, is kept seconds before the end: a signal sent then meets an upload still under way."""


def ended_at(room: Installation, card: Path, moment: str, sent: signal.Signals) -> int:
    """Start an upload, send it a signal at a moment told by its own lines, and return how it ended."""
    upload = room.start("dock", "upload", card, "--still", "0", "--rate", "5000000", "--json")
    assert upload.stdout is not None
    with upload.stdout:
        for line in upload.stdout:
            said = json.loads(line)
            if moment in (said["kind"], said.get("note")):
                upload.send_signal(sent)
                upload.stdout.read()
                return upload.wait()
    pytest.fail(f"the upload ended before {moment}")


@pytest.mark.parametrize("moment", ["plan", "kept"])
def test_an_upload_killed_on_the_way_goes_on_where_it_was(room: Installation, card: Path, moment: str) -> None:
    path = recording(card / "long.mp4", size=LONG)
    before = everything_about(card)

    ended_at(room, card, moment, signal.SIGKILL)
    opened = upload_ids(room, path)
    ended = room.run("dock", "upload", card, "--still", "0", "--json")

    assert everything_about(card) == before
    (line,) = ended.of_kind("verified")
    assert line["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    if moment == "kept":
        assert upload_ids(room, path) == opened, "it went on with the same upload"
        assert [step["act"] for step in ended.of_kind("plan")[0]["steps"]] == ["go on sending"]


def test_ctrl_c_ends_with_130_and_the_next_run_goes_on(room: Installation, card: Path) -> None:
    path = recording(card / "long.mp4", size=LONG)

    code = ended_at(room, card, "kept", signal.SIGINT)
    opened = upload_ids(room, path)

    assert code == ExitCode.INTERRUPTED
    room.run("dock", "upload", card, "--still", "0")
    assert upload_ids(room, path) == opened


def test_hostile_names_arrive_and_are_shown_harmlessly(room: Installation, card: Path) -> None:
    names = [b"new\nline.mp4", b"\x1b[2Jclear.mp4", "\u202egpj.mp4".encode(), b"\xff.mp4", b"x" * 255]
    for name in names:
        recording(Path(os.fsdecode(os.fsencode(card) + b"/" + name)), size=100)

    ended = room.run("dock", "upload", card, "--still", "0")
    listed = room.run("item", "list", "--limit", "1000")

    said = ended.stdout + ended.stderr + listed.stdout
    assert ended.stdout.count("received as") == len(names)
    assert all(each.isprintable() or each == "\n" for each in said)


def test_receipts_can_be_kept_apart_and_the_same_bytes_are_called_so(
    room: Installation, card: Path, tmp_path: Path
) -> None:
    for name in ("100", "101"):
        (card / name).mkdir()
    recording(card / "100" / "0001.MP4")
    (card / "101" / "0001.MP4").write_bytes((card / "100" / "0001.MP4").read_bytes())
    kept = tmp_path / "receipts"
    upload = ("dock", "upload", card, "--still", "0", "--receipts")

    ended = room.run(*upload, kept, "--json")
    room.run(*upload, kept, expect=[ExitCode.NOTHING_TO_DO])

    first, second = ended.of_kind("verified")
    assert (first["name"], second["name"]) == ("100/0001.MP4", "101/0001.MP4")
    assert f"the same bytes as {first['number']}, received again" in second["detail"]
    assert {each.read_text() for each in kept.iterdir()} == {first["receipt"], second["receipt"]}
    assert all(each.name.startswith(first["number"]) for each in kept.iterdir())
    item = room.run("item", "show", first["number"], "--json").summary["result"]["item"]
    assert item["content"]["content_type"] == "video/mp4"
    room.run(*upload, card / "receipts", expect=[ExitCode.USAGE])


def test_what_cannot_be_understood_is_skipped_and_the_rest_is_sent(room: Installation, card: Path) -> None:
    recording(card / "a.mp4")
    recording(card / "b.mp4")
    (card / "b.json").write_text("{not json")

    ended = room.run("dock", "upload", card, "--still", "0", "--json", expect=[ExitCode.SOME_FAILED])

    assert [line["name"] for line in ended.of_kind("verified")] == ["a.mp4"]
    assert [line["name"] for line in ended.of_kind("problem")] == ["b.mp4"]
    assert (
        room.run("dock", "upload", card, "--no-sidecars", "--still", "0", "--json").summary["result"]["received"] == 1
    )


def test_a_file_that_is_not_what_was_announced_ends_in_quarantine(room: Installation, card: Path) -> None:
    path = recording(card / "a.mp4")
    killed_at_hash(room, path, sha256="00" * 32)

    ended = room.run("dock", "upload", card, "--still", "0", "--json", expect=[ExitCode.INTEGRITY])

    (problem,) = ended.of_kind("problem")
    assert problem["name"] == "a.mp4"
    assert "quarantine" in problem["what"]
    first = upload_ids(room, path)
    again = room.run("dock", "upload", card, "--still", "0", "--json", expect=[ExitCode.INTEGRITY])
    assert again.of_kind("plan")[0]["steps"][0]["act"] == "skip", "it is not sent again unasked"
    (status,) = room.run("dock", "status", "--dock", "east-1", "--json").of_kind("progress")
    assert status["item"]["quarantined"] == 1
    room.run("dock", "upload", card, "--still", "0", "--again", expect=[ExitCode.INTEGRITY])
    assert upload_ids(room, path) not in ([None], [], first), "but it is when asked for"


def killed_at_hash(room: Installation, path: Path, *, sha256: str) -> None:
    """Leave the dock as after a kill between hashing and sending, with a digest that is not the file's."""
    found = folder.one(path)
    row = [os.fsencode(path), found.size, found.mtime_ns, sha256, "hashed", "", found.mark]
    with closing(sqlite3.connect(room.config / "docks" / "east-1" / "uploads.sqlite")) as state, state:
        state.execute(
            "INSERT INTO sent_file (path, size, mtime_ns, sha256, stage, changed_at, mark)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            row,
        )


def test_a_receipt_by_a_key_that_was_not_pinned_is_not_taken(room: Installation, card: Path, tmp_path: Path) -> None:
    recording(card / "a.mp4")
    elsewhere = tmp_path / "config"
    dock = elsewhere / "docks" / "east-1"
    dock.parent.mkdir(parents=True)
    subprocess.run(["cp", "-a", str(room.config / "docks" / "east-1"), str(dock)], check=True)
    pinned = json.loads((dock / "trust.json").read_bytes())
    for key in pinned["keys"]:
        stranger = trust.TrustedKey(key["name"], key["role"], secrets.token_bytes(32), key["from"])
        key |= {"public": stranger.public.hex(), "id": stranger.key_id.hex()}
    (dock / "trust.json").write_text(json.dumps(pinned))

    ended = room.run(
        "dock",
        "upload",
        card,
        "--still",
        "0",
        "--json",
        environment={"EVIDENCE_CONFIG_DIR": str(elsewhere)},
        expect=[ExitCode.INTEGRITY],
    )

    assert ended.of_kind("verified") == []
    assert "do not erase" in ended.of_kind("problem")[0]["next_step"]


def test_a_file_handed_in_by_a_person(room: Installation, tmp_path: Path) -> None:
    path = recording(tmp_path / "letter.pdf")

    ended = room.run("item", "add", path, "--incident", "26-1", "--no-digest", "--json", "--profile", "officer")

    (line,) = ended.of_kind("verified")
    item = room.run("item", "show", line["item"], "--json").summary["result"]["item"]
    assert (item["declared"], item["content"]["incident"]) == ("none", "26-1")
    assert "NOT declared" in room.run("item", "show", line["item"]).stdout
    room.run("item", "add", path, "--profile", "officer", expect=[ExitCode.NOTHING_TO_DO])


def test_a_list_goes_on_where_the_last_one_ended(room: Installation, tmp_path: Path) -> None:
    for name in ("1.bin", "2.bin", "3.bin"):
        room.run("item", "add", recording(tmp_path / name))

    everything = room.run("item", "list", "--limit", "1000", "--json")
    first = room.run("item", "list", "--limit", "2", "--json")
    rest = room.run("item", "list", "--limit", "1000", "--cursor", first.summary["result"]["cursor"], "--json")

    numbers = [[line["item"]["number"] for line in ended.of_kind("progress")] for ended in (first, rest, everything)]
    assert numbers[0] + numbers[1] == numbers[2]
    assert len(numbers[0]) == 2
    assert everything.summary["result"]["cursor"] is None


@pytest.fixture(scope="module")
def package(room: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of one item, and the trust file beside it."""
    folder = tmp_path_factory.mktemp("package")
    (line,) = room.run("item", "add", recording(folder / "a.mp4"), "--officer", BADGE, "--json").of_kind("verified")
    room.run(
        "export",
        line["number"],
        "--out",
        folder / "package.zip",
        "--reason",
        "discovery",
        "--withhold",
        "officer_badge",
    )
    room.run("trust", "--out", folder / "trust.json")
    return folder / "package.zip"


def test_an_export_verifies_with_nothing_but_two_files(room: Installation, package: Path) -> None:
    nowhere = {"EVIDENCE_HOME": "", "EVIDENCE_CONFIG_DIR": "", "EVIDENCE_URL": ""}

    ended = room.run("verify", package, "--trust", package.with_name("trust.json"), "--json", environment=nowhere)

    assert (ended.summary["verdict"], ended.summary["findings"]) == ("verified", [])
    assert ended.summary["withheld"]["disclosures"] >= 1
    files = read_all(package)
    (path,) = (name for name in files if name.endswith("/disclosures.json"))
    shown = {said.name: said.value for said in map(disclosure.parse, json.loads(files[path])["disclosures"])}
    assert shown["filename"] == "a.mp4", "the control: what is disclosed is found"
    assert "officer_badge" not in shown
    assert BADGE not in str(shown)
    assert BADGE.encode() not in b"".join(files.values())


def read_all(package: Path) -> dict[str, bytes]:
    """Return every file of a package but the originals, by name."""
    with zipfile.ZipFile(package) as bag:
        return {name: bag.read(name) for name in bag.namelist() if "/original/" not in name}


def test_one_altered_byte_is_an_integrity_mismatch(room: Installation, package: Path, tmp_path: Path) -> None:
    altered = tmp_path / "altered.zip"
    with zipfile.ZipFile(package) as source, zipfile.ZipFile(altered, "w") as target:
        for entry in source.infolist():
            body = bytearray(source.read(entry))
            if "/original/" in entry.filename:
                body[len(body) // 2] ^= 1
            target.writestr(entry, bytes(body))

    ended = room.run(
        "verify", altered, "--trust", package.with_name("trust.json"), "--json", expect=[ExitCode.INTEGRITY]
    )

    assert "O01" in {finding["code"] for finding in ended.summary["findings"]}


def test_a_package_that_is_missing_is_a_mistake_in_the_command(room: Installation, package: Path) -> None:
    room.run("verify", package, "--trust", package.with_name("none.json"), expect=[ExitCode.USAGE])
    room.run(
        "verify", package.with_name("none.zip"), "--trust", package.with_name("trust.json"), expect=[ExitCode.USAGE]
    )


def test_a_trust_file_is_not_written_over_by_another(room: Installation, tmp_path: Path) -> None:
    file = tmp_path / "trust.json"
    room.run("trust", "--out", file)
    room.run("trust", "--out", file)
    file.write_text("{}")

    ended = room.run("trust", "--out", file, expect=[ExitCode.USAGE])

    assert "holds other keys" in ended.stderr
    assert file.read_text() == "{}"


def test_a_trust_file_is_not_looked_for_in_a_pipe(room: Installation, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    ended = room.run("trust", "--out", tmp_path / "pipe", expect=[ExitCode.USAGE])

    assert "there already and is no file" in ended.stderr
    assert "choose another name" in ended.stderr


def test_a_package_is_never_written_over(room: Installation, package: Path) -> None:
    before = package.read_bytes()

    room.run("export", "whatever", "--out", package, "--reason", "again", expect=[ExitCode.USAGE])

    assert package.read_bytes() == before


def test_a_package_takes_the_place_of_nothing_and_follows_no_link(room: Installation, tmp_path: Path) -> None:
    (line,) = room.run("item", "add", recording(tmp_path / "a.mp4"), "--json").of_kind("verified")
    out, leading_nowhere = tmp_path / "p.zip", tmp_path / "nowhere.zip"
    leading_nowhere.symlink_to(tmp_path / "none")
    (tmp_path / "keepme").write_bytes(b"kept")
    (tmp_path / "p.zip.part").symlink_to("keepme")

    room.run("export", line["number"], "--out", out, "--reason", "x")
    refused = room.run("export", line["number"], "--out", leading_nowhere, "--reason", "x", expect=[ExitCode.USAGE])

    assert (tmp_path / "keepme").read_bytes() == b"kept"
    assert zipfile.is_zipfile(out)
    assert not out.is_symlink()
    assert "there already" in refused.stderr
    chain = room.run("item", "show", line["number"], "--custody", "--json").summary["result"]["custody"]
    assert [each["act"] for each in chain].count("item.exported") == 1, "what cannot be written is not begun"


def test_an_export_of_a_damaged_original_says_so_and_leaves_no_file(room: Installation, tmp_path: Path) -> None:
    handed_in, out = tmp_path / "statement.txt", tmp_path / "damaged.zip"
    handed_in.write_bytes(b"I saw nothing. " * 1000)
    (added,) = room.run("item", "add", handed_in, "--json").of_kind("verified")
    originals = (room.home / "objects" / "objects" / "original").rglob("*")
    stored = max((path for path in originals if path.is_file()), key=lambda path: path.name)
    stored.chmod(0o600)
    body = bytearray(stored.read_bytes())
    body[100] ^= 1
    stored.write_bytes(body)

    ended = room.run("export", added["number"], "--out", out, "--reason", "trial", expect=[ExitCode.INTEGRITY])

    assert added["number"] in ended.stderr
    assert "not what was recorded" in ended.stderr
    assert not out.exists()


def test_an_export_that_is_refused_leaves_no_file(room: Installation, tmp_path: Path) -> None:
    out = tmp_path / "package.zip"

    room.run("export", "2020-999999", "--out", out, "--reason", "x", expect=[ExitCode.ERROR])

    assert list(tmp_path.iterdir()) == []


def test_a_wrong_password_ends_with_5_and_keeps_nothing(room: Installation, tmp_path: Path) -> None:
    elsewhere = {"EVIDENCE_CONFIG_DIR": str(tmp_path / "config"), "EVIDENCE_PASSWORD": "not the password"}

    ended = room.run("sign-in", "--email", TECHNICIAN, environment=elsewhere, expect=[ExitCode.REFUSED])

    assert "the e-mail address, the password or the code is wrong" in ended.stderr
    assert "not the password" not in ended.stderr + ended.stdout
    assert not (tmp_path / "config").exists()


def test_a_profile_is_for_its_owner_alone_and_ends_with_sign_out(room: Installation, tmp_path: Path) -> None:
    elsewhere = {"EVIDENCE_CONFIG_DIR": str(tmp_path / "config")}
    room.run("sign-in", "--email", OFFICER, environment=elsewhere)
    profile = tmp_path / "config" / "profiles" / "default.json"

    assert profile.stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in profile.read_text()
    room.run("sign-out", environment=elsewhere)
    room.run("sign-out", environment=elsewhere, expect=[ExitCode.NOTHING_TO_DO])
    room.run("item", "list", environment=elsewhere, expect=[ExitCode.REFUSED])


FAILING: dict[str, tuple[int, list[int], list[str], ExitCode]] = {
    "at the first file": (500, [0], ["b", "c"], ExitCode.SOME_FAILED),
    "at the last file": (500, [2], ["a", "b"], ExitCode.SOME_FAILED),
    "at every file": (500, [0, 1, 2], [], ExitCode.TEMPORARY),
    "because it is away": (503, [1], ["a"], ExitCode.TEMPORARY),
    "because it has no room": (507, [0], [], ExitCode.TEMPORARY),
}
"""The status, at which files, which are received all the same, and how it ends."""


@pytest.mark.parametrize(("status", "failing", "received", "code"), FAILING.values(), ids=FAILING)
def test_a_server_that_fails_at_one_file_gets_the_others(
    room: Installation, tmp_path: Path, status: int, failing: list[int], received: list[str], code: ExitCode
) -> None:
    form = {"grant_type": "password", "username": TECHNICIAN, "password": PASSWORD}
    token = httpx2.post(f"{room.url}/api/v1/tokens", data=form).json()["access_token"]
    files = [recording(tmp_path / name) for name in "abc"]
    with faulty(room.url) as proxy:
        # Each file's upload is opened by one POST.
        proxy.faults = [Fault("POST", "refuse" if each in failing else "pass", status) for each in range(3)]
        environment = {"EVIDENCE_URL": proxy.url, "EVIDENCE_TOKEN": token}
        ended = room.run("item", "add", *files, "--patience", "0", "--json", environment=environment, expect=[code])
    # A person has few sessions at once: one too many would end the profile's.
    httpx2.delete(f"{room.url}/api/v1/tokens/current", headers={"Authorization": f"Bearer {token}"}).raise_for_status()

    assert [Path(line["name"]).name for line in ended.of_kind("verified")] == received
    result = ended.summary["result"]
    assert len(ended.of_kind("problem")) == result["failed"] == len(files) - len(received) - result["untried"]
    assert (result["skipped"], result["untried"] > 0) == (0, code == ExitCode.TEMPORARY and len(failing) < 3), (
        "what was not tried is not called received before"
    )


def test_a_token_goes_to_no_other_server_than_its_own(room: Installation) -> None:
    ended = room.run("item", "list", environment={"EVIDENCE_URL": "http://127.0.0.1:1"}, expect=[ExitCode.REFUSED])

    assert "another server" in ended.stderr


def test_a_server_that_cannot_be_reached_ends_with_6(room: Installation, card: Path, tmp_path: Path) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    recording(card / "a.mp4")
    elsewhere = tmp_path / "config"
    subprocess.run(["cp", "-a", str(room.config), str(elsewhere)], check=True)
    dock = elsewhere / "docks" / "east-1" / "dock.json"
    dock.write_text(dock.read_text().replace(room.url, away))
    environment = {"EVIDENCE_URL": away, "EVIDENCE_TOKEN": "x", "EVIDENCE_CONFIG_DIR": str(elsewhere)}

    for arguments in (
        ("item", "list"),
        ("trust", "--out", str(tmp_path / "t.json")),
        ("dock", "upload", str(card), "--still", "0", "--patience", "0"),
        ("export", "1", "--out", str(tmp_path / "p.zip"), "--reason", "x"),
    ):
        ended = room.run(*arguments, environment=environment, expect=[ExitCode.TEMPORARY])
        assert "cannot be reached" in ended.stderr


@pytest.mark.parametrize("reason", ["x", " "])
def test_an_export_that_cannot_be_written_never_begins(room: Installation, tmp_path: Path, reason: str) -> None:
    (tmp_path / "a.txt").write_bytes(os.urandom(10))
    number = str(room.run("item", "add", tmp_path / "a.txt", "--json").of_kind("verified")[0]["number"])
    to = tmp_path / ("none/p.zip" if reason.strip() else "p.zip")

    room.run("export", number, "--out", to, "--reason", reason, expect=[ExitCode.USAGE])

    chain = room.run("item", "show", number, "--custody", "--json").summary["result"]["custody"]
    assert "item.exported" not in {each["act"] for each in chain}


def test_who_could_see_an_item_is_asked_of_the_day_and_the_act(room: Installation, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(os.urandom(10))
    number = str(room.run("item", "add", tmp_path / "a.txt", "--json").of_kind("verified")[0]["number"])

    def who(*more: str) -> set[str]:
        ended = room.run("access", "who", number, *more, "--profile", "admin", "--json")
        return {str(each["name"]) for each in ended.summary["result"]["explanations"]}

    assert who()
    assert who("--at", "2020-01-01") == set(), "nobody was here then"
    assert who("--action", "evidence.stream") < who(), "administrators see that it is there, and watch nothing"


def test_an_empty_folder_is_not_taken_for_one_that_was_received(room: Installation, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    ended = room.run("dock", "upload", tmp_path / "empty", expect=[ExitCode.NOTHING_TO_DO])

    assert "no recording here" in ended.stdout


def test_what_a_role_may_not_do_ends_with_5(room: Installation) -> None:
    for arguments in (
        ("dock", "code", "west-1"),
        ("account", "create", "--email", "x@riverbend.example", "--name", "X", "--role", "officer"),
    ):
        ended = room.run(*arguments, "--profile", "officer", "--json", expect=[ExitCode.REFUSED])
        assert ended.of_kind("problem")[0]["request_id"]


def test_a_code_enrols_one_dock_once(room: Installation, tmp_path: Path) -> None:
    code = room.run("dock", "code", "west-1", "--json").summary["result"]["code"]
    docks = [{"EVIDENCE_CONFIG_DIR": str(tmp_path / name), "EVIDENCE_URL": ""} for name in ("one", "other")]

    misnamed = room.run(
        "dock", "enrol", "west-2", "--code", code, "--url", room.url, environment=docks[0], expect=[ExitCode.REFUSED]
    )
    assert "a dock of another name" in misnamed.stderr
    assert "evidence dock code" in misnamed.stderr
    room.run("dock", "enrol", "west-1", "--code", code, "--url", room.url, environment=docks[0])
    refused = room.run(
        "dock", "enrol", "west-1", "--code", code, "--url", room.url, environment=docks[1], expect=[ExitCode.REFUSED]
    )

    assert "may have been used" in refused.stderr
    assert not (tmp_path / "other" / "docks" / "west-1" / "dock.json").exists()
    key = tmp_path / "one" / "docks" / "west-1" / "key.pem"
    assert key.stat().st_mode & 0o777 == 0o600


def test_an_account_made_at_the_console_can_sign_in(room: Installation, tmp_path: Path) -> None:
    made = room.run(
        "admin",
        "create",
        "--email",
        "second@riverbend.example",
        "--name",
        "Second",
        "--agency",
        AGENCY,
        "--json",
        environment={"EVIDENCE_PASSWORD": ""},
    ).summary["result"]

    elsewhere = {"EVIDENCE_PASSWORD": made["password"], "EVIDENCE_CONFIG_DIR": str(tmp_path / "config")}
    room.run("sign-in", "--email", "second@riverbend.example", environment=elsewhere)
    taken = room.run(
        "admin", "create", "--email", "second@riverbend.example", "--name", "S", "--agency", AGENCY, expect=[1]
    )
    assert "already" in taken.stderr


def test_a_password_file_that_others_can_read_is_not_read(room: Installation, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    file.chmod(0o644)
    arguments = ("sign-in", "--email", OFFICER, "--password-file", file, "--profile", "by-file")

    room.run(*arguments, expect=[ExitCode.USAGE])
    file.chmod(0o600)
    room.run(*arguments, environment={"EVIDENCE_PASSWORD": ""})
