"""The key ring is shared by processes, private, and never half written; foreign keys are looked at closely."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc.jwk import ECKey

from auth.errors import DockKeyError, KeyRingError
from auth.keys import OVERLAP, KeyRing, fingerprint, jwk_of, public_key
from auth.strict import write_base64url
from auth.tokens import LONGEST_LIFE
from tests.conftest import NOON


def test_a_ring_is_made_once_and_found_again(tmp_path: Path) -> None:
    first = KeyRing.open(tmp_path / "tokens", at=NOON)
    again = KeyRing.open(tmp_path / "tokens", at=NOON + timedelta(days=1))

    assert first.current().kid == again.current().kid
    assert [file.suffix for file in (tmp_path / "tokens").iterdir()] == [".pem"]


def test_folder_and_keys_are_for_the_server_alone(tmp_path: Path) -> None:
    KeyRing.open(tmp_path / "tokens", at=NOON)

    assert (tmp_path / "tokens").stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "tokens").iterdir()} == {0o600}


def test_a_new_key_signs_at_once_in_every_process(tmp_path: Path) -> None:
    mine, theirs = (KeyRing.open(tmp_path / "tokens", at=NOON) for _ in range(2))
    old = theirs.current()

    kid = mine.rotate(NOON + timedelta(hours=1))

    assert theirs.current().kid == kid
    assert theirs.find(old.kid, at=NOON + timedelta(hours=1)) is not None
    assert theirs.find(old.kid, at=NOON + timedelta(hours=1) + OVERLAP) is None
    assert theirs.find(kid, at=NOON + timedelta(days=999)) is not None


def test_the_overlap_is_longer_than_any_token_lives() -> None:
    assert LONGEST_LIFE + timedelta(minutes=5) <= OVERLAP


def test_several_processes_may_make_the_first_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        rings = list(pool.map(lambda _: KeyRing.open(tmp_path / "tokens", at=NOON), range(8)))

    assert len({ring.current().kid for ring in rings}) == 1


def test_an_empty_ring_signs_nothing(tmp_path: Path) -> None:
    ring = KeyRing.open(tmp_path / "tokens", at=NOON)
    for file in (tmp_path / "tokens").iterdir():
        file.unlink()

    with pytest.raises(KeyRingError, match="no key"):
        ring.current()


def readable_by_others(file: Path) -> None:
    file.chmod(0o640)


def half_gone(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:100])


def another_curve(file: Path) -> None:
    file.write_bytes(_pem(ec.generate_private_key(ec.SECP384R1())))


def no_curve(file: Path) -> None:
    file.write_bytes(_pem(rsa.generate_private_key(65537, 2048)))


def exchanged(file: Path) -> None:
    file.write_bytes(_pem(ec.generate_private_key(ec.SECP256R1())))


def renamed(file: Path) -> None:
    file.rename(file.with_name("key.pem"))


def _pem(key: Any) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    pem: bytes = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return pem


@pytest.mark.parametrize("spoil", [readable_by_others, half_gone, another_curve, no_curve, exchanged, renamed])
def test_a_spoiled_key_is_refused_by_name(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    folder = tmp_path / "tokens"
    KeyRing.open(folder, at=NOON)
    (file,) = folder.iterdir()
    spoil(file)

    with pytest.raises(KeyRingError, match=r"\.pem") as refused:
        KeyRing.open(folder, at=NOON)
    assert str(tmp_path) not in str(refused.value), "no path of the server in a message"


def test_the_thumbprint_is_that_of_the_standard() -> None:
    """The P-256 key of RFC 7515, A.3; its thumbprint computed with another library."""
    key = {
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }

    assert fingerprint(key) == ECKey.import_key(dict(key)).thumbprint()


def test_a_public_key_read_is_the_one_written() -> None:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()

    assert public_key(jwk_of(public)) == public
    assert public_key({**jwk_of(public), "use": "sig", "alg": "ES256", "key_ops": ["verify"], "kid": "d1"}) == public


JWK = jwk_of(ec.generate_private_key(ec.SECP256R1()).public_key())
_LARGER = ec.generate_private_key(ec.SECP384R1()).public_key().public_numbers()
P384 = {"x": write_base64url(_LARGER.x.to_bytes(48)), "y": write_base64url(_LARGER.y.to_bytes(48))}
PRIVATE = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    "jwk",
    [
        {},
        {**JWK, "kty": "oct", "k": "c2VjcmV0"},
        {**JWK, "kty": "RSA"},
        {**JWK, "kty": ["EC"]},
        {**JWK, "crv": "P-384"},
        {**JWK, "crv": "secp256k1"},
        {"kty": "EC", "crv": "P-384", **P384},
        {"kty": "EC", "crv": "P-256", **P384},
        {**jwk_of(PRIVATE.public_key()), "d": write_base64url(PRIVATE.private_numbers().private_value.to_bytes(32))},
        {**JWK, "y": JWK["x"]},
        {**JWK, "x": write_base64url(bytes(32)), "y": write_base64url(bytes(32))},
        {**JWK, "x": write_base64url(b"\xff" * 32)},
        {**JWK, "x": JWK["x"] + "="},
        {**JWK, "x": "AAAA" + JWK["x"]},
        {**JWK, "x": JWK["x"][:-2]},
        {**JWK, "x": 7},
        {**JWK, "x": None},
        {**JWK, "x": [JWK["x"]]},
        {name: value for name, value in JWK.items() if name != "y"},
        {**JWK, "use": "enc"},
        {**JWK, "use": ["sig"]},
        {**JWK, "key_ops": ["sign"]},
        {**JWK, "key_ops": ["verify", "sign"]},
        {**JWK, "key_ops": "verify"},
        {**JWK, "alg": "ES384"},
        {**JWK, "alg": "none"},
        {**JWK, "kid": 1},
        {**JWK, "x5u": "https://attacker.example/cert.pem"},
        {**JWK, "jku": "https://attacker.example/keys"},
        {"keys": [JWK]},
    ],
)
def test_a_key_we_cannot_stand_on_is_refused(jwk: dict[str, Any]) -> None:
    with pytest.raises(DockKeyError):
        public_key(jwk)


def test_a_private_key_sent_by_mistake_is_named_as_such() -> None:
    with pytest.raises(DockKeyError, match="private"):
        public_key({**JWK, "d": "AAAA"})
