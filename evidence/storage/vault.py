"""The vault: objects as the rest of the system reads and writes them, in plaintext.

Joins the store (ciphertext under a key), the database row (where, and the wrapped data key) and
the agency key.  The row is written before the object: nothing is stored that no row names.

Destroying a key.  `destroy_key` overwrites the wrapped key of one object; from then on no copy of
the object reads, in the store or in any backup of it.  What remains is a copy of the *database*
made before: it still holds the wrapped key, and whoever has it, and the agency key file, and the
ciphertext, could read the object.  That copy ages out with the backups of the database (with its
write-ahead log, and with the next VACUUM of the table); until the last one is gone, the
expungement is not complete.  It can be made complete at once: `rewrap` every object under a new
agency key, then destroy the old agency key and every copy of it.
"""

from collections.abc import Iterator
from concurrent.futures import Executor
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from sqlalchemy.orm import Session

from evidence.errors import ConflictError, GoneError, IntegrityError, NotFoundError
from evidence.storage import layout
from evidence.storage.arriving import ArrivingObject
from evidence.storage.frames import FrameCipher, Reader, seal_all
from evidence.storage.keyring import AgencyKeyring
from evidence.storage.models import StoredObject
from evidence.storage.read_back import ReadBack, read_back
from evidence.storage.store import AlreadyThereError, ObjectStore, Stored


class KeyDestroyedError(GoneError):
    """The object's data key was destroyed. Nobody can read it any more, here or in any backup."""


class Vault:
    """One store and one agency keyring. Holds no state of its own; safe to share between threads."""

    def __init__(self, store: ObjectStore, keyring: AgencyKeyring) -> None:
        self.store = store
        self.keyring = keyring

    def reserve(self, session: Session, object_id: UUID, *, agency_id: UUID, key: str, at: datetime) -> StoredObject:
        """Add the row of an object to come, with its key in the store and a new wrapped data key."""
        row = StoredObject(
            id=object_id,
            agency_id=agency_id,
            key=layout.check(key),
            wrapped_key=self.keyring.wrap(self.keyring.new_data_key()),
            agency_key_id=self.keyring.current,
            created_at=at,
        )
        session.add(row)
        session.flush()
        return row

    def cipher(self, row: StoredObject) -> FrameCipher:
        """Unwrap the object's data key. Raises KeyDestroyedError when there is none any more."""
        if row.wrapped_key is None:
            raise KeyDestroyedError(f"The key of object {row.id} was destroyed; it cannot be read any more.")
        return FrameCipher(row.id, self.keyring.unwrap(row.wrapped_key, key_id=row.agency_key_id))

    def arriving(
        self, row: StoredObject, token: str, *, size: int, offset: int, executor: Executor | None = None
    ) -> ArrivingObject:
        """Go on with an object staged under the token (`store.begin`), at a durable plaintext offset.

        With an executor it is staged there while more is sealed here.
        """
        return ArrivingObject(self.store, row.key, token, self.cipher(row), size=size, offset=offset, executor=executor)

    def put(self, session: Session, row: StoredObject, body: bytes) -> StoredObject:
        """Store a small object (a chunk list) under its reserved row, and fill in its digests.

        Harmless to repeat with the same row and body, also when the row was rolled back to what
        `reserve` made of it.  Raises AlreadyThereError if something else is there.
        """
        sealed = b"".join(seal_all(self.cipher(row), [body], size=len(body)))
        try:
            stored = self.store.put(row.key, [sealed], size=len(sealed), sha256=sha256(sealed).digest())
        except AlreadyThereError:
            stored = self.store.head(row.key)
        back = self.read_back(row, size=len(body), version=stored.version)
        if back.sha256 != sha256(body).digest():
            raise AlreadyThereError("Another object is stored under this key.")
        return self.settle(session, row, back, stored)

    def read_back(self, row: StoredObject, *, size: int, version: str | None = None) -> ReadBack:
        """Read the whole stored object from the device and compute its digests.

        `size` is the plaintext's.  Raises FrameError for the first frame that is not as sealed.
        """
        cipher = self.cipher(row)
        reader = Reader(self.store, row.key, cipher, size=size, version=version)
        return read_back(cipher, reader.frames(afresh=True), size=size)

    def settle(self, session: Session, row: StoredObject, back: ReadBack, stored: Stored) -> StoredObject:
        """Enter what was read back and the store's version on the row: the object now exists for readers."""
        if stored.size != back.stored_size:
            raise IntegrityError(f"The store holds {stored.size} bytes and {back.stored_size} were read back.")
        found = (back.size, back.sha256, back.stored_size, back.stored_sha256)
        known = (row.size, row.sha256, row.stored_size, row.stored_sha256)
        if row.size is not None and found != known:
            raise ConflictError("The object was read back before, with other digests.")
        row.size, row.sha256, row.stored_size, row.stored_sha256 = found
        row.version = stored.version
        session.flush()
        return row

    def reader(self, row: StoredObject) -> Reader:
        """Return a reader of the plaintext. Raises NotFoundError before the object was read back once."""
        if row.size is None:
            raise NotFoundError(f"Object {row.id} is not wholly stored.")
        return Reader(self.store, row.key, self.cipher(row), size=row.size, version=row.version)

    def read(self, session: Session, object_id: UUID, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield the plaintext, or the range asked for, each block authenticated before it is yielded.

        Raises NotFoundError or KeyDestroyedError at once, FrameError while reading.
        """
        return self.reader(_row(session, object_id)).read(start, length)

    def destroy_key(self, session: Session, object_id: UUID, *, at: datetime) -> None:
        """Destroy the object's data key, for good. See the head of this module for what remains."""
        row = _row(session, object_id)
        if row.wrapped_key is not None:
            row.wrapped_key = None
            row.key_destroyed_at = at
            session.flush()

    def rewrap(self, row: StoredObject) -> None:
        """Wrap the object's data key with the current agency key, if it is wrapped with an older one."""
        if row.wrapped_key is not None and row.agency_key_id != self.keyring.current:
            data_key = self.keyring.unwrap(row.wrapped_key, key_id=row.agency_key_id)
            row.wrapped_key, row.agency_key_id = self.keyring.wrap(data_key), self.keyring.current


def _row(session: Session, object_id: UUID) -> StoredObject:
    row = session.get(StoredObject, object_id)
    if row is None:
        raise NotFoundError(f"There is no object {object_id}.")
    return row
