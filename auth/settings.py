"""AuthSettings: how long things last, what tokens are called, and how sign-in is guarded.

Where a rule of the field (CJIS Security Policy) sets a bound, a setting may be stricter and not looser.
"""

from datetime import timedelta
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Literal

from pydantic import BaseModel, Field

from auth.principals import Role

Network = IPv4Network | IPv6Network


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
