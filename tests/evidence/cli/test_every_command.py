"""Every command speaks to programs: whatever it says under --json fits the schema and ends in a summary."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from evidence.cli import app
from evidence.cli.exits import ExitCode
from evidence.docking.identity import DockKey
from tests.evidence.cli.test_app import leaves
from tests.support.authenticator import Authenticator
from tests.support.installation import AGENCY, OFFICER, PASSWORD, Ended, Installation, free_port, stop
from tests.support.output_lines import LINES, VERIFIER_LINES

Arguments = list[str | Path]


def someone(room: Installation, _folder: Path) -> Arguments:
    return ["--email", f"{os.urandom(4).hex()}@riverbend.example", "--name", "N"]


def a_file(folder: Path) -> Path:
    path = folder / "a.mp4"
    path.write_bytes(os.urandom(100))
    os.utime(path, (1_600_000_000, 1_600_000_000))
    return path


def a_number(room: Installation, folder: Path) -> str:
    return str(room.run("item", "add", a_file(folder), "--json").of_kind("verified")[0]["number"])


def a_package(room: Installation, folder: Path) -> Arguments:
    room.run("trust", "--out", folder / "trust.json")
    room.run("export", a_number(room, folder), "--out", folder / "p.zip", "--reason", "x")
    return [folder / "p.zip", "--trust", folder / "trust.json"]


def a_profile(room: Installation, _folder: Path) -> Arguments:
    room.run("sign-in", "--email", "admin@riverbend.example", "--profile", "gone")
    return ["--profile", "gone"]


def a_card(folder: Path) -> Path:
    card = folder / "card"
    card.mkdir()
    a_file(card)
    return card


def a_full_folder(folder: Path) -> Path:
    a_file(folder)
    return folder


def a_case(room: Installation, *, profile: str = "default") -> str:
    number = f"26-{os.urandom(4).hex()}"
    room.run("case", "open", number, "--title", "State v. Marsh", "--profile", profile)
    return number


def an_exhibit(room: Installation, folder: Path) -> Arguments:
    case = a_case(room)
    room.run("case", "link", case, a_number(room, folder))
    return [case, "1", "--reason", "x"]


def an_assignment(room: Installation, _folder: Path) -> Arguments:
    case = a_case(room)
    room.run("case", "assign", case, OFFICER, "--as", "investigator", "--profile", "admin")
    return [case, OFFICER, "--reason", "x", "--profile", "admin"]


def a_referral(room: Installation, _folder: Path) -> Arguments:
    case = a_case(room)
    room.run("case", "refer", case, AGENCY)
    return [case, AGENCY, "--reason", "x"]


def a_detectives_case(room: Installation, *, closed: bool) -> Arguments:
    email = f"{os.urandom(4).hex()}@riverbend.example"
    room.account("--email", email, "--name", "D", "--role", "detective")
    room.run("sign-in", "--email", email, "--profile", "detective")
    asked = [a_case(room, profile="detective"), "--reason", "x", "--profile", "detective"]
    if closed:
        room.run("case", "close", *asked)
    return list(asked)


def a_unit(room: Installation) -> str:
    name = f"Unit {os.urandom(4).hex()}"
    room.run("unit", "found", name, "--profile", "admin")
    return name


def a_member(room: Installation, _folder: Path) -> Arguments:
    unit = a_unit(room)
    room.run("unit", "join", unit, OFFICER, "--profile", "admin")
    return [unit, OFFICER, "--profile", "admin"]


def an_incident(room: Installation) -> str:
    number = f"26-{os.urandom(4).hex()}"
    room.run("incident", "declare", number, "--reason", "x")
    return number


def a_listing(room: Installation, _folder: Path) -> Arguments:
    """List the officer, and sign in an investigator to whom their statement may be given."""
    email, number = f"{os.urandom(4).hex()}@riverbend.example", f"26-{os.urandom(4).hex()}"
    room.account("--email", email, "--name", "S", "--role", "supervisor")
    room.run("unit", "join", a_unit(room), email, "--supervises", "--profile", "admin")
    room.run("sign-in", "--email", email, "--profile", "supervisor")
    room.run("incident", "declare", number, "--reason", "x", "--profile", "supervisor")
    said = room.run("incident", "list-person", number, OFFICER, "--reason", "x", "--json", "--profile", "supervisor")
    listing = said.summary["result"]["incident"]["listings"][0]["id"]
    return [number, listing, "--reason", "x", "--profile", "supervisor"]


def an_entry(room: Installation, folder: Path) -> Arguments:
    item = a_number(room, folder)
    said = room.run("access", "allow", item, OFFICER, "--reason", "x", "--json")
    return [item, said.summary["result"]["access"]["entries"][0]["id"], "--reason", "x"]


def a_restricted_item(room: Installation, folder: Path) -> Arguments:
    item = a_number(room, folder)
    room.run("access", "restrict", item, "confidential", "--reason", "x")
    return [item, "unrestricted", "--reason", "x"]


def a_marked_item(room: Installation, folder: Path) -> Arguments:
    item = a_number(room, folder)
    room.run("access", "do-not-disclose", item, "--reason", "x")
    return [item, "--reason", "x"]


def two_of_a_detective(room: Installation, folder: Path) -> Arguments:
    asked = a_detectives_case(room, closed=False)
    return [asked[0], a_case(room, profile="detective"), *asked[1:]]


def an_expectation(room: Installation, folder: Path) -> Arguments:
    case = str(a_referral(room, folder)[0])
    room.run("case", "link", case, a_number(room, folder))
    listed = room.run("case", "expect", case, AGENCY, "--what", "911 call", "--json").summary["result"]["case"]
    return [case, listed["referrals"][0]["expected"][0]["id"], "1"]


def a_request(room: Installation, _folder: Path) -> dict[str, str]:
    made = room.run(
        "account", "create", *map(str, someone(room, _folder)), "--role", "officer", "--profile", "admin", "--json"
    )
    request: dict[str, str] = made.summary["result"]["approval"]
    return request


def a_use(room: Installation, folder: Path) -> str:
    number = a_number(room, folder)
    used = room.run("glass", "break", number, "--reason", "x", "--profile", "admin", "--json").summary["result"]["use"]
    return str(used["id"])


def secret(folder: Path, text: str) -> Path:
    path = folder / os.urandom(4).hex()
    path.write_text(text + "\n")
    path.chmod(0o600)
    return path


def somebody(room: Installation) -> str:
    email = f"{os.urandom(4).hex()}@riverbend.example"
    asked = {"email": email, "name": "N", "password": PASSWORD, "roles": ["officer"]}
    room.post("/accounts", asked, profile="admin")
    return email


def somebody_fresh(room: Installation, _folder: Path) -> Arguments:
    room.sign_in_quickly(somebody(room), profile="strong")
    return ["--profile", "strong"]


def offered(room: Installation) -> Authenticator:
    room.sign_in_quickly(somebody(room), profile="strong")
    return Authenticator(room.post("/accounts/me/second-factor", None, profile="strong")["secret"])


def somebody_offered(room: Installation, _folder: Path) -> Arguments:
    return ["--totp", offered(room).code(), "--profile", "strong"]


def somebody_with_a_factor(room: Installation) -> Authenticator:
    authenticator = offered(room)
    room.post("/accounts/me/second-factor/confirm", {"totp": authenticator.code()}, profile="strong")
    return authenticator


def somebody_strong(room: Installation, _folder: Path) -> Arguments:
    somebody_with_a_factor(room)
    return ["--profile", "strong"]


def a_new_password(room: Installation, folder: Path) -> Arguments:
    somebody_fresh(room, folder)
    return ["--new-password-file", secret(folder, "another good password"), "--profile", "strong"]


def a_locked_source(room: Installation, _folder: Path) -> Arguments:
    for _ in range(5):
        asked = {"code": "wrong", "public_key": DockKey.load_or_create(_folder).public_jwk()}
        assert httpx2.post(f"{room.url}/api/v1/docks", json=asked).status_code == 403
    return ["127.0.0.1", "--reason", "x"]


def a_dock_to_retire(room: Installation, folder: Path) -> Arguments:
    enrolled = room.run("dock", "enrol", f"dock-{os.urandom(4).hex()}", "--json").summary["result"]
    return [enrolled["id"], "--reason", "stolen"]


def a_carrying() -> Arguments:
    return [f"CAM-{os.urandom(4).hex()}", OFFICER, "--from", "2026-01-01T06:00Z", "--to", "2026-01-01T18:00Z"]


def a_roster(folder: Path) -> Path:
    path = folder / "roster.csv"
    serial, officer, _from, since, _to, until = a_carrying()
    path.write_text(f"serial;email;from;to\r\n{serial};{officer};{since};{until}\r\n", encoding="utf-8-sig")
    return path


def a_camera(room: Installation, _folder: Path) -> Arguments:
    carrying = a_carrying()
    room.run("camera", "assign", *carrying)
    return [carrying[0], "--reason", "broken"]


GOOD: dict[str, Callable[[Installation, Path], Arguments]] = {
    "migrate": lambda room, folder: [],
    "doctor": lambda room, folder: [],
    "sign-in": lambda room, folder: ["--email", "admin@riverbend.example", "--profile", "here"],
    "sign-out": a_profile,
    "trust": lambda room, folder: ["--out", folder / "trust.json"],
    "export": lambda room, folder: [a_number(room, folder), "--out", folder / "p.zip", "--reason", "x"],
    "verify": a_package,
    "openapi": lambda room, folder: [],
    "admin create": lambda room, folder: [*someone(room, folder), "--agency", AGENCY],
    "admin reset": lambda room, folder: [somebody(room)],
    "admin release-source": a_locked_source,
    "step-up": lambda room, folder: ["--totp", somebody_with_a_factor(room).code(1), "--profile", "strong"],
    "account list": lambda room, folder: ["--limit", "1", "--profile", "admin"],
    "account suspend": lambda room, folder: [somebody(room), "--reason", "x", "--profile", "admin"],
    "account release": lambda room, folder: [somebody(room), "--reason", "x", "--profile", "admin"],
    "account password": a_new_password,
    "account second-factor enrol": somebody_fresh,
    "account second-factor confirm": somebody_offered,
    "account second-factor recovery-codes": somebody_strong,
    "account create": lambda room, folder: [*someone(room, folder), "--role", "officer", "--profile", "admin"],
    "init": lambda room, folder: ["--agency", AGENCY],
    "account roles": lambda room, folder: [
        OFFICER,
        "--grant",
        "detective",
        "--reason",
        "x",
        "--profile",
        "admin",
    ],
    "group list": lambda room, folder: ["--profile", "admin"],
    "approval list": lambda room, folder: ["--profile", "clerk"],
    "approval show": lambda room, folder: [a_request(room, folder)["id"], "--profile", "clerk"],
    "approval approve": lambda room, folder: [
        (asked := a_request(room, folder))["id"],
        "--sha256",
        asked["sha256"],
        "--profile",
        "clerk",
    ],
    "approval refuse": lambda room, folder: [a_request(room, folder)["id"], "--reason", "x", "--profile", "clerk"],
    "approval withdraw": lambda room, folder: [a_request(room, folder)["id"], "--profile", "admin"],
    "tasks": lambda room, folder: ["--profile", "clerk"],
    "glass break": lambda room, folder: [a_number(room, folder), "--reason", "x", "--profile", "admin"],
    "glass list": lambda room, folder: ["--profile", "clerk"],
    "glass review": lambda room, folder: [a_use(room, folder), "--finding", "x", "--profile", "clerk"],
    "dock list": lambda room, folder: [],
    "dock retire": a_dock_to_retire,
    "dock code": lambda room, folder: ["north-1"],
    "dock enrol": lambda room, folder: [f"dock-{os.urandom(4).hex()}"],
    "dock upload": lambda room, folder: [a_card(folder), "--still", "0", "--dock", "east-1"],
    "dock rotate": lambda room, folder: ["--dock", "east-1"],
    "dock status": lambda room, folder: [],
    "camera list": lambda room, folder: [],
    "camera import": lambda room, folder: [a_roster(folder)],
    "camera assign": lambda room, folder: [*a_carrying(), "--dry-run"],
    "camera retire": a_camera,
    "worklist": lambda room, folder: [],
    "item reassign": lambda room, folder: [a_number(room, folder), OFFICER, "--reason", "worn by the other"],
    "item list": lambda room, folder: [],
    "item show": lambda room, folder: [a_number(room, folder), "--custody"],
    "item add": lambda room, folder: [a_file(folder)],
    "item download": lambda room, folder: [a_number(room, folder), "--out", folder / "o.mp4", "--reason", "x"],
    "item watch": lambda room, folder: [a_number(room, folder), "--out", folder / "w.mp4", "--reason", "x"],
    "custody item": lambda room, folder: [a_number(room, folder), "--act", "item.received", "--act", "item.probed"],
    "custody case": lambda room, folder: [a_case(room), "--fact", "case=x", "--from", "2026-01-01T00:00:00Z"],
    "custody actor": lambda room, folder: [OFFICER, "--kind", "account", "--limit", "3", "--profile", "admin"],
    "unit found": lambda room, folder: [f"Unit {os.urandom(4).hex()}", "--profile", "admin"],
    "unit list": lambda room, folder: ["--profile", "admin"],
    "unit join": lambda room, folder: [a_unit(room), OFFICER, "--supervises", "--profile", "admin"],
    "unit leave": a_member,
    "access allow": lambda room, folder: [a_number(room, folder), OFFICER, "--reason", "x", "--until", "2099-01-01"],
    "access list": lambda room, folder: [a_case(room), "--case"],
    "access end": an_entry,
    "access restrict": lambda room, folder: [a_number(room, folder), "restricted", "--reason", "x"],
    "access unrestrict": a_restricted_item,
    "access allow-disclosure": a_marked_item,
    "access who": lambda room, folder: [a_number(room, folder), "--at", "2099-01-01", "--profile", "admin"],
    "access why": lambda room, folder: [a_number(room, folder)],
    "access do-not-disclose": lambda room, folder: [a_number(room, folder), "--reason", "x"],
    "incident declare": lambda room, folder: [f"26-{os.urandom(4).hex()}", "--reason", "x"],
    "incident show": lambda room, folder: [an_incident(room)],
    "incident list-person": lambda room, folder: [an_incident(room), OFFICER, "--reason", "x"],
    "incident statement": a_listing,
    "incident cover": lambda room, folder: [an_incident(room), a_number(room, folder), "--reason", "x"],
    "case open": lambda room, folder: [f"26-{os.urandom(4).hex()}", "--title", "State v. Marsh"],
    "case list": lambda room, folder: [],
    "case show": lambda room, folder: [a_case(room)],
    "case link": lambda room, folder: [a_case(room), a_number(room, folder)],
    "case withdraw": an_exhibit,
    "case assign": lambda room, folder: [a_case(room), OFFICER, "--as", "investigator", "--profile", "admin"],
    "case unassign": an_assignment,
    "case refer": lambda room, folder: [a_case(room), AGENCY, "--due", "2026-12-01"],
    "case recall": a_referral,
    "case close": lambda room, folder: a_detectives_case(room, closed=False),
    "case reopen": lambda room, folder: a_detectives_case(room, closed=True),
    "case merge": two_of_a_detective,
    "case proposals": lambda room, folder: [a_case(room), "--accept"],
    "case due": lambda room, folder: [*a_referral(room, folder), "--on", "2026-12-24"],
    "case expect": lambda room, folder: [*a_referral(room, folder)[:2], "--what", "911 call", "--recordings", "2"],
    "case fulfil": an_expectation,
    "case external": lambda room, folder: ["rms", os.urandom(4).hex(), "--number", os.urandom(4).hex(), "--title", "T"],
    "case incident": lambda room, folder: [a_case(room), "26-7"],
    "case reference": lambda room, folder: [a_case(room), "rms", os.urandom(4).hex(), "--address", "https://a.example"],
    "item incident": lambda room, folder: [a_number(room, folder), "26-7"],
    "item reference": lambda room, folder: [a_number(room, folder), "rms", os.urandom(4).hex()],
    "agency case-numbers": lambda room, folder: [],
}
"""Command lines that succeed. Those that run until they are stopped have tests of their own below."""

BAD: dict[str, Callable[[Installation, Path], tuple[Arguments, ExitCode]]] = {
    "incident release": lambda room, folder: (a_listing(room, folder), ExitCode.REFUSED),
    "init": lambda room, folder: (["--agency", "Nowhere Police Department"], ExitCode.INCOMPLETE),
    "demo": lambda room, folder: (["--folder", a_full_folder(folder)], ExitCode.ERROR),
    "sign-in": lambda room, folder: (["--email", "nobody@riverbend.example"], ExitCode.REFUSED),
    "export": lambda room, folder: (["2020-1", "--out", folder / "p.zip", "--reason", "x"], ExitCode.ERROR),
    "verify": lambda room, folder: ([folder, "--trust", folder / "none"], ExitCode.USAGE),
    "admin create": lambda room, folder: ([*someone(room, folder), "--agency", ""], ExitCode.USAGE),
    "admin reset": lambda room, folder: (["nobody@riverbend.example"], ExitCode.ERROR),
    "step-up": lambda room, folder: (["--totp", "000000", "--profile", "admin"], ExitCode.USAGE),
    "account suspend": lambda room, folder: (
        ["admin@riverbend.example", "--reason", "x", "--profile", "admin"],
        ExitCode.REFUSED,
    ),
    "dock retire": lambda room, folder: ([str(uuid4()), "--reason", "x"], ExitCode.ERROR),
    "account release": lambda room, folder: (
        ["nobody@x.example", "--reason", "x", "--profile", "admin"],
        ExitCode.ERROR,
    ),
    "account password": lambda room, folder: (
        [
            "--password-file",
            secret(folder, "wrong"),
            "--new-password-file",
            secret(folder, "n"),
            "--profile",
            "officer",
        ],
        ExitCode.REFUSED,
    ),
    "account second-factor confirm": lambda room, folder: (["--totp", "000000"], ExitCode.USAGE),
    "account create": lambda room, folder: (
        [*someone(room, folder), "--role", "king", "--profile", "admin"],
        ExitCode.USAGE,
    ),
    "group map": lambda room, folder: (
        ["officers", "--provider", "none", "--role", "officer", "--reason", "x", "--profile", "admin"],
        ExitCode.ERROR,
    ),
    "group end": lambda room, folder: (
        ["officers", "--provider", "none", "--reason", "x", "--profile", "admin"],
        ExitCode.ERROR,
    ),
    "approval approve": lambda room, folder: ([a_request(room, folder)["id"], "--profile", "clerk"], ExitCode.USAGE),
    "glass break": lambda room, folder: ([a_number(room, folder), "--reason", "x"], ExitCode.REFUSED),
    "dock upload": lambda room, folder: ([folder, "--dock", "none"], ExitCode.ERROR),
    "dock status": lambda room, folder: (["--dock", "none"], ExitCode.ERROR),
    "item show": lambda room, folder: (["2020-1"], ExitCode.ERROR),
    "custody item": lambda room, folder: ([a_number(room, folder), "--fact", "case"], ExitCode.USAGE),
    "custody case": lambda room, folder: ([a_case(room), "--act", "case.lost"], ExitCode.USAGE),
    "custody actor": lambda room, folder: ([OFFICER], ExitCode.REFUSED),
    "item list": lambda room, folder: (["--profile", "none"], ExitCode.REFUSED),
    "camera import": lambda room, folder: ([a_file(folder)], ExitCode.USAGE),
    "item reassign": lambda room, folder: ([a_number(room, folder), "nobody", "--reason", "x"], ExitCode.ERROR),
    "case show": lambda room, folder: (["26-none"], ExitCode.ERROR),
    "case link": lambda room, folder: ([a_case(room), "2020-1"], ExitCode.ERROR),
    "case close": lambda room, folder: ([a_case(room), "--reason", "x"], ExitCode.REFUSED),
    "case expect": lambda room, folder: ([a_case(room), AGENCY], ExitCode.USAGE),
    "case unassign": lambda room, folder: (
        [a_case(room), "nobody", "--reason", "x", "--profile", "admin"],
        ExitCode.ERROR,
    ),
}

UNTIL_STOPPED = {"serve", "worker"}


@pytest.fixture(autouse=True)
def no_dock_left(room: Installation) -> Iterator[None]:
    """Take away the docks that a test enrolled: with several on one machine every other test had to say which."""
    yield
    for folder in (room.config / "docks").iterdir():
        if folder.name != "east-1":
            shutil.rmtree(folder)


def assert_fits(name: str, ended: Ended, code: int) -> None:
    lines = VERIFIER_LINES if name == "verify" else LINES
    kinds = [lines.validate_json(line) for line in ended.stdout.splitlines()]
    assert kinds, "it says something"
    assert [each["kind"] for each in ended.lines].count("summary") == 1
    if name != "verify":
        assert name == "demo" or ended.stderr == "", "the demo tells its story there"
        assert (ended.summary["command"], ended.summary["exit_code"]) == (name, code)


def test_every_command_is_put_to_this_test() -> None:
    assert {" ".join(words) for words in leaves(app.build())} == GOOD.keys() | BAD.keys() | UNTIL_STOPPED


@pytest.mark.parametrize("name", GOOD)
def test_what_it_says_when_all_goes_well(room: Installation, tmp_path: Path, name: str) -> None:
    ended = room.run(*name.split(), *GOOD[name](room, tmp_path), "--json")

    assert_fits(name, ended, ExitCode.OK)


@pytest.mark.parametrize("name", BAD)
def test_what_it_says_when_it_fails(room: Installation, tmp_path: Path, name: str) -> None:
    arguments, code = BAD[name](room, tmp_path)

    ended = room.run(*name.split(), *arguments, "--json", expect=[code])

    assert_fits(name, ended, code)
    if name != "verify":
        (problem,) = ended.of_kind("problem")
        assert problem["what"]


def test_what_a_server_says(tmp_path: Path) -> None:
    apart = Installation(tmp_path, free_port())
    apart.run("migrate")
    with apart.serving("--no-worker", "--json") as server:
        assert server.stdout is not None
        heard = server.stdout.readline()
        server.terminate()
        lines = [LINES.validate_json(line) for line in (heard, *server.stdout)]

    assert [line.kind for line in lines] == ["progress", "summary"]


def test_what_a_worker_says(room: Installation) -> None:
    worker = room.start("worker", "--json", "--parent", "1")
    assert worker.stdout is not None
    lines = [LINES.validate_json(line) for line in worker.stdout]

    assert stop(worker) == ExitCode.OK
    assert [line.kind for line in lines] == ["summary"]
