"""Proofs of possession (DPoP, RFC 9449): with every request a dock shows that it has its key.

A token of a dock is good for nothing by itself.  Each request brings a statement signed with the
dock's key that names this request (`htm`, `htu`), this moment (`iat`), this token (`ath`) and
itself (`jti`), so that it serves once.  Read as strictly as tokens are: what two readers could
take differently is refused.
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlsplit

from auth.errors import NotSignedInError
from auth.keys import fingerprint, public_key
from auth.strict import read_object, write_base64url
from auth.tokens import number, read_unverified, refusing, require, verify_signature

PROOF_TYPE: Final = "dpop+jwt"
WINDOW: Final = timedelta(seconds=60)
"""How far the clock of a dock may be from ours, before or behind."""

_BROUGHT: Final = {"kty", "crv", "x", "y"}
_DEFAULT_PORTS: Final[Mapping[str, str]] = {"http": "80", "https": "443"}
_PATH: Final = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-F]{2})*)+")
_NETLOC: Final = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class Shown:
    """What a request shows of who sends it: its token, and the proof that came along, if any did.

    `address` is that of the request as clients know us, without query; behind a proxy it is not
    the one we listen on.
    """

    token: str
    proof: str | None
    method: str
    address: str


@dataclass(frozen=True, slots=True)
class Possession:
    """A good proof. It may be used once; `expires_at` is when it is too old anyway."""

    key: str
    """RFC 7638 thumbprint of the key that signed."""

    jti: str
    expires_at: datetime

    @property
    def digest(self) -> bytes:
        """What tells this proof from every other of any key, in 32 bytes."""
        return sha256(f"dpop\n{self.key}\n{self.jti}".encode()).digest()


def read_proof(text: str, *, method: str, address: str, at: datetime, token: str | None) -> Possession:
    """Check a proof for one request, made with this token (None: for a token). Raises NotSignedInError.

    That the key is the right one, and the proof was not used before, is for the caller to ask.
    """

    def read() -> Possession:
        unverified = read_unverified(text, bringing={"jwk"})
        header = unverified.header
        require(set(header) == {"alg", "jwk", "typ"} and header["typ"] == PROOF_TYPE, "proof header")
        brought: Mapping[str, Any] = header["jwk"]
        require(set(brought) == _BROUGHT, "proof key")
        claims = read_object(verify_signature(unverified, public_key(brought)))
        jti, issued = claims["jti"], number(claims, "iat")
        require(isinstance(jti, str) and 0 < len(jti) <= 255, "proof jti")
        require(claims["htm"] == method, "proof method")
        require(normal(claims["htu"]) == normal(address), "proof address")
        require(abs(at.timestamp() - issued) <= WINDOW.total_seconds(), "proof time")
        if token is not None:
            require(hmac.compare_digest(claims["ath"], token_digest(token)), "proof token")
        expires_at = at + 2 * WINDOW  # however early it was made, it is refused for its age by then
        return Possession(key=fingerprint({name: brought[name] for name in _BROUGHT}), jti=jti, expires_at=expires_at)

    return refusing(read)


def token_digest(token: str) -> str:
    """Return how a proof names a token (`ath`)."""
    return write_base64url(sha256(token.encode("ascii")).digest())


def normal(address: str) -> str:
    """Return the one spelling of an address (RFC 3986, 6.2.2 and 6.2.3); ValueError for what is none.

    Case of scheme and host, and a port that goes without saying, make no difference.  A query, a
    fragment, a user or a path that could be read in two ways are refused.
    """
    if not address.isascii() or not address.isprintable() or "?" in address or "#" in address or "\\" in address:
        raise ValueError("not an address without query")
    parts = urlsplit(address)
    named = _NETLOC.fullmatch(parts.netloc.lower())
    port = named and (named[2] or _DEFAULT_PORTS.get(parts.scheme))
    path = parts.path or "/"
    if named is None or port is None or not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise ValueError("not a plain address")
    return f"{parts.scheme}://{named[1]}:{int(port)}{path}"


def require_key(possession: Possession, *keys: str | None) -> None:
    """Raise NotSignedInError unless the proof is by the one key that all of these name."""
    if any(each != possession.key for each in keys):
        raise NotSignedInError("proof of another key")
