"""Recorded shapes of providers' tokens, and providers that need no network: they answer from memory."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from auth.errors import ProviderAwayError
from auth.keys import jwk_of
from auth.outbound import Answer
from auth.providers import Provider
from auth.settings import ProviderSettings
from auth.strict import write_base64url
from tests.support.forging import rs256, sign

FOLDER = Path(__file__).parents[1] / "vectors" / "providers"
NONCE = "NONCE"

RSA_KEY = rsa.generate_private_key(65_537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def rsa_jwk(key: rsa.RSAPublicKey, **members: Any) -> dict[str, Any]:
    """Write an RSA key as a JWK."""
    numbers = key.public_numbers()
    n, e = (write_base64url(each.to_bytes((each.bit_length() + 7) // 8)) for each in (numbers.n, numbers.e))
    return {"kty": "RSA", "n": n, "e": e, **members}


KEYS = {
    "keys": [
        rsa_jwk(RSA_KEY.public_key(), kid="rsa-1", use="sig", alg="RS256"),
        {**jwk_of(EC_KEY.public_key()), "kid": "ec-1", "use": "sig"},
    ]
}


@dataclass
class FromMemory:
    """Answers for every issuer with one set of keys; counts what it was asked; is away when told so."""

    keys: Mapping[str, Any] = field(default_factory=lambda: KEYS)
    away: bool = False
    asked: list[str] = field(default_factory=list)

    def __call__(self, request: httpx2.Request) -> Answer:
        address = str(request.url)
        self.asked.append(address)
        if self.away:
            raise ProviderAwayError("test")
        if not address.endswith("/.well-known/openid-configuration"):
            return Answer(200, dict(self.keys))
        issuer = address.removesuffix("/.well-known/openid-configuration")
        described = {name: f"{issuer}/{name}" for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
        return Answer(200, {"issuer": issuer, **described})


@dataclass(frozen=True)
class Shape:
    """One recorded token, and what it says."""

    name: str
    settings: dict[str, Any]
    header: dict[str, Any]
    claims: dict[str, Any]
    says: Any

    def provider(self, ask: FromMemory | None = None, **more: Any) -> Provider:
        """Make the provider it is from."""
        return Provider("city", ProviderSettings.model_validate({**self.settings, **more}), ask or FromMemory())

    def token(self, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """Sign it; a claim that is None is left out."""
        said = {name: value for name, value in {**self.claims, **claims}.items() if value is not None}
        shown = self.header if header is None else header
        return rs256(shown, said, RSA_KEY) if shown.get("alg") == "RS256" else sign(shown, said, EC_KEY)


def shapes(kind: str) -> list[Shape]:
    """Read the shapes of people (`person`) or of machine clients (`machine`)."""
    read = {file.stem: json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))}
    return [
        Shape(name, each["settings"], each["header"], each["claims"], each[kind])
        for name, each in read.items()
        if kind in each
    ]
