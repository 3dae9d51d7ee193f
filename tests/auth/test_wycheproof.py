"""Wycheproof's signed, encrypted and key cases: nothing invalid is taken, and a second library agrees."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joserfc.errors
import pytest
from jose import jws as jose_jws
from jose.exceptions import JOSEError
from joserfc import jws as second
from joserfc.jwk import ECKey

from auth.errors import AuthError
from auth.jwks import read_key
from auth.keys import public_key
from auth.tokens import read_unverified, verify_signature

VECTORS = Path(__file__).parent.parent / "vectors" / "wycheproof-jose"


@dataclass(frozen=True)
class Case:
    """One test of a file: a text, the key that came with it, and what Wycheproof says of the two."""

    name: str
    key: dict[str, Any]
    text: str
    valid: bool
    encrypted: bool


def cases() -> Iterator[Case]:
    for file in sorted(VECTORS.glob("*.json")):
        for group in json.loads(file.read_text())["testGroups"]:
            key = group.get("public") or group["private"]
            for test in group["tests"]:
                name = f"{file.stem}-{test['tcId']}-{group['comment']}-{test['comment']}"
                text = test.get("jws", test.get("jwe"))
                # Two cases are in the JSON form of a signature, which we do not read.
                text = text if isinstance(text, str) else json.dumps(text)
                yield Case(name, key, text, test["result"] == "valid", "jwe" in test)


CASES = list(cases())


def public_part(key: dict[str, Any]) -> dict[str, Any]:
    """Leave out the private member: some groups give only the private key."""
    return {name: value for name, value in key.items() if name not in ("d", "p", "q", "dp", "dq", "qi")}


def we_take(case: Case) -> bool:
    try:
        verify_signature(read_unverified(case.text), public_key(public_part(case.key)))
    except (AuthError, ValueError, JOSEError):
        return False
    return True


def second_takes(case: Case) -> bool:
    """What joserfc says, asked for ES256 only."""
    try:
        second.deserialize_compact(case.text.encode(), ECKey.import_key(public_part(case.key)), algorithms=["ES256"])
    except (joserfc.errors.JoseError, ValueError, KeyError):
        return False
    return True


def a_provider_may_take(case: Case) -> bool:
    """Whether the case is good with a key of a provider that signs RS256 or ES256."""
    try:
        key = read_key({**public_part(case.key), "kid": "k"})
        read = read_unverified(case.text, algorithms=("RS256", "ES256"))
        return bool(verify_signature(read, key.public))
    except (AuthError, ValueError, KeyError, TypeError, JOSEError):
        return False


def test_by_the_rules_for_providers_nothing_invalid_is_taken_and_everything_valid_is() -> None:
    taken = {case.name for case in CASES if a_provider_may_take(case)}
    good = {
        case.name
        for case in CASES
        # A token without a payload says nothing of anybody.
        if case.valid and case.key.get("alg") in ("RS256", "ES256") and "emptyPayload" not in case.name
    }
    assert len(good) == 11
    assert taken == good


def is_ours_to_take(case: Case) -> bool:
    return case.valid and not case.encrypted and case.key.get("alg") == "ES256"


def test_all_the_cases_are_here() -> None:
    assert len(CASES) == 401 + 26 + 83 + 139
    assert sum(not case.valid and not case.encrypted for case in CASES) == 421
    assert sum(is_ours_to_take(case) for case in CASES) == 3


@pytest.mark.parametrize("case", [case for case in CASES if not case.valid], ids=lambda case: case.name)
def test_nothing_invalid_is_taken(case: Case) -> None:
    assert not we_take(case)


@pytest.mark.parametrize("case", [case for case in CASES if is_ours_to_take(case)], ids=lambda case: case.name)
def test_everything_valid_by_our_algorithm_is_taken(case: Case) -> None:
    assert we_take(case)


def test_nothing_valid_by_another_algorithm_is_taken() -> None:
    others = [case for case in CASES if case.valid and not is_ours_to_take(case)]

    assert len(others) > 100
    assert [case.name for case in others if we_take(case)] == []


def test_an_encrypted_token_is_not_even_read() -> None:
    encrypted = [case for case in CASES if case.encrypted and len(case.text.split(".")) == 5]

    assert len(encrypted) > 100
    for case in encrypted:
        with pytest.raises(AuthError) as refused:
            read_unverified(case.text)
        assert getattr(refused.value, "reason", None) == "segments"


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_a_second_library_agrees() -> None:
    comparable = [case for case in CASES if case.key.get("kty") == "EC"]
    assert len(comparable) > 80

    differ = {
        case.name: (we_take(case), second_takes(case)) for case in comparable if we_take(case) != second_takes(case)
    }

    assert differ == {}


def test_jose_alone_takes_what_must_be_refused() -> None:
    """Control: a key meant for something else is no matter to jose; it is to us."""
    taken = []
    for case in CASES:
        if case.valid or case.encrypted or case.key.get("kty") != "EC":
            continue
        try:
            jose_jws.verify(case.text, public_part(case.key), ["ES256"])
        except Exception:  # noqa: BLE001  # a careless verifier fails in careless ways
            continue
        taken.append(case.name)

    assert taken
