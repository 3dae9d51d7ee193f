"""Who this dock is: its own key, made here and never leaving, and what the server said at enrolment.

A dock's folder holds `key.pem` (private, 0600; beside it `key-next.pem` while it is being
replaced), `dock.json` (its name, id and server) and `trust.json` (the server's public keys as they
were at enrolment: receipts are checked against these, so a server cannot quietly change them later).
"""

import base64
import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from evidence.clock import Clock, written
from evidence.docking.connection import Connection, read_json
from evidence.errors import (
    IntegrityError,
    NotCarriedOutError,
    NotFoundError,
    RefusedError,
    SetupError,
    UnavailableError,
)
from evidence.proof import manifest as manifests
from evidence.proof.manifest import Manifest

ASSERTION_LIFE = timedelta(minutes=2)
"""How long a signed statement 'I am this dock' is good; the server takes at most five minutes."""

COORDINATE_SIZE = 32
"""Bytes of each half of a P-256 point or signature."""

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the points of P-256: how many there are."""

KEY = "key.pem"
NEXT_KEY = "key-next.pem"
"""A key that was made to replace KEY; it lies there until the server is known to have taken it."""

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

TOKENS = "/api/v1/tokens"

LONGEST_LIFE = timedelta(days=36_525)
"""Beyond this the end of a token can be no date."""

RENEW_AFTER = 0.8
"""Share of a token's life after which a new one is asked for: a piece may take a while on a slow line."""


def folder_name(name: str) -> str:
    """Return the name of a dock's folder: the dock's own where it is plain, else one made of it."""
    if _PLAIN_NAME.fullmatch(name):
        return name
    plain = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:40] or "dock"
    return f"{plain}-{sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


@dataclass(frozen=True, slots=True)
class DockKey:
    """An EC P-256 key of one dock."""

    private: ec.EllipticCurvePrivateKey

    @classmethod
    def load_or_create(cls, folder: Path, *, name: str = KEY) -> Self:
        """Return the key in the folder, after making it (0600, folder 0700) if there is none."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / name
        if not path.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            write_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return cls.load(folder, name=name)

    @classmethod
    def load(cls, folder: Path, *, name: str = KEY) -> Self:
        """Return the key in the folder; raise SetupError when it is missing, damaged or readable by others."""
        path = folder / name
        try:
            if path.stat().st_mode & 0o077:
                raise SetupError(f"{path} can be read by others", next_step=f"chmod 600 {path}")
            key = load_pem_private_key(path.read_bytes(), password=None)
        except FileNotFoundError:
            raise SetupError(f"{path} is missing", next_step="enrol the dock again: evidence dock enrol NAME") from None
        except ValueError:
            raise SetupError(f"{path} cannot be read as a key", next_step="enrol the dock again") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise SetupError(f"{path} is no P-256 key", next_step="enrol the dock again")
        return cls(key)

    def public_jwk(self) -> dict[str, str]:
        """Return the public half as a JSON Web Key."""
        point = self.private.public_key().public_numbers()
        return {"kty": "EC", "crv": "P-256", "x": _number(point.x), "y": _number(point.y)}

    def assertion(self, dock_id: str, *, audience: str, at: datetime) -> str:
        """Sign 'I am this dock' (RFC 7523, ES256) for one use within ASSERTION_LIFE."""
        claims = {
            "iss": dock_id,
            "sub": dock_id,
            "aud": audience,
            "jti": secrets.token_urlsafe(24),
            "iat": int(at.timestamp()),
            "exp": int((at + ASSERTION_LIFE).timestamp()),
        }
        return self.sign({"alg": "ES256", "typ": "JWT"}, _json(claims))

    def proof(self, method: str, address: str, *, at: datetime, token: str | None) -> str:
        """Sign 'I have this key, and ask for this' (RFC 9449), for one request with this token or for one."""
        claims: dict[str, Any] = {
            "jti": secrets.token_urlsafe(18),
            "htm": method,
            "htu": address,
            "iat": int(at.timestamp()),
        }
        if token is not None:
            claims["ath"] = base64url(sha256(token.encode("ascii")).digest())
        return self.sign({"alg": "ES256", "typ": "dpop+jwt", "jwk": self.public_jwk()}, _json(claims))

    def manifest(self, dock_id: str, size: int, said: Mapping[str, str], *, at: datetime) -> str:
        """Sign what is about to be sent: a recording of this size, and what is announced of it (with its digest)."""
        made = Manifest(
            dock=dock_id,
            filename=said["filename"],
            size=size,
            sha256=bytes.fromhex(said["sha256"]),
            signed_at=written(at),
            said={name: said[name] for name in manifests.SAID if name in said},
        )
        return self.sign(json.loads(manifests.header(self.fingerprint)), manifests.payload(made))

    def sign(self, header: Mapping[str, Any], payload: bytes) -> str:
        """Write a JWS in its compact form."""
        signed = f"{base64url(_json(header))}.{base64url(payload)}"
        # JWS wants both numbers of the signature side by side (RFC 7518, 3.4), not in DER.
        r, s = decode_dss_signature(self.private.sign(signed.encode("ascii"), ec.ECDSA(SHA256())))
        # Of the two good signatures always the same one, so that a statement has one spelling.
        s = min(s, ORDER - s)
        return f"{signed}.{base64url(r.to_bytes(COORDINATE_SIZE) + s.to_bytes(COORDINATE_SIZE))}"

    @property
    def fingerprint(self) -> str:
        """The RFC 7638 thumbprint of the public half, by which the server knows it."""
        jwk = self.public_jwk()
        text = f'{{"crv":"{jwk["crv"]}","kty":"{jwk["kty"]}","x":"{jwk["x"]}","y":"{jwk["y"]}"}}'
        return base64url(sha256(text.encode("ascii")).digest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Dock:
    """An enrolled dock, as its own folder knows it."""

    name: str
    id: str
    url: str
    fingerprint: str
    enrolled_at: str

    def write(self, folder: Path) -> None:
        """Keep this in the dock's folder."""
        write_private(folder / "dock.json", json.dumps(asdict(self), indent=1).encode())

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return the dock of the folder; raise NotFoundError when none was enrolled here."""
        try:
            members = json.loads((folder / "dock.json").read_bytes())
            return cls(**members)
        except FileNotFoundError:
            raise NotFoundError(
                "no such dock is enrolled on this machine",
                next_step="evidence dock enrol NAME --code CODE --url ADDRESS",
            ) from None
        except (ValueError, TypeError):
            raise SetupError(f"{folder / 'dock.json'} is damaged", next_step="enrol the dock again") from None


class DockToken:
    """The credential of an enrolled dock: a token bound to its key, and for each request a proof that it has the key.

    The token is asked for when first needed, and again before it ends or when refused.
    """

    def __init__(self, dock: Dock, key: DockKey, *, clock: Clock) -> None:
        self._dock = dock
        self._key = key
        self._clock = clock
        self._token: str | None = None
        self._renew_at = clock()

    def __call__(self, method: str, address: str, renew: bool) -> Mapping[str, str]:
        """Return token and proof for one request; raise RefusedError when the dock is retired or unknown."""
        if renew or self._token is None or self._clock() >= self._renew_at:
            self._token, life = self.sign_in()
            self._renew_at = self._clock() + life * RENEW_AFTER
        proof = self._key.proof(method, address, at=self._clock(), token=self._token)
        return {"Authorization": f"DPoP {self._token}", "DPoP": proof}

    def sign_in(self) -> tuple[str, timedelta]:
        """Ask for a token and return it with its life."""
        address, at = self._dock.url + TOKENS, self._clock()
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": self._key.assertion(self._dock.id, audience=address, at=at),
        }
        proof = {"DPoP": self._key.proof("POST", address, at=at, token=None)}
        with Connection(self._dock.url) as connection:
            try:
                return token_of(read_json(connection.request("POST", TOKENS, headers=proof, data=form)))
            except RefusedError as error:
                raise RefusedError(
                    f"the evidence room does not take the sign-in of the dock {self._dock.name}",
                    next_step="check this machine's clock; if its key was being replaced, run `evidence dock rotate`; "
                    "if the dock was retired, enrol it anew under another name",
                ) from error.__cause__
            except NotCarriedOutError as error:
                # Without a token every request fails, not this one alone.
                raise UnavailableError(
                    str(error), next_step=error.next_step, retry_after=error.retry_after
                ) from error.__cause__


def token_of(answer: Any) -> tuple[str, timedelta]:
    """Return token and life of a server's answer to a sign-in; raise IntegrityError when it cannot be read."""
    try:
        token, life = answer["access_token"], timedelta(seconds=int(answer["expires_in"]))
        if token.isascii() and token.isprintable() and timedelta(0) < life <= LONGEST_LIFE:
            return token, life
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
        pass
    raise IntegrityError(
        "the server's answer to the sign-in cannot be read",
        next_step="check that the address is that of an evidence room",
    )


def enrolled(docks: Path) -> list[tuple[Dock, Path]]:
    """Return the docks enrolled on this machine with their folders, by name."""
    if not docks.is_dir():
        return []
    found = [(Dock.read(folder), folder) for folder in docks.iterdir() if (folder / "dock.json").exists()]
    return sorted(found, key=lambda each: each[0].name)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)
    synced(path.parent)


def synced(folder: Path) -> None:
    """Have the names in a folder outlive a power cut."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _json(members: Mapping[str, Any]) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode()


def _number(value: int) -> str:
    return base64url(value.to_bytes(COORDINATE_SIZE))


def base64url(octets: bytes) -> str:
    """Write base64url without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")
