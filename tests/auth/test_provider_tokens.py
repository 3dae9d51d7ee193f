"""Every profile reads its provider's recorded tokens, and nothing that is nearly one of them."""

import json
import random
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jws as second
from joserfc.jwk import ECKey, KeySet, RSAKey
from starlette.testclient import TestClient

from auth import accounts
from auth.errors import NotSignedInError
from auth.provider_tokens import ProvedPerson, read_id_token, read_machine_token
from auth.providers import Provider, Providers
from auth.settings import ProviderSettings
from auth.strict import write_base64url
from evidence.database import unit_of_work
from evidence.main import create_app
from evidence.room import Room
from tests.auth.test_tokens import careless_verify, mutants
from tests.conftest import NOON
from tests.support.clock import FixedClock
from tests.support.forging import World, attacks, rsa_attacks, sign
from tests.support.people import an_agency, console
from tests.support.provider_tokens import EC_KEY, KEYS, NONCE, RSA_KEY, FromMemory, Shape, shapes

LEEWAY = timedelta(seconds=30)
PEOPLE, MACHINES = shapes("person"), shapes("machine")

NO_MATTER = {
    "the other signature, (r, n - s)": "only our own tokens have one spelling; nothing is looked up by a token's text",
    "cty JWT": "providers may say more in their headers",
    "member of one's own": "providers may say more in their headers",
    "good for an hour and a second": "providers' ID tokens live longer; ours must be a moment old",
    "nine kilobytes": "they may name many groups; at 16 KiB it ends",
}
"""Attacks on our own tokens that are none on a provider's ID token, and why."""

ABOUT_US = (
    *("auth_time", "amr", "jti", "sid", "kind changed"),
    *("a dock's token", "a person's token with a key"),
    *("sub of the system", "sub without kind", "sub in", "sub with"),
)
"""What our own tokens say of themselves; elsewhere it is another subject, or says nothing."""


def person(shape: Shape, token: str, *, provider: Provider | None = None, **more: Any) -> ProvedPerson:
    asked = {"nonce": NONCE, "at": NOON, "leeway": LEEWAY, **more}
    return read_id_token(token, provider or shape.provider(), **asked)


def takes(shape: Shape, token: str, *, provider: Provider | None = None, **more: Any) -> bool:
    """Whether an ID token is taken; anything but NotSignedInError is a failure of the test."""
    try:
        person(shape, token, provider=provider, **more)
    except NotSignedInError:
        return False
    return True


def machines_of(shape: Shape) -> Providers:
    return Providers({"machines": ProviderSettings.model_validate(shape.settings)}, FromMemory())


def takes_machine(providers: Providers, token: str, *, later: timedelta = timedelta(0)) -> str | None:
    try:
        proved = read_machine_token(token, providers, at=NOON + later, leeway=LEEWAY)
    except NotSignedInError:
        return None
    return proved.subject if proved else None


def world_of(shape: Shape) -> World:
    """The forger's world with this provider's token in it, signed with its P-256 key."""
    header = {**shape.header, "alg": "ES256", "kid": "ec-1"}
    named = shape.claims["aud"]
    claims = {**shape.claims, "aud": named if isinstance(named, str) else named[0]}
    return World(
        sign(header, claims, EC_KEY), header, claims, EC_KEY, uuid4(), ec.generate_private_key(ec.SECP256R1()), NOON
    )


@pytest.fixture(params=PEOPLE, ids=lambda shape: shape.name)
def of_person(request: pytest.FixtureRequest) -> Shape:
    return request.param  # type: ignore[no-any-return]  # a Shape, from above


@pytest.fixture(params=MACHINES, ids=lambda shape: shape.name)
def of_machine(request: pytest.FixtureRequest) -> Shape:
    return request.param  # type: ignore[no-any-return]  # a Shape, from above


def test_all_profiles_have_recorded_tokens() -> None:
    assert {each.settings["profile"] for each in PEOPLE} == {"entra", "google", "okta", "adfs", "keycloak", "generic"}
    assert {each.settings["profile"] for each in MACHINES} == {"rfc9068", "keycloak", "generic"}
    assert {each.settings["issuer"].split("/")[2] for each in PEOPLE} >= {
        "login.microsoftonline.com",
        "login.microsoftonline.us",
    }


def test_a_recorded_id_token_is_read(of_person: Shape) -> None:
    found = person(of_person, of_person.token())

    says = of_person.says
    proved = found.proved_at and found.proved_at.timestamp()
    assert (found.subject, found.email, found.name, sorted(found.groups), proved) == (
        *(says["subject"], says["email"], says["name"], says["groups"], says["proved"]),
    )


def test_only_what_could_be_a_group_is_one(of_person: Shape) -> None:
    listed = ["officers", "a\0b", "", "x" * 256, 7, None, ["officers"], {"name": "officers"}]

    assert person(of_person, of_person.token(groups=listed)).groups == {"officers"}
    assert person(of_person, of_person.token(groups="officers")).groups == set()
    assert person(of_person, of_person.token(groups=["officers"] * 501)).groups == set()


def test_a_recorded_machine_token_is_read(of_machine: Shape) -> None:
    assert takes_machine(machines_of(of_machine), of_machine.token()) == of_machine.says


def test_every_attack_on_an_id_token_is_refused(of_person: Shape) -> None:
    world, provider = world_of(of_person), of_person.provider()
    # A subject that is no uuid is no attack here, and where `oid` counts neither is any `sub`.
    listed = {name: text for name, text in attacks(world).items() if not name.startswith(ABOUT_US)}
    listed = {name: text for name, text in listed.items() if name not in NO_MATTER and not _is_allowed(name, of_person)}
    listed |= rsa_attacks(of_person.header | {"kid": "rsa-1"}, of_person.claims, RSA_KEY)

    taken = [name for name, text in listed.items() if takes(of_person, text, provider=provider)]

    assert taken == []
    assert len(listed) >= 80
    assert takes(of_person, world.token, provider=provider), "and the good token is good"


def _is_allowed(name: str, shape: Shape) -> bool:
    """Whether it is how such a provider may write its header: a type or none."""
    return name == "typ JWT" or (name == "typ missing" and shape.settings["profile"] != "keycloak")


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": "other"},
        {"nonce": None},
        {"nonce": ["NONCE"]},
        {"aud": "somebody-else"},
        {"azp": "somebody-else"},
        {"iat": NOON.timestamp() - 901},
        {"iss": "https://attacker.example"},
        {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
        {"sub": None},
        {"exp": None},
    ],
    ids=str,
)
def test_what_is_not_for_this_sign_in_is_refused(of_person: Shape, change: dict[str, Any]) -> None:
    assert takes(of_person, of_person.token())

    assert not takes(of_person, of_person.token(**change))


def test_a_token_for_others_as_well_is_refused(of_person: Shape) -> None:
    ours = of_person.settings["client_id"]

    assert takes(of_person, of_person.token(aud=[ours]))
    assert not takes(of_person, of_person.token(aud=[ours, "somebody-else"], azp=ours))


def test_an_access_token_that_came_along_must_be_the_one_it_names(of_person: Shape) -> None:
    token = of_person.token(at_hash=write_base64url(sha256(b"its own").digest()[:16]))

    assert takes(of_person, token, access_token="its own")
    assert not takes(of_person, token, access_token="stolen")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("entra", {"tid": "9188040d-6c67-4c5b-b112-36a304b66dad"}),
        ("entra", {"tid": None}),
        ("entra", {"oid": None}),
        ("entra", {"oid": ""}),
        ("entra-us-government", {"tid": "9188040d-6c67-4c5b-b112-36a304b66dad"}),
        ("google", {"hd": "attacker.example"}),
        ("google", {"hd": None}),
        ("keycloak", {"typ": "Bearer"}),
        ("keycloak", {"typ": "Refresh"}),
        ("keycloak", {"typ": None}),
    ],
    ids=str,
)
def test_what_a_profile_pins_is_pinned(name: str, change: dict[str, Any]) -> None:
    shape = next(each for each in PEOPLE if each.name == name)

    assert not takes(shape, shape.token(**change))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("entra", {"acrs": ["c2"]}),
        ("entra", {"acrs": None}),
        ("entra", {"auth_time": None}),
        ("entra", {"acrs": {"c1": True}}),
        ("okta", {"amr": ["pwd"]}),
        ("okta", {"amr": []}),
        ("okta", {"auth_time": None}),
        ("google", {"amr": ["mfa"], "auth_time": NOON.timestamp()}),
        ("adfs", {"mfa_auth_time": None}),
        ("keycloak", {"acr": "1"}),
        ("keycloak", {"acr": "0"}),
        ("generic", {"amr": ["pwd"]}),
        ("generic", {"auth_time": None}),
    ],
    ids=str,
)
def test_without_both_how_and_when_there_is_no_step_up(name: str, change: dict[str, Any]) -> None:
    shape = next(each for each in PEOPLE if each.name == name)

    assert person(shape, shape.token(**change)).proved_at is None


@pytest.mark.parametrize("when", [NOON.timestamp() + 31, "now", True, [1]], ids=str)
def test_a_proof_to_come_is_refused(when: object) -> None:
    shape = next(each for each in PEOPLE if each.name == "adfs")

    assert not takes(shape, shape.token(mfa_auth_time=when))


def test_a_clock_that_is_a_little_ahead_proves_nothing_in_the_future() -> None:
    shape = next(each for each in PEOPLE if each.name == "adfs")

    assert person(shape, shape.token(mfa_auth_time=NOON.timestamp() + 20)).proved_at == NOON


@pytest.mark.parametrize(
    ("more", "claims", "email"),
    [
        ({}, {"email_verified": True}, True),
        ({}, {"email_verified": "true"}, True),
        ({}, {"email_verified": False}, False),
        ({}, {"email_verified": "yes"}, False),
        ({}, {}, False),
        ({"trust_addresses": True}, {}, True),
    ],
)
def test_an_address_counts_only_if_it_is_vouched_for(more: dict[str, Any], claims: dict[str, Any], email: bool) -> None:
    shape = next(each for each in PEOPLE if each.name == "generic")
    token = shape.token(email="rosa@riverbend.example", **claims)

    assert (person(shape, token, provider=shape.provider(**more)).email is not None) is email


def test_every_attack_on_a_machine_token_is_refused(of_machine: Shape) -> None:
    world, providers = world_of(of_machine), machines_of(of_machine)
    listed = machine_attacks(of_machine, world)

    taken = {name: takes_machine(providers, text) for name, text in listed.items()}

    assert [name for name, subject in taken.items() if subject is not None] == []
    assert len(listed) >= 80
    assert takes_machine(providers, world.token) == of_machine.says, "and the good token is good"


def machine_attacks(shape: Shape, world: World) -> dict[str, str]:
    """What must not pass for a machine client's token."""
    profile = shape.settings["profile"]
    written = {
        "rfc9068": {"typ long form"},
        "keycloak": {"typ JWT"},
        "generic": {"typ JWT", "typ missing"},
    }[profile]
    no_matter = {"the other signature, (r, n - s)", "cty JWT", "member of one's own", *written}
    if profile == "keycloak":
        # Its subject is named by nothing else in the token; another one is simply not known here.
        no_matter |= {"sub without kind", "sub of the system", "sub in upper case", "sub in braces", "sub with SQL"}
    listed = {
        name: text
        for name, text in attacks(world).items()
        if name not in no_matter and not name.startswith(("auth_time", "amr", "sid", "a dock's token"))
    }
    listed |= rsa_attacks(shape.header | {"kid": "rsa-1"}, shape.claims, RSA_KEY)
    changes: dict[str, dict[str, Any]] = {
        "an ID token: nonce": {"nonce": "n"},
        "an ID token: at_hash": {"at_hash": "x"},
        "an ID token: c_hash": {"c_hash": "x"},
        "bound to a key": {"cnf": {"jkt": "x"}},
        "bound to nothing": {"cnf": {}},
        "of no client": {"client_id": None, "azp": None},
        "of a person": {"sub": "00u1", "preferred_username": "rosa"},
        "of a client that is a list": {"client_id": [shape.claims["sub"]], "azp": [shape.claims["sub"]]},
        "for a client": {"aud": "evidence-room"},
        "for our own tokens' readers": {"aud": "urn:evidence-room:api"},
    }
    if profile == "keycloak":
        changes |= {f"payload typ {typ}": {"typ": typ} for typ in ("ID", "Refresh", "Offline", "Logout", None)}
    return listed | {name: shape.token(**change) for name, change in changes.items()}


def test_every_attack_over_http_has_the_same_answer(room: Room) -> None:
    """T-A2: each profile's attacks at the door of the whole application, beside a good token."""
    settings = {each.name: ProviderSettings.model_validate(each.settings) for each in MACHINES}
    standing = replace(room, providers=Providers(settings, FromMemory()), clock=FixedClock(NOON))
    for shape in MACHINES:
        a_machine(standing, shape)
    answers: dict[tuple[int, str], list[str]] = {}
    with TestClient(create_app(standing)) as client:
        for shape in MACHINES:
            world = world_of(shape)
            # All of them are put to the reader itself above; here every third, for the time it takes.
            every_third = list(machine_attacks(shape, world).items())[::3]
            attacks_here = {f"{shape.name}: {name}": text for name, text in every_third}
            for name, text in {**attacks_here, f"{shape.name}: good": world.token}.items():
                answer = client.get("/api/v1/me", headers=[(b"Authorization", b"Bearer " + text.encode())])
                body = answer.json()
                body.pop("request_id", None)
                body.pop("id", None)
                answers.setdefault((answer.status_code, json.dumps(body)), []).append(name)

    good = [names for (status, _), names in answers.items() if status == 200]
    refused = [names for (status, _), names in answers.items() if status != 200]
    assert [name for names in good for name in names] == [f"{each.name}: good" for each in MACHINES]
    assert [status for status, _ in answers if status != 200] == [401]
    assert len(refused) == 1, "one answer, whatever was wrong"
    assert len(refused[0]) >= 80 * len(MACHINES)


def a_machine(room: Room, shape: Shape) -> None:
    """Make the account that a shape's machine client acts as."""
    agency = an_agency(room)
    with unit_of_work(room.sessions) as session:
        accounts.create(
            session,
            room.recorder,
            agency_id=agency,
            email=f"{shape.name}@riverbend.example",
            name="Case system",
            provider=room.providers.expected(shape.name),
            subject=shape.says,
            by=console(agency),
            at=room.clock(),
            request_id="test",
        )


def test_no_mutant_of_a_provider_token_is_taken(of_machine: Shape) -> None:
    draw, providers, good = random.Random(11), machines_of(of_machine), of_machine.token()
    other = of_machine.token(jti="another")
    count = 10_000

    taken = [each for each in mutants(draw, good, other, count) if takes_machine(providers, each) is not None]

    assert [each for each in taken if each not in (good, other)] == []


def test_the_attacks_bite_a_careless_reader() -> None:
    """Control: whoever looks at signatures alone lets many of them in."""
    shape = next(each for each in MACHINES if each.name == "machine-rfc9068")
    world = world_of(shape)
    taken = []
    for name, text in machine_attacks(shape, world).items():
        try:
            careless_verify(world, text)
        except Exception:  # noqa: BLE001  # a careless verifier fails in careless ways
            continue
        taken.append(name)

    assert {"expired", "aud of somebody else", "typ JWT", "sub null"} <= set(taken)


@pytest.mark.parametrize("shape", [*PEOPLE, *MACHINES], ids=lambda shape: shape.name)
def test_a_second_library_agrees_on_signatures(shape: Shape) -> None:
    keys = KeySet([RSAKey.import_key(KEYS["keys"][0]), ECKey.import_key(KEYS["keys"][1])])

    def second_takes(text: str) -> bool:
        try:
            second.deserialize_compact(text.encode(), keys, algorithms=["RS256", "ES256"])
        except Exception:  # noqa: BLE001  # whatever it says, it is no
            return False
        return True

    good = shape.token()
    head, payload, signature = good.split(".")
    flipped = signature[:10] + ("A" if signature[10] != "A" else "B") + signature[11:]

    assert second_takes(good)
    assert not second_takes(f"{head}.{payload}.{flipped}")
    wrong = [name for name, text in rsa_attacks(shape.header, shape.claims, RSA_KEY).items() if second_takes(text)]
    assert wrong == [], "a signature that we refuse for itself is refused there as well"
