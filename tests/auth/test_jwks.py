"""Which of a provider's keys are taken, how long they are believed, and how seldom they are asked for."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from math import prod
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from auth import jwks
from auth.errors import ProviderAwayError
from auth.jwks import KeyCache, is_predictable, read_keys
from auth.keys import jwk_of
from auth.strict import write_base64url
from tests.conftest import NOON
from tests.support.provider_tokens import EC_KEY, KEYS, RSA_KEY, rsa_jwk

EC = {**jwk_of(EC_KEY.public_key()), "kid": "k"}
RSA = rsa_jwk(RSA_KEY.public_key(), kid="k")
P384 = ec.generate_private_key(ec.SECP384R1()).public_key().public_numbers()


def number(value: int) -> str:
    return write_base64url(value.to_bytes((value.bit_length() + 7) // 8))


def predictable() -> int:
    """A modulus with the mark: in every small group a power of 65537. By the Chinese remainder theorem."""
    product = prod(jwks._SMALL_PRIMES)
    found = sum(
        pow(65_537, 5, prime) * (product // prime) * pow(product // prime, -1, prime) for prime in jwks._SMALL_PRIMES
    )
    found = found % product + product * (1 << (2047 - product.bit_length() + 1))
    return found if found % 2 else found + product


def test_good_keys_are_taken() -> None:
    assert read_keys(KEYS).keys() == {"rsa-1", "ec-1"}
    for good in (EC, RSA):
        for more in ({}, {"use": "sig"}, {"key_ops": ["verify"]}, {"x5t": "x", "issuer": "y"}):
            assert read_keys({"keys": [{**good, **more}]}).keys() == {"k"}, more


BAD: dict[str, dict[str, Any]] = {
    "of 1024 bits": rsa_jwk(rsa.generate_private_key(65_537, 1024).public_key(), kid="k"),
    "exponent 3": {**RSA, "e": number(3)},
    "exponent even": {**RSA, "e": number(65_538)},
    "exponent one": {**RSA, "e": number(1)},
    "exponent huge": {**RSA, "e": number((1 << 40) + 1)},
    "modulus even": {**RSA, "n": number(RSA_KEY.public_key().public_numbers().n + 1)},
    "modulus of 16384 bits": {**RSA, "n": number((1 << 16_383) + 1)},
    "modulus with padding": {**RSA, "n": RSA["n"] + "="},
    "predictable": {**RSA, "n": number(predictable())},
    "P-384": {"kty": "EC", "crv": "P-384", "kid": "k", "x": number(P384.x), "y": number(P384.y)},
    "P-384 called P-256": {"kty": "EC", "crv": "P-256", "kid": "k", "x": number(P384.x), "y": number(P384.y)},
    "not on the curve": {**EC, "y": EC["x"]},
    "secp256k1": {**EC, "crv": "secp256k1"},
    "for encryption": {**RSA, "use": "enc"},
    "to sign with": {**RSA, "key_ops": ["sign"]},
    "key_ops a text": {**RSA, "key_ops": "verify"},
    "for another algorithm": {**RSA, "alg": "RS512"},
    "for PSS": {**RSA, "alg": "PS256"},
    "RSA for ES256": {**RSA, "alg": "ES256"},
    "EC for RS256": {**EC, "alg": "RS256"},
    "with its private part": {**EC, "d": EC["x"]},
    "a shared secret": {"kty": "oct", "k": "AAAA", "kid": "k"},
    "Ed25519": {"kty": "OKP", "crv": "Ed25519", "x": EC["x"], "kid": "k"},
    "without id": {name: value for name, value in EC.items() if name != "kid"},
    "with an empty id": {**EC, "kid": ""},
    "with a number for id": {**EC, "kid": 7},
    "without kind": {name: value for name, value in EC.items() if name != "kty"},
}


@pytest.mark.parametrize("name", BAD)
def test_a_key_that_may_not_verify_is_left_out(name: str) -> None:
    other = {**EC, "kid": "other"}

    assert read_keys({"keys": [BAD[name], other]}).keys() == {"other"}, "and the others stay"


def test_the_mark_of_predictable_keys_is_seen_and_good_keys_do_not_bear_it() -> None:
    assert is_predictable(predictable())
    assert not is_predictable(RSA_KEY.public_key().public_numbers().n)


def test_of_two_keys_with_one_id_neither_is_taken() -> None:
    assert read_keys({"keys": [EC, RSA, {**EC, "kid": "other"}]}).keys() == {"other"}


@pytest.mark.parametrize(
    "document", [{}, {"keys": None}, {"keys": {}}, {"keys": [{**EC, "kid": str(each)} for each in range(21)]}]
)
def test_what_is_no_list_of_keys_is_refused_whole(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        read_keys(document)


def test_strange_members_of_the_list_are_left_out() -> None:
    assert read_keys({"keys": [None, 7, "x", [], EC]}).keys() == {"k"}


class Source:
    """Gives keys, counts how often, and is away when told so."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [EC]
        self.fetched = 0
        self.away = False

    def __call__(self, at: object) -> dict[str, Any]:
        self.fetched += 1
        if self.away:
            raise ProviderAwayError("test")
        return {"keys": self.keys}


@pytest.fixture
def source() -> Source:
    return Source()


def test_keys_are_fresh_for_ten_minutes(source: Source) -> None:
    cache = KeyCache("city", source)
    for minutes in (0, 5, 9.99):
        assert cache.find("k", at=NOON + timedelta(minutes=minutes))
    assert source.fetched == 1

    assert cache.find("k", at=NOON + timedelta(minutes=10))

    assert source.fetched == 2


def test_an_unknown_key_is_looked_for_once_a_minute(source: Source) -> None:
    cache = KeyCache("city", source)
    cache.find("k", at=NOON)
    source.keys = [EC, {**EC, "kid": "new"}]

    early = cache.find("new", at=NOON + timedelta(seconds=59))
    late = cache.find("new", at=NOON + timedelta(seconds=60))

    assert early is None
    assert late is not None
    assert source.fetched == 2


def test_a_key_that_is_gone_is_not_honoured_after_the_next_fetch(source: Source) -> None:
    cache = KeyCache("city", source)
    assert cache.find("k", at=NOON)
    source.keys = [{**EC, "kid": "new"}]

    assert cache.find("k", at=NOON + timedelta(minutes=9))
    assert cache.find("k", at=NOON + timedelta(minutes=10)) is None


def test_while_the_source_is_away_keys_count_for_a_day_and_it_is_asked_once_a_minute(source: Source) -> None:
    cache = KeyCache("city", source)
    assert cache.find("k", at=NOON)
    source.away = True

    assert all(cache.find("k", at=NOON + timedelta(hours=24, seconds=-second)) for second in range(200, 0, -1))
    assert source.fetched <= 1 + 5
    assert cache.state().failing_since == NOON + timedelta(hours=24, seconds=-200), "the alarm"
    assert cache.find("k", at=NOON + timedelta(hours=24, seconds=1)) is None
    source.away = False
    assert cache.find("k", at=NOON + timedelta(hours=25))
    assert cache.state().failing_since is None


@pytest.mark.parametrize("keys", [[], [{**RSA, "use": "enc"}]])
def test_a_document_without_a_usable_key_replaces_nothing(source: Source, keys: list[dict[str, Any]]) -> None:
    cache = KeyCache("city", source)
    cache.find("k", at=NOON)
    source.keys = keys

    assert cache.find("k", at=NOON + timedelta(minutes=11))


def test_forged_key_ids_from_many_threads_are_one_fetch_a_minute(source: Source) -> None:
    cache = KeyCache("city", source)
    cache.find("k", at=NOON)
    later = NOON + timedelta(minutes=2)

    with ThreadPoolExecutor(16) as many:
        found = list(many.map(lambda each: cache.find(f"forged-{each}", at=later), range(10_000)))

    assert found == [None] * 10_000
    assert source.fetched == 2


def test_whoever_has_keys_does_not_wait_for_a_fetch_that_hangs() -> None:
    hanging, go_on = threading.Event(), threading.Event()
    fetched = []

    def fetch(at: object) -> dict[str, Any]:
        fetched.append(at)
        if len(fetched) > 1:
            hanging.set()
            assert go_on.wait(10)
        return {"keys": [EC]}

    cache = KeyCache("city", fetch)
    cache.find("k", at=NOON)
    later = NOON + timedelta(minutes=11)
    with ThreadPoolExecutor(1) as other:
        slow = other.submit(cache.find, "k", at=later)
        assert hanging.wait(10)

        assert cache.find("k", at=later), "with the keys we have"

        go_on.set()
        assert slow.result(10)
    assert len(fetched) == 2
