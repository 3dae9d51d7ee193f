"""FastAPI: the route that gives tokens, and how a token is read from a request.

This module knows neither the application nor its database: it is handed TokenDoors.  A refused
sign-in is reported in a unit of work of its own, which is committed before the refusal goes out
as NotSignedInError; the application's problem table answers it, always in the same words.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qsl
from uuid import UUID

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from auth import sessions
from auth.errors import NotSignedInError, ProofMissingError, TokenRequestError
from auth.events import Recorder
from auth.possession import Shown
from auth.principals import Principal, PrincipalKind, Role
from auth.strict import read_object
from auth.tokens import TokenIssuer

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LARGEST_BODY = 16_384
AT_ONCE = 4
"""How many sign-ins are checked at the same time: each takes 64 MiB. The others wait without a thread."""


@dataclass(frozen=True, slots=True)
class TokenDoors:
    """What the token route needs of the application it is part of.

    `audiences` are the names a dock may address its statement to: the address of the token route
    as clients know it, and what our tokens are for.  `url` is how clients reach us.
    """

    unit_of_work: Callable[[], AbstractContextManager[Session]]
    recorder: Recorder
    tokens: TokenIssuer
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
        description="`Bearer` for a person. `DPoP` for a dock: good only with a proof of its key (RFC 9449)."
    )
    expires_in: int = Field(description="Seconds for which the token is good.")
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
        """Sign in an account by password, or a dock by a statement signed with its key and a DPoP proof."""
        asked = _read_request(request.headers.get("content-type", ""), await _read_body(request))
        if isinstance(asked, _Statement):
            asked = replace(asked, proof=_proof_for_token(request), address=_address(request, doors.url))
        source = request.client.host if request.client else None
        shown = await to_thread.run_sync(_answer, doors, asked, doors.request_id(request), source, limiter=at_once)
        response.headers["Cache-Control"] = "no-store"
        return shown

    return routes


@dataclass(frozen=True, slots=True)
class _Password:
    username: str
    password: str


@dataclass(frozen=True, slots=True)
class _Statement:
    assertion: str
    proof: str = ""
    address: str = ""


def _answer(doors: TokenDoors, asked: _Password | _Statement, request_id: str, source: str | None) -> TokenShown:
    at = doors.clock()
    with doors.unit_of_work() as session:
        signed_in = _sign_in(session, doors, asked, at=at, request_id=request_id, source=source)
    if signed_in is None:
        raise NotSignedInError("sign-in refused")
    principal, key = signed_in
    token = doors.tokens.issue(principal, at=at, bound_to=key)
    return TokenShown(
        access_token=token.text,
        token_type="Bearer" if key is None else "DPoP",
        expires_in=int(token.life.total_seconds()),
        principal=PrincipalShown.of(principal),
    )


def _sign_in(
    session: Session,
    doors: TokenDoors,
    asked: _Password | _Statement,
    *,
    at: datetime,
    request_id: str,
    source: str | None,
) -> tuple[Principal, str | None] | None:
    if isinstance(asked, _Password):
        person = sessions.sign_in(
            session,
            doors.recorder,
            email=asked.username,
            password=asked.password,
            at=at,
            request_id=request_id,
            source=source,
        )
        return None if person is None else (person, None)
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


def _read_request(content_type: str, body: bytes) -> _Password | _Statement:
    members = _read_members(content_type.partition(";")[0].strip().lower(), body)
    grant_type = _text(members, "grant_type")
    if grant_type == "password":
        return _Password(_text(members, "username"), _text(members, "password"))
    if grant_type == "client_credentials":
        if _text(members, "client_assertion_type") != JWT_BEARER:
            raise TokenRequestError("invalid_request", f"The only client_assertion_type taken is {JWT_BEARER}.")
        return _Statement(_text(members, "client_assertion"))
    raise TokenRequestError("unsupported_grant_type", "The grant types taken are password and client_credentials.")


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


_MEMBERS = {
    "type": "object",
    "required": ["grant_type"],
    "properties": {
        "grant_type": {"type": "string", "enum": ["password", "client_credentials"]},
        "username": {"type": "string", "description": "Of an account: its e-mail address."},
        "password": {"type": "string", "format": "password"},
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
