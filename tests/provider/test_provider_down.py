"""The provider changes its keys, goes away, or sends us elsewhere: nobody else notices, and nothing is believed."""

from datetime import timedelta
from pathlib import Path

import pytest

from evidence import doctor
from tests.provider.conftest import KEY_A, KEY_B, City, city_at
from tests.provider.test_real_provider import refused, token_of
from tests.support.database import Database
from tests.support.identity_provider import IdentityProvider
from tests.support.people import PASSWORD

pytestmark = pytest.mark.node


def a_machine(city: City) -> None:
    machines = city.room.providers.expected("city-machines")
    city.account("cases@riverbend.example", provider=machines, subject="case-system")


def test_keys_are_rotated_from_a_over_both_to_b(lone_city: City, provider: IdentityProvider) -> None:
    city = lone_city
    a_machine(city)
    seen = []
    of_a = provider.machine_token()
    seen.append(city.me(of_a).status_code)

    provider.start(KEY_B, KEY_A)
    of_b = provider.machine_token()
    seen += [city.me(of_a).status_code, city.me(of_b).status_code]
    city.clock.advance(timedelta(seconds=60))
    seen += [city.me(of_b).status_code, city.me(of_a).status_code]
    provider.start(KEY_B)
    city.clock.advance(timedelta(minutes=9))
    seen += [city.me(of_a).status_code]
    city.clock.advance(timedelta(minutes=1))
    seen += [city.me(of_a).status_code, city.me(of_b).status_code]

    # B is asked for once a minute at most; what we know is believed for ten minutes, and A is gone after.
    assert seen == [200, 200, 401, 200, 200, 200, 401, 200]


def test_a_key_that_is_gone_is_not_honoured_after_the_next_look(lone_city: City, provider: IdentityProvider) -> None:
    city = lone_city
    a_machine(city)
    of_a = provider.machine_token()
    assert city.me(of_a).status_code == 200
    provider.start(KEY_B)
    of_b = provider.machine_token()
    city.clock.advance(timedelta(seconds=61))
    assert city.me(of_a).status_code == 200, "the keys we have are fresh"

    assert city.me(of_b).status_code == 200, "an unknown key is a reason to look"

    assert refused(city.me(of_a))


def test_while_the_provider_is_away_sessions_end_in_time_and_nobody_else_notices(
    lone_city: City, provider: IdentityProvider
) -> None:
    city = lone_city
    local = city.account("local@riverbend.example", "officer", password=PASSWORD)
    city.expected("away@riverbend.example")
    token = token_of(city.sign_in("away"))
    form = {"grant_type": "password", "username": local.email, "password": PASSWORD}
    provider.stop()

    statuses = []
    for _ in range(3):
        city.clock.advance(timedelta(minutes=5))
        statuses.append((city.me(token).status_code, city.renew(token).status_code))
        mine = city.client.post("/api/v1/tokens", data=form)
        assert city.me(token_of(mine)).status_code == 200, "by password as ever"
        begun = city.client.get("/api/v1/sign-in/city", follow_redirects=False)
        # For a while what the provider said of itself is believed; then it is asked, and does not answer.
        assert begun.status_code in (303, 503)

    assert statuses == [(200, 503), (200, 503), (401, 401)]
    provider.start(KEY_A)
    city.clock.set_right()  # the provider lives by the machine's own
    assert city.sign_in("away").status_code == 200, "and when it is back all is well"


def test_a_provider_that_is_away_refuses_with_a_next_step_and_on_record(
    lone_city: City, provider: IdentityProvider
) -> None:
    city = lone_city
    city.expected("away@riverbend.example")
    brought = city.begin("away")[1]
    provider.stop()

    answer = city.come_back(brought)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert "administrator" in answer.json()["next_step"] or "ask" in answer.json()["next_step"]
    assert city.refusals() == ["provider_away"]


def test_a_provider_that_sends_us_elsewhere_is_not_followed(
    provider: IdentityProvider, database: Database, tmp_path: Path
) -> None:
    with city_at(provider, database, tmp_path, issuer=f"{provider.url}/moved") as city:
        begun = city.client.get("/api/v1/sign-in/city", follow_redirects=False)

    assert begun.status_code == 503
    assert provider.fetched("/.well-known/openid-configuration") == 0
    assert provider.fetched("/moved/.well-known/openid-configuration") == 1


def test_doctor_says_whether_a_provider_answers_with_keys(lone_city: City, provider: IdentityProvider) -> None:
    settings, clock = lone_city.room.settings, lone_city.clock

    well = list(doctor.providers(settings, clock))
    provider.stop()
    wrong = list(doctor.providers(settings, clock))

    assert [(each.subject, each.health) for each in well] == [
        ("provider city", "well"),
        ("provider city-machines", "well"),
    ]
    assert "1 of its keys" in well[0].sentence
    assert [each.health for each in wrong] == ["wrong", "wrong"]
    assert all(each.next_step for each in wrong)


def test_the_notice_is_read_before_anybody_is_sent_off_and_goes_on_record(
    provider: IdentityProvider, database: Database, tmp_path: Path
) -> None:
    with city_at(provider, database, tmp_path, rules={"banner": "Authorised use only."}) as city:
        account = city.expected("noted@riverbend.example")
        read = city.client.get("/api/v1/banner").json()["sha256"]
        statuses = [
            city.client.get("/api/v1/sign-in/city", params=each, follow_redirects=False).status_code
            for each in ({}, {"banner_acknowledged": "0" * 64}, {"banner_acknowledged": read})
        ]
        signed_in = city.sign_in("noted", banner_acknowledged=read)

        assert (statuses, signed_in.status_code) == ([403, 403, 303], 200)
        kept = city.records(f"account/{account.id}")[-1]
        assert (kept["act"], kept["facts"]["banner"], kept["facts"]["amr"]) == ("account.signed_in", read, "fed")


def test_a_machine_clients_role_counts_from_its_network_alone(
    provider: IdentityProvider, database: Database, tmp_path: Path
) -> None:
    with city_at(provider, database, tmp_path, rules={"role_networks": {"paralegal": ["192.0.2.0/24"]}}) as city:
        machines = city.room.providers.expected("city-machines")
        city.account("cases@riverbend.example", "paralegal", "officer", provider=machines, subject="case-system")
        token = provider.machine_token()

        assert city.me(token).json()["roles"] == ["officer"]
        out = city.client.delete("/api/v1/tokens/current", headers={"Authorization": f"Bearer {token}"})
        assert out.status_code == 403, "it has no session to end"
