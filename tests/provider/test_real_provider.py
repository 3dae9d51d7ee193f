"""Sign-in at a real, certified provider: what is promised holds, and what is not good is not good here."""

import base64
import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest
from sqlalchemy import select

from auth.errors import NotSignedInError
from auth.models import ProviderSession, SignInSession
from auth.provider_tokens import read_id_token, read_machine_token
from auth.single_sign_on import challenge_of
from evidence.database import unit_of_work
from tests.provider.conftest import HOME, City
from tests.support.approving import approved
from tests.support.identity_provider import AUDIENCE, CLIENT, SECRET, Browser
from tests.support.people import PASSWORD, Person, a_person

pytestmark = pytest.mark.node

CALLBACK = f"{HOME}/api/v1/sign-in/city/callback"


def token_of(answer: httpx2.Response) -> str:
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def refused(answer: httpx2.Response) -> bool:
    """Whether the answer is the one refusal there is."""
    body = answer.json()
    body.pop("request_id")
    return answer.status_code == 401 and body == {
        "type": "urn:evidence-room:problem:not-signed-in",
        "title": "Not signed in",
        "status": 401,
        "detail": "You are not signed in, or your sign-in is no longer good.",
        "next_step": "Ask POST /api/v1/tokens for a new token.",
    }


def direct(city: City, user: str, **more: str) -> dict[str, Any]:
    """Sign in at the provider without us, as our client: what a thief of our secret would hold."""
    verifier = secrets.token_urlsafe(48)
    asked = {
        **{"response_type": "code", "client_id": CLIENT, "redirect_uri": CALLBACK, "scope": "openid profile email"},
        **{"state": "s", "nonce": "n", "code_challenge": challenge_of(verifier), "code_challenge_method": "S256"},
        **more,
    }
    _, brought = Browser(city.provider, user).go(f"{city.provider.url}/auth?{urlencode(asked)}")
    form = {
        **{"grant_type": "authorization_code", "code": brought["code"], "redirect_uri": CALLBACK},
        **{"client_id": CLIENT, "client_secret": SECRET, "code_verifier": verifier},
    }
    handed: dict[str, Any] = city.provider.token(**form).json()
    return handed


def refresh_token_of(city: City, account_id: object) -> str:
    """Unseal what stands behind an account's sign-in."""
    with unit_of_work(city.room.sessions) as session:
        found = select(ProviderSession).join(SignInSession, SignInSession.id == ProviderSession.id)
        row = session.scalars(found.where(SignInSession.account_id == account_id)).one()
        assert row.sealed_refresh is not None
        return city.room.vault.keyring.open(row.sealed_refresh, purpose=f"refresh token of {row.id}").decode()


def test_somebody_who_is_expected_signs_in(city: City, user: str) -> None:
    account = city.expected(f"{user}@riverbend.example", "detective")

    answer = city.sign_in(user)
    again = city.sign_in(user)

    assert answer.json()["principal"]["id"] == again.json()["principal"]["id"] == str(account.id)
    assert 600 < answer.json()["expires_in"] <= 900
    assert answer.headers["cache-control"] == "no-store"
    assert city.me(token_of(answer)).json()["roles"] == ["detective"]
    kept = city.records(f"account/{account.id}")
    assert [each["act"] for each in kept] == [
        *("account.created", "identity.expected", "role.granted"),
        *("identity.linked", "account.signed_in", "account.signed_in"),
    ]
    assert [each["actor"]["method"] for each in kept[3:]] == ["single_sign_on"] * 3


def test_what_is_asked_of_the_provider(city: City) -> None:
    begun = city.client.get("/api/v1/sign-in/city", follow_redirects=False)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(begun.headers["location"]).query).items()}

    assert {"state", "nonce", "code_challenge"} <= asked.keys()
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert asked["redirect_uri"] == CALLBACK
    cookie = begun.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    sealed = begun.headers["set-cookie"].partition("=")[2].partition(";")[0]
    assert asked["nonce"].encode() not in base64.urlsafe_b64decode(sealed + "==="), "the browser cannot read it"
    assert city.client.get("/api/v1/sign-in").json() == {
        "providers": [{"name": "city", "begin": f"{HOME}/api/v1/sign-in/city"}]
    }
    assert city.client.get("/api/v1/sign-in/nobody").status_code == 404
    assert city.client.get("/api/v1/sign-in/city-machines").status_code == 404


@pytest.mark.parametrize(("amr", "status"), [("pwd", 403), ("pwd otp", 200), ("pwd nonsense", 403)])
def test_only_a_second_factor_at_the_provider_is_a_step_up(city: City, user: str, amr: str, status: int) -> None:
    city.expected(f"{user}@riverbend.example", "agency_admin")
    token = token_of(city.sign_in(user, amr=amr))

    listed = city.client.get("/api/v1/accounts", headers={"Authorization": f"Bearer {token}"})

    assert listed.status_code == status, listed.text


def test_a_step_up_grows_old_although_the_session_is_renewed(city: City, user: str) -> None:
    city.expected(f"{user}@riverbend.example", "agency_admin")
    token = token_of(city.sign_in(user, amr="pwd otp", fresh=True))
    for _ in range(2):
        city.clock.advance(timedelta(minutes=8))
        token = token_of(city.renew(token))

    listed = city.client.get("/api/v1/accounts", headers={"Authorization": f"Bearer {token}"})

    assert (listed.status_code, city.me(token).status_code) == (403, 200)


def test_what_comes_back_is_good_in_the_browser_that_began_and_once(city: City, user: str) -> None:
    city.expected(f"{user}@riverbend.example")
    before = len(city.refusals())
    brought = city.begin(user)[1]
    ours = dict(city.client.cookies)
    city.client.cookies.clear()
    elsewhere = city.come_back(brought)
    city.begin(user)
    another = city.come_back(brought)
    city.client.cookies.clear()
    city.client.cookies.update(ours)

    first = city.come_back(brought)
    city.client.cookies.update(ours)
    second = city.come_back(brought)

    assert refused(elsewhere)
    assert refused(another)
    assert first.status_code == 200
    assert refused(second)
    assert city.refusals()[before:] == ["not_begun_here", "not_begun_here", "replayed"]


def test_what_comes_back_late_is_not_good(city: City, user: str) -> None:
    city.expected(f"{user}@riverbend.example")
    brought = city.begin(user)[1]
    city.clock.advance(timedelta(minutes=10))

    assert refused(city.come_back(brought))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"state": "x" * 43}, "not_begun_here"),
        ({"state": "\u00e9\0"}, "not_begun_here"),
        ({"iss": "https://attacker.example"}, "not_begun_here"),
        ({"iss": None}, "not_begun_here"),
        ({"code": "x" * 43}, "provider_refused"),
        ({"code": None}, "provider_refused"),
        ({"error": "access_denied"}, "provider_refused"),
        ({"code": ["a", "b"]}, "provider_refused"),
    ],
)
def test_an_answer_that_was_changed_is_not_good(city: City, user: str, change: dict[str, Any], reason: str) -> None:
    city.expected(f"{user}@riverbend.example")
    brought = {**city.begin(user)[1], **change}

    answer = city.come_back({name: value for name, value in brought.items() if value is not None})

    assert refused(answer)
    assert city.refusals()[-1] == reason


def test_another_ones_code_is_not_good_here(city: City, user: str) -> None:
    """The attacker signs in as somebody, and has the victim's browser bring that code."""
    city.expected(f"{user}@riverbend.example")
    theirs = city.begin(user)[1]
    mine = city.begin("victim")[1]

    answer = city.come_back({**mine, "code": theirs["code"]})

    assert refused(answer)
    assert city.refusals()[-1] == "provider_refused"


def test_a_nonce_that_is_not_ours_is_not_good(city: City, user: str) -> None:
    city.expected(f"{user}@riverbend.example")
    begun = city.client.get("/api/v1/sign-in/city", follow_redirects=False).headers["location"]
    nonce = parse_qs(urlsplit(begun).query)["nonce"][0]
    _, brought = Browser(city.provider, user).go(begun.replace(nonce, "x" * 43))

    assert refused(city.come_back(brought))
    assert city.refusals()[-1] == "bad_provider_token"


def test_a_code_that_is_used_twice_ends_what_it_gave(city: City, user: str) -> None:
    city.expected(f"{user}@riverbend.example")
    brought = city.begin(user)[1]
    sealed = base64.urlsafe_b64decode(city.client.cookies["evidence-sign-in"] + "===")
    begun = json.loads(city.room.vault.keyring.open(sealed, purpose="begun sign-in"))
    token = token_of(city.come_back(brought))
    replay = city.provider.token(
        **{"grant_type": "authorization_code", "code": brought["code"], "redirect_uri": CALLBACK},
        **{"client_id": CLIENT, "client_secret": SECRET, "code_verifier": begun["verifier"]},
    )
    assert replay.status_code == 400

    renewed = city.renew(token)

    assert refused(renewed)
    assert refused(city.me(token)), "the provider ended it, and so do we, at once"


def test_no_token_of_the_provider_is_taken_for_another_kind(city: City, user: str) -> None:
    city.expected(f"{user}@riverbend.example")
    mine = direct(city, user)
    person = direct(city, user, resource=AUDIENCE)
    provider, at = city.room.providers.named("city"), city.clock()
    leeway = city.room.tokens.leeway

    good = read_id_token(mine["id_token"], provider, nonce="n", at=at, leeway=leeway)

    assert good.subject == user
    machine = city.provider.machine_token()
    for token in (mine["id_token"], mine["access_token"], person["access_token"], mine["refresh_token"]):
        assert refused(city.me(token)), "people do not come with a provider's tokens"
    for token in (machine, person["access_token"], mine["access_token"]):
        with pytest.raises(NotSignedInError):
            read_id_token(token, provider, nonce="n", at=at, leeway=leeway)
    with pytest.raises(NotSignedInError):
        read_id_token(mine["id_token"], provider, nonce="other", at=at, leeway=leeway)


def test_a_machine_client_comes_with_its_own_token_as_the_account_it_was_given(city: City) -> None:
    token = city.provider.machine_token()
    assert refused(city.me(token)), "until somebody says which account it is"
    machines = city.room.providers.expected("city-machines")
    account = city.account("cases@riverbend.example", "paralegal", provider=machines, subject="case-system")

    seen = city.me(token)

    assert (seen.json()["id"], seen.json()["roles"]) == (str(account.id), ["paralegal"])
    city.clock.advance(timedelta(minutes=31))
    assert refused(city.me(token))


def test_who_is_not_expected_does_not_come_in(city: City, user: str) -> None:
    local = city.account(f"{user}@riverbend.example", "officer", password=PASSWORD)

    answer = city.sign_in(user)

    assert refused(answer), "an account with the same address is not theirs for that"
    assert city.refusals()[-1] == "not_expected"
    assert "identity.linked" not in [each["act"] for each in city.records(f"account/{local.id}")]


def test_an_address_that_the_provider_does_not_vouch_for_links_nothing(city: City) -> None:
    city.expected("rosa@riverbend.example")

    assert refused(city.sign_in("liar"))
    assert city.sign_in("rosa").status_code == 200


def test_what_two_administrators_say_of_a_group_makes_accounts_at_the_first_sign_in(city: City) -> None:
    asker, second = (a_person(city.room, "agency_admin") for _ in range(2))
    asked = {"provider": "city", "group": "officers", "roles": ["officer"], "reason": "Class of 2026"}
    waiting = city.client.post("/api/v1/group-mappings", json=asked, headers=asker.headers)
    assert waiting.status_code == 202, waiting.text
    assert refused(city.sign_in("newcomer")), "nobody has approved it"
    assert city.refusals()[-1] == "not_expected"
    assert approved(city.client, second, waiting.json()).status_code == 200
    (mapping,) = city.client.get("/api/v1/group-mappings", headers=second.headers).json()["mappings"]

    first = city.sign_in("newcomer")
    ending = {name: asked[name] for name in ("provider", "group", "reason")}
    ended = city.client.post("/api/v1/group-mappings/end", json=ending, headers=asker.headers)
    again = city.sign_in("newcomer")

    me = first.json()["principal"]
    assert (me["name"], me["roles"]) == ("New Comer", ["officer"])
    assert ended.status_code == 200, ended.text
    assert ended.json()["ended_at"] is not None
    assert (again.json()["principal"]["id"], again.json()["principal"]["roles"]) == (me["id"], ["officer"])
    records = city.records(f"account/{me['id']}")
    assert [each["act"] for each in records] == [
        *("account.created", "identity.expected", "role.granted"),
        *("identity.linked", "account.signed_in", "account.signed_in"),
    ]
    assert records[2]["facts"]["mapping"] == mapping["id"], "it names what two people approved"
    unmapped = city.records(f"account/{asker.principal.id}")[-1]
    assert (unmapped["act"], unmapped["facts"]["mapping"]) == ("group.unmapped", mapping["id"])


def test_a_group_is_mapped_at_a_provider_for_people_of_the_agency(city: City) -> None:
    admin = a_person(city.room, "agency_admin")
    stranger = a_person(city.room, "agency_admin", agency="Millbrook Police Department")
    good = {"provider": "city", "group": "others", "roles": ["officer"], "reason": "x"}

    def ask(who: Person, **change: Any) -> int:
        answer = city.client.post("/api/v1/group-mappings", json={**good, **change}, headers=who.headers)
        return answer.status_code

    assert [ask(admin, provider=each) for each in ("city-machines", "nobody's")] == [404, 404]
    assert ask(stranger) == 403
    assert ask(admin, roles=["agency_admin"]) == 400
    assert [ask(admin, roles=[]), ask(admin, reason=" "), ask(admin, group="")] == [422, 422, 422]
    assert ask(admin, group="a\0b") == 400
    assert ask(admin) == 202, "the control"
    ending = {"provider": "city", "group": "others", "reason": "x"}
    gone = city.client.post("/api/v1/group-mappings/end", json=ending, headers=admin.headers)
    assert gone.status_code == 404, "it was asked for and not approved"
    unreadable = city.client.post("/api/v1/group-mappings/end", json=ending | {"group": "\0"}, headers=admin.headers)
    assert unreadable.status_code == 404


def test_renewal_replaces_the_token_and_the_providers(city: City, user: str) -> None:
    account = city.expected(f"{user}@riverbend.example")
    token = token_of(city.sign_in(user))
    before = refresh_token_of(city, account.id)
    city.clock.advance(timedelta(minutes=10))

    renewed = token_of(city.renew(token))

    assert refresh_token_of(city, account.id) != before
    city.clock.advance(timedelta(minutes=14))
    assert city.me(renewed).status_code == 200
    city.clock.advance(timedelta(minutes=1))
    assert refused(city.me(renewed)), "fifteen minutes after the provider last said so"
    assert refused(city.renew(renewed))


def test_a_token_that_is_renewed_twice_ends_the_session_for_both(city: City, user: str) -> None:
    account = city.expected(f"{user}@riverbend.example")
    token = token_of(city.sign_in(user))
    renewed = token_of(city.renew(token))
    lost = token_of(city.renew(token))
    assert city.me(lost).status_code == 200, "an answer may be lost on the way"
    city.clock.advance(timedelta(seconds=31))

    assert refused(city.renew(token))

    assert refused(city.me(renewed))
    assert refused(city.renew(renewed))
    ended = city.records(f"account/{account.id}")[-1]
    assert (ended["act"], ended["facts"]["reason"]) == ("session.ended", "renewal_reused")


def test_a_refresh_token_stolen_from_us_ends_the_session_when_it_is_used(city: City, user: str) -> None:
    account = city.expected(f"{user}@riverbend.example")
    token = token_of(city.sign_in(user))
    stolen = refresh_token_of(city, account.id)
    used = city.provider.token(grant_type="refresh_token", refresh_token=stolen, client_id=CLIENT, client_secret=SECRET)
    assert used.status_code == 200

    assert refused(city.renew(token))

    assert refused(city.me(token))
    ended = city.records(f"account/{account.id}")[-1]
    assert (ended["act"], ended["facts"]["reason"]) == ("session.ended", "provider")
    thief = city.provider.token(
        **{"grant_type": "refresh_token", "refresh_token": used.json()["refresh_token"]},
        **{"client_id": CLIENT, "client_secret": SECRET},
    )
    assert thief.status_code == 400, "and the thief's is worth nothing either"


def test_signing_out_here_ends_it_and_nothing_renews_it(city: City, user: str) -> None:
    account = city.expected(f"{user}@riverbend.example")
    answer = city.sign_in(user)
    token = token_of(answer)
    assert answer.json()["refresh_token"] is None, "it is renewed by the provider's word alone"

    out = city.client.delete("/api/v1/tokens/current", headers={"Authorization": f"Bearer {token}"})

    assert out.status_code == 204
    assert refused(city.me(token))
    assert refused(city.renew(token))
    ended = city.records(f"account/{account.id}")[-1]
    assert (ended["act"], ended["facts"]["reason"]) == ("session.ended", "signed_out")


def test_of_many_renewals_at_once_the_provider_sees_one(city: City, user: str) -> None:
    city.expected(f"{user}@riverbend.example")
    token = token_of(city.sign_in(user))

    with ThreadPoolExecutor(8) as many:
        answers = list(many.map(lambda _: city.renew(token), range(8)))

    assert {each.status_code for each in answers} <= {200, 409}
    good = [each for each in answers if each.status_code == 200]
    assert good
    assert all(city.me(token_of(each)).status_code == 200 for each in good)
    assert city.renew(token_of(good[-1])).status_code == 200, "no refresh token was used twice"


def test_a_suspended_account_neither_signs_in_nor_renews(city: City, user: str) -> None:
    headers = a_person(city.room, "agency_admin").headers
    account = city.expected(f"{user}@riverbend.example")
    token = token_of(city.sign_in(user))
    asked = f"/api/v1/accounts/{account.id}/suspend"
    assert city.client.post(asked, json={"reason": "left"}, headers=headers).status_code == 200

    assert refused(city.me(token))
    assert refused(city.renew(token))
    assert refused(city.sign_in(user))


def test_an_administrator_expects_somebody_over_http_but_cannot_say_who_they_are(city: City, user: str) -> None:
    headers = a_person(city.room, "agency_admin").headers
    local = city.account(f"{user}@riverbend.example", "officer", password=PASSWORD)
    route = f"/api/v1/accounts/{local.id}/identities"

    expected = [city.client.post(route, json={"provider": each}, headers=headers) for each in ("city", "city", "x")]
    new = {"email": f"new-{user}@riverbend.example", "name": "N", "provider": "city", "subject": f"sub-{user}"}
    made = city.client.post("/api/v1/accounts", json=new, headers=headers)
    twice = city.client.post("/api/v1/accounts", json={**new, "email": f"b{user}@riverbend.example"}, headers=headers)
    both = city.client.post("/api/v1/accounts", json={**new, "password": PASSWORD}, headers=headers)
    neither = city.client.post("/api/v1/accounts", json={"email": "x@y.example", "name": "N"}, headers=headers)

    assert [each.status_code for each in expected] == [201, 409, 404]
    assert city.sign_in(user).json()["principal"]["id"] == str(local.id)
    assert made.status_code == 201
    assert [each.status_code for each in (twice, both, neither)] == [409, 400, 400]
    assert city.sign_in(f"sub-{user}").json()["principal"]["id"] == made.json()["id"], "whatever their address there"


def test_ten_thousand_unknown_keys_are_one_fetch(city: City) -> None:
    at, leeway = city.clock(), city.room.tokens.leeway
    head, payload, signature = city.provider.machine_token().split(".")
    city.clock.advance(timedelta(minutes=2))
    later = city.clock()

    def forged(number: int) -> None:
        raw = b'{"alg":"RS256","typ":"at+jwt","kid":"forged-%d"}' % number
        text = f"{base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}.{payload}.{signature}"
        with pytest.raises(NotSignedInError):
            read_machine_token(text, city.room.providers, at=later, leeway=leeway)

    good = f"{head}.{payload}.{signature}"
    assert read_machine_token(good, city.room.providers, at=at, leeway=leeway) is not None
    before = city.provider.fetched("/jwks")
    with ThreadPoolExecutor(8) as many:
        list(many.map(forged, range(10_000)))

    assert city.provider.fetched("/jwks") - before <= 1
    assert read_machine_token(good, city.room.providers, at=later, leeway=leeway) is not None
