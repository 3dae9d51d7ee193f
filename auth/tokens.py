"""Issue and read tokens: pinned algorithms, key ids, short lives. The only file that imports jose.

python-jose forgives much that must not be forgiven, so it is held by rules.  It is asked for one
thing only, whether one signature is good under one key by one algorithm (J1, J2); everything
before (the form of the text, J3; the header, J4; the key, J5) and after (the claims, J6) is decided here.
Whatever goes wrong, the caller learns only that nobody is signed in (J8).  Encrypted tokens and
shared secrets are out of reach (J7).  Others see the port, TokenVerifier (J9).  Our own tokens are ES256
and nothing else; what a provider's tokens may be is in auth/provider_tokens.py, by the same rules.

A token proves who somebody is and when they proved it.  What they may do is in the database.
"""

import math
from collections.abc import Callable, Collection, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, Protocol, TypeVar
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jose import jwk, jws
from jose.backends.cryptography_backend import CryptographyECKey, CryptographyRSAKey

from auth.errors import KeyRingError, NotSignedInError
from auth.keys import KeyRing, fingerprint, public_key
from auth.principals import Principal
from auth.strict import read_base64url, read_object, write_base64url

_T = TypeVar("_T")

TOKEN_TYPE: Final = "at+jwt"  # noqa: S105  # the media type of RFC 9068, no secret
ASSERTION_TYPES: Final = frozenset({"JWT", "client-authentication+jwt"})

LONGEST_TEXT: Final = 8192
LONGEST_LIFE: Final = timedelta(hours=1)
LONGEST_ASSERTION: Final = timedelta(minutes=5)

Algorithm = Literal["ES256", "RS256"]
ALGORITHM: Final[Algorithm] = "ES256"
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

_REFUSED_MEMBERS: Final = frozenset({"crit", "jku", "jwk", "x5u", "x5c", "zip", "enc", "b64"})
_ORDER_P256: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_METHODS: Final[Mapping[str, str]] = {
    "pwd": "password",
    "swk": "private_key_jwt",
    "console": "console",
    "fed": "single_sign_on",
}
_AMR: Final[Mapping[str, str]] = {method: amr for amr, method in _METHODS.items()}


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token as handed out, and what it says."""

    text: str
    jti: str
    expires_at: datetime
    life: timedelta


@dataclass(frozen=True, slots=True)
class Proof:
    """What a good token proves: who, how and when. A person's token names its session."""

    kind: Literal["account", "dock"]
    id: UUID
    method: str
    jti: str
    session: UUID | None
    issued_at: datetime
    expires_at: datetime
    signed_in_at: datetime
    bound_to: str | None = None
    """Thumbprint of the key without which the token is good for nothing (`cnf`, RFC 7800); a dock's always has one."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """A dock's good sign-in statement. It may be used once; `expires_at` is when it is too old anyway."""

    jti: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Unverified:
    """A text of the right form, in its parts. Nothing in it is proved."""

    text: str
    header: dict[str, Any]
    payload: bytes
    signature: bytes


class TokenVerifier(Protocol):
    """Somebody who tells good tokens from all other texts."""

    def verify(self, text: str, *, at: datetime) -> Proof:
        """Return what the token proves; raise NotSignedInError, and nothing else, if it proves nothing."""
        ...


class TokenIssuer:
    """Issues our own tokens with the newest key of the ring, and hands out their verifier."""

    def __init__(self, ring: KeyRing, *, issuer: str, audience: str, life: timedelta, leeway: timedelta) -> None:
        check_library()
        if not issuer or not audience:
            raise KeyRingError("Tokens need the name of their issuer and of their audience.")
        if not timedelta(0) < life <= LONGEST_LIFE:
            raise KeyRingError("A token lives longer than no time and at most an hour.")
        self._ring, self._issuer, self._audience, self._life = ring, issuer, audience, life
        self.leeway = leeway
        self.verifier: TokenVerifier = _RingVerifier(ring, issuer=issuer, audience=audience, leeway=leeway)

    def issue(
        self,
        principal: Principal,
        *,
        at: datetime,
        life: timedelta | None = None,
        jti: str | None = None,
        bound_to: str | None = None,
    ) -> IssuedToken:
        """Sign a token for a principal who has proved who they are; it may live shorter than usual.

        A person's names their session, a dock's is `bound_to` its key.
        """
        if (principal.kind == "dock") != (bound_to is not None):
            raise ValueError("the tokens of docks are bound to their keys, and no others are")
        key = self._ring.current()
        subject = f"{principal.kind}/{principal.id}"
        life = self._life if life is None else min(life, self._life)
        jti, expires_at = jti or str(uuid4()), at + life
        seconds = int(at.timestamp())
        signed_in = at if principal.kind == "dock" else principal.signed_in_at or at
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": subject,
            "client_id": subject if principal.kind == "dock" else "evidence-room",
            "iat": seconds,
            "auth_time": int(signed_in.timestamp()),
            "exp": seconds + int(life.total_seconds()),
            "jti": jti,
            "amr": [_AMR[principal.method]],
        }
        if principal.kind == "account":
            if principal.session is None:
                raise ValueError("a person's token names a session")
            claims["sid"] = principal.session
        if bound_to is not None:
            claims["cnf"] = {"jkt": bound_to}
        signer = CryptographyECKey(key.private, ALGORITHM)
        text = jws.sign(claims, signer, headers={"typ": TOKEN_TYPE, "kid": key.kid}, algorithm=ALGORITHM)
        return IssuedToken(text=_with_low_s(text), jti=jti, expires_at=expires_at, life=life)


class _RingVerifier:
    """Verifies our own tokens."""

    def __init__(self, ring: KeyRing, *, issuer: str, audience: str, leeway: timedelta) -> None:
        self._ring, self._issuer, self._audience, self._leeway = ring, issuer, audience, leeway

    def verify(self, text: str, *, at: datetime) -> Proof:
        """Return what the token proves, or raise NotSignedInError."""
        return refusing(lambda: self._verify(text, at))

    def _verify(self, text: str, at: datetime) -> Proof:
        read = read_unverified(text)
        header = read.header
        require(set(header) == {"alg", "kid", "typ"} and header["typ"] == TOKEN_TYPE, "header")
        key = self._ring.find(header["kid"], at=at)
        if key is None:
            raise NotSignedInError("unknown key")
        # One token has one spelling: with (r, s) also (r, n - s) is a good signature, and is not taken.
        require(int.from_bytes(read.signature[32:]) <= _ORDER_P256 // 2, "signature")
        claims = read_object(verify_signature(read, key.public))
        check_claims(claims, self._issuer, {self._audience}, at=at, leeway=self._leeway, longest=LONGEST_LIFE)
        signed_in = number(claims, "auth_time")
        require(signed_in <= at.timestamp() + self._leeway.total_seconds(), "auth_time")
        kind, _, identity = claims["sub"].partition("/")
        (method,) = claims["amr"]
        require((kind == "dock") == ("cnf" in claims), "cnf")
        return Proof(
            kind=_kind(kind),
            id=_uuid(identity),
            method=_METHODS[method],
            jti=claims["jti"],
            session=_uuid(claims["sid"]) if kind == "account" else None,
            issued_at=instant(claims["iat"]),
            expires_at=instant(claims["exp"]),
            signed_in_at=instant(signed_in),
            bound_to=_thumbprint(claims["cnf"]) if "cnf" in claims else None,
        )


def check_library() -> None:
    """Raise KeyRingError unless jose does elliptic curves and RSA with `cryptography`.

    Its other backend (`ecdsa`) is open to a timing attack, and a class registered by somebody
    else's import could accept anything.
    """
    for algorithm, expected in (("ES256", CryptographyECKey), ("RS256", CryptographyRSAKey)):
        if jwk.get_key(algorithm) is not expected:
            raise KeyRingError(
                f"python-jose does not use the cryptography library for {algorithm}; reinstall the requirements."
            )


def read_unverified(
    text: str,
    *,
    algorithms: Collection[Algorithm] = (ALGORITHM,),
    longest: int = LONGEST_TEXT,
    bringing: Set[str] = frozenset(),
) -> Unverified:
    """Take a text apart if it has the form of a signed token (J3, J4). Raises ValueError, NotSignedInError.

    `bringing` names header members that are refused of tokens and belong here.
    """
    require(len(text) <= longest, "size")
    segments = text.split(".")
    require(len(segments) == 3, "segments")
    header, payload, signature = (read_base64url(segment) for segment in segments)
    require(bool(payload), "segments")
    members = read_object(header)
    algorithm = members.get("alg")
    require(isinstance(algorithm, str) and algorithm in algorithms, "algorithm")
    # An RSA signature is as long as its key's modulus, which verify_signature holds it to.
    require(len(signature) == 64 if algorithm == "ES256" else 256 <= len(signature) <= 1024, "segments")
    require(not (_REFUSED_MEMBERS - bringing) & set(members), "header")
    return Unverified(text=text, header=members, payload=payload, signature=signature)


def verify_signature(read: Unverified, key: PublicKey) -> bytes:
    """Return the payload if the signature is good under this one key (J1, J2); its claims are not looked at yet.

    The key decides the algorithm, never the text. Raises NotSignedInError or jose's JWSError.
    """
    algorithm: Algorithm
    prepared: CryptographyECKey | CryptographyRSAKey
    if isinstance(key, ec.EllipticCurvePublicKey):
        require(isinstance(key.curve, ec.SECP256R1), "key")
        algorithm, prepared = "ES256", CryptographyECKey(key, "ES256")
    else:
        require(key.key_size >= 2048 and len(read.signature) == (key.key_size + 7) // 8, "key")
        algorithm, prepared = "RS256", CryptographyRSAKey(key, "RS256")
    require(read.header["alg"] == algorithm, "algorithm")
    jws.verify(read.text, prepared, [algorithm])
    return read.payload  # as we read it, not as jose did


def dock_id_unverified(text: str) -> UUID:
    """Return which dock an assertion claims to be from; nothing is proved yet. Raises NotSignedInError."""

    def read() -> UUID:
        return _uuid(read_object(read_unverified(text).payload)["iss"])

    return refusing(read)


def verify_assertion(
    text: str, *, dock_id: UUID, jwk: Mapping[str, Any], audiences: Collection[str], at: datetime, leeway: timedelta
) -> Assertion:
    """Check a dock's sign-in statement (RFC 7523) under the key it enrolled; raise NotSignedInError."""

    def verify() -> Assertion:
        header = read_unverified(text).header
        require(header.get("kid", fingerprint(jwk)) == fingerprint(jwk), "header")
        return check_assertion(
            text,
            types=ASSERTION_TYPES,
            issuer=str(dock_id),
            key=public_key(jwk),
            audiences=audiences,
            at=at,
            leeway=leeway,
        )[1]

    return refusing(verify)


def check_assertion(
    text: str,
    *,
    types: Set[str],
    issuer: str,
    key: ec.EllipticCurvePublicKey,
    audiences: Collection[str],
    at: datetime,
    leeway: timedelta,
) -> tuple[Mapping[str, Any], Assertion]:
    """Check a statement about oneself, of one of these types; return its claims. Raises whatever it likes (J8)."""
    read = read_unverified(text)
    require(set(read.header) <= {"alg", "kid", "typ"} and read.header.get("typ") in types, "header")
    claims = read_object(verify_signature(read, key))
    check_claims(claims, issuer, audiences, at=at, leeway=leeway, longest=LONGEST_ASSERTION)
    require(claims["sub"] == issuer, "sub")
    return claims, Assertion(jti=claims["jti"], expires_at=instant(claims["exp"]) + leeway)


def refusing(read: Callable[[], _T]) -> _T:
    """Run what reads a text from a stranger; whatever goes wrong is NotSignedInError (J8)."""
    try:
        return read()
    except NotSignedInError:
        raise
    except Exception as error:  # noqa: BLE001  # J8: no text, however strange, may be answered otherwise
        raise NotSignedInError(type(error).__name__) from None


def check_claims(
    claims: Mapping[str, Any],
    issuer: str,
    audiences: Collection[str],
    *,
    at: datetime,
    leeway: timedelta,
    longest: timedelta,
    required: Collection[str] = ("iss", "sub", "jti"),
) -> None:
    """Hold issuer, audience, times and names to the rules (J6). Raises NotSignedInError, KeyError."""
    for name in required:
        value = claims[name]
        require(isinstance(value, str) and 0 < len(value) <= 255, name)
    require(claims["iss"] == issuer, "iss")
    audience = claims["aud"]
    named = audience if isinstance(audience, list) else [audience]
    require(all(isinstance(each, str) for each in named) and any(each in audiences for each in named), "aud")
    now, forgiven = at.timestamp(), leeway.total_seconds()
    issued, expires = number(claims, "iat"), number(claims, "exp")
    require(now < expires + forgiven, "exp")
    require(issued <= now + forgiven, "iat")
    require(0 < expires - issued <= longest.total_seconds(), "life")
    if "nbf" in claims:
        require(number(claims, "nbf") <= now + forgiven, "nbf")


def number(claims: Mapping[str, Any], name: str) -> float:
    """Return a claim that is a finite number; raise NotSignedInError or KeyError."""
    value = claims[name]
    # bool is an int in Python, and True would be the first second of 1970.
    require(isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value), name)
    return float(value)


def instant(seconds: float) -> datetime:
    """Return the instant that many seconds after the epoch."""
    return datetime.fromtimestamp(seconds, UTC)


def _kind(text: str) -> Literal["account", "dock"]:
    if text == "account":
        return "account"
    require(text == "dock", "sub")
    return "dock"


def _thumbprint(confirmation: Any) -> str:
    require(isinstance(confirmation, dict) and set(confirmation) == {"jkt"}, "cnf")
    text: str = confirmation["jkt"]
    require(len(read_base64url(text)) == 32, "cnf")
    return text


def _uuid(text: str) -> UUID:
    value = UUID(text)
    require(str(value) == text, "sub")
    return value


def require(holds: bool, reason: str) -> None:
    """Raise NotSignedInError for this reason unless it holds."""
    if not holds:
        raise NotSignedInError(reason)


def _with_low_s(text: str) -> str:
    signed, _, signature = text.rpartition(".")
    raw = read_base64url(signature)
    s = int.from_bytes(raw[32:])
    return f"{signed}.{write_base64url(raw[:32] + min(s, _ORDER_P256 - s).to_bytes(32))}"
