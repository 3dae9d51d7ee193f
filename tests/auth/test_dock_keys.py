"""A dock changes its key: only with both keys at hand, once, and the old one is over at once."""

from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select
from sqlalchemy.orm import Session

from auth import dock_keys, machines, sessions
from auth.errors import NotSignedInError, TakenError
from auth.events import DockKeyReplaced, Remembered, SignInRefused
from auth.keys import fingerprint, jwk_of
from auth.models import Agency, Dock, DockKey
from auth.possession import Shown
from auth.principals import Principal
from auth.settings import AuthSettings
from auth.tokens import TokenIssuer
from tests.auth.conftest import TOKENS_URL, EnrolledDock, an_enrolled_dock, the_console
from tests.conftest import NOON
from tests.support.forging import b64, dock_proof, dock_statement, sign

HERE = "https://evidence.example/api/v1/docks/x/key"
OTHER = ec.generate_private_key(ec.SECP256R1())


def naming(dock: EnrolledDock, new: ec.EllipticCurvePrivateKey, **changes: Any) -> str:
    said: dict[str, Any] = {
        "key": dock.key,
        "audience": HERE,
        "at": NOON,
        "header": {"alg": "ES256", "typ": "dock-key+jwt"},
        "jwk": jwk_of(new.public_key()),
        **changes,
    }
    return dock_statement(dock.row.id, **said)


def answer_to(statement: str, key: ec.EllipticCurvePrivateKey, typ: str = "dock-key-answer+jwt") -> str:
    named = {"statement": b64(sha256(statement.encode()).digest())}
    return sign({"alg": "ES256", "typ": typ}, named, key)


def replaced(session: Session, recorder: Remembered, dock: EnrolledDock, statement: str, answer: str) -> Dock | None:
    return dock_keys.replace(
        session,
        recorder,
        dock.row.id,
        statement=statement,
        answer=answer,
        audiences=(HERE,),
        at=NOON,
        leeway=timedelta(seconds=30),
        request_id="r1",
    )


def test_the_old_key_names_the_new_one_and_is_over_at_once(
    session: Session, recorder: Remembered, dock: EnrolledDock, issuer: TokenIssuer
) -> None:
    new, old = ec.generate_private_key(ec.SECP256R1()), dock.row.fingerprint
    principal = Principal(
        kind="dock",
        id=dock.row.id,
        agency_id=dock.row.agency_id,
        roles=frozenset({"dock"}),
        name=dock.row.name,
        method="private_key_jwt",
    )
    token = issuer.issue(principal, at=NOON, bound_to=old).text

    def identified(key: ec.EllipticCurvePrivateKey, token: str) -> Principal:
        proof = dock_proof(key, "GET", HERE, at=NOON, token=token)
        shown = Shown(token=token, proof=proof, method="GET", address=HERE)
        return sessions.recognise(session, shown, issuer.verifier, at=NOON, rules=AuthSettings(), source=None).principal

    assert identified(dock.key, token).id == dock.row.id
    statement = naming(dock, new)
    assert replaced(session, recorder, dock, statement, answer_to(statement, new)) is dock.row

    assert dock.row.fingerprint == fingerprint(jwk_of(new.public_key())) != old
    for key in (dock.key, new):
        with pytest.raises(NotSignedInError):
            identified(key, token)
    assert identified(new, issuer.issue(principal, at=NOON, bound_to=dock.row.fingerprint).text).id == dock.row.id
    (event,) = recorder.events
    assert isinstance(event, DockKeyReplaced)
    assert (event.fingerprint, event.replaced) == (dock.row.fingerprint, old)
    kept = session.execute(select(DockKey.fingerprint, DockKey.until).where(DockKey.dock_id == dock.row.id))
    assert {(each.fingerprint, each.until) for each in kept} == {(old, NOON), (dock.row.fingerprint, None)}
    assert dock_keys.of_fingerprint(session, dock.row.id, old) == jwk_of(dock.key.public_key())
    assert dock_keys.of_fingerprint(session, uuid4(), old) is None


def test_no_dock_signs_in_with_the_old_key(session: Session, recorder: Remembered, dock: EnrolledDock) -> None:
    statement = naming(dock, OTHER)
    assert replaced(session, recorder, dock, statement, answer_to(statement, OTHER)) is not None

    def signed_in(key: ec.EllipticCurvePrivateKey) -> object:
        return sessions.sign_in_dock(
            session,
            recorder,
            assertion=dock_statement(dock.row.id, key, audience=TOKENS_URL, at=NOON),
            proof=dock_proof(key, "POST", TOKENS_URL, at=NOON),
            address=TOKENS_URL,
            audiences=(TOKENS_URL,),
            at=NOON,
            leeway=timedelta(seconds=30),
            request_id="r2",
        )

    assert signed_in(dock.key) is None
    assert signed_in(OTHER) is not None


FALSE: dict[str, Callable[[EnrolledDock], tuple[str, ec.EllipticCurvePrivateKey | None]]] = {
    "named by another key": lambda dock: (naming(dock, OTHER, key=OTHER), OTHER),
    "named for another dock": lambda dock: (naming(dock, OTHER, iss=str(uuid4())), OTHER),
    "addressed elsewhere": lambda dock: (naming(dock, OTHER, audience=TOKENS_URL), OTHER),
    "old": lambda dock: (naming(dock, OTHER, at=NOON - timedelta(minutes=6)), OTHER),
    "a sign-in statement": lambda dock: (naming(dock, OTHER, header={"alg": "ES256", "typ": "JWT"}), OTHER),
    "no key named": lambda dock: (naming(dock, OTHER, leave_out=("jwk",)), OTHER),
    "a private key named": lambda dock: (naming(dock, OTHER, jwk={**jwk_of(OTHER.public_key()), "d": "AA"}), OTHER),
    "answered by the old key": lambda dock: (naming(dock, OTHER), dock.key),
    "not answered": lambda dock: (naming(dock, OTHER), None),
}


@pytest.mark.parametrize("make", FALSE.values(), ids=FALSE)
def test_no_false_statement_changes_a_key(
    session: Session,
    recorder: Remembered,
    dock: EnrolledDock,
    make: Callable[[EnrolledDock], tuple[str, ec.EllipticCurvePrivateKey | None]],
) -> None:
    statement, key = make(dock)
    before = dock.row.fingerprint

    answer = "" if key is None else answer_to(statement, key)
    assert replaced(session, recorder, dock, statement, answer) is None

    assert dock.row.fingerprint == before
    (event,) = recorder.events
    assert isinstance(event, SignInRefused)


def test_an_answer_belongs_to_its_statement(session: Session, recorder: Remembered, dock: EnrolledDock) -> None:
    one, other = naming(dock, OTHER), naming(dock, OTHER)

    assert replaced(session, recorder, dock, one, answer_to(other, OTHER)) is None
    assert replaced(session, recorder, dock, one, answer_to(one, OTHER, typ="JWT")) is None
    assert replaced(session, recorder, dock, one, answer_to(one, OTHER)) is not None
    assert replaced(session, recorder, dock, one, answer_to(one, OTHER)) is None, "it was signed by a key that is over"


def test_a_key_that_was_a_dock_s_is_nobody_s_again(
    session: Session, recorder: Remembered, agency: Agency, dock: EnrolledDock
) -> None:
    statement = naming(dock, OTHER)
    assert replaced(session, recorder, dock, statement, answer_to(statement, OTHER)) is not None
    other = an_enrolled_dock(session, agency)

    again = naming(other, dock.key)
    with pytest.raises(TakenError):
        replaced(session, recorder, other, again, answer_to(again, dock.key))


def test_a_retired_dock_changes_no_key(
    session: Session, recorder: Remembered, agency: Agency, dock: EnrolledDock
) -> None:
    machines.retire(session, recorder, dock.row, by=the_console(agency.id), at=NOON, request_id="r", reason="lost")

    statement = naming(dock, OTHER)
    assert replaced(session, recorder, dock, statement, answer_to(statement, OTHER)) is None
