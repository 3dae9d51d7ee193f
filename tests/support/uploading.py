"""A client of tus 1.0 in a few lines, for tests that look at every answer themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

import httpx2
from sqlalchemy import select

from evidence.custody import keys
from evidence.custody.models import CustodyReceipt, CustodyRecordRow
from evidence.database import unit_of_work
from evidence.docking.identity import DockKey
from evidence.ingest import manifests
from evidence.ingest.models import Upload
from evidence.items.models import EvidenceItem
from evidence.proof import note, receipt, record
from evidence.room import Room
from tests.support.people import Person

TUS = {"Tus-Resumable": "1.0.0"}
UPLOADS = "/api/v1/uploads"


def footage_like(size: int, *, seed: int = 0) -> bytes:
    """Return bytes that repeat nowhere soon, the same for the same seed."""
    block = b"".join(sha256(b"%d %d" % (seed, each)).digest() for each in range(1024))
    return b"".join(number.to_bytes(8, "big") + block for number in range(size // len(block) + 1))[:size]


def signed(dock: Person, size: int, said: Mapping[str, str], *, at: datetime | None = None) -> str:
    """Sign a manifest as the dock client does."""
    assert dock.key is not None
    named = {"filename": "unnamed", **said}
    return DockKey(dock.key).manifest(str(dock.principal.id), size, named, at=at or datetime.now(UTC))


@dataclass(frozen=True)
class Sender:
    """Somebody who uploads, over a client of httpx2 (a TestClient is one)."""

    client: httpx2.Client
    by: dict[str, str] | Person
    """Whoever sends, or the headers that say so."""

    @property
    def headers(self) -> dict[str, str]:
        return self.by.headers if isinstance(self.by, Person) else self.by

    @property
    def auth(self) -> httpx2.Auth:
        return self.by.auth if isinstance(self.by, Person) else httpx2.Auth()

    def open(self, size: int, **said: str) -> httpx2.Response:
        headers = {**TUS, **self.headers, "Upload-Length": str(size), "Upload-Metadata": manifests.write(said)}
        if isinstance(self.by, Person) and self.by.key is not None and "sha256" in said:
            headers["Upload-Manifest"] = signed(self.by, size, said)
        return self.client.post(UPLOADS, headers=headers, auth=self.auth)

    def opened(self, body: bytes, **said: str) -> str:
        """Open an upload for these bytes, their digest declared, and return its address."""
        answer = self.open(len(body), **{"filename": "stop.mp4", "sha256": sha256(body).hexdigest(), **said})
        assert answer.status_code == 201, answer.text
        return answer.headers["Location"]

    def append(self, where: str, body: bytes, *, at: int, **more: str) -> httpx2.Response:
        headers = {**TUS, **self.headers, "Upload-Offset": str(at), "Content-Type": "application/offset+octet-stream"}
        return self.client.patch(where, content=body, headers=headers | more, auth=self.auth)

    def head(self, where: str) -> httpx2.Response:
        return self.client.head(where, headers={**TUS, **self.headers}, auth=self.auth)

    def terminate(self, where: str) -> httpx2.Response:
        return self.client.delete(where, headers={**TUS, **self.headers}, auth=self.auth)

    def show(self, where: str) -> dict[str, object]:
        answer = self.client.get(where, headers=self.headers, auth=self.auth)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def receipt(self, where: str) -> httpx2.Response:
        return self.client.get(f"{where}/receipt", headers=self.headers, auth=self.auth)

    def sent(self, body: bytes, **said: str) -> str:
        """Upload these bytes in one piece and return the address of the upload, whatever became of it."""
        where = self.opened(body, **said)
        if body:
            self.append(where, body, at=0)
        return where


def stored_original(room: Room, where: str) -> bytes:
    """Read back the original of the item an upload became."""
    with unit_of_work(room.sessions) as session:
        upload = session.scalars(select(Upload).where(Upload.id == where.rpartition("/")[2])).one()
        item = session.get_one(EvidenceItem, upload.item_id)
        return b"".join(room.vault.read(session, item.original_object_id))


def require_receipt(room: Room, where: str, text: str) -> receipt.Receipt:
    """Check a receipt as its holder would: the signature, and that it is for a record of the item's chain."""
    with unit_of_work(room.sessions) as session:
        trusted = keys.trust(session, room.origin).keys
    opened = note.open_note(note.parse(text), [key.verifier_key for key in trusted if key.role == receipt.ROLE])
    read = receipt.parse(opened.text)
    with unit_of_work(room.sessions) as session:
        upload = session.scalars(select(Upload).where(Upload.id == where.rpartition("/")[2])).one()
        row = session.get_one(CustodyRecordRow, upload.record_id)
        assert session.get_one(CustodyReceipt, row.id).note == text
    assert (read.chain, read.seq, read.leaf) == (f"item/{upload.item_id}", row.seq, record.leaf_hash(row.raw))
    return read
