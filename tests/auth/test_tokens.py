"""No false token signs anybody in, whatever was done to it, and a good one always does."""

import ast
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jose import jwk, jws, jwt  # noqa: TID251  # the careless way, to show that the list of attacks bites
from jose.backends.cryptography_backend import CryptographyECKey, CryptographyHMACKey
from jose.backends.ecdsa_backend import ECDSAECKey
from jose.constants import ALGORITHMS

from auth import tokens
from auth.errors import AuthError, KeyRingError, NotSignedInError
from auth.keys import KeyRing, jwk_of
from auth.strict import read_object
from auth.tokens import TokenIssuer
from tests.auth.conftest import AUDIENCE, ISSUER, a_person, issuer_over, world_of
from tests.conftest import NOON
from tests.support.forging import World, attacks, read, sign

MUTANTS = 200_000


def accepts(issuer: TokenIssuer, token: str, *, later: timedelta = timedelta(0)) -> bool:
    """Whether a token is taken; anything but NotSignedInError is a failure of the test."""
    try:
        issuer.verifier.verify(token, at=NOON + later)
    except NotSignedInError:
        return False
    return True


def test_a_token_proves_who_signed_in_and_when(issuer: TokenIssuer) -> None:
    person = a_person()

    issued = issuer.issue(person, at=NOON)
    proof = issuer.verifier.verify(issued.text, at=NOON + timedelta(minutes=54))

    assert (proof.kind, proof.id, proof.method) == ("account", person.id, "password")
    assert (proof.jti, proof.signed_in_at, proof.expires_at) == (issued.jti, NOON, NOON + timedelta(minutes=55))


def test_a_token_has_the_header_and_claims_of_an_access_token(issuer: TokenIssuer, ring: KeyRing) -> None:
    header, claims = read(issuer.issue(a_person(), at=NOON).text)

    assert header == {"alg": "ES256", "typ": "at+jwt", "kid": ring.current().kid}
    assert set(claims) == {"iss", "aud", "sub", "client_id", "iat", "auth_time", "exp", "jti", "amr", "sid"}
    assert "roles" not in claims, "what somebody may do is asked of the database, every time"


@pytest.mark.parametrize(
    ("later", "taken"),
    [
        (timedelta(seconds=-31), False),
        (timedelta(seconds=-30), True),
        (timedelta(0), True),
        (timedelta(minutes=55, seconds=29), True),
        (timedelta(minutes=55, seconds=30), False),
        (timedelta(days=365), False),
    ],
)
def test_a_token_is_good_for_its_time_and_the_leeway(issuer: TokenIssuer, later: timedelta, taken: bool) -> None:
    assert accepts(issuer, issuer.issue(a_person(), at=NOON).text, later=later) is taken


def test_every_attack_is_refused(issuer: TokenIssuer, world: World) -> None:
    listed = attacks(world)

    taken = [name for name, token in listed.items() if accepts(issuer, token)]

    assert taken == []
    assert len(listed) >= 80
    assert len(set(listed.values())) == len(listed), "every attack is one of its own"
    assert world.token not in listed.values()
    assert accepts(issuer, world.token), "and the good token is good"


def test_the_forger_can_make_a_good_token(issuer: TokenIssuer, world: World) -> None:
    """Control: attacks made by `sign` fail for what is wrong with them, not because `sign` cannot sign."""
    assert accepts(issuer, sign(world.header, world.claims, world.key))


def careless_decode(world: World, token: str) -> None:
    key: dict[str, Any] = jwk_of(world.key.public_key())
    jwt.decode(token, key, algorithms=["ES256"], audience=AUDIENCE, issuer=ISSUER)


def careless_verify(world: World, token: str) -> None:
    jws.verify(token, CryptographyECKey(world.key.public_key(), "ES256"), ["ES256"])


def careless_without_claims(world: World, token: str) -> None:
    read_object(tokens.verify_signature(tokens.read_unverified(token), world.key.public_key()))


@pytest.mark.parametrize(
    ("careless", "some"),
    [
        (careless_decode, {"typ JWT", "crit unknown", "exp missing", "sub missing", "good for a month"}),
        (careless_verify, {"expired", "aud of somebody else", "stray bits in the header, signed so", "jku to us"}),
        (
            careless_without_claims,
            {"expired", "iss null", "typ missing", "sub of the system", "kid SQL, signed by ours"},
        ),
    ],
)
def test_the_attacks_bite_a_careless_verifier(
    ring: KeyRing, issuer: TokenIssuer, careless: Callable[[World, str], None], some: set[str]
) -> None:
    """Control: what the rules forbid is really let in by one who does not know them."""
    # jose looks at the machine's own clock.
    dock_key = ec.generate_private_key(ec.SECP256R1())
    world = world_of(ring, issuer, a_person(), dock_id=uuid4(), dock_key=dock_key, at=datetime.now(UTC))
    taken = set()
    for name, token in attacks(world).items():
        try:
            careless(world, token)
        except Exception:  # noqa: BLE001  # a careless verifier fails in careless ways
            continue
        taken.add(name)

    assert taken >= some
    assert len(taken) >= 10


def test_no_mutant_is_taken_and_none_causes_another_error(issuer: TokenIssuer, world: World) -> None:
    draw = random.Random(7)
    other = issuer.issue(a_person(), at=NOON).text
    good = {world.token, other}

    taken = [mutant for mutant in mutants(draw, world.token, other, MUTANTS) if accepts(issuer, mutant)]

    assert [mutant for mutant in taken if mutant not in good] == []


def test_the_mutants_bite_a_careless_verifier(issuer: TokenIssuer, world: World) -> None:
    """Control: among the first of the same mutants are some that differ and that jose alone takes."""
    other = issuer.issue(a_person(), at=NOON).text
    taken = 0
    for mutant in mutants(random.Random(7), world.token, other, 5_000):
        try:
            careless_verify(world, mutant)
        except Exception:  # noqa: BLE001  # a careless verifier fails in careless ways
            continue
        taken += mutant not in (world.token, other)

    assert taken > 0


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
STRANGE = ALPHABET + ALPHABET + '=.+/ \n\0{}"é．'


def mutants(draw: random.Random, token: str, other: str, count: int) -> Any:
    """Yield texts near a good token: one to three small changes each, or parts of two tokens joined."""
    changes = [_substituted, _substituted, _last_changed, _deleted, _inserted, _doubled, _swapped]
    for _ in range(count):
        if draw.random() < 0.05:
            yield _spliced(draw, token, other)
            continue
        mutant = token
        for _ in range(draw.choice((1, 1, 1, 2, 3))):
            mutant = draw.choice(changes)(draw, mutant)
        yield mutant


def _substituted(draw: random.Random, text: str) -> str:
    at = draw.randrange(len(text)) if text else 0
    return text[:at] + draw.choice(STRANGE) + text[at + 1 :]


def _last_changed(draw: random.Random, text: str) -> str:
    segments = text.split(".")
    which = draw.randrange(len(segments))
    segments[which] = segments[which][:-1] + draw.choice(ALPHABET)
    return ".".join(segments)


def _deleted(draw: random.Random, text: str) -> str:
    at = draw.randrange(len(text)) if text else 0
    return text[:at] + text[at + draw.choice((1, 1, 4)) :]


def _inserted(draw: random.Random, text: str) -> str:
    at = draw.randrange(len(text) + 1)
    return text[:at] + "".join(draw.choices(STRANGE, k=draw.choice((1, 1, 4)))) + text[at:]


def _doubled(draw: random.Random, text: str) -> str:
    start = draw.randrange(len(text)) if text else 0
    end = min(len(text), start + draw.randrange(1, 60))
    return text[:end] + text[start:end] + text[end:]


def _swapped(draw: random.Random, text: str) -> str:
    if len(text) < 2:
        return text + "A"
    at = draw.randrange(len(text) - 1)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def _spliced(draw: random.Random, token: str, other: str) -> str:
    if draw.random() < 0.5:
        at = draw.randrange(len(token))
        return token[:at] + other[at:]
    return ".".join(draw.choice(pair) for pair in zip(token.split("."), other.split("."), strict=True))


def test_our_signatures_have_one_spelling(issuer: TokenIssuer) -> None:
    """All issued tokens have the low s, or half of them would be refused."""
    assert all(accepts(issuer, issuer.issue(a_person(), at=NOON).text) for _ in range(64))


def test_a_key_taken_out_of_the_ring_counts_at_once(issuer: TokenIssuer, world: World, tmp_path: Path) -> None:
    assert accepts(issuer, world.token)

    for file in (tmp_path / "tokens").iterdir():
        file.unlink()
    KeyRing.open(tmp_path / "tokens", at=NOON)

    assert not accepts(issuer, world.token)


def test_a_replaced_key_is_good_until_its_tokens_have_run_out(issuer: TokenIssuer, ring: KeyRing, world: World) -> None:
    ring.rotate(NOON + timedelta(seconds=1))
    fresh = issuer.issue(a_person(), at=NOON + timedelta(seconds=1)).text

    assert read(fresh)[0]["kid"] != world.header["kid"]
    assert accepts(issuer, world.token, later=timedelta(minutes=54))
    assert accepts(issuer, fresh, later=timedelta(minutes=54))
    late = NOON + timedelta(hours=3)
    claims = {**world.claims, "iat": int(late.timestamp()), "exp": int(late.timestamp()) + 600}
    assert not accepts(issuer, sign(world.header, claims, world.key), later=timedelta(hours=3))


def test_a_token_of_another_ring_is_refused(world: World, tmp_path: Path) -> None:
    assert not accepts(issuer_over(tmp_path / "elsewhere"), world.token)


def test_the_library_is_checked_before_the_first_token(
    monkeypatch: pytest.MonkeyPatch, ring: KeyRing, tmp_path: Path
) -> None:
    monkeypatch.setattr("jose.backends.ECKey", ECDSAECKey)
    assert jwk.get_key("ES256") is ECDSAECKey

    with pytest.raises(KeyRingError, match="cryptography"):
        issuer_over(tmp_path / "tokens")


def test_a_registered_key_class_is_noticed(monkeypatch: pytest.MonkeyPatch, ring: KeyRing, tmp_path: Path) -> None:
    monkeypatch.setitem(ALGORITHMS.KEYS, "ES256", CryptographyHMACKey)

    with pytest.raises(KeyRingError, match="cryptography"):
        issuer_over(tmp_path / "tokens")


@pytest.mark.parametrize(
    "wrong",
    [{"issuer": ""}, {"audience": ""}, {"life": timedelta(0)}, {"life": timedelta(hours=1, seconds=1)}],
)
def test_an_issuer_without_name_audience_or_sensible_life_is_not_made(ring: KeyRing, wrong: dict[str, Any]) -> None:
    sensible: dict[str, Any] = {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "life": timedelta(minutes=55),
        "leeway": timedelta(seconds=30),
    }

    with pytest.raises(AuthError):
        TokenIssuer(ring, **{**sensible, **wrong})


def test_what_is_refused_says_the_same_to_everybody(issuer: TokenIssuer, world: World) -> None:
    said = set()
    for token in attacks(world).values():
        with pytest.raises(NotSignedInError) as refused:
            issuer.verifier.verify(token, at=NOON)
        assert refused.value.__cause__ is None
        said.add(str(refused.value))

    assert len(said) == 1


@pytest.mark.parametrize("member", ["crit", "jku", "jwk", "x5u", "x5c", "zip", "enc", "b64"])
def test_a_header_member_that_would_change_the_rules_is_not_even_read(world: World, member: str) -> None:
    with pytest.raises(NotSignedInError) as refused:
        tokens.read_unverified(sign({**world.header, member: None}, world.claims, world.key))

    assert refused.value.reason == "header"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda world: sign(world.header, b"", world.key), "segments"),
        (lambda world: world.token.rpartition(".")[0] + "." + "A" * 84, "segments"),
        (lambda world: sign({**world.header, "alg": "ES384"}, world.claims, world.key), "algorithm"),
        (lambda world: world.token + "." + "A" * 8192, "size"),
    ],
)
def test_a_text_of_another_form_is_not_even_read(world: World, spoil: Callable[[World], str], reason: str) -> None:
    with pytest.raises(NotSignedInError) as refused:
        tokens.read_unverified(spoil(world))

    assert refused.value.reason == reason


def test_a_key_on_another_curve_verifies_nothing(world: World) -> None:
    with pytest.raises(NotSignedInError) as refused:
        tokens.verify_signature(
            tokens.read_unverified(world.token), ec.generate_private_key(ec.SECP384R1()).public_key()
        )

    assert refused.value.reason == "key"


def test_product_code_reaches_no_more_of_jose_than_it_needs() -> None:
    """Shared secrets, encrypted tokens and `jwt.decode` are out of reach of everything that is shipped."""
    root = Path(tokens.__file__).parent.parent
    reached = set()
    for package in ("auth", "evidence", "transcode"):
        for file in (root / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_bytes())):
                if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "jose":
                    reached |= {(file.name, f"{node.module}.{each.name}") for each in node.names}
                elif isinstance(node, ast.Import):
                    reached |= {(file.name, each.name) for each in node.names if each.name.startswith("jose")}

    assert reached == {
        ("tokens.py", "jose.jwk"),
        ("tokens.py", "jose.jws"),
        ("tokens.py", "jose.backends.cryptography_backend.CryptographyECKey"),
        ("tokens.py", "jose.backends.cryptography_backend.CryptographyRSAKey"),
    }
