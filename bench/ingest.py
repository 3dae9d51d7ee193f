"""How fast uploads are received, against copying and hashing the same bytes with plain tools on the same disk.

    python -m bench.ingest [rounds] [large size in MiB]

An upload here is all of it: over HTTP, hashed by chunks on the stream, encrypted, flushed, read back
from the device, hashed there again, locked, entered in custody, acknowledged.  The yardstick is
`cp`, `sync` and two `openssl dgst -sha256` of the same file; the two take turns.
"""

import base64
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx2

from evidence.engines import postgres
from tests.support.database import database_from, migrated_template
from tests.support.people import a_person
from tests.support.rooms import room_for
from tests.support.server import Server, serving

MIB = 1 << 20
ROUNDS = 5
SIZE = 1024 * MIB
LARGE = int(os.environ.get("BENCH_LARGE_MIB", "4096")) * MIB
"""The upload whose memory is compared with that of a hundredth of it. 10,240 MiB is the figure promised."""

AT_ONCE = 64
ALTOGETHER = 4096 * MIB
TUS = {"Tus-Resumable": "1.0.0"}


@dataclass(frozen=True)
class Receiver:
    """A server process and an officer's sign-in there."""

    server: Server
    headers: dict[str, str]

    def open(self, size: int, digest: str) -> str:
        """Open an upload and return its address."""
        announced = f"sha256 {base64.b64encode(digest.encode()).decode()}"
        headers = {**TUS, **self.headers, "Upload-Length": str(size), "Upload-Metadata": announced}
        answer = httpx2.post(f"{self.server.url}/api/v1/uploads", headers=headers, timeout=60)
        assert answer.status_code == 201, answer.text
        return f"{self.server.url}{answer.headers['Location']}"

    def sender(self, file: Path, address: str) -> Callable[[], float]:
        """Start curl; return what has it send the whole file, and gives the seconds until that was received.

        It waits for its orders: that programs start is no part of what a server is measured by.
        """
        said = {**TUS, **self.headers, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        orders = {"request": "PATCH", "upload-file": file, "url": address, "write-out": "%{http_code}"}
        lines = [f'{name} = "{value}"\n' for name, value in orders.items()]
        lines += [f'header = "{name}: {value}"\n' for name, value in {**said, "Expect": ""}.items()]
        quietly = ["curl", "--silent", "--show-error", "--output", "/dev/null", "--config", "-"]
        curl = subprocess.Popen(quietly, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def send() -> float:
            began = time.perf_counter()
            status, _ = curl.communicate("".join(lines))
            taken = time.perf_counter() - began
            assert status == "204", f"the upload was answered {status}"
            return taken

        return send

    def send(self, file: Path, address: str) -> float:
        """Send the whole file; return the seconds until it was received."""
        return self.sender(file, address)()

    def memory(self, what: str) -> int:
        """Bytes of memory of the server process: VmRSS now, VmHWM at most since `forget_peak`."""
        status = Path(f"/proc/{self.server.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith(what)).split()[1]) * 1024

    def forget_peak(self) -> None:
        Path(f"/proc/{self.server.pid}/clear_refs").write_text("5")


def run(rounds: int = ROUNDS, large: int = LARGE) -> list[dict[str, Any]]:
    """Run all of it and return its rows."""
    with tempfile.TemporaryDirectory(prefix="bench-ingest-", dir=os.environ.get("BENCH_FOLDER")) as name:
        folder = Path(name)
        with receiving(folder) as receiver:
            grown = list(memory(receiver, folder, large))
            single, rates = one_upload(receiver, folder, rounds)
            return [single, *grown, *many_uploads(receiver, folder, rates)]


@contextmanager
def receiving(folder: Path) -> Iterator[Receiver]:
    """Have an installation of its own with a server."""
    with (
        postgres.attached(folder / "pg") as cluster,
        migrated_template(cluster) as template,
        database_from(cluster, template) as database,
        room_for(database, folder / "home") as room,
        serving(room.settings, folder / "server.log") as server,
    ):
        yield Receiver(server, a_person(room, "officer").headers)


def one_upload(receiver: Receiver, folder: Path, rounds: int) -> tuple[dict[str, Any], list[float]]:
    """Compare one upload with plain tools; return the row and the bytes a second of each upload."""
    file = folder / "footage"
    ratios, rates = [], []
    for number in range(rounds + 1):
        _write(file, SIZE)
        plain, digest = _plainly(file, folder / "copy")
        address = receiver.open(SIZE, digest)
        taken = receiver.send(file, address)
        if number:  # the first warms up both
            ratios.append(plain / taken)
            rates.append(SIZE / taken)
            print(f"    plain {plain:.2f} s, upload {taken:.2f} s, ratio {plain / taken:.2f}", file=sys.stderr)
    file.unlink()
    rate = statistics.median(rates)
    row = _row("one upload of 1 GiB, received", rate / MIB, "MiB/s", "cp + sync + 2 openssl dgst", 0.75)
    return row | {"ratio": statistics.median(ratios)}, rates


def memory(receiver: Receiver, folder: Path, large: int) -> Iterator[dict[str, Any]]:
    """Watch how the memory of a server that just started grows with its first upload, and with a larger one."""
    before = receiver.memory("VmRSS")
    for size in (large // 100, large):
        file = folder / "footage"
        _write(file, size)
        receiver.forget_peak()
        taken = receiver.send(file, receiver.open(size, _digest(file)))
        grown = (receiver.memory("VmHWM") - before) / MIB
        yield _row(f"memory grown by an upload of {size // MIB} MiB ({taken:.0f} s)", grown, "MiB", "", "<= 64")
        file.unlink()


def many_uploads(receiver: Receiver, folder: Path, rates: list[float]) -> Iterator[dict[str, Any]]:
    """Send 64 files at once, and ask another route meanwhile."""
    plain = _while_hashing(receiver)
    senders, size = [], ALTOGETHER // AT_ONCE
    for number in range(AT_ONCE):
        file = folder / f"footage-{number}"
        _write(file, size)
        senders.append(receiver.sender(file, receiver.open(size, _digest(file))))
    time.sleep(1)  # for the last of them to have started
    before = receiver.memory("VmRSS")
    receiver.forget_peak()
    with asking(receiver) as meanwhile, ThreadPoolExecutor(AT_ONCE) as pool:
        began = time.perf_counter()
        sending = [pool.submit(send) for send in senders]
        failed = sum(each.exception() is not None for each in sending)
        taken = time.perf_counter() - began
    grown = (receiver.memory("VmHWM") - before) / MIB
    # Before and after, for a machine is seldom equally quick a minute later.
    plain += _while_hashing(receiver)
    rate = statistics.median(rates + one_upload(receiver, folder, len(rates))[1])
    together = ALTOGETHER / taken
    yield _row("64 uploads at once, 4 GiB in all: failures", failed, "uploads", "", 0)
    many = _row("64 uploads at once, 4 GiB in all", together / MIB, "MiB/s", "one upload", 0.6)
    yield many | {"ratio": together / rate}
    yield _row("64 uploads at once: memory grown", grown, "MiB", "", None)
    for name, part, target in (("median", 50, None), ("p99", 99, "<= 3")):
        slow, usual = (statistics.quantiles(each, n=100)[part - 1] for each in (meanwhile, plain))
        row = _row(
            f"GET of an upload's state meanwhile, {name}", slow * 1000, "ms", "two plain hashing processes", target
        )
        yield row | {"ratio": slow / usual}


def _while_hashing(receiver: Receiver) -> list[float]:
    """Ask while two plain hashing processes run; return the seconds each answer took."""
    with asking(receiver) as plain:
        hashing = [subprocess.Popen(["openssl", "dgst", "-sha256", "/dev/zero"]) for _ in range(2)]
        try:
            time.sleep(20)
        finally:  # they would go on for ever
            for process in hashing:
                process.kill()
                process.wait()
    return plain


@contextmanager
def asking(receiver: Receiver) -> Iterator[list[float]]:
    """Ask a cheap route of the API again and again; after the block the list holds the seconds each answer took.

    From a process of its own, so that nobody but the server keeps it waiting.
    """
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    address = receiver.open(1, sha256(b"x").hexdigest())
    process = spawn.Process(target=_ask, args=(address, receiver.headers, theirs))
    process.start()
    try:
        ours.recv()
        seconds: list[float] = []
        yield seconds
        ours.send("enough")
        seconds += ours.recv()
    finally:
        process.terminate()
        process.join()


def _ask(address: str, headers: dict[str, str], parent: Connection) -> None:
    seconds: list[float] = []
    with httpx2.Client(headers=headers, timeout=60) as client:
        client.get(address)
        parent.send("asking")
        while not parent.poll(0.03):  # asking is not to be a load of its own
            began = time.perf_counter()
            assert client.get(address).status_code == 200
            seconds.append(time.perf_counter() - began)
    parent.send(seconds)


def _plainly(file: Path, copy: Path) -> tuple[float, str]:
    """Copy, flush and hash twice with plain tools; return the seconds and the digest."""
    began = time.perf_counter()
    subprocess.run(["cp", file, copy], check=True)
    subprocess.run(["sync", copy], check=True)
    said = [_digest(copy) for _ in range(2)]
    taken = time.perf_counter() - began
    copy.unlink()
    return taken, said[-1]


def _digest(file: Path) -> str:
    said = subprocess.run(["openssl", "dgst", "-sha256", file], check=True, capture_output=True, text=True)
    return said.stdout.split()[-1]


def _write(file: Path, size: int) -> None:
    """Write bytes that no upload had before."""
    with file.open("wb") as out:
        while (rest := size - out.tell()) > 0:
            out.write(os.urandom(min(rest, MIB)))
    subprocess.run(["sync", file], check=True)


def _row(name: str, value: float, unit: str, yardstick: str, target: float | str | None) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "ratio": None, "yardstick": yardstick, "target": target}


if __name__ == "__main__":
    arguments = [int(each) for each in sys.argv[1:]]
    json.dump(run(*arguments[:1], *(each * MIB for each in arguments[1:2])), sys.stdout, indent=2)
    print()
