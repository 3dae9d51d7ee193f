"""Keys: the ring that signs our tokens and its rotation; public keys that others bring, checked.

The ring is a folder of P-256 private keys, one PEM file each, named `<made at>-<key id>.pem` and
readable by the server's user alone.  The newest key signs.  A replaced key still verifies for
OVERLAP, until every token it signed has run out.  The folder is looked at on every use, so
that a key made or taken away by another process counts at once.
"""

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from auth.errors import DockKeyError, KeyRingError
from auth.strict import read_base64url, write_base64url

OVERLAP = timedelta(hours=2)
"""How long a replaced key still verifies: longer than any token lives."""

_NAME = re.compile(r"(\d{8}T\d{6}Z)-([A-Za-z0-9_-]{43})\.pem\Z")
_TIME = "%Y%m%dT%H%M%SZ"
_PUBLIC_MEMBERS = {"kty", "crv", "x", "y", "use", "key_ops", "alg", "kid"}


@dataclass(frozen=True, slots=True)
class TokenKey:
    """One key of the ring: its id (RFC 7638 thumbprint), when it was made, and itself."""

    kid: str
    made_at: datetime
    private: ec.EllipticCurvePrivateKey
    public: ec.EllipticCurvePublicKey


class KeyRing:
    """The keys of one folder. Several processes may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: tuple[str, ...] = ()
        self._keys: tuple[TokenKey, ...] = ()

    @classmethod
    def open(cls, folder: Path, *, at: datetime) -> Self:
        """Open the ring, making folder and first key if there are none; raise KeyRingError if it is unfit."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ring = cls(folder)
        if not ring._load():
            ring.rotate(at)
        return ring

    def current(self) -> TokenKey:
        """Return the key that signs now: the newest."""
        keys = self._load()
        if not keys:
            raise KeyRingError("There is no key to sign tokens with; the folder of token keys is empty.")
        return keys[-1]

    def find(self, kid: str, *, at: datetime) -> TokenKey | None:
        """Return the key of that id if tokens signed with it still count."""
        keys = self._load()
        for position, key in enumerate(keys):
            if key.kid == kid:
                replaced = keys[position + 1].made_at if position + 1 < len(keys) else None
                return key if replaced is None or at < replaced + OVERLAP else None
        return None

    def rotate(self, at: datetime) -> str:
        """Make a new key that signs from now on; return its id."""
        private = ec.generate_private_key(ec.SECP256R1())
        kid = fingerprint(jwk_of(private.public_key()))
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        name = f"{at.astimezone(UTC).strftime(_TIME)}-{kid}.pem"
        # Written aside, then renamed: other processes never see half a key.
        aside = self._folder / f".{secrets.token_hex(8)}"
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        aside.rename(self._folder / name)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return kid

    def _load(self) -> tuple[TokenKey, ...]:
        try:
            names = tuple(sorted(name for name in os.listdir(self._folder) if name.endswith(".pem")))  # noqa: PTH208
            if names != self._names:
                keys = tuple(_read(self._folder / name) for name in names)
                self._keys, self._names = keys, names
        except OSError:
            raise KeyRingError("The folder of token keys cannot be read.") from None
        return self._keys


def _read(path: Path) -> TokenKey:
    named = _NAME.match(path.name)
    if not named:
        raise KeyRingError(f"{path.name} does not have the name of a token key.")
    if path.stat().st_mode & 0o077:
        raise KeyRingError(f"The token key {path.name} can be read by others; its mode must be 0600.")
    try:
        private = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError):
        raise KeyRingError(f"The token key {path.name} is damaged.") from None
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        raise KeyRingError(f"The token key {path.name} is not a P-256 key.")
    public = private.public_key()
    if fingerprint(jwk_of(public)) != named[2]:
        raise KeyRingError(f"The token key {path.name} is not the one its name says.")
    made_at = datetime.strptime(named[1], _TIME).replace(tzinfo=UTC)
    return TokenKey(kid=named[2], made_at=made_at, private=private, public=public)


def public_key(jwk: Mapping[str, Any]) -> ec.EllipticCurvePublicKey:
    """Read a public JWK; raise DockKeyError unless it is a P-256 point meant for ES256 signatures."""
    if strange := set(jwk) - _PUBLIC_MEMBERS:
        private = " It looks like a private key; never send that." if strange & {"d", "k", "p", "q"} else ""
        raise DockKeyError("The public key has members that do not belong there." + private)
    if jwk.get("kty") != "EC" or jwk.get("crv") != "P-256":
        raise DockKeyError("The public key is not an EC key on P-256.")
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", "ES256") != "ES256":
        raise DockKeyError("The public key is not meant for ES256 signatures.")
    if jwk.get("key_ops", ["verify"]) != ["verify"]:
        raise DockKeyError("The public key is not meant for verifying.")
    if not isinstance(jwk.get("kid", ""), str):
        raise DockKeyError("The key's id is not a text.")
    try:
        return p256_point(jwk["x"], jwk["y"])
    except (KeyError, TypeError, ValueError):
        raise DockKeyError("The public key is not a point of P-256.") from None


def p256_point(x: str, y: str) -> ec.EllipticCurvePublicKey:
    """Read the coordinates of a JWK; raise ValueError or TypeError unless they are a point of P-256."""
    coordinates = [read_base64url(each) for each in (x, y)]
    if any(len(each) != 32 for each in coordinates):
        raise ValueError("not 32 bytes")
    horizontal, vertical = (int.from_bytes(each) for each in coordinates)
    return ec.EllipticCurvePublicNumbers(horizontal, vertical, ec.SECP256R1()).public_key()


def jwk_of(public: ec.EllipticCurvePublicKey) -> dict[str, str]:
    """Write a P-256 public key as a JWK with nothing but what it takes."""
    numbers = public.public_numbers()
    x, y = (write_base64url(value.to_bytes(32)) for value in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def fingerprint(jwk: Mapping[str, str]) -> str:
    """Return the RFC 7638 thumbprint (SHA-256, base64url) of a P-256 JWK."""
    text = f'{{"crv":"{jwk["crv"]}","kty":"{jwk["kty"]}","x":"{jwk["x"]}","y":"{jwk["y"]}"}}'
    return write_base64url(sha256(text.encode("ascii")).digest())
