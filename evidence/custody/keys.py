"""The keys we sign with: one Ed25519 key for receipts and one for exports, in a folder of their own.

The private halves are files that only we may read, outside database and object store.  The public
halves are in `signing_key` and on the chain `_keys`; `trust` makes of them the file that people
are given to check what we sign.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from evidence import custody
from evidence.clock import written
from evidence.custody.events import Actor, KeyAdded
from evidence.custody.models import SigningKey
from evidence.errors import SetupError
from evidence.proof import heads, note, receipt
from evidence.proof.trust import ALGORITHM, Trust, TrustedKey, key_name

ROLES = (receipt.ROLE, heads.ROLE)

_READABLE_BY_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The private keys of an installation, by role. Signs text as signed notes."""

    origin: str
    _keys_by_role: Mapping[str, Ed25519PrivateKey]

    @classmethod
    def open(cls, folder: Path, origin: str) -> Self:
        """Read the keys; raise SetupError when one is missing, damaged or readable by others."""
        return cls(origin, {role: _read(_path(folder, role)) for role in ROLES})

    @classmethod
    def create(cls, folder: Path, origin: str) -> Self:
        """Make the keys that are missing, and read them all."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for role in ROLES:
            if not _path(folder, role).exists():
                _write(_path(folder, role), Ed25519PrivateKey.generate())
        return cls.open(folder, origin)

    def sign(self, role: str, text: str) -> str:
        """Return the text (lines, the last ended) as a signed note by the key of this role."""
        key = self.verifier_key(role)
        signature = self._keys_by_role[role].sign(text.encode())
        return note.write(text, [note.Signature(key.name, key.key_id, signature)])

    def verifier_key(self, role: str) -> note.VerifierKey:
        """Return the public half of the key of this role."""
        public = self._keys_by_role[role].public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return note.VerifierKey(key_name(self.origin, role), public)

    def register(self, session: Session, *, request_id: str) -> None:
        """Enter the keys that are new in table and chain of custody. Harmless when all are known.

        A key counts from the database's time, from which the times of records come too.
        """
        for role in ROLES:
            key = self.verifier_key(role)
            row = {
                "id": _row_id(key),
                "role": role,
                "algorithm": ALGORITHM,
                "public": key.public,
                "valid_from": func.now(),
            }
            added = session.execute(
                insert(SigningKey).values(row).on_conflict_do_nothing().returning(SigningKey.id)
            ).scalar()
            if added is not None:
                event = KeyAdded(
                    actor=Actor.system(),
                    request_id=request_id,
                    name=key.name,
                    key_id=key.key_id,
                    role=role,
                    algorithm=ALGORITHM,
                    public=key.public,
                )
                custody.record(session, event)


def trust(session: Session, origin: str) -> Trust:
    """Return every key this installation ever signed with, as the trust file has them."""
    rows = session.scalars(select(SigningKey).order_by(SigningKey.valid_from, SigningKey.id))
    return Trust(
        origin,
        tuple(
            TrustedKey(
                name=key_name(origin, row.role),
                role=row.role,
                public=row.public,
                valid_from=written(row.valid_from),
                valid_until=None if row.valid_until is None else written(row.valid_until),
                algorithm=row.algorithm,
            )
            for row in rows
        ),
    )


def _row_id(key: note.VerifierKey) -> str:
    return f"{key.name}+{key.key_id.hex()}"


def _path(folder: Path, role: str) -> Path:
    return folder / f"{role}.pem"


def _write(path: Path, key: Ed25519PrivateKey) -> None:
    """Write a key under another name and link it in place: it is whole or not there, and the first one stays."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    opened = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(opened, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(new)
    except FileExistsError:
        pass  # another process was quicker; its key counts
    finally:
        new.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path) -> Ed25519PrivateKey:
    try:
        if path.stat().st_mode & _READABLE_BY_OTHERS:
            raise SetupError(f"the signing key {path.name} may be read by others", next_step="chmod 600 the file")
        key = load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError:
        raise SetupError(
            f"the signing key {path.name} is missing", next_step="put it back, or run `evidence migrate` to make one"
        ) from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise SetupError(
            f"the signing key {path.name} is not a private Ed25519 key", next_step="put the right file back"
        )
    return key
