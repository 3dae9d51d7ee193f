"""AuthSettings: how long things last, what tokens are called, how sign-in is guarded, which providers are trusted.

Where a rule of the field (CJIS Security Policy) sets a bound, a setting may be stricter and not looser.
"""

import re
from datetime import timedelta
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from auth.principals import Role

Network = IPv4Network | IPv6Network
ProfileName = Literal["entra", "google", "okta", "adfs", "keycloak", "rfc9068", "generic"]

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}\Z")
_RESERVED = frozenset({"code", "renewal"})
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


def is_safe_address(address: str) -> bool:
    """Whether secrets may be sent to the address: https, or http to this machine itself."""
    try:
        parts = urlsplit(address)
        port_is_readable = parts.port is None or parts.port > 0
    except ValueError:
        return False
    if not parts.hostname or parts.username is not None or parts.fragment or not port_is_readable:
        return False
    return address.isascii() and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK))


class ProviderSettings(BaseModel):
    """One identity provider, for people (`client_id`) or for machine clients (`audience`), never for both."""

    model_config = ConfigDict(extra="forbid")

    profile: ProfileName = Field(description="What its tokens look like: auth/guide/ has a page for each.")
    issuer: str = Field(max_length=255, description="Its `iss`, letter for letter; discovery is read from there alone.")
    client_id: str | None = Field(default=None, max_length=255, description="What we are called there. For people.")
    client_secret: SecretStr | None = Field(default=None, description="Our secret there; none: a public client.")
    client_secret_file: Path | None = Field(default=None, description="A file that holds the secret.")
    audience: str | None = Field(
        default=None, max_length=255, description="What its access tokens for us are for (`aud`). For machine clients."
    )
    agencies: list[str] = Field(
        default_factory=list, description="Names of the agencies whose accounts may be linked to it."
    )
    tenant: str | None = Field(default=None, description="Pinned `tid` (entra) or `hd` (google).")
    scopes: list[str] | None = Field(default=None, description="Asked for instead of the profile's.")
    trust_addresses: bool = Field(
        default=False, description="Take its e-mail addresses as verified: only its administrators can set them."
    )
    strong_values: list[str] | None = Field(
        default=None, description="Values of the profile's claim that mean more than a password, for step-up."
    )
    groups_claim: str = Field(default="groups", description="The claim that lists groups.")

    @model_validator(mode="after")
    def _refuse_half_a_provider(self) -> Self:
        if not is_safe_address(self.issuer) or "?" in self.issuer:
            raise ValueError("the issuer is an https address (http for this machine itself), without query")
        if (self.client_id is None) == (self.audience is None):
            raise ValueError("set client_id (people) or audience (machine clients), one of them")
        if self.client_id == "" or self.audience == "":
            raise ValueError("client_id and audience are not empty")
        if not self.agencies:
            raise ValueError("name the agencies whose accounts may be linked to this provider")
        if self.client_secret is not None and self.client_secret_file is not None:
            raise ValueError("set client_secret or client_secret_file, not both")
        self._refuse_unpinned()
        return self

    def _refuse_unpinned(self) -> None:
        people_only = {"entra", "google", "okta", "adfs"}
        if self.profile in people_only and self.client_id is None:
            raise ValueError(f"the profile {self.profile} is for people and needs client_id")
        if self.profile == "rfc9068" and self.audience is None:
            raise ValueError("the profile rfc9068 is for machine clients and needs audience")
        if self.profile == "entra":
            tenant = self.tenant or ""
            if not _GUID.match(tenant) or f"/{tenant}/" not in self.issuer:
                raise ValueError("entra needs tenant, the id of your directory, and the issuer that names it")
        elif self.profile == "google" and not self.tenant:
            raise ValueError("google needs tenant, your organisation's domain: else every Google account is let in")

    @property
    def secret(self) -> str | None:
        """Our secret there, if there is one."""
        if self.client_secret_file is not None:
            return self.client_secret_file.read_text("utf-8").strip()
        return None if self.client_secret is None else self.client_secret.get_secret_value()

    def secret_is_readable(self) -> bool:
        """Say whether our secret there can be had, if there is to be one."""
        try:
            return self.secret != ""
        except (OSError, ValueError):
            return False


class AuthSettings(BaseModel):
    """Settings of sign-in and tokens, nested in the installation's settings as `auth`."""

    token_life: timedelta = Field(
        default=timedelta(minutes=55), le=timedelta(hours=1), description="How long a token is good; at most an hour."
    )
    enrolment_life: timedelta = Field(
        default=timedelta(minutes=15), description="How long a one-time enrolment code for a dock is good."
    )
    leeway: timedelta = Field(default=timedelta(seconds=30), description="Clock difference forgiven in tokens.")
    audience: str = Field(default="urn:evidence-room:api", description="What our tokens are for (`aud`).")
    session_life: timedelta = Field(
        default=timedelta(hours=12),
        gt=timedelta(0),
        le=timedelta(hours=12),
        description="A session ends this long after its sign-in, however much it is used.",
    )
    idle_life: timedelta = Field(
        default=timedelta(minutes=30),
        ge=timedelta(minutes=2),
        le=timedelta(minutes=30),
        description="A session ends when it was not used for this long.",
    )
    most_sessions: int | None = Field(
        default=5, ge=1, description="Open sessions of one account; one more ends the oldest. `null`: any number."
    )
    second_factor: Literal["required", "optional"] = Field(
        default="required",
        description="Whether acts that ask for a fresh, strong sign-in need a second factor. `optional` takes a fresh "
        "password for those without one, and is for trials (EVIDENCE_ENVIRONMENT=development) only.",
    )
    lockout_failures: int = Field(
        default=5, ge=1, le=5, description="Failures within `lockout_window` that lock an account out."
    )
    lockout_source_failures: int = Field(
        default=25, ge=1, le=100, description="The same for a network address, which a whole station may share."
    )
    lockout_window: timedelta = Field(
        default=timedelta(minutes=15), ge=timedelta(minutes=15), description="How long a failure counts."
    )
    idle_account_life: timedelta = Field(
        default=timedelta(days=90),
        gt=timedelta(0),
        le=timedelta(days=90),
        description="An account that nobody used for this long is refused until an administrator releases it.",
    )
    one_time_password_life: timedelta = Field(
        default=timedelta(hours=24), gt=timedelta(0), description="How long the password of a reset is good, once."
    )
    banner: str | None = Field(
        default=None, min_length=1, max_length=4000, description="System-use notice to be acknowledged at each sign-in."
    )
    role_networks: dict[Role, list[Network]] = Field(
        default_factory=dict,
        description="Role -> networks (CIDR) from which it counts. A role that is not here counts from everywhere.",
    )

    providers: dict[str, ProviderSettings] = Field(
        default_factory=dict, description="Identity providers by the name they have in addresses."
    )

    @model_validator(mode="after")
    def _refuse_strange_providers(self) -> Self:
        for name, provider in self.providers.items():
            if not _NAME.match(name) or name in _RESERVED:
                raise ValueError(f"{name!r} cannot be a provider's name: lower-case letters, digits, hyphens")
            clients = {each.client_id for each in self.providers.values() if each.issuer == provider.issuer}
            if provider.audience is not None and provider.audience in clients | {self.audience}:
                raise ValueError(
                    f"the audience of {name} is a client's id or our own tokens': tokens could be mixed up"
                )
        return self

    @property
    def banner_sha256(self) -> str | None:
        """Which banner this is: what a sign-in says it has read."""
        return None if self.banner is None else sha256(self.banner.encode()).hexdigest()

    def counts_from(self, role: Role, source: str | None) -> bool:
        """Say whether the role counts for a request from that network address."""
        networks = self.role_networks.get(role)
        if networks is None:
            return True
        try:
            address = ip_address(source or "")
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in networks)
