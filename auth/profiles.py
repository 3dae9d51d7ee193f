"""Profiles: what the tokens of each kind of provider look like. Data, not code; auth/guide/ explains them.

A profile says which claim is the person, how the provider tells how strongly they proved it, and
what it leaves out.  Everything that all providers share is in provider_tokens.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from auth.settings import ProfileName

UNTYPED: frozenset[str | None] = frozenset({None, "JWT"})
ACCESS_TOKEN: frozenset[str | None] = frozenset({"at+jwt", "application/at+jwt"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How to read one kind of provider.

    `subject` is the claim that never changes and is never given to somebody else.  `tenant` must be the
    one that is configured.  `strong` tells by its values how somebody proved who they are; with
    `tells_when` there is an `auth_time`, without which there is no step-up.  `verified` says that the
    e-mail address is the person's own.  `payload_type` is a `typ` inside the payload.  `asked_too` goes with
    every request to sign in, `asked_afresh` with one for step-up (VALUE: the first strong value).
    """

    id_token_types: frozenset[str | None] = UNTYPED
    id_payload_type: str | None = None
    subject: str = "sub"
    tenant: str | None = None
    strong: Literal["amr", "acr", "acrs", "mfa_auth_time"] | None = "amr"
    strong_values: frozenset[str] = frozenset()
    tells_when: bool = True
    verified: str | None = "email_verified"
    scopes: tuple[str, ...] = ("openid", "profile", "email", "offline_access")
    asked_too: Mapping[str, str] = field(default_factory=dict)
    asked_afresh: Mapping[str, str] = field(default_factory=dict)
    access_token_types: frozenset[str | None] | None = None
    access_payload_type: str | None = None
    client: str = "client_id"
    machine_subject: Literal["client", "service-account"] = "client"


MULTI_FACTOR = frozenset({"mfa", "hwk", "otp", "swk", "sc", "pop"})
"""Of RFC 8176: a second factor, or a key that somebody holds."""

PROFILES: Mapping[ProfileName, Profile] = {
    # `oid` is one person in the whole tenant; `sub` is another for every registration. `auth_time` and
    # `xms_edov` are optional claims that the tenant has to switch on.
    "entra": Profile(
        subject="oid",
        tenant="tid",
        strong="acrs",
        strong_values=frozenset({"c1"}),
        verified="xms_edov",
        asked_afresh={"claims": '{"id_token":{"acrs":{"essential":true,"value":"VALUE"},"auth_time":null}}'},
    ),
    "google": Profile(
        tenant="hd",
        strong=None,
        tells_when=False,
        scopes=("openid", "profile", "email"),
        asked_too={"access_type": "offline", "prompt": "consent"},
    ),
    "okta": Profile(strong_values=frozenset({"mfa"}), asked_afresh={"acr_values": "urn:okta:loa:2fa:any"}),
    # Addresses come from the directory unverified: set trust_addresses, or link people by subject.
    "adfs": Profile(strong="mfa_auth_time", verified=None, scopes=("openid", "profile", "email")),
    "keycloak": Profile(
        id_token_types=frozenset({"JWT"}),
        id_payload_type="ID",
        strong="acr",
        strong_values=frozenset({"2"}),
        asked_afresh={"acr_values": "VALUE"},
        scopes=("openid", "profile", "email"),
        access_token_types=frozenset({"JWT"}),
        access_payload_type="Bearer",
        client="azp",
        machine_subject="service-account",
    ),
    "rfc9068": Profile(access_token_types=ACCESS_TOKEN),
    "generic": Profile(strong_values=MULTI_FACTOR, access_token_types=UNTYPED),
}
