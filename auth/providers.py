"""Identity providers: the pinned issuer's own description of itself, its keys, and its token endpoint.

Everything about a provider starts from the issuer in the settings; nothing that a token or a
request says leads anywhere else.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from auth.errors import ProviderAwayError, UnknownError
from auth.jwks import BETWEEN_FETCHES, FRESH, STALE_AT_MOST, KeyCache
from auth.outbound import Answer, Ask, ask, getting, posting
from auth.profiles import PROFILES
from auth.settings import ProviderSettings, is_safe_address


@dataclass(frozen=True, slots=True)
class Description:
    """What a provider says of itself, as far as we use it. `names_itself`: it answers with its `iss` (RFC 9207)."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    names_itself: bool


@dataclass(frozen=True, slots=True)
class Handed:
    """What a token endpoint handed over."""

    id_token: str | None
    access_token: str | None
    refresh_token: str | None


class GrantRefusedError(Exception):
    """The provider answered, and said no. `code` is OAuth's name for why, if it is one."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Provider:
    """One configured provider, as this process knows it. Safe for many threads."""

    def __init__(self, name: str, settings: ProviderSettings, ask: Ask = ask) -> None:
        self.name, self.settings = name, settings
        self.profile = PROFILES[settings.profile]
        self.keys = KeyCache(name, self._fetch_keys)
        self._ask = ask
        self._described: tuple[Description, datetime] | None = None
        self._failed_at: datetime | None = None
        self._describing = threading.Lock()

    def description(self, *, at: datetime) -> Description:
        """Return what the provider says of itself, at most ten minutes old while it answers. Raises ProviderAwayError.

        While it does not, the last description counts for a day, as its keys do.
        """
        with self._describing:
            known = self._described
            if known is not None and at - known[1] < FRESH:
                return known[0]
            if self._failed_at is None or at - self._failed_at >= BETWEEN_FETCHES or at < self._failed_at:
                try:
                    described = self._describe()
                except ProviderAwayError:
                    self._failed_at = at
                else:
                    self._described, self._failed_at = (described, at), None
                    return described
            if known is not None and at - known[1] <= STALE_AT_MOST:
                return known[0]
        raise ProviderAwayError("no description")

    def exchange(self, form: Mapping[str, str], *, at: datetime) -> Handed:
        """Ask the token endpoint. Raises GrantRefusedError, ProviderAwayError."""
        assert self.settings.client_id is not None, "only providers for people exchange codes"
        address = self.description(at=at).token_endpoint
        try:
            secret = self.settings.secret
        except (OSError, ValueError):
            raise ProviderAwayError("our own secret") from None
        answer = self._ask(posting(address, form, client_id=self.settings.client_id, secret=secret))
        if answer.status in (400, 401, 403):
            code = answer.members.get("error")
            raise GrantRefusedError(code if isinstance(code, str) and len(code) <= 64 and code.isascii() else "")
        if answer.status != 200:
            raise ProviderAwayError(f"status {answer.status}")
        return Handed(*(_text(answer, name) for name in ("id_token", "access_token", "refresh_token")))

    def _describe(self) -> Description:
        answer = self._ask(getting(f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration"))
        if answer.status != 200 or answer.members.get("issuer") != self.settings.issuer:
            raise ProviderAwayError("description")
        addresses = [answer.members.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
        if self.settings.client_id is None:
            # A provider of machine tokens is only asked for its keys.
            addresses[:2] = [addresses[2], addresses[2]]
        safe = [each for each in addresses if isinstance(each, str) and is_safe_address(each)]
        if len(safe) != 3:
            raise ProviderAwayError("description")
        names_itself = answer.members.get("authorization_response_iss_parameter_supported") is True
        authorize, token, keys = safe
        return Description(authorize, token, keys, names_itself)

    def _fetch_keys(self, at: datetime) -> Mapping[str, Any]:
        answer = self._ask(getting(self.description(at=at).jwks_uri))
        if answer.status != 200:
            raise ProviderAwayError(f"status {answer.status}")
        return answer.members


class Providers:
    """All providers of an installation."""

    def __init__(self, settings: Mapping[str, ProviderSettings], ask: Ask = ask) -> None:
        self._all = {name: Provider(name, each, ask) for name, each in settings.items()}

    def for_people(self) -> list[Provider]:
        """Return those that people sign in at, by name."""
        return [each for _, each in sorted(self._all.items()) if each.settings.client_id is not None]

    def for_machines(self, issuer: str) -> Provider | None:
        """Return the one whose access tokens from this issuer are taken, if there is one."""
        found = (each for each in self._all.values() if each.settings.audience and each.settings.issuer == issuer)
        return next(found, None)

    def takes_machines(self) -> bool:
        """Say whether any provider's access tokens are taken."""
        return any(each.settings.audience for each in self._all.values())

    def named(self, name: str) -> Provider:
        """Return the provider for people of that name; raise UnknownError."""
        found = self._all.get(name)
        if found is None or found.settings.client_id is None:
            raise UnknownError("There is no such identity provider.")
        return found

    def expected(self, name: str) -> Provider:
        """Return the provider of that name, whoever it is for; raise UnknownError."""
        if name not in self._all:
            raise UnknownError("There is no such identity provider.")
        return self._all[name]


def _text(answer: Answer, name: str) -> str | None:
    value = answer.members.get(name)
    return value if isinstance(value, str) and value else None
