"""Seal what somebody else keeps for us, or what the database must not be able to read.

AES-256-GCM under the newest of the keys in a folder, which all server processes share; replaced keys
still open.  What is sealed for one purpose does not open for another.
"""

import os
import re
import secrets
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from auth.errors import KeyRingError

_NAME = re.compile(r"(\d{8}T\d{6}Z)-([0-9a-f]{16})\.key\Z")


class Sealer:
    """The sealing keys of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys, self._newest = _load(folder)

    @classmethod
    def open(cls, folder: Path, *, at: datetime) -> Self:
        """Open the folder, making it and a first key if there are none; raise KeyRingError if it is unfit."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _names(folder):
                _make(folder, at)
            return cls(folder)
        except OSError:
            raise KeyRingError("The folder of sealing keys cannot be read or written.") from None

    def seal(self, clear: bytes, *, purpose: str) -> bytes:
        """Return the sealed bytes."""
        nonce = secrets.token_bytes(12)
        return self._newest + nonce + self._keys[self._newest].encrypt(nonce, clear, purpose.encode())

    def unseal(self, sealed: bytes, *, purpose: str) -> bytes:
        """Return what was sealed for this purpose; raise ValueError for anything else."""
        if len(sealed) < 8 + 12 + 16:
            raise ValueError("not sealed by us")
        if sealed[:8] not in self._keys:
            # Another process may have made a newer key.
            self._keys, self._newest = _load(self._folder)
        key = self._keys.get(sealed[:8])
        if key is None:
            raise ValueError("not sealed by us")
        try:
            return key.decrypt(sealed[8:20], sealed[20:], purpose.encode())
        except InvalidTag:
            raise ValueError("not sealed by us for this") from None


def _names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.suffix == ".key")


def _load(folder: Path) -> tuple[dict[bytes, AESGCM], bytes]:
    names = _names(folder)
    if not names:
        raise KeyRingError("The folder of sealing keys is empty.")
    return {_id(name): AESGCM(_read(folder / name)) for name in names}, _id(names[-1])


def _id(name: str) -> bytes:
    named = _NAME.match(name)
    if not named:
        raise KeyRingError(f"{name} does not have the name of a sealing key.")
    return bytes.fromhex(named[2])


def _make(folder: Path, at: datetime) -> None:
    key = secrets.token_bytes(32)
    name = f"{at.astimezone(UTC).strftime('%Y%m%dT%H%M%SZ')}-{sha256(key).hexdigest()[:16]}.key"
    # Written aside, then renamed: other processes never see half a key.
    aside = folder / f".{secrets.token_hex(8)}"
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    aside.rename(folder / name)


def _read(path: Path) -> bytes:
    if path.stat().st_mode & 0o077:
        raise KeyRingError(f"The sealing key {path.name} can be read by others; its mode must be 0600.")
    key = path.read_bytes()
    if len(key) != 32 or sha256(key).digest()[:8] != _id(path.name):
        raise KeyRingError(f"The sealing key {path.name} is damaged.")
    return key
