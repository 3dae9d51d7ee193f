"""The agency key: wraps every object's data key, and lives outside database and bucket.

One JSON file, readable by its owner only: `{"current": id, "keys": {id: base64 of 32 bytes}}`.
The id of a key is derived from the key, so a file that was damaged or mixed up says so.  Without
this file nothing that is stored can be read: keep a copy of it, away from the copies of database
and objects.
"""

import base64
import binascii
import json
import os
import secrets
import stat
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from evidence.errors import IntegrityError, SetupError

_KEY = 32
_KEY_ID, _NONCE = 8, 12
"""Bytes of a key's id and of a nonce in what `seal` returns."""


class AlteredSecretError(IntegrityError, ValueError):
    """A sealed secret that was altered, or sealed for something else."""


class LostKeyError(SetupError, ValueError):
    """A sealed secret whose agency key is not in the file."""


class AgencyKeyring:
    """The keys of one file. New data keys are wrapped with the current one; older ones still unwrap."""

    def __init__(self, path: Path, *, current: str, keys: Mapping[str, bytes]) -> None:
        self.path = path
        self.current = current
        self._keys = dict(keys)

    @classmethod
    def create(cls, path: Path) -> Self:
        """Make the file with one new key. Raises SetupError when it is there already."""
        key = secrets.token_bytes(_KEY)
        keyring = cls(path, current=_id_of(key), keys={_id_of(key): key})
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists():
            raise _already_there()
        keyring._write(replace=False)
        return keyring

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the file. Raises SetupError when it is missing, open to others, or damaged."""
        try:
            with path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                content = file.read()
        except FileNotFoundError:
            raise SetupError(
                "There is no agency key file, and without it nothing stored can be read.",
                next_step="Put the file back from its copy, or name it in EVIDENCE_AGENCY_KEY_FILE.",
            ) from None
        except OSError:
            raise SetupError("The agency key file cannot be read.", next_step="Check who owns it.") from None
        if mode & 0o077:
            raise SetupError(
                f"The agency key file may be read by others (mode {mode:04o}).",
                next_step="Run `chmod 600` on it, and consider a new key.",
            )
        current, keys = _parse(content)
        return cls(path, current=current, keys=keys)

    def rotate(self) -> str:
        """Add a new key, make it the current one, and return its id. Older keys stay, to unwrap."""
        key = secrets.token_bytes(_KEY)
        self._keys[_id_of(key)] = key
        self.current = _id_of(key)
        self._write(replace=True)
        return self.current

    @staticmethod
    def new_data_key() -> bytes:
        """Make the key of one object: 32 random bytes."""
        return secrets.token_bytes(_KEY)

    def wrap(self, data_key: bytes) -> bytes:
        """Wrap a data key with the current agency key (RFC 3394): 40 bytes."""
        return aes_key_wrap(self._keys[self.current], data_key)

    def unwrap(self, wrapped: bytes, *, key_id: str) -> bytes:
        """Return the data key. Raises SetupError when the agency key is not in the file."""
        if key_id not in self._keys:
            raise _not_in_file(key_id)
        try:
            return aes_key_unwrap(self._keys[key_id], wrapped)
        except (InvalidUnwrap, ValueError):
            raise IntegrityError(f"A wrapped data key was altered: agency key {key_id} does not open it.") from None

    def seal(self, secret: bytes, *, purpose: str) -> bytes:
        """Encrypt a small secret for a row of the database: key id, nonce, AES-256-GCM. Is an `auth.sealing.Sealer`.

        Under a key derived from the agency key for this purpose alone, so that it opens for no other and can never
        be taken for a data key.
        """
        nonce = secrets.token_bytes(_NONCE)
        sealed = AESGCM(self._sealing_key(self.current, purpose)).encrypt(nonce, secret, None)
        return bytes.fromhex(self.current) + nonce + sealed

    def open(self, sealed: bytes, *, purpose: str) -> bytes:
        """Return the secret. Raises LostKeyError without its agency key, AlteredSecretError when it was altered."""
        key_id, rest = sealed[:_KEY_ID].hex(), sealed[_KEY_ID:]
        if key_id not in self._keys:
            raise LostKeyError(
                f"The agency key {key_id} is not in the key file.", next_step="Put it back from a copy of the file."
            )
        try:
            return AESGCM(self._sealing_key(key_id, purpose)).decrypt(rest[:_NONCE], rest[_NONCE:], None)
        except (InvalidTag, ValueError):
            raise AlteredSecretError(f"A sealed secret was altered: agency key {key_id} does not open it.") from None

    def _sealing_key(self, key_id: str, purpose: str) -> bytes:
        info = b"evidence.sealed-secret.v1\n" + purpose.encode()
        return HKDF(algorithm=SHA256(), length=_KEY, salt=None, info=info).derive(self._keys[key_id])

    def _write(self, *, replace: bool) -> None:
        keys = {key_id: base64.b64encode(key).decode() for key_id, key in self._keys.items()}
        content = json.dumps({"current": self.current, "keys": keys}, indent=1).encode() + b"\n"
        draft = self.path.with_name(f"{self.path.name}.{secrets.token_hex(4)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if replace:
                draft.replace(self.path)
            else:
                os.link(draft, self.path)
        except FileExistsError:
            raise _already_there() from None
        finally:
            draft.unlink(missing_ok=True)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _id_of(key: bytes) -> str:
    return sha256(b"evidence.agency-key.v1\n" + key).hexdigest()[:16]


def _not_in_file(key_id: str) -> SetupError:
    return SetupError(
        f"The agency key {key_id} is not in the key file.", next_step="Put it back from a copy of the file."
    )


def _already_there() -> SetupError:
    return SetupError("There is an agency key file already; it is never replaced.", next_step="Use the one there is.")


def _damaged() -> SetupError:
    return SetupError("The agency key file is damaged.", next_step="Put it back from its copy.")


def _parse(content: bytes) -> tuple[str, dict[str, bytes]]:
    try:
        written = json.loads(content)
        keys = {str(key_id): base64.b64decode(key, validate=True) for key_id, key in written["keys"].items()}
        current = str(written["current"])
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        raise _damaged() from None
    if current not in keys or any(len(key) != _KEY or _id_of(key) != key_id for key_id, key in keys.items()):
        raise _damaged()
    return current, keys
