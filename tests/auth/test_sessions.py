"""Signing in, and what the very next request finds when something was ended."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy.orm import Session

from auth import accounts, local_sign_in, machines, passwords, roles, sessions
from auth.errors import NotSignedInError
from auth.events import DockSignedIn, Remembered, SignedIn, SignInRefused
from auth.keys import KeyRing, fingerprint, jwk_of
from auth.local_sign_in import Asked
from auth.models import Account, Agency
from auth.possession import Shown
from auth.principals import Principal
from auth.sessions import Begun
from auth.settings import AuthSettings
from auth.tokens import TokenIssuer, TokenVerifier
from tests.auth.conftest import (
    PASSWORD,
    SEALER,
    TOKENS_URL,
    EnrolledDock,
    a_person,
    an_enrolled_dock,
    begun,
    the_console,
    world_of,
)
from tests.conftest import NOON
from tests.support.forging import attacks, dock_proof, dock_statement, sign, strangers

LATER = NOON + timedelta(minutes=1)
RULES = AuthSettings()
HERE = "https://evidence.example/api/v1/me"


def sign_in(session: Session, recorder: Remembered, email: str, password: str = PASSWORD) -> Principal | None:
    done = local_sign_in.sign_in(
        session,
        recorder,
        Asked(email=email, password=password),
        rules=RULES,
        sealer=SEALER,
        at=NOON,
        request_id="r1",
        source="192.0.2.7",
    )
    return done.principal if isinstance(done, Begun) else None


def identify(session: Session, shown: Shown, verifier: TokenVerifier, *, at: datetime) -> Principal:
    return sessions.recognise(session, shown, verifier, at=at, rules=RULES, source=None).principal


def plain(token: str) -> Shown:
    return Shown(token=token, proof=None, method="GET", address=HERE)


def with_proof(dock: EnrolledDock, token: str) -> Shown:
    proof = dock_proof(dock.key, "GET", HERE, at=LATER, token=token)
    return Shown(token=token, proof=proof, method="GET", address=HERE)


def sign_in_dock(
    session: Session, recorder: Remembered, dock: EnrolledDock, statement: str, proof: str | None = None
) -> Principal | None:
    signed_in = sessions.sign_in_dock(
        session,
        recorder,
        assertion=statement,
        proof=dock_proof(dock.key, "POST", TOKENS_URL, at=NOON) if proof is None else proof,
        address=TOKENS_URL,
        audiences=(TOKENS_URL,),
        at=NOON,
        leeway=timedelta(seconds=30),
        request_id="r1",
    )
    if signed_in is None:
        return None
    assert signed_in[1] == dock.row.fingerprint
    return signed_in[0]


def test_a_person_signs_in_by_password(session: Session, recorder: Remembered, officer: Account) -> None:
    principal = sign_in(session, recorder, officer.email.upper())

    assert principal is not None
    assert (principal.id, principal.roles, principal.badge) == (officer.id, frozenset({"officer"}), "4471")
    (event,) = recorder.events
    assert isinstance(event, SignedIn)
    assert (event.principal, event.source) == (principal, "192.0.2.7")


@pytest.mark.parametrize(
    ("email", "reason"),
    [("nobody@police.example", "unknown_account"), ("", "unknown_account"), ("\0", "unknown_account")],
)
def test_nobody_signs_in_as_nobody(session: Session, recorder: Remembered, email: str, reason: str) -> None:
    assert sign_in(session, recorder, email) is None

    (event,) = recorder.events
    assert isinstance(event, SignInRefused)
    assert (event.reason, event.id, event.agency_id) == (reason, None, None)
    assert not email or email not in repr(event), "what was typed may be a password"


def test_a_wrong_password_is_refused_and_reported(session: Session, recorder: Remembered, officer: Account) -> None:
    assert sign_in(session, recorder, officer.email, "twelve angry juror") is None

    (event,) = recorder.events
    assert isinstance(event, SignInRefused)
    assert (event.reason, event.kind, event.id) == ("wrong_password", "account", officer.id)


def test_a_suspended_account_is_refused_at_sign_in_and_on_its_next_request(
    session: Session, recorder: Remembered, agency: Agency, officer: Account, issuer: TokenIssuer
) -> None:
    principal = sign_in(session, recorder, officer.email)
    assert principal is not None
    token = issuer.issue(principal, at=NOON).text
    assert identify(session, plain(token), issuer.verifier, at=LATER).id == officer.id

    accounts.suspend(session, recorder, officer, by=the_console(agency.id), at=LATER, request_id="r2", reason="left")

    with pytest.raises(NotSignedInError):
        identify(session, plain(token), issuer.verifier, at=LATER)
    assert sign_in(session, recorder, officer.email) is None
    refused = recorder.events[-1]
    assert isinstance(refused, SignInRefused)
    assert refused.reason == "suspended"


def test_a_role_ended_is_gone_on_the_next_request(
    session: Session, recorder: Remembered, agency: Agency, officer: Account, issuer: TokenIssuer
) -> None:
    principal = sign_in(session, recorder, officer.email)
    assert principal is not None
    token = issuer.issue(principal, at=NOON).text

    console = the_console(agency.id)
    roles.grant(session, recorder, officer, "auditor", by=console, at=LATER, request_id="r2")
    assert identify(session, plain(token), issuer.verifier, at=LATER).roles == {"officer", "auditor"}
    roles.end(session, recorder, officer, "officer", by=console, at=LATER, request_id="r3")
    roles.end(session, recorder, officer, "auditor", by=console, at=LATER, request_id="r4")

    assert identify(session, plain(token), issuer.verifier, at=LATER).roles == frozenset()


def test_an_identified_person_is_as_they_signed_in(
    session: Session, recorder: Remembered, officer: Account, issuer: TokenIssuer
) -> None:
    signed_in = sign_in(session, recorder, officer.email)
    assert signed_in is not None
    issued = issuer.issue(signed_in, at=NOON)

    found = identify(session, plain(issued.text), issuer.verifier, at=LATER)

    assert (found.method, found.signed_in_at, found.session) == ("password", NOON, signed_in.session)
    assert (found.kind, found.id, found.agency_id, found.name, found.badge, found.roles) == (
        signed_in.kind,
        signed_in.id,
        signed_in.agency_id,
        signed_in.name,
        signed_in.badge,
        signed_in.roles,
    )


def test_an_outdated_digest_is_renewed_at_sign_in(session: Session, recorder: Remembered, officer: Account) -> None:
    officer.password_hash = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    session.flush()

    assert sign_in(session, recorder, officer.email, "wrong password here") is None
    assert passwords.is_outdated(officer.password_hash)
    assert sign_in(session, recorder, officer.email) is not None
    assert not passwords.is_outdated(officer.password_hash)
    assert sign_in(session, recorder, officer.email) is not None


def test_as_many_passwords_are_checked_for_nobody_as_for_somebody(
    monkeypatch: pytest.MonkeyPatch, session: Session, recorder: Remembered, officer: Account
) -> None:
    checked: list[str] = []
    real = passwords.matches

    def counted(kept: str, password: str) -> bool:
        checked.append(kept)
        return real(kept, password)

    monkeypatch.setattr(passwords, "matches", counted)
    for email in (officer.email, "nobody@police.example", "no address"):
        checked.clear()
        sign_in(session, recorder, email, "wrong password here")
        assert len(checked) == 1


def test_a_dock_signs_in_with_its_key(
    session: Session, recorder: Remembered, dock: EnrolledDock, issuer: TokenIssuer
) -> None:
    principal = sign_in_dock(session, recorder, dock, dock.statement())

    assert principal is not None
    assert (principal.kind, principal.id, principal.roles) == ("dock", dock.row.id, frozenset({"dock"}))
    (event,) = recorder.events
    assert isinstance(event, DockSignedIn)
    token = issuer.issue(principal, at=NOON, bound_to=dock.row.fingerprint).text
    found = identify(session, with_proof(dock, token), issuer.verifier, at=LATER)
    assert (found.kind, found.id, found.method, found.roles) == (
        "dock",
        dock.row.id,
        "private_key_jwt",
        frozenset({"dock"}),
    )


def test_a_statement_signs_in_once(session: Session, recorder: Remembered, dock: EnrolledDock) -> None:
    statement = dock.statement()

    assert sign_in_dock(session, recorder, dock, statement) is not None
    assert sign_in_dock(session, recorder, dock, statement) is None
    refused = recorder.events[-1]
    assert isinstance(refused, SignInRefused)
    assert (refused.reason, refused.id) == ("replayed", dock.row.id)


def test_a_retired_dock_is_refused_at_sign_in_and_on_its_next_request(
    session: Session, recorder: Remembered, agency: Agency, dock: EnrolledDock, issuer: TokenIssuer
) -> None:
    principal = sign_in_dock(session, recorder, dock, dock.statement())
    assert principal is not None
    token = issuer.issue(principal, at=NOON, bound_to=dock.row.fingerprint).text
    assert identify(session, with_proof(dock, token), issuer.verifier, at=LATER).id == dock.row.id

    machines.retire(session, recorder, dock.row, by=the_console(agency.id), at=LATER, request_id="r2", reason="old")

    with pytest.raises(NotSignedInError):
        identify(session, with_proof(dock, token), issuer.verifier, at=LATER)
    assert sign_in_dock(session, recorder, dock, dock.statement()) is None


SECONDS = int(NOON.timestamp())
FINE: dict[str, Callable[[EnrolledDock], dict[str, Any]]] = {
    "plain": lambda _: {},
    "named typ": lambda _: {"header": {"alg": "ES256", "typ": "client-authentication+jwt"}},
    "kid": lambda dock: {"header": {"alg": "ES256", "typ": "JWT", "kid": dock.row.fingerprint}},
    "aud list": lambda _: {"aud": ["urn:else", TOKENS_URL]},
    "nbf": lambda _: {"nbf": SECONDS},
    "a slow clock": lambda _: {"iat": SECONDS - 300, "exp": SECONDS - 29},
    "a fast clock": lambda _: {"iat": SECONDS + 30, "exp": SECONDS + 330},
}
FALSE: dict[str, Callable[[EnrolledDock], dict[str, Any]]] = {
    "another's key": lambda _: {"key": ec.generate_private_key(ec.SECP256R1())},
    "unknown dock": lambda _: {"iss": str(uuid4())},
    "sub is another": lambda _: {"sub": str(uuid4())},
    "iss is no id": lambda _: {"iss": "dock"},
    "iss in upper case": lambda dock: {"iss": str(dock.row.id).upper()},
    "iss a list": lambda dock: {"iss": [str(dock.row.id)]},
    "iss missing": lambda _: {"leave_out": ("iss",)},
    "sub missing": lambda _: {"leave_out": ("sub",)},
    "aud missing": lambda _: {"leave_out": ("aud",)},
    "jti missing": lambda _: {"leave_out": ("jti",)},
    "iat missing": lambda _: {"leave_out": ("iat",)},
    "exp missing": lambda _: {"leave_out": ("exp",)},
    "aud of another": lambda _: {"aud": "https://attacker.example/api/v1/tokens"},
    "aud of our tokens' readers": lambda _: {"aud": "urn:evidence-room:api"},
    "aud with more behind": lambda _: {"aud": TOKENS_URL + "/"},
    "too long": lambda _: {"exp": SECONDS + 301},
    "expired": lambda _: {"iat": SECONDS - 300, "exp": SECONDS - 30},
    "to come": lambda _: {"iat": SECONDS + 31, "exp": SECONDS + 331},
    "jti empty": lambda _: {"jti": ""},
    "jti half a character": lambda _: {"jti": "\ud800"},
    "jti too long": lambda _: {"jti": "j" * 256},
    "typ at+jwt": lambda _: {"header": {"alg": "ES256", "typ": "at+jwt"}},
    "typ missing": lambda _: {"header": {"alg": "ES256"}},
    "typ a list": lambda _: {"header": {"alg": "ES256", "typ": ["JWT"]}},
    "kid of another": lambda _: {"header": {"alg": "ES256", "typ": "JWT", "kid": "other"}},
    "jwk brought along": lambda dock: {"header": {"alg": "ES256", "typ": "JWT", "jwk": jwk_of(dock.key.public_key())}},
    "crit": lambda _: {"header": {"alg": "ES256", "typ": "JWT", "crit": ["exp"]}},
    "alg none": lambda _: {"header": {"alg": "none", "typ": "JWT"}},
}


def statement_with(dock: EnrolledDock, changes: dict[str, Any]) -> str:
    wanted: dict[str, Any] = {"key": dock.key, "audience": TOKENS_URL, "at": NOON, **changes}
    return dock_statement(dock.row.id, **wanted)


@pytest.mark.parametrize("change", FINE.values(), ids=FINE)
def test_a_dock_may_say_it_this_way(
    session: Session, recorder: Remembered, dock: EnrolledDock, change: Callable[[EnrolledDock], dict[str, Any]]
) -> None:
    assert sign_in_dock(session, recorder, dock, statement_with(dock, change(dock))) is not None


@pytest.mark.parametrize("change", FALSE.values(), ids=FALSE)
def test_a_false_statement_signs_no_dock_in(
    session: Session, recorder: Remembered, dock: EnrolledDock, change: Callable[[EnrolledDock], dict[str, Any]]
) -> None:
    assert sign_in_dock(session, recorder, dock, statement_with(dock, change(dock))) is None

    (event,) = recorder.events
    assert isinstance(event, SignInRefused)
    assert event.reason in ("bad_assertion", "unknown_dock")


def test_no_dock_signs_in_as_another(
    session: Session, recorder: Remembered, agency: Agency, dock: EnrolledDock
) -> None:
    other = an_enrolled_dock(session, agency)

    assert sign_in_dock(session, recorder, dock, dock.statement(other.row.id)) is None


def test_no_attack_on_tokens_is_a_statement_and_no_token_is_either(
    session: Session, recorder: Remembered, agency: Agency, dock: EnrolledDock, ring: KeyRing, issuer: TokenIssuer
) -> None:
    """Confusion: what is meant for one purpose is good for no other, even with every name in place."""
    world = world_of(ring, issuer, a_person(agency.id), dock_id=dock.row.id, dock_key=dock.key)
    ours_for_dock = {**world.claims, "iss": str(dock.row.id), "sub": str(dock.row.id), "aud": TOKENS_URL}
    ours_for_dock["exp"] = ours_for_dock["iat"] + 300
    texts = {
        **attacks(world),
        "a good token": world.token,
        "our key for the dock": sign({"alg": "ES256", "typ": "JWT"}, ours_for_dock, world.key),
        "our key under its own id": sign({**world.header, "typ": "JWT"}, ours_for_dock, world.key),
    }
    assert fingerprint(jwk_of(world.key.public_key())) == world.header["kid"]
    good_as_statement = texts.pop("a dock's statement as token")

    assert [name for name, text in texts.items() if sign_in_dock(session, recorder, dock, text)] == []
    assert len(recorder.events) == len(texts)
    assert all(isinstance(event, SignInRefused) for event in recorder.events)
    assert sign_in_dock(session, recorder, dock, good_as_statement) is not None, "and the one that is one still is"


def test_a_good_token_for_somebody_unknown_identifies_nobody(
    session: Session, agency: Agency, officer: Account, dock: EnrolledDock, ring: KeyRing, issuer: TokenIssuer
) -> None:
    person = begun(session, officer).principal
    world = world_of(ring, issuer, person, dock_id=dock.row.id, dock_key=dock.key)
    assert identify(session, plain(world.token), issuer.verifier, at=NOON).id == officer.id

    for token in strangers(world).values():
        issuer.verifier.verify(token, at=NOON)
        with pytest.raises(NotSignedInError):
            identify(session, plain(token), issuer.verifier, at=NOON)
