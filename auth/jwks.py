"""A provider's public keys: which are taken, and for how long they are believed.

Keys come from the configured issuer and from nowhere else.  They are fresh for ten minutes; an
unknown key id is a reason to look again, but at most once a minute and by one thread, so that
forged key ids cost nothing.  While the provider is away the last keys count for a day, with an alarm.
"""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric import rsa

from auth.errors import AuthError, ProviderAwayError
from auth.keys import p256_point
from auth.strict import read_base64url
from auth.tokens import Algorithm, PublicKey

log = structlog.get_logger()

FRESH = timedelta(minutes=10)
BETWEEN_FETCHES = timedelta(seconds=60)
STALE_AT_MOST = timedelta(hours=24)
MOST_KEYS = 20
FIRST_FETCH_SECONDS = 2.0
"""How long a request waits while another fetches the very first keys: a provider that hangs may not hold them all."""

_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_SMALL_PRIMES = (
    *(3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73),
    *(79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167),
)


@dataclass(frozen=True, slots=True)
class ProviderKey:
    """One key that verifies, by one algorithm."""

    kid: str
    algorithm: Algorithm
    public: PublicKey


@dataclass(frozen=True, slots=True)
class KeyState:
    """How it stands with a provider's keys. `failing_since` is set while they cannot be fetched."""

    keys: int
    fetched_at: datetime | None
    failing_since: datetime | None


def read_keys(document: Mapping[str, Any]) -> dict[str, ProviderKey]:
    """Return the keys of a JWKS that may verify (J5); a key that may not is left out. Raises ValueError."""
    listed = document.get("keys")
    if not isinstance(listed, list) or len(listed) > MOST_KEYS:
        raise ValueError(f"not a list of at most {MOST_KEYS} keys")
    # Of two keys with one id neither is taken: which is meant would be a guess.
    named = Counter(each["kid"] for each in listed if isinstance(each, dict) and isinstance(each.get("kid"), str))
    keys = {}
    for each in listed:
        try:
            key = read_key(each)
        except (KeyError, TypeError, ValueError, AuthError):
            continue
        if named[key.kid] == 1:
            keys[key.kid] = key
    return keys


def read_key(jwk: Mapping[str, Any]) -> ProviderKey:
    """Read one public key. Raises ValueError, KeyError or TypeError for what may not verify."""
    kid = jwk["kid"]
    _require(isinstance(kid, str) and 0 < len(kid) <= 255, "kid")
    _require(not _PRIVATE & set(jwk), "its private part is there")
    _require(jwk.get("use", "sig") == "sig", "use")
    operations = jwk.get("key_ops", ["verify"])
    _require(isinstance(operations, list) and "verify" in operations, "key_ops")
    if jwk["kty"] == "EC":
        _require(jwk.get("alg", "ES256") == "ES256" and jwk["crv"] == "P-256", "alg")
        return ProviderKey(kid, "ES256", p256_point(jwk["x"], jwk["y"]))
    _require(jwk["kty"] == "RSA" and jwk.get("alg", "RS256") == "RS256", "alg")
    return ProviderKey(kid, "RS256", _rsa(jwk["n"], jwk["e"]))


def is_predictable(modulus: int) -> bool:
    """Whether an RSA modulus has the mark of the chips whose keys can be factored (ROCA, CVE-2017-15361)."""
    return all(modulus % prime in _powers(prime) for prime in _SMALL_PRIMES)


class KeyCache:
    """The keys of one provider, as this process knows them. Safe for many threads."""

    def __init__(self, name: str, fetch: Callable[[datetime], Mapping[str, Any]]) -> None:
        self._name, self._fetch = name, fetch
        self._keys: dict[str, ProviderKey] = {}
        self._fetched_at: datetime | None = None
        self._tried_at: datetime | None = None
        self._failing_since: datetime | None = None
        self._fetching = threading.Lock()

    def find(self, kid: str, *, at: datetime) -> ProviderKey | None:
        """Return the key of that id, looking at the provider again if that is due."""
        # Whoever has keys goes on with them while another thread asks; who has none waits, but not for long.
        patience = FIRST_FETCH_SECONDS if self._fetched_at is None else 0
        if self._is_due(kid, at) and self._fetching.acquire(timeout=patience):
            try:
                if self._is_due(kid, at):
                    self._refresh(at)
            finally:
                self._fetching.release()
        if self._fetched_at is None or at - self._fetched_at > STALE_AT_MOST:
            return None
        return self._keys.get(kid)

    def state(self) -> KeyState:
        """Say how it stands."""
        return KeyState(len(self._keys), self._fetched_at, self._failing_since)

    def _is_due(self, kid: str, at: datetime) -> bool:
        if self._tried_at is not None and at - self._tried_at < BETWEEN_FETCHES:
            return False
        return self._fetched_at is None or at - self._fetched_at >= FRESH or kid not in self._keys

    def _refresh(self, at: datetime) -> None:
        self._tried_at = at
        try:
            keys = read_keys(self._fetch(at))
            _require(bool(keys), "no key can be used")
        except (ProviderAwayError, ValueError) as error:
            self._failing_since = self._failing_since or at
            log.warning("provider keys not fetched", provider=self._name, cause=type(error).__name__)
            return
        self._keys, self._fetched_at, self._failing_since = keys, at, None


def _rsa(n: Any, e: Any) -> rsa.RSAPublicKey:
    modulus, exponent = int.from_bytes(read_base64url(n)), int.from_bytes(read_base64url(e))
    _require(2048 <= modulus.bit_length() <= 8192 and modulus % 2 == 1, "size")
    _require(65_537 <= exponent < 1 << 32 and exponent % 2 == 1, "exponent")
    _require(not is_predictable(modulus), "predictable")
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def _powers(prime: int) -> Collection[int]:
    found, power = {1}, 65_537 % prime
    while power not in found:
        found.add(power)
        power = power * 65_537 % prime
    return found


def _require(holds: bool, why: str) -> None:
    if not holds:
        raise ValueError(why)
