"""Read what providers sign: an ID token says who a person is, an access token which machine client asks.

The rules are those of our own tokens (J1 to J8 in tokens.py), with what a profile says of the
provider.  Neither kind is ever taken for the other: people come with ID tokens, fetched by us with a
code; machine clients send access tokens that were issued to them alone.
"""

import hmac
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from auth.providers import Provider, Providers
from auth.strict import read_object, write_base64url
from auth.tokens import (
    LONGEST_LIFE,
    Algorithm,
    check_claims,
    instant,
    number,
    read_unverified,
    refusing,
    require,
    verify_signature,
)

ALGORITHMS: Final[Collection[Algorithm]] = ("RS256", "ES256")
LONGEST_ID_TOKEN: Final = 16_384
"""Characters. It comes from the provider's own token endpoint, and may name many groups."""
LONGEST_ID_TOKEN_LIFE: Final = timedelta(hours=24)
OLDEST_ID_TOKEN: Final = timedelta(minutes=15)
"""It was made for this sign-in; some providers set `iat` five minutes back."""
MOST_GROUPS: Final = 500
LONGEST_GROUP: Final = 255
"""Characters."""


@dataclass(frozen=True, slots=True)
class ProvedPerson:
    """Who signed in at a provider. `proved_at` is when they proved it strongly enough for step-up, if they did.

    `email` is there only if the provider vouches that it is theirs.
    """

    provider: str
    issuer: str
    subject: str
    name: str | None
    email: str | None
    groups: frozenset[str]
    proved_at: datetime | None


@dataclass(frozen=True, slots=True)
class ProvedMachine:
    """Which machine client of a provider sent a request."""

    provider: str
    issuer: str
    subject: str
    jti: str


def read_id_token(
    text: str,
    provider: Provider,
    *,
    nonce: str | None,
    at: datetime,
    leeway: timedelta,
    access_token: str | None = None,
) -> ProvedPerson:
    """Return whom an ID token proves. Raises NotSignedInError, and nothing else.

    `nonce` is what we sent; None when it comes with a renewal, which has none of its own.
    """
    return refusing(lambda: _read_id_token(text, provider, nonce, at, leeway, access_token))


def read_machine_token(text: str, providers: Providers, *, at: datetime, leeway: timedelta) -> ProvedMachine | None:
    """Return whom a provider's access token proves; None if no provider of ours is its issuer.

    Raises NotSignedInError, and nothing else.
    """
    if not providers.takes_machines():
        return None
    try:
        issuer = read_object(read_unverified(text, algorithms=ALGORITHMS).payload).get("iss")
    except Exception:  # noqa: BLE001  # J8: whatever it is, it is none of a provider's; our own verifier refuses it
        return None
    provider = providers.for_machines(issuer) if isinstance(issuer, str) else None
    if provider is None:
        return None
    found = provider
    return refusing(lambda: _read_machine_token(text, found, at, leeway))


def _read_id_token(
    text: str, provider: Provider, nonce: str | None, at: datetime, leeway: timedelta, access_token: str | None
) -> ProvedPerson:
    profile, settings = provider.profile, provider.settings
    assert settings.client_id is not None, "only providers for people have ID tokens"
    claims = _signed(text, provider, profile.id_token_types, at, longest=LONGEST_ID_TOKEN)
    check_claims(
        claims,
        settings.issuer,
        {settings.client_id},
        at=at,
        leeway=leeway,
        longest=LONGEST_ID_TOKEN_LIFE,
        required=("iss", "sub"),
    )
    # For us alone: a token that somebody else may hold as well proves nothing here.
    require(claims["aud"] in (settings.client_id, [settings.client_id]), "aud")
    require(claims.get("azp", settings.client_id) == settings.client_id, "azp")
    require(claims.get("typ") == profile.id_payload_type or profile.id_payload_type is None, "payload typ")
    require("events" not in claims, "a logout")
    if nonce is not None:
        require(at.timestamp() - number(claims, "iat") <= OLDEST_ID_TOKEN.total_seconds(), "iat")
        said = claims["nonce"]
        require(isinstance(said, str) and hmac.compare_digest(said.encode(), nonce.encode()), "nonce")
    if "at_hash" in claims and access_token is not None:
        require(claims["at_hash"] == _half_digest(access_token), "at_hash")
    if profile.tenant is not None:
        require(claims.get(profile.tenant) == settings.tenant, "tenant")
    return ProvedPerson(
        provider=provider.name,
        issuer=settings.issuer,
        subject=_name(claims, profile.subject),
        name=claims["name"] if isinstance(claims.get("name"), str) else None,
        email=_email(claims, provider),
        groups=_groups(claims.get(settings.groups_claim)),
        proved_at=_proved_at(claims, provider, at, leeway),
    )


def _read_machine_token(text: str, provider: Provider, at: datetime, leeway: timedelta) -> ProvedMachine:
    profile, settings = provider.profile, provider.settings
    assert settings.audience is not None, "only providers for machine clients have audiences"
    require(profile.access_token_types is not None, "profile")
    assert profile.access_token_types is not None
    claims = _signed(text, provider, profile.access_token_types, at)
    check_claims(claims, settings.issuer, {settings.audience}, at=at, leeway=leeway, longest=LONGEST_LIFE)
    require(profile.access_payload_type is None or claims.get("typ") == profile.access_payload_type, "payload typ")
    require(not {"nonce", "at_hash", "c_hash"} & set(claims), "an ID token")
    # A token bound to a key is good only with a proof of that key, which is not read here.
    require("cnf" not in claims, "bound")
    client, subject = _name(claims, _client_claim(claims, provider)), _name(claims, "sub")
    if profile.machine_subject == "client":
        require(subject == client, "a person's")
    else:
        require(claims.get("preferred_username") == f"service-account-{client.lower()}", "a person's")
    return ProvedMachine(provider.name, settings.issuer, subject, claims["jti"])


def _client_claim(claims: dict[str, Any], provider: Provider) -> str:
    if provider.settings.profile == "generic" and "client_id" not in claims:
        return "azp"
    return provider.profile.client


def _signed(
    text: str,
    provider: Provider,
    types: frozenset[str | None],
    at: datetime,
    *,
    longest: int = 8192,
) -> dict[str, Any]:
    read = read_unverified(text, algorithms=ALGORITHMS, longest=longest)
    kind, kid = read.header.get("typ"), read.header["kid"]
    require((kind is None and "typ" not in read.header) or isinstance(kind, str), "typ")
    require(kind in types, "typ")
    require(isinstance(kid, str) and 0 < len(kid) <= 255, "kid")
    key = provider.keys.find(kid, at=at)
    require(key is not None, "unknown key")
    assert key is not None
    require(key.algorithm == read.header["alg"], "algorithm")
    return read_object(verify_signature(read, key.public))


def _half_digest(text: str) -> str:
    return write_base64url(sha256(text.encode("ascii")).digest()[:16])


def _name(claims: dict[str, Any], name: str) -> str:
    value = claims[name]
    require(isinstance(value, str) and 0 < len(value) <= 255 and value.isprintable(), name)
    return str(value)


def _email(claims: dict[str, Any], provider: Provider) -> str | None:
    email, vouched = claims.get("email"), provider.profile.verified
    if not isinstance(email, str) or len(email) > 254:
        return None
    # Entra writes its claim as true, 1 or "1"; "true" is how some gateways write it.
    if provider.settings.trust_addresses or (vouched and claims.get(vouched) in (True, "1", "true")):
        return email
    return None


def _groups(listed: Any) -> frozenset[str]:
    if not isinstance(listed, list) or len(listed) > MOST_GROUPS:
        return frozenset()
    # What could be no name of a group is mapped by nobody, and asked of no database.
    named = (each for each in listed if isinstance(each, str) and 0 < len(each) <= LONGEST_GROUP and each.isprintable())
    return frozenset(named)


def _proved_at(claims: dict[str, Any], provider: Provider, at: datetime, leeway: timedelta) -> datetime | None:
    """Return when somebody proved more than a password; None if the provider does not say both, how and when."""
    profile = provider.profile
    if profile.strong is None or not profile.tells_when or profile.strong not in claims:
        return None
    if profile.strong == "mfa_auth_time":
        # The moment of the second factor itself.
        when = number(claims, "mfa_auth_time")
    else:
        said = claims[profile.strong]
        values = provider.settings.strong_values
        strong = profile.strong_values if values is None else frozenset(values)
        named = said if isinstance(said, list) else [said]
        if not any(isinstance(each, str) and each in strong for each in named) or "auth_time" not in claims:
            return None
        when = number(claims, "auth_time")
    require(when <= at.timestamp() + leeway.total_seconds(), "auth_time")
    # Their clock may be a little ahead of ours: nothing was proved in the future.
    return min(instant(when), at)
