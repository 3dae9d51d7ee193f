"""Sign-in at a real, certified provider: what is promised holds, and what is not good there is not good here."""

import pytest

from tests.provider.conftest import City

pytestmark = pytest.mark.node


def test_somebody_who_is_expected_signs_in(city: City) -> None:
    account = city.expected("rosa@riverbend.example", "detective")

    answer = city.sign_in("rosa")

    assert answer.status_code == 200, answer.text
    assert answer.json()["principal"]["id"] == str(account.id)
    assert answer.json()["expires_in"] == 900
    assert city.me(answer.json()["access_token"]).json()["roles"] == ["detective"]
