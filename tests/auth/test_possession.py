"""Proofs of possession: of all that an attacker may send, only a fresh proof for this request, by this key, counts."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import func, select

from auth import machines, once
from auth.errors import NotSignedInError
from auth.keys import fingerprint, jwk_of
from auth.models import UsedAssertion
from auth.possession import Possession, read_proof, require_key
from auth.strict import write_base64url
from evidence.database import Sessions, standing_alone, unit_of_work
from tests.conftest import NOON
from tests.support.forging import as_json, b64, dock_proof, hs256, sign

KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
JWK = jwk_of(KEY.public_key())
PRIVATE = {**JWK, "d": write_base64url(KEY.private_numbers().private_value.to_bytes(32))}
TOKEN = "a.good.token"
METHOD, ADDRESS = "PATCH", "https://evidence.example/api/v1/uploads/018f"
HEADER = {"alg": "ES256", "typ": "dpop+jwt", "jwk": JWK}
SECONDS = int(NOON.timestamp())


def proof(key: ec.EllipticCurvePrivateKey = KEY, **changes: Any) -> str:
    said: dict[str, Any] = {"method": METHOD, "address": ADDRESS, "at": NOON, "token": TOKEN, **changes}
    return dock_proof(key, **said)


def read(text: str, **asked: Any) -> Possession:
    here: dict[str, Any] = {"method": METHOD, "address": ADDRESS, "at": NOON, "token": TOKEN, **asked}
    return read_proof(text, **here)


def header(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**HEADER, **changes}.items() if value is not ...}


CLAIMS = {"jti": "j", "htm": METHOD, "htu": ADDRESS, "iat": SECONDS, "ath": b64(b"")}

GOOD: Mapping[str, Callable[[], str]] = {
    "plain": proof,
    "a slow clock": lambda: proof(at=NOON - timedelta(seconds=60)),
    "a fast clock": lambda: proof(at=NOON + timedelta(seconds=60)),
    "upper-case host": lambda: proof(htu=ADDRESS.replace("evidence.example", "Evidence.EXAMPLE")),
    "upper-case scheme": lambda: proof(htu=ADDRESS.replace("https", "HTTPS")),
    "the default port": lambda: proof(htu=ADDRESS.replace(".example", ".example:443")),
    "more claims": lambda: proof(nonce="n", exp=SECONDS + 5),
    "a fraction of a second": lambda: proof(iat=SECONDS + 0.5),
}

FALSE: Mapping[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "no token at all": lambda: "a.b.c",
    "another method": lambda: proof(htm="GET"),
    "a method in lower case": lambda: proof(htm="patch"),
    "no method": lambda: proof(leave_out=("htm",)),
    "a list of methods": lambda: proof(htm=[METHOD]),
    "another address": lambda: proof(htu=ADDRESS + "9"),
    "another host": lambda: proof(htu=ADDRESS.replace("evidence", "elsewhere")),
    "another scheme": lambda: proof(htu=ADDRESS.replace("https", "http")),
    "another port": lambda: proof(htu=ADDRESS.replace(".example", ".example:8443")),
    "the port of another scheme": lambda: proof(htu=ADDRESS.replace(".example", ".example:80")),
    "a path in upper case": lambda: proof(htu=ADDRESS.replace("api", "API")),
    "a path with a slash behind": lambda: proof(htu=ADDRESS + "/"),
    "a path by a detour": lambda: proof(htu=ADDRESS.replace("/uploads", "/x/../uploads")),
    "a path with a dot": lambda: proof(htu=ADDRESS.replace("/uploads", "/./uploads")),
    "a path spelled in percent": lambda: proof(htu=ADDRESS.replace("uploads", "%75ploads")),
    "a query": lambda: proof(htu=ADDRESS + "?a=b"),
    "an empty query": lambda: proof(htu=ADDRESS + "?"),
    "a fragment": lambda: proof(htu=ADDRESS + "#a"),
    "a user in the address": lambda: proof(htu=ADDRESS.replace("evidence.", "u:p@evidence.")),
    "a user before our host": lambda: proof(htu="https://evidence.example@attacker.example/api/v1/uploads/018f"),
    "a backslash": lambda: proof(htu=ADDRESS.replace("/api", "\\api")),
    "a line in the address": lambda: proof(htu=ADDRESS + "\n"),
    "a host that looks alike": lambda: proof(htu=ADDRESS.replace("evidence", "еvidence")),
    "no host": lambda: proof(htu="/api/v1/uploads/018f"),
    "no address": lambda: proof(leave_out=("htu",)),
    "a list of addresses": lambda: proof(htu=[ADDRESS]),
    "old": lambda: proof(at=NOON - timedelta(seconds=61)),
    "of the future": lambda: proof(at=NOON + timedelta(seconds=61)),
    "no time": lambda: proof(leave_out=("iat",)),
    "time as text": lambda: proof(iat=str(SECONDS)),
    "time as truth": lambda: proof(iat=True),
    "time without end": lambda: sign(HEADER, as_json({**CLAIMS, "iat": 1}).replace(b":1,", b":1e999,"), KEY),
    "no jti": lambda: proof(leave_out=("jti",)),
    "an empty jti": lambda: proof(jti=""),
    "a jti that is none": lambda: proof(jti=7),
    "a jti too long": lambda: proof(jti="j" * 256),
    "half a character as jti": lambda: proof(jti="\ud800"),
    "no ath": lambda: proof(leave_out=("ath",)),
    "ath of another token": lambda: proof(token="another.good.token"),
    "ath of nothing": lambda: proof(ath=""),
    "ath with padding": lambda: proof(ath=b64(bytes(32)) + "="),
    "ath in Cyrillic": lambda: proof(ath="а" * 43),
    "ath as number": lambda: proof(ath=7),
    "signed by another than the key it brings": lambda: proof(OTHER, header=HEADER),
    "alg none": lambda: f"{b64(as_json(header(alg='none')))}.{b64(as_json(CLAIMS))}.",
    "alg HS256 with the key it brings": lambda: hs256(header(alg="HS256"), CLAIMS, as_json(JWK)),
    "alg HS256 with a secret in it": lambda: hs256(
        header(alg="HS256", jwk={"kty": "oct", "k": b64(b"secret")}), CLAIMS, b"secret"
    ),
    "alg ES384": lambda: proof(header=header(alg="ES384")),
    "alg in lower case": lambda: proof(header=header(alg="es256")),
    "a key with its private part": lambda: proof(header=header(jwk=PRIVATE)),
    "a key that is a secret": lambda: proof(header=header(jwk={"kty": "oct", "k": b64(b"secret")})),
    "a key of another curve": lambda: proof(header=header(jwk={**JWK, "crv": "P-384"})),
    "a key off the curve": lambda: proof(header=header(jwk={**JWK, "x": b64(bytes(32))})),
    "a key with more to it": lambda: proof(header=header(jwk={**JWK, "kid": "k"})),
    "a key as list": lambda: proof(header=header(jwk=[JWK])),
    "no key": lambda: proof(header=header(jwk=...)),
    "typ of a token": lambda: proof(header=header(typ="at+jwt")),
    "typ JWT": lambda: proof(header=header(typ="JWT")),
    "typ in upper case": lambda: proof(header=header(typ="DPOP+JWT")),
    "no typ": lambda: proof(header=header(typ=...)),
    "crit": lambda: proof(header=header(crit=["exp"])),
    "jku": lambda: proof(header=header(jku="https://attacker.example/keys")),
    "x5c": lambda: proof(header=header(x5c=[])),
    "kid": lambda: proof(header=header(kid="k")),
    "a claim twice": lambda: sign(HEADER, as_json(CLAIMS).replace(b'"htm"', b'"htm":"PATCH","htm"'), KEY),
    "claims that are a list": lambda: sign(HEADER, b"[]", KEY),
    "signature cut off": lambda: proof().rpartition(".")[0] + ".",
    "something behind": lambda: proof() + "=",
    "two proofs in one": lambda: f"{proof()},{proof()}",
    "too long": lambda: proof(more="x" * 8192),
}


@pytest.mark.parametrize("make", GOOD.values(), ids=GOOD)
def test_a_good_proof_counts(make: Callable[[], str]) -> None:
    possession = read(make())

    assert possession.key == fingerprint(JWK)
    require_key(possession, fingerprint(JWK), possession.key)


@pytest.mark.parametrize("make", FALSE.values(), ids=FALSE)
def test_no_other_does(make: Callable[[], str]) -> None:
    with pytest.raises(NotSignedInError):
        read(make())


def test_a_proof_without_a_token_is_for_asking_for_one() -> None:
    assert read(proof(token=None), token=None).key == fingerprint(JWK)
    with pytest.raises(NotSignedInError):
        read(proof(token=None))


@pytest.mark.parametrize("address", ["https://evidence.example/a?b", "https://evidence.example/%7e", "nowhere", ""])
def test_a_request_with_an_odd_address_has_no_proof(address: str) -> None:
    with pytest.raises(NotSignedInError):
        read(proof(htu=address), address=address)


def test_a_proof_is_of_the_one_key_that_all_name() -> None:
    possession = read(proof())

    for others in [(fingerprint(JWK), "other"), (None,), ("",), (fingerprint(jwk_of(OTHER.public_key())),)]:
        with pytest.raises(NotSignedInError):
            require_key(possession, *others)


def test_a_proof_is_spent_once_in_whichever_process(sessions: Sessions) -> None:
    one = read(proof(jti="one"))

    def spend(possession: Possession) -> bool:
        with standing_alone(sessions) as session:
            return machines.spend_proof(session, possession)

    assert [spend(each) for each in (one, one, read(proof(jti="two")), one)] == [True, False, True, False]
    assert spend(read(dock_proof(OTHER, METHOD, ADDRESS, at=NOON, token=TOKEN, jti="one"))), "another key's is another"


def test_spending_waits_for_no_disk_and_only_there(sessions: Sessions) -> None:
    with unit_of_work(sessions) as session:
        assert machines.spend_proof(session, read(proof()))
        assert session.scalar(select(func.current_setting("synchronous_commit"))) == "off"
    with unit_of_work(sessions) as session:
        assert session.scalar(select(func.current_setting("synchronous_commit"))) == "on"


def test_a_proof_is_forgotten_when_its_age_refuses_it(sessions: Sessions) -> None:
    latest = NOON + timedelta(seconds=60)
    with standing_alone(sessions) as session:
        machines.spend_proof(session, read(proof(at=latest)))

    def left(seconds: int) -> int:
        with unit_of_work(sessions) as session:
            once.forget_old(session, NOON + timedelta(seconds=seconds))
            return session.scalar(select(func.count()).select_from(UsedAssertion)) or 0

    assert left(121) == 1
    with pytest.raises(NotSignedInError):
        read(proof(at=latest), at=NOON + timedelta(seconds=121))
    assert left(421) == 0
