"""No half a provider: what is not pinned is refused before the server starts, and is asked for nowhere else."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from auth.errors import ProviderAwayError
from auth.providers import Provider
from auth.settings import AuthSettings, ProviderSettings, is_safe_address
from tests.conftest import NOON
from tests.support.provider_tokens import FromMemory, shapes

GOOD: dict[str, Any] = {
    "profile": "generic",
    "issuer": "https://id.riverbend.example",
    "client_id": "evidence-room",
    "agencies": ["Riverbend Police Department"],
}
ENTRA = next(each.settings for each in shapes("person") if each.name == "entra")


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": None},
        {"issuer": ""},
        {"issuer": "http://id.riverbend.example"},
        {"issuer": "https://id.riverbend.example?x=1"},
        {"issuer": "https://user:secret@id.riverbend.example"},
        {"client_id": None},
        {"client_id": ""},
        {"audience": "urn:x"},
        {"agencies": []},
        {"profile": "rfc9068"},
        {"profile": "google"},
        {"profile": "entra"},
        {"profile": "unknown"},
        {"client_secret": "x", "client_secret_file": "/x"},
        {"client_secrets": "a setting that is misspelled"},
    ],
    ids=str,
)
def test_half_a_provider_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ProviderSettings.model_validate({name: each for name, each in {**GOOD, **change}.items() if each is not None})


@pytest.mark.parametrize(
    "change",
    [
        {"tenant": None},
        {"tenant": "common"},
        {"issuer": "https://login.microsoftonline.com/common/v2.0"},
        {"tenant": "9188040d-6c67-4c5b-b112-36a304b66dad"},
        {"client_id": None, "audience": "urn:x"},
    ],
    ids=str,
)
def test_entra_is_one_directory_and_for_people(change: dict[str, Any]) -> None:
    ProviderSettings.model_validate(ENTRA)

    with pytest.raises(ValidationError):
        ProviderSettings.model_validate({name: each for name, each in {**ENTRA, **change}.items() if each is not None})


def test_good_ones_are_taken() -> None:
    ProviderSettings.model_validate(GOOD)
    for shape in (*shapes("person"), *shapes("machine")):
        ProviderSettings.model_validate(shape.settings)


@pytest.mark.parametrize("name", ["", "City", "a/b", "code", "renewal", "a" * 41, "../x"])
def test_a_name_that_is_no_address_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        AuthSettings.model_validate({"providers": {name: GOOD}})


def test_an_audience_is_nobodys_client_id() -> None:
    machines = {**GOOD, "client_id": None, "audience": "evidence-room"}
    ours = {**machines, "audience": "urn:evidence-room:api"}
    apart = {**machines, "audience": "urn:riverbend:evidence"}

    for wrong in ({"city": GOOD, "machines": machines}, {"machines": ours}):
        with pytest.raises(ValidationError):
            AuthSettings.model_validate({"providers": wrong})
    AuthSettings.model_validate({"providers": {"city": GOOD, "machines": apart}})


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("https://id.example/x", True),
        ("https://id.example:8443", True),
        ("http://127.0.0.1:1/x", True),
        ("http://localhost:1", True),
        ("http://[::1]:1/x", True),
        ("http://127.0.0.1.attacker.example/", False),
        ("http://id.example", False),
        ("ftp://id.example", False),
        ("https://", False),
        ("https://a@id.example", False),
        ("https://id.example#x", False),
        ("https://id.example:99999", False),
        ("https://[", False),
        ("https://\u0456d.example", False),
    ],
)
def test_secrets_go_to_safe_addresses_only(address: str, safe: bool) -> None:
    assert is_safe_address(address) is safe


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://attacker.example"},
        {"issuer": None},
        {"token_endpoint": "http://id.riverbend.example/token"},
        {"jwks_uri": None},
        {"jwks_uri": ["https://id.riverbend.example/jwks"]},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
    ids=str,
)
def test_a_description_that_is_not_the_issuers_own_is_not_believed(change: dict[str, Any]) -> None:
    memory = FromMemory()

    def changed(request: Any) -> Any:
        answer = memory(request)
        answer.members.update(change)
        return answer

    settings = ProviderSettings.model_validate(GOOD)
    Provider("city", settings, memory).description(at=NOON)
    with pytest.raises(ProviderAwayError):
        Provider("city", settings, changed).description(at=NOON)


def test_a_description_is_asked_for_every_ten_minutes_and_believed_for_a_day() -> None:
    memory = FromMemory()
    provider = Provider("city", ProviderSettings.model_validate(GOOD), memory)
    for minutes in (0, 9, 10, 19):
        provider.description(at=NOON + timedelta(minutes=minutes))
    assert len(memory.asked) == 2
    memory.away = True
    for hours in (1, 23):
        provider.description(at=NOON + timedelta(hours=hours))

    with pytest.raises(ProviderAwayError):
        provider.description(at=NOON + timedelta(hours=25))
