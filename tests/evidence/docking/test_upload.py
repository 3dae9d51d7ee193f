"""One file from a disk to a checked receipt, through whatever fails on the way. The server is a real one."""

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from evidence.clock import system_clock
from evidence.docking import client, folder, receipts
from evidence.docking.connection import Connection, bearer
from evidence.docking.state import SentFile, UploadState
from evidence.docking.upload import Sender
from evidence.errors import ChecksumError, EvidenceError, IntegrityError, RefusedError, TooLargeError, UnavailableError
from evidence.proof.trust import Trust
from tests.support.faulty_http import Fault, Proxy, faulty
from tests.support.installation import PASSWORD, TECHNICIAN, Installation

PIECE = 1 << 20
SIZE = 2 * PIECE + 12_345


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PIECE_SIZE", PIECE)


@pytest.fixture(scope="module")
def token(room: Installation) -> str:
    form = {"grant_type": "password", "username": TECHNICIAN, "password": PASSWORD}
    answer = httpx2.post(f"{room.url}/api/v1/tokens", data=form)
    return str(answer.json()["access_token"])


@pytest.fixture(scope="module")
def trusted(room: Installation) -> Trust:
    return receipts.read_trust(httpx2.get(f"{room.url}/api/v1/trust").content)


@pytest.fixture
def proxy(room: Installation) -> Iterator[Proxy]:
    with faulty(room.url) as running:
        yield running


def recording(path: Path, size: int = SIZE) -> folder.FoundFile:
    path.write_bytes(secrets.token_bytes(size))
    return folder.one(path)


@contextmanager
def quietly(name: str, *, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
    assert done <= total, name
    yield lambda _more: None


def sender(connection: Connection, state: UploadState, trusted: Trust, *, patience: float = 30, **more: Any) -> Sender:
    return Sender(
        connection=connection,
        state=state,
        trusted=trusted,
        watch=quietly,
        kept=more.get("kept", lambda *_said: None),
        waiting=more.get("waiting", lambda *_said: None),
        clock=system_clock,
        patience=timedelta(seconds=patience),
    )


def chain_of(room: Installation, token: str, item: str | None) -> list[str]:
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx2.get(f"{room.url}/api/v1/items/{item}/custody", headers=headers)
    return [record["act"] for record in answer.json()["records"] if record["act"].startswith("item.received")]


def send(url: str, token: str, trusted: Trust, file: folder.FoundFile, state: Path, **more: Any) -> SentFile:
    with Connection(url, bearer(lambda _renew: token)) as connection, UploadState(state) as opened:
        return sender(connection, opened, trusted, **more).send(file, {})


FAULTS = {
    "the server is busy": [Fault("POST", "refuse", 503, {"Retry-After": "0"})],
    "somebody else is at it": [Fault("PATCH", "refuse", 423)],
    "a gateway is away": [Fault("HEAD", "refuse", 502), Fault("PATCH", "refuse", 504)],
    "too many requests": [Fault("POST", "refuse", 429, {"Retry-After": "1"})],
    "the line broke in the middle": [Fault("PATCH", "cut"), Fault("PATCH", "cut")],
    "the answer was lost": [Fault("PATCH", "deafen"), Fault("PATCH", "deafen"), Fault("PATCH", "deafen")],
    "the answer to opening was lost": [Fault("POST", "deafen")],
    "the verdict was lost": [Fault("GET", "deafen"), Fault("GET", "deafen")],
    "a piece was damaged": [Fault("PATCH", "damage")],
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_it_arrives_once_whatever_fails_once(
    room: Installation, proxy: Proxy, token: str, trusted: Trust, tmp_path: Path, faults: list[Fault]
) -> None:
    file = recording(tmp_path / "a.mp4")
    proxy.faults = [replace(fault) for fault in faults]

    row = send(proxy.url, token, trusted, file, tmp_path / "uploads.sqlite")

    assert proxy.faults == [], "every fault happened"
    assert (row.stage, row.sha256) == ("received", hashlib.sha256(file.path.read_bytes()).hexdigest())
    assert chain_of(room, token, row.item) == ["item.received"]


def test_another_offset_is_asked_for_and_not_fought_over(
    proxy: Proxy, token: str, trusted: Trust, tmp_path: Path
) -> None:
    """Somebody else sent the first piece meanwhile: a second PATCH at the same offset would be 409."""
    file = recording(tmp_path / "a.mp4")
    first_piece = file.path.read_bytes()[:PIECE]
    with Connection(proxy.url, bearer(lambda _renew: token)) as connection, UploadState(tmp_path / "s.sqlite") as state:
        sending = sender(connection, state, trusted)
        original = connection.request

        def overtaken(method: str, path: str, **more: Any) -> httpx2.Response:
            if method == "PATCH" and more["headers"]["Upload-Offset"] == "0":
                headers = {
                    "Authorization": f"Bearer {token}",
                    "Tus-Resumable": "1.0.0",
                    "Upload-Offset": "0",
                    "Content-Type": "application/offset+octet-stream",
                }
                assert httpx2.patch(proxy.url + path, content=first_piece, headers=headers).status_code == 204
            return original(method, path, **more)

        connection.request = overtaken  # type: ignore[method-assign]

        assert sending.send(file, {}).stage == "received"


def test_patience_has_an_end(proxy: Proxy, token: str, trusted: Trust, tmp_path: Path) -> None:
    file = recording(tmp_path / "a.mp4", size=10)
    proxy.faults = [Fault("PATCH", "refuse", 503, {"Retry-After": "0"}) for _ in range(50)]

    with pytest.raises(UnavailableError):
        send(proxy.url, token, trusted, file, tmp_path / "s.sqlite", patience=3)

    assert len(proxy.faults) > 30, "it waits longer and longer"


@pytest.mark.parametrize(("status", "error"), [(403, RefusedError), (413, TooLargeError)])
def test_a_final_no_is_asked_once(
    proxy: Proxy, token: str, trusted: Trust, tmp_path: Path, status: int, error: type[EvidenceError]
) -> None:
    file = recording(tmp_path / "a.mp4", size=10)
    proxy.faults = [Fault("POST", "refuse", status), Fault("POST", "refuse", status)]

    with pytest.raises(error):
        send(proxy.url, token, trusted, file, tmp_path / "s.sqlite")

    assert len(proxy.faults) == 1


def test_a_token_that_ended_is_renewed_on_the_way(proxy: Proxy, token: str, trusted: Trust, tmp_path: Path) -> None:
    file = recording(tmp_path / "a.mp4")
    proxy.faults = [Fault("POST", "refuse", 401), Fault("PATCH", "refuse", 401)]
    renewed: list[bool] = []

    def tokens(renew: bool) -> str:
        renewed.append(renew)
        return token

    with Connection(proxy.url, bearer(tokens)) as connection, UploadState(tmp_path / "s.sqlite") as state:
        assert sender(connection, state, trusted).send(file, {}).stage == "received"
    assert renewed.count(True) == 2


def test_an_upload_that_ended_meanwhile_is_begun_anew(
    room: Installation, token: str, trusted: Trust, tmp_path: Path
) -> None:
    file = recording(tmp_path / "a.mp4")
    headers = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}
    opened = httpx2.post(f"{room.url}/api/v1/uploads", headers={**headers, "Upload-Length": str(file.size)})
    gone = opened.headers["location"].rsplit("/", 1)[-1]
    assert httpx2.delete(f"{room.url}/api/v1/uploads/{gone}", headers=headers).status_code == 204
    digest = hashlib.sha256(file.path.read_bytes()).hexdigest()
    with UploadState(tmp_path / "s.sqlite") as state:
        row = SentFile(path=file.path, size=file.size, mtime_ns=file.mtime_ns, sha256=digest, stage="sending")
        state.put(replace(row, upload_id=gone), at="1")

    row = send(room.url, token, trusted, file, tmp_path / "s.sqlite")

    assert row.stage == "received"
    assert row.upload_id != gone


def test_a_file_that_changes_while_it_is_sent_is_never_received_as_something_else(
    room: Installation, token: str, trusted: Trust, tmp_path: Path
) -> None:
    file = recording(tmp_path / "a.mp4")

    def alter(*_said: object) -> None:
        with file.path.open("r+b") as stream:
            stream.seek(SIZE - 1)
            stream.write(b"!")

    with Connection(room.url, bearer(lambda _renew: token)) as connection, UploadState(tmp_path / "s.sqlite") as state:
        row = sender(connection, state, trusted, kept=alter).send(file, {})

    assert row.stage == "quarantined"


class KilledError(BaseException):
    """Stands for signal 9: nothing after it runs."""


class Life:
    """Ends at the so manieth effect on the outside."""

    def __init__(self, effects: int | None) -> None:
        self.left = effects
        self.patched = 0

    def effect(self) -> None:
        if self.left is not None:
            if self.left == 0:
                raise KilledError
            self.left -= 1


class MortalConnection(Connection):
    """Dies before a request or after it was carried out."""

    life: Life

    def request(self, method: str, path: str, **more: Any) -> httpx2.Response:
        self.life.effect()
        answer = super().request(method, path, **more)
        if method == "PATCH":
            self.life.patched += int(more["headers"]["Content-Length"])
        self.life.effect()
        return answer


class MortalState(UploadState):
    """Dies before a row is written or after."""

    life: Life

    def put(self, row: SentFile, *, at: str) -> SentFile:
        self.life.effect()
        kept = super().put(row, at=at)
        self.life.effect()
        return kept


class ForgetfulState(MortalState):
    """The negative control: keeps no upload's name, so that every kill sends everything again."""

    def put(self, row: SentFile, *, at: str) -> SentFile:
        super().put(replace(row, upload_id=None) if row.stage == "sending" else row, at=at)
        return row


def lives(
    room: Installation, token: str, trusted: Trust, tmp_path: Path, state: type[MortalState], points: range
) -> Iterator[tuple[int, SentFile, int]]:
    """Kill at each point, run again, and yield point, what came of it and the bytes sent in both lives.

    Ends with the first point that is never reached.
    """
    for point in points:
        file = recording(tmp_path / f"{point}.mp4")
        sent = 0
        reached = False
        for life in (Life(point), Life(None)):
            with (
                MortalConnection(room.url, bearer(lambda _renew: token)) as connection,
                state(tmp_path / f"{point}.sqlite") as opened,
            ):
                connection.life = opened.life = life
                try:
                    row = sender(connection, opened, trusted).send(file, {})
                except KilledError:
                    reached = True
            sent += life.patched
        if not reached:
            return
        yield point, row, sent


def test_killed_at_any_effect_it_goes_on_and_arrives_once(
    room: Installation, token: str, trusted: Trust, tmp_path: Path
) -> None:
    points = []
    for point, row, sent in lives(room, token, trusted, tmp_path, MortalState, range(100)):
        points.append(point)
        assert row.stage == "received", point
        assert row.sha256 == hashlib.sha256(row.path.read_bytes()).hexdigest(), point
        assert chain_of(room, token, row.item) == ["item.received"], point
        assert sent <= SIZE + PIECE, (point, "at most one piece is sent twice")

    assert len(points) > 15, "it was killed at every effect"


def test_without_memory_the_same_kill_sends_everything_again(
    room: Installation, token: str, trusted: Trust, tmp_path: Path
) -> None:
    again = (sent > SIZE + PIECE for _, _, sent in lives(room, token, trusted, tmp_path, ForgetfulState, range(8, 100)))

    assert any(again)


def signed(row: SentFile, connection: Connection) -> dict[str, str]:
    return {"signed": str(row.receipt), "sealed": connection.get(f"/api/v1/uploads/{row.upload_id}")["record"]}


def test_a_receipt_holds_for_its_own_file_and_no_other(
    room: Installation, token: str, trusted: Trust, tmp_path: Path
) -> None:
    state = tmp_path / "s.sqlite"
    one, other = (send(room.url, token, trusted, recording(tmp_path / name, size=9), state) for name in "ab")
    with Connection(room.url, bearer(lambda _renew: token)) as connection:
        given, others = signed(one, connection), signed(other, connection)
    right: dict[str, Any] = {**given, "item": str(one.item), "sha256": one.sha256, "size": one.size, "trusted": trusted}
    wrong: dict[str, dict[str, Any]] = {
        "another item": {"item": other.item},
        "another digest": {"sha256": other.sha256},
        "another size": {"size": 10},
        "another record": {"sealed": others["sealed"]},
        "another receipt": {"signed": others["signed"]},
        "an altered record": {"sealed": given["sealed"].replace(one.sha256, other.sha256)},
        "an altered receipt": {"signed": given["signed"].replace("seq 1", "seq 2")},
        "no receipt": {"signed": "received, honestly\n"},
        "keys of nobody": {"trusted": replace(trusted, keys=())},
        "a key of another role": {
            "trusted": replace(trusted, keys=tuple(k for k in trusted.keys if k.role == "export"))
        },
        "a key that had ended": {
            "trusted": replace(trusted, keys=tuple(replace(k, valid_until=k.valid_from) for k in trusted.keys))
        },
    }

    assert receipts.check(**right).chain == f"item/{one.item}"
    for what, change in wrong.items():
        with pytest.raises(IntegrityError, match="receipt cannot be accepted"):
            pytest.fail(f"{what} was taken: {receipts.check(**(right | change))}")


def test_a_piece_that_is_always_damaged_is_given_up(proxy: Proxy, token: str, trusted: Trust, tmp_path: Path) -> None:
    file = recording(tmp_path / "a.mp4", size=10)
    proxy.faults = [Fault("PATCH", "damage") for _ in range(50)]

    with pytest.raises(ChecksumError):
        send(proxy.url, token, trusted, file, tmp_path / "s.sqlite", patience=3)
