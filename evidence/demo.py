"""The story of `make demo`: a stop seen by three cameras, told through the commands anybody has.

Everything here is done by running `evidence ...` and by HTTP, as a city would; nothing reaches
into the database.  Each step of the story is true only because it was seen: `story.json` says what
was seen.  Under `--once` the story ends and everything stops; otherwise the server stays, with a
token and three things to try.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from socket import socket
from typing import Any

import httpx2

from auth import totp
from evidence.errors import EvidenceError, SetupError
from evidence.proof import package
from transcode import ffmpeg, footage
from transcode.settings import TranscodeSettings

AGENCY = "Riverbend Police Department"
OFFICE = "City Attorney of Riverbend"
OFFICE_ADMIN, ATTORNEY = "office@attorney.riverbend.example", "j.okafor@attorney.riverbend.example"
CLERK, OFFICE_CLERK = "city.clerk@riverbend.example", "clerk@attorney.riverbend.example"
"""The second administrators, who only ever approve."""
CASE, OTHER_CASE = "26-118204", "26-118207"
ADMIN, TECHNICIAN, OFFICER = "chief.admin@riverbend.example", "e.tech@riverbend.example", "o.vega@riverbend.example"
SUPERVISOR, UNIT = "s.reyes@riverbend.example", "Central Precinct"
PASSWORD = "only-for-the-demo-2026"  # noqa: S105  # the demo's accounts live on this machine and hold nothing real
CAMERAS = (("CAM-0417", "4711"), ("CAM-0418", "4712"), ("CAM-0602", "4713"))
RATE = 400_000
"""Bytes a second of the upload that is interrupted: slow enough to be caught in the middle."""


class StoryError(EvidenceError):
    """Something did not go as the story says."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the story, and what was seen, in a sentence with its figures."""

    step: str
    ok: bool
    detail: str


@dataclass(slots=True)
class Story:
    """The demo's folder, how commands are run in it, and what was seen so far."""

    folder: Path
    url: str
    environment: Mapping[str, str]
    steps: list[Step] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    """Address -> what the authenticator of that account knows."""

    def seen(self, step: str, detail: str) -> None:
        """Add what was seen, tell it, and write story.json anew."""
        self.steps.append(Step(step, ok=True, detail=detail))
        print(f"  {step}: {detail}", flush=True)  # noqa: T201  # the demo talks to people on stdout
        told = [asdict(each) for each in self.steps]
        (self.folder / "story.json").write_text(json.dumps(told, indent=2) + "\n")

    def run(self, *arguments: str, expect: Sequence[int] = (0,), profile: str | None = None) -> list[dict[str, Any]]:
        """Run one `evidence` command with --json and return its lines."""
        ended = subprocess.run(
            self.command(*arguments, profile=profile),
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if ended.returncode not in expect:
            said = ended.stdout[-800:] + ended.stderr[-800:]
            raise StoryError(f"`evidence {' '.join(arguments)}` ended with {ended.returncode}: {said}")
        return [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]

    def command(self, *arguments: str, profile: str | None = None) -> list[str]:
        """Return the command line of one `evidence` command."""
        named = ["--profile", profile] if profile else []
        return [sys.executable, "-m", "evidence.cli", *arguments, *named, "--json"]


def run(folder: Path, *, once: bool) -> None:
    """Tell the story in the folder, which is emptied first; `once` ends it instead of waiting."""
    print(f"The open evidence room, in {folder.resolve()}", flush=True)  # noqa: T201
    with _alone(folder), _ending_in_order():
        _tell(begin(folder), once=once)


def _tell(story: Story, *, once: bool) -> None:
    recordings = _record(story.folder / "card")
    with serving(story) as server:
        people(story)
        _receive(story, recordings)
        items = _sealed(story, recordings)
        _refer(story, items)
        _keep_from_the_involved(story, recordings[0])
        _break_glass(story, items[0])
        _export(story, items)
        _tamper(story)
        if not once:
            _stay(story, items, server)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder while a demo runs in it; raise SetupError if another does."""
    folder.mkdir(parents=True, exist_ok=True)
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SetupError(
            f"a demo is running in {folder}", next_step="stop it first, or name another folder in DEMO_DIR"
        ) from None
    else:
        yield
    finally:
        os.close(held)


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """Take SIGTERM for Ctrl-C, so that server, worker and database are not left behind."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def begin(folder: Path) -> Story:
    """Make an installation of its own in the folder, which is emptied first: database, keys, an administrator."""
    folder = folder.resolve()
    _empty(folder)
    port = _free_port()
    story = Story(folder, f"http://127.0.0.1:{port}", _environment(folder, port))
    for agency, administrator, clerk in ((AGENCY, ADMIN, CLERK), (OFFICE, OFFICE_ADMIN, OFFICE_CLERK)):
        two = ("--administrator", f"Chief Admin <{administrator}>", "--administrator", f"City Clerk <{clerk}>")
        told = story.run("init", "--agency", agency, *two)[-1]["result"]
        story.secrets |= {made["email"]: made["secret"] for made in told["made"]}
    return story


def _code(story: Story, email: str, *, later: int = 0) -> str:
    """Read the account's authenticator, as its owner does."""
    return totp.code(totp.from_base32(story.secrets[email]), totp.step_at(datetime.now(UTC)) + later)


def _enrol(story: Story, email: str, *, profile: str) -> None:
    """Give an account that is signed in a second factor."""
    story.secrets[email] = story.run("account", "second-factor", "enrol", profile=profile)[-1]["result"]["secret"]
    story.run("account", "second-factor", "confirm", "--totp", _code(story, email), profile=profile)


def _environment(folder: Path, port: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EVIDENCE_")}
    return kept | {
        "EVIDENCE_HOME": str(folder / "home"),
        "EVIDENCE_CONFIG_DIR": str(folder / "config"),
        "EVIDENCE_PORT": str(port),
        "EVIDENCE_URL": f"http://127.0.0.1:{port}",
        "EVIDENCE_ORIGIN": "riverbend.example/demo",
        "EVIDENCE_PASSWORD": PASSWORD,
        "EVIDENCE_ENVIRONMENT": "development",
        "PYTHONWARNINGS": "ignore",
    }


def _empty(folder: Path) -> None:
    """Make the folder empty, but never one that is not a demo's."""
    marker = folder / ".evidence-demo"
    if folder.exists() and any(folder.iterdir()) and not marker.exists():
        raise SetupError(f"{folder} is not empty and not a demo's", next_step="name another folder in DEMO_DIR")
    folder.mkdir(parents=True, exist_ok=True)
    for each in folder.iterdir():  # the folder itself stays: somebody may hold it
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each, ignore_errors=True)
        else:
            each.unlink()
    marker.touch()


def _free_port() -> int:
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _record(card: Path) -> list[Path]:
    """Make the three recordings of the stop, each with its camera's clock burned in, and their sidecars."""
    card.mkdir()
    engine = ffmpeg.find(TranscodeSettings())
    stop_at = datetime.now(UTC).replace(hour=21, minute=14, second=5, microsecond=0) - timedelta(days=1)
    recordings = []
    for late, (camera, badge) in enumerate(CAMERAS):
        at = stop_at + timedelta(seconds=7 * late)
        name = f"{camera}_{at:%Y%m%d_%H%M%S}.mp4"
        recording = footage.synthetic(card / name, engine=engine, camera=camera, at=at, seconds=8 + 8 * late)
        said = {"camera": camera, "officer": badge, "recorded_at": at.isoformat(), "incident": "26-118204"}
        (card / f"{name}.json").write_text(json.dumps(said))
        recordings.append(recording)
    return recordings


@contextmanager
def serving(story: Story) -> Iterator[subprocess.Popen[bytes]]:
    """Run `evidence serve` for as long as the block lasts."""
    with (story.folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "evidence.cli", "serve"],
            env=dict(story.environment),
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
        try:
            _wait(lambda: _answers(story, server), "the server to answer", seconds=60)
            yield server
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(timeout=30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _answers(story: Story, server: subprocess.Popen[bytes]) -> bool:
    if server.poll() is not None:
        log = (story.folder / "server.log").read_text()
        raise StoryError(f"the server ended with {server.returncode}: {log[-1500:]}")
    try:
        return httpx2.get(f"{story.url}/readyz", timeout=5).is_success
    except httpx2.TransportError:
        return False


def _wait(done: Any, what: str, *, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            raise StoryError(f"waited {seconds:.0f} seconds for {what}")
        time.sleep(0.1)


def people(story: Story) -> None:
    """Sign the administrator in, make a technician and an officer, and enrol a dock."""
    story.run("sign-in", "--email", ADMIN, "--totp", _code(story, ADMIN), profile="admin")
    story.run("sign-in", "--email", OFFICE_ADMIN, "--totp", _code(story, OFFICE_ADMIN), profile="office")
    made = ("--email", ATTORNEY, "--name", "J. Okafor", "--role", "prosecutor")
    story.run("sign-in", "--email", CLERK, "--totp", _code(story, CLERK), profile="clerk")
    story.run("sign-in", "--email", OFFICE_CLERK, "--totp", _code(story, OFFICE_CLERK), profile="office-clerk")
    _account(story, *made, by="office", approved_by="office-clerk")
    story.run("sign-in", "--email", ATTORNEY, profile="attorney")
    for email, name, role, badge in (
        (TECHNICIAN, "E. Tech", "evidence_tech", None),
        (OFFICER, "O. Vega", "officer", CAMERAS[0][1]),
    ):
        more = ["--badge", badge] if badge else []
        _account(story, "--email", email, "--name", name, "--role", role, *more, by="admin", approved_by="clerk")
    story.run("sign-in", "--email", TECHNICIAN, profile="technician")
    _enrol(story, TECHNICIAN, profile="technician")
    story.run("sign-in", "--email", OFFICER, profile="officer")
    story.run("dock", "enrol", "dock-1", profile="technician")
    story.run("trust", "--out", str(story.folder / "trust.json"))


def _account(story: Story, *arguments: str, by: str, approved_by: str) -> None:
    """Make an account, and have its roles approved by another administrator, who has read the request."""
    waiting = story.run("account", "create", *arguments, profile=by)[-1]["result"]["approval"]
    approve = ("approval", "approve", waiting["id"], "--sha256", waiting["sha256"])
    story.run(*approve, profile=by, expect=[5])
    story.run(*approve, profile=approved_by)


def _receive(story: Story, recordings: Sequence[Path]) -> None:
    """Dock the cameras. The upload of the longest recording is killed on the way and goes on after."""
    first, last = recordings[:-1], recordings[-1]
    waiting = story.folder / "still-on-the-camera"
    waiting.mkdir()
    for path in (last, last.with_name(last.name + ".json")):
        path.rename(waiting / path.name)
    lines = story.run("dock", "upload", str(story.folder / "card"), "--still", "0")
    received = [line for line in lines if line["kind"] == "verified"]
    if len(received) != len(first):
        raise StoryError(f"{len(received)} of {len(first)} recordings were received")
    size = sum(line["size"] for line in received)
    story.seen("received", f"{len(received)} recordings, {size:,} bytes, each with a signed receipt that was checked")
    for path in waiting.iterdir():
        path.rename(story.folder / "card" / path.name)
    _interrupt(story, last)


def _interrupt(story: Story, recording: Path) -> None:
    size = recording.stat().st_size
    slow = story.command("dock", "upload", str(recording.parent), "--still", "0", "--rate", str(RATE))
    upload = subprocess.Popen(slow, env=dict(story.environment), stdout=subprocess.PIPE, text=True)
    assert upload.stdout is not None
    kept = 0
    for line in upload.stdout:
        said = json.loads(line)
        if said["kind"] == "progress" and said.get("note") == "kept":
            kept = said["done"]
            break
    upload.kill()
    upload.wait()
    if not 0 < kept < size:
        raise StoryError(f"the upload was to be interrupted in the middle, and stood at {kept} of {size} bytes")
    lines = story.run("dock", "upload", str(recording.parent), "--still", "0")
    resumed = [line for line in lines if line["kind"] == "verified" and line["name"] == recording.name]
    went_on = [
        step for line in lines if line["kind"] == "plan" for step in line["steps"] if step["act"] == "go on sending"
    ]
    if len(resumed) != 1 or len(went_on) != 1:
        raise StoryError("the interrupted upload did not go on")
    story.seen(
        "interrupted-and-resumed",
        f"killed after the server had kept {kept:,} of {size:,} bytes; a second run sent the rest and got the receipt",
    )


def _sealed(story: Story, recordings: Sequence[Path]) -> list[str]:
    """Ask for each item and compare it with the file on the card."""
    digests = {sha256(path.read_bytes()).hexdigest(): path.name for path in recordings}
    items = _items(story)
    found = {item["sha256"] for item in items}
    if found != set(digests) or any(item["declared"] != "sha256" for item in items):
        raise StoryError("what is held is not what was on the card")
    _wait(lambda: all(_probed(item) for item in _items(story)), "the worker to read the recordings", seconds=60)
    numbers = ", ".join(item["number"] for item in items)
    story.seen(
        "sealed", f"items {numbers}: the digests declared, streamed and read back agree with the files on the card"
    )
    return [item["number"] for item in items]


def _refer(story: Story, items: Sequence[str]) -> None:
    """Refer a case with all recordings but the last, and see what the attorney sees before and after."""
    if before := _items(story, profile="attorney"):
        raise StoryError(f"the attorney saw {len(before)} items before any case was referred")
    *referred, kept = items
    for number, title, exhibits in ((CASE, "State v. Marsh", referred), (OTHER_CASE, "State v. Doe", [kept])):
        story.run("case", "open", number, "--title", title, profile="technician")
        story.run("case", "link", number, *exhibits, profile="technician")
    story.run("case", "refer", CASE, OFFICE, profile="technician")
    story.run("case", "assign", CASE, ATTORNEY, "--as", "lead attorney", profile="office")
    seen = [item["number"] for item in _items(story, profile="attorney")]
    if seen != referred:
        raise StoryError(f"the attorney was to see {referred} and saw {seen}")
    story.seen(
        "referred-case-visible",
        f"the attorney saw no item; then, assigned to case {CASE}, which was referred, exactly {', '.join(seen)}",
    )
    for command in (("item", "show", kept), ("case", "show", OTHER_CASE)):
        story.run(*command, profile="attorney", expect=[1])
    story.seen("other-case-hidden", f"to the attorney, case {OTHER_CASE} and its item {kept} do not exist")


def _keep_from_the_involved(story: Story, recording: Path) -> None:
    """Declare the incident critical: the officer involved watches only after their statement."""
    (item,) = [each["number"] for each in _items(story) if each["content"]["officer"] == CAMERAS[0][1]]
    copy = story.folder / "watched.mp4"
    watch = ("item", "watch", item, "--out", str(copy))
    made = ("--email", SUPERVISOR, "--name", "S. Reyes", "--role", "supervisor")
    _account(story, *made, by="admin", approved_by="clerk")
    story.run("unit", "found", UNIT, profile="admin")
    story.run("unit", "join", UNIT, SUPERVISOR, "--supervises", profile="admin")
    story.run("sign-in", "--email", SUPERVISOR, profile="supervisor")
    because = ("--reason", "use of force")
    story.run("incident", "declare", CASE, *because, profile="supervisor")
    story.run("incident", "list-person", CASE, OFFICER, *because, profile="supervisor")
    story.run(*watch, profile="officer", expect=[5])
    if copy.exists():
        raise StoryError("the officer involved was refused, and got bytes all the same")
    story.run("incident", "statement", CASE, "O. Vega", "--reason", "statement taken", profile="supervisor")
    story.run(*watch, profile="officer")
    if copy.read_bytes() != recording.read_bytes():
        raise StoryError("what the officer watched is not what was on the card")
    story.seen(
        "involved-officer-refused",
        f"of {item}, their own recording, the officer involved got no byte before their statement was recorded, "
        f"and {copy.stat().st_size:,} bytes after",
    )


def _break_glass(story: Story, item: str) -> None:
    """Have an administrator refused, break the glass, watch, be told of to the other one, and reviewed."""
    signed_in = {"grant_type": "password", "username": ADMIN, "password": PASSWORD}
    # The code of the next moment, which is taken as well: that of this one may have been used.
    signed_in["totp"] = _code(story, ADMIN, later=1)
    with httpx2.Client(base_url=f"{story.url}/api/v1/", timeout=30) as client:
        token = client.post("tokens", json=signed_in).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        why = {"reason": "Officer missing"}
        before = client.post(f"items/{item}/viewings", json=why).status_code
        use = story.run("glass", "break", item, "--reason", why["reason"], profile="admin")[-1]["result"]["use"]
        viewing = client.post(f"items/{item}/viewings", json=why)
        watched = client.get(f"{story.url}{viewing.json()['footage']}") if viewing.status_code == 201 else viewing
    size = next(each["size"] for each in _items(story) if each["number"] == item)
    waiting = story.run("tasks", profile="clerk")[-1]["result"]
    told = [each["kind"] for each in waiting["notices"] if each["about"] == use["id"]]
    if before != 403 or watched.status_code != 200 or len(watched.content) != size or told != ["glass.broken"]:
        raise StoryError(f"break-glass: {before} before, {watched.status_code} after, notices {told}")
    story.run("glass", "review", use["id"], "--finding", "Justified", profile="clerk")
    story.seen(
        "break-glass-noticed",
        f"an administrator was refused item {item} ({before}), broke the glass, and watched its {size:,} bytes; "
        "the other one was told at once, and reviewed it",
    )


def _items(story: Story, *, profile: str = "technician") -> list[dict[str, Any]]:
    lines = story.run("item", "list", profile=profile)
    return [line["item"] for line in lines if line["kind"] == "progress" and "item" in line]


def _probed(item: dict[str, Any]) -> bool:
    content = item.get("content") or {}
    if content.get("media_note"):
        raise StoryError(f"the worker could not read {item['number']}: {content['media_note']}")
    return content.get("media") is not None


def _export(story: Story, items: Sequence[str]) -> None:
    """Export the items and check the package as a stranger would."""
    out = story.folder / "package.zip"
    story.run("export", *items, "--out", str(out), "--reason", "Discovery, case 26-118204", profile="technician")
    story.seen("exported", f"{len(items)} items in {out.name}, {out.stat().st_size:,} bytes")
    summary = verify(story, out, expect=0)
    story.seen("verified", f"offline, with the trust file only: {summary['verdict']}, 0 findings")


def verify(story: Story, path: Path, *, expect: int) -> dict[str, Any]:
    """Check a package as a stranger does, with the trust file and nothing else; return the summary."""
    trust = story.folder / "trust.json"
    # Without our environment: the verifier knows neither server nor profile.
    ended = subprocess.run(
        [sys.executable, "-I", "-m", "evidence.verify", str(path), "--trust", str(trust), "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=story.folder,
    )
    if ended.returncode != expect:
        raise StoryError(
            f"the verifier ended with {ended.returncode}, not {expect}: {ended.stdout[-800:]}{ended.stderr}"
        )
    summary: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return summary


def _tamper(story: Story) -> None:
    """Alter one byte of evidence in a copy, mend every manifest, and see what the verifier says."""
    tampered = story.folder / "tampered.zip"
    place = alter_one_byte(story.folder / "package.zip", tampered)
    summary = verify(story, tampered, expect=7)
    codes = [finding["code"] for finding in summary["findings"]]
    if codes != ["O01"]:
        raise StoryError(f"the altered byte should be O01 and nothing else, and was {codes}")
    story.seen(
        "tampering-caught", f"one byte of {place} altered, every manifest mended: {summary['findings'][0]['message']}"
    )


def alter_one_byte(source: Path, target: Path) -> str:
    """Copy a package with one byte of one original altered and its manifests mended; return the path altered."""
    with zipfile.ZipFile(source) as bag:
        files = {info.filename: bag.read(info) for info in bag.infolist()}
        entries = bag.infolist()
    base = entries[0].filename.partition("/")[0]
    altered = next(name for name in files if "/original/" in name)
    body = bytearray(files[altered])
    body[len(body) // 2] ^= 1
    files[altered] = bytes(body)
    for manifest, covers in ((package.MANIFEST, "data/"), (package.TAG_MANIFEST, "")):
        name = f"{base}/{manifest}"
        listed = [package.parse_manifest_line(line)[0] for line in files[name].decode().splitlines()]
        assert all(path.startswith(covers) for path in listed)
        files[name] = package.write_manifest({path: sha256(files[f"{base}/{path}"]).digest() for path in listed})
    with zipfile.ZipFile(target, "w") as bag:
        for info in entries:
            bag.writestr(info, files[info.filename])
    return altered.removeprefix(f"{base}/")


def _stay(story: Story, items: Sequence[str], server: subprocess.Popen[bytes]) -> None:
    """Leave the server running and say what to try."""
    # The code of the next moment, which is taken as well: that of this one may have been used.
    asked = {"grant_type": "password", "username": TECHNICIAN, "password": PASSWORD}
    asked["totp"] = _code(story, TECHNICIAN, later=1)
    answer = httpx2.post(f"{story.url}/api/v1/tokens", json=asked).raise_for_status()
    token = answer.json()["access_token"]
    folder = story.folder
    print(  # noqa: T201
        f"""
The evidence room answers at {story.url} (its interface: {story.url}/openapi.json).
Three things to try, from another terminal in this folder. First its address and a token of the
evidence technician, good for {answer.json()["expires_in"] // 60} minutes, or 30 if nobody uses it:

     export EVIDENCE_URL={story.url}
     export EVIDENCE_TOKEN={token}

  1. Read an item's chain of custody:
     curl -H "Authorization: Bearer $EVIDENCE_TOKEN" $EVIDENCE_URL/api/v1/items/{items[0]}/custody
  2. Let the verifier find the altered byte, with nothing but two files:
     .venv/bin/evidence verify {folder}/tampered.zip --trust {folder}/trust.json
  3. Hand in a file of your own, as the technician:
     .venv/bin/evidence item add README.md

Ctrl-C stops everything; `make demo` starts afresh.""",
        flush=True,
    )
    try:
        server.wait()
    except KeyboardInterrupt:
        print("stopping", flush=True)  # noqa: T201
