"""FastAPI: the route that gives tokens, and how a token is read from a request.

This module knows neither the application nor its database: it is handed TokenDoors.  A refused
sign-in is reported in a unit of work of its own, which is committed before the refusal goes out
as NotSignedInError; the application's problem table answers it, always in the same words.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qsl
from uuid import UUID

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from auth import local_sign_in, sessions
from auth.errors import (
    AuthError,
    BannerError,
    NewPasswordNeededError,
    NotSignedInError,
    ProofMissingError,
    SecondFactorNeededError,
    TokenRequestError,
)
from auth.events import Reason, Recorder
from auth.local_sign_in import Asked
from auth.possession import Shown
from auth.principals import Principal, PrincipalKind, Role
from auth.sealing import Sealer
from auth.second_factors import Given
from auth.sessions import Begun, Refused
from auth.settings import AuthSettings
from auth.strict import read_object
from auth.tokens import TokenIssuer

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LARGEST_BODY = 16_384
AT_ONCE = 4
"""How many sign-ins are checked at the same time: each takes 64 MiB. The others wait without a thread."""

TOLD: Mapping[Reason, type[AuthError]] = {
    "banner_not_acknowledged": BannerError,
    "second_factor_missing": SecondFactorNeededError,
    "new_password_missing": NewPasswordNeededError,
}
"""The refusals whose reason the caller is told: nothing was wrong, and something is missing."""


@dataclass(frozen=True, slots=True)
class TokenDoors:
    """What the token route needs of the application it is part of.

    `audiences` are the names a dock may address its statement to: the address of the token route
    as clients know it, and what our tokens are for.  `url` is how clients reach us.
    """

    unit_of_work: Callable[[], AbstractContextManager[Session]]
    recorder: Recorder
    tokens: TokenIssuer
    rules: AuthSettings
    sealer: Sealer
    audiences: Collection[str]
    url: str
    clock: Callable[[], datetime]
    request_id: Callable[[Request], str]


class PrincipalShown(BaseModel):
    """Who signed in, as they are now."""

    kind: PrincipalKind
    id: UUID
    agency_id: UUID
    name: str
    roles: list[Role] = Field(description="What the account or dock holds now; asked again at every request.")

    @classmethod
    def of(cls, principal: Principal) -> Self:
        """Say what a principal may know of itself."""
        return cls(
            kind=principal.kind,
            id=principal.id,
            agency_id=principal.agency_id,
            name=principal.name,
            roles=sorted(principal.roles),
        )


class TokenShown(BaseModel):
    """A token, and whose it is."""

    access_token: str
    token_type: Literal["Bearer", "DPoP"] = Field(
        default="Bearer",
        description="`Bearer` for a person. `DPoP` for a dock: good only with a proof of its key (RFC 9449).",
    )
    expires_in: int = Field(description="Seconds for which the token is good.")
    refresh_token: str | None = Field(
        default=None, description="Of a person: renews the session, once. It is answered with the next one."
    )
    session_ends_at: datetime | None = Field(
        default=None, description="Of a person: when the session ends, however much it is used."
    )
    principal: PrincipalShown


def shown_by(request: Request, *, url: str) -> Shown:
    """Return what the request shows of who sends it; raise NotSignedInError when that is not one token.

    `url` is how clients reach us.  A dock's token comes as `DPoP` with its proof, a person's as `Bearer`.
    """
    headers = request.headers.getlist("authorization")
    scheme, _, token = headers[0].partition(" ") if len(headers) == 1 else ("", "", "")
    if scheme.lower() not in ("bearer", "dpop") or not token:
        raise NotSignedInError("no token")
    proof = _proof(request) if scheme.lower() == "dpop" else None
    return Shown(token=token, proof=proof, method=request.method, address=_address(request, url))


def _proof(request: Request) -> str:
    proofs = request.headers.getlist("dpop")
    if len(proofs) != 1 or not proofs[0]:
        raise ProofMissingError
    return proofs[0]


def _address(request: Request, url: str) -> str:
    """Return the address of the request as clients know it, as it was asked and without query."""
    path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    return url + path.partition(b"?")[0].decode("latin-1")


def router(doors: Callable[..., Awaitable[TokenDoors]]) -> APIRouter:
    """Make the router with `POST /tokens`, for the application that the dependency `doors` opens."""
    routes = APIRouter(tags=["Sign-in"])
    at_once = CapacityLimiter(AT_ONCE)

    @routes.post("/tokens", openapi_extra={"requestBody": _BODY})
    async def give_token(
        request: Request, response: Response, doors: Annotated[TokenDoors, Depends(doors)]
    ) -> TokenShown:
        """Sign in an account by password, renew its session, or sign in a dock by a statement signed with its key.

        A dock sends a DPoP proof as well, and its token is bound to its key.
        """
        asked = _read_request(request.headers.get("content-type", ""), await _read_body(request))
        if isinstance(asked, _Statement):
            asked = replace(asked, proof=_proof_for_token(request), address=_address(request, doors.url))
        answer = partial(_answer, doors, asked, doors.request_id(request), source_of(request))
        shown = await to_thread.run_sync(answer, limiter=at_once)
        response.headers["Cache-Control"] = "no-store"
        return shown

    return routes


@dataclass(frozen=True, slots=True)
class _Statement:
    assertion: str
    proof: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class _Renewal:
    token: str


def source_of(request: Request) -> str | None:
    """Return the network address that the request came from."""
    return request.client.host if request.client else None


def _answer(doors: TokenDoors, asked: Asked | _Renewal | _Statement, request_id: str, source: str | None) -> TokenShown:
    at = doors.clock()
    with doors.unit_of_work() as session:
        begun = _sign_in(session, doors, asked, at=at, request_id=request_id, source=source)
    if begun is None:
        raise NotSignedInError("sign-in refused")
    if isinstance(begun, Refused):
        told = TOLD.get(begun.reason)
        raise told() if told else NotSignedInError(begun.reason)
    if isinstance(begun, Begun):
        return token_shown(doors.tokens, begun, at=at)
    dock, key = begun
    return _shown(doors.tokens, dock, at=at, bound_to=key)


def token_shown(tokens: TokenIssuer, begun: Begun, *, at: datetime) -> TokenShown:
    """Issue a token for a session that has begun or goes on, and say what renews it."""
    shown = _shown(tokens, begun.principal, at=at)
    shown.refresh_token, shown.session_ends_at = begun.renewal, begun.ends_at
    return shown


def _shown(tokens: TokenIssuer, principal: Principal, *, at: datetime, bound_to: str | None = None) -> TokenShown:
    token = tokens.issue(principal, at=at, bound_to=bound_to)
    return TokenShown(
        access_token=token.text,
        token_type="Bearer" if bound_to is None else "DPoP",
        expires_in=int(token.life.total_seconds()),
        principal=PrincipalShown.of(principal),
    )


def _sign_in(
    session: Session,
    doors: TokenDoors,
    asked: Asked | _Renewal | _Statement,
    *,
    at: datetime,
    request_id: str,
    source: str | None,
) -> Begun | Refused | tuple[Principal, str] | None:
    if isinstance(asked, Asked):
        return local_sign_in.sign_in(
            session,
            doors.recorder,
            asked,
            rules=doors.rules,
            sealer=doors.sealer,
            at=at,
            request_id=request_id,
            source=source,
        )
    if isinstance(asked, _Renewal):
        return sessions.renew(
            session, doors.recorder, asked.token, rules=doors.rules, at=at, request_id=request_id, source=source
        )
    return sessions.sign_in_dock(
        session,
        doors.recorder,
        assertion=asked.assertion,
        proof=asked.proof,
        address=asked.address,
        audiences=doors.audiences,
        at=at,
        leeway=doors.tokens.leeway,
        request_id=request_id,
        source=source,
    )


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_BODY:
            raise TokenRequestError("invalid_request", "A request for a token is at most 16 KiB long.")
    return bytes(body)


def _read_request(content_type: str, body: bytes) -> Asked | _Renewal | _Statement:
    members = _read_members(content_type.partition(";")[0].strip().lower(), body)
    grant_type = _text(members, "grant_type")
    if grant_type == "password":
        return Asked(
            email=_text(members, "username"),
            password=_text(members, "password"),
            factor=Given(_text_or_none(members, "totp"), _text_or_none(members, "recovery_code")),
            new_password=_text_or_none(members, "new_password"),
            banner=_text_or_none(members, "banner_acknowledged"),
        )
    if grant_type == "refresh_token":
        return _Renewal(_text(members, "refresh_token"))
    if grant_type == "client_credentials":
        if _text(members, "client_assertion_type") != JWT_BEARER:
            raise TokenRequestError("invalid_request", f"The only client_assertion_type taken is {JWT_BEARER}.")
        return _Statement(_text(members, "client_assertion"))
    raise TokenRequestError(
        "unsupported_grant_type", "The grant types taken are password, refresh_token and client_credentials."
    )


def _proof_for_token(request: Request) -> str:
    proofs = request.headers.getlist("dpop")
    if len(proofs) != 1 or not proofs[0]:
        raise TokenRequestError(
            "invalid_dpop_proof",
            "A dock signs in with one DPoP proof (RFC 9449) in the header DPoP, beside its client_assertion; "
            f"this request has {len(proofs) or 'none'}.",
        )
    return proofs[0]


def _read_members(media_type: str, body: bytes) -> Mapping[str, Any]:
    try:
        if media_type == "application/json":
            return read_object(body)
        if media_type == "application/x-www-form-urlencoded":
            pairs = parse_qsl(
                body.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=20
            )
            members = dict(pairs)
            if len(members) == len(pairs):
                return members
    except ValueError:
        pass
    raise TokenRequestError("invalid_request", "Send a JSON object or a URL-encoded form, with each member once.")


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not value:
        raise TokenRequestError("invalid_request", f"The member {name} is missing or is not a text.")
    return value


def _text_or_none(members: Mapping[str, Any], name: str) -> str | None:
    return None if members.get(name) is None else _text(members, name)


_MEMBERS = {
    "type": "object",
    "required": ["grant_type"],
    "properties": {
        "grant_type": {"type": "string", "enum": ["password", "refresh_token", "client_credentials"]},
        "username": {"type": "string", "description": "Of an account: its e-mail address."},
        "password": {"type": "string", "format": "password"},
        "totp": {"type": "string", "description": "Of an account with a second factor: its code of this moment."},
        "recovery_code": {"type": "string", "description": "Instead of it: one of the account's recovery codes."},
        "new_password": {
            "type": "string",
            "format": "password",
            "description": "With a one-time password: the one that takes its place.",
        },
        "banner_acknowledged": {
            "type": "string",
            "description": "Where the installation has a system-use notice: the sha256 of the one that was read.",
        },
        "refresh_token": {"type": "string", "description": "To renew a session: what the last answer gave, used once."},
        "client_assertion_type": {"type": "string", "enum": [JWT_BEARER]},
        "client_assertion": {
            "type": "string",
            "description": "Of a dock: a JWT signed ES256 with its key; iss and sub are the dock's id, aud is the "
            "address of this route, jti is used once, exp at most five minutes after iat.",
        },
    },
}
_BODY: dict[str, Any] = {
    "required": True,
    "content": {kind: {"schema": _MEMBERS} for kind in ("application/x-www-form-urlencoded", "application/json")},
}
