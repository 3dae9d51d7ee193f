"""FastAPI: the routes by which people sign in at an identity provider, and renew that.

The browser goes to the provider and comes back to the callback.  Today the callback answers with
the token as JSON, or sends a waiting program (the command line) its code; a console's cookie will be set in
the same place.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field

from auth import single_sign_on
from auth.errors import NotSignedInError
from auth.http import PrincipalShown, TokenShown, shown_by, source_of
from auth.single_sign_on import SignIn, SignInDoors, read_desk

AT_ONCE = 16
"""How many requests wait for providers at the same time. The others wait without a thread, and nobody else does."""

COOKIE = "evidence-sign-in"


ProviderNamed = Annotated[str, Path(max_length=40, description="Name of the identity provider.")]


class ProviderShown(BaseModel):
    """One identity provider that people sign in at."""

    name: str
    begin: str = Field(description="Send the browser here.")


class ProvidersShown(BaseModel):
    """The identity providers of this installation."""

    providers: list[ProviderShown]


class CodeRequest(BaseModel):
    """The code that a waiting program was handed, and the verifier that it alone knows."""

    code: str = Field(min_length=1, max_length=4096)
    code_verifier: str = Field(min_length=43, max_length=128)


def router(doors: Callable[..., Awaitable[SignInDoors]], request_id: Callable[[Request], str]) -> APIRouter:
    """Make the router of sign-in at providers, for the application that the dependency `doors` opens."""
    routes = APIRouter(tags=["Sign-in"])
    waiting = CapacityLimiter(AT_ONCE)
    Doors = Annotated[SignInDoors, Depends(doors)]  # noqa: N806  # a type

    @routes.get("/sign-in")
    async def list_providers(doors: Doors) -> ProvidersShown:
        """List the identity providers that people sign in at."""
        names = [each.name for each in doors.providers.for_people()]
        return ProvidersShown(
            providers=[ProviderShown(name=each, begin=f"{doors.url}/api/v1/sign-in/{each}") for each in names]
        )

    @routes.get("/sign-in/{provider}", status_code=303, response_class=Response)
    async def begin_sign_in(
        provider: ProviderNamed,
        doors: Doors,
        fresh: Annotated[bool, Query(description="Prove it again, for acts that need a fresh sign-in.")] = False,
        return_to: Annotated[
            str | None, Query(max_length=200, description="Where a program on this machine waits.")
        ] = None,
        code_challenge: Annotated[str | None, Query(max_length=43)] = None,
        state: Annotated[str | None, Query(max_length=256)] = None,
        banner_acknowledged: Annotated[
            str | None, Query(max_length=64, description="`sha256` of the system-use notice that was read, if any.")
        ] = None,
    ) -> Response:
        """Send the browser to the provider; it comes back to the callback."""
        chosen = doors.providers.named(provider)
        desk = read_desk(return_to, code_challenge, state)

        def begin() -> tuple[str, str]:
            return single_sign_on.begin(doors, chosen, fresh=fresh, desk=desk, banner=banner_acknowledged)

        address, sealed = await to_thread.run_sync(begin, limiter=waiting)
        answer = Response(status_code=303, headers={"Location": address})
        answer.set_cookie(
            _cookie(doors),
            sealed,
            max_age=int(single_sign_on.BEGUN_LIFE.total_seconds()),
            secure=_is_secure(doors),
            httponly=True,
            # The provider sends the browser back from another site: Strict would leave the cookie at home.
            samesite="lax",
        )
        return answer

    @routes.get("/sign-in/{provider}/callback", responses={303: {"description": "To the program that waits."}})
    async def finish_sign_in(provider: ProviderNamed, request: Request, response: Response, doors: Doors) -> TokenShown:
        """Take the browser back from the provider, and give it a token."""
        chosen = doors.providers.named(provider)
        # A member that stands there twice could be read in two ways, and so counts for nothing.
        answer = {
            name: value for name, value in request.query_params.items() if len(request.query_params.getlist(name)) == 1
        }
        cookie, source = request.cookies.get(_cookie(doors)), source_of(request)

        def finish() -> tuple[SignIn, single_sign_on.Desk | None]:
            return single_sign_on.finish(
                doors, chosen, cookie=cookie, answer=answer, request_id=request_id(request), source=source
            )

        signed_in, desk = await to_thread.run_sync(finish, limiter=waiting)
        if desk is not None:
            onwards = Response(status_code=303, headers={"Location": single_sign_on.code_for(doors, signed_in, desk)})
            _forget_cookie(onwards, doors)
            return onwards  # type: ignore[return-value]  # the other form of the answer, described in `responses`
        _forget_cookie(response, doors)
        return _shown(doors, signed_in)

    @routes.post("/sign-in/code")
    async def redeem_code(asked: CodeRequest, request: Request, doors: Doors) -> TokenShown:
        """Give a token to the program that waited for this sign-in."""
        source = source_of(request)

        def redeem() -> TokenShown:
            signed_in = single_sign_on.redeem(
                doors, code=asked.code, verifier=asked.code_verifier, request_id=request_id(request), source=source
            )
            return _shown(doors, signed_in)

        return await to_thread.run_sync(redeem)

    @routes.post("/sign-in/renewal")
    async def renew_sign_in(request: Request, doors: Doors) -> TokenShown:
        """Renew a sign-in at its provider: the token sent is replaced by the one in the answer."""
        shown, source = shown_by(request, url=doors.url), source_of(request)
        if shown.proof is not None:
            raise NotSignedInError("proof without need")

        def renew() -> TokenShown:
            renewed = single_sign_on.renew(doors, shown.token, request_id=request_id(request), source=source)
            return _shown(doors, renewed)

        return await to_thread.run_sync(renew, limiter=waiting)

    return routes


def _shown(doors: SignInDoors, signed_in: SignIn) -> TokenShown:
    token = single_sign_on.issue(doors, signed_in)
    return TokenShown(
        access_token=token.text,
        expires_in=int(token.life.total_seconds()),
        principal=PrincipalShown.of(signed_in.principal),
    )


def _is_secure(doors: SignInDoors) -> bool:
    return doors.url.startswith("https:")


def _cookie(doors: SignInDoors) -> str:
    # With this prefix browsers take the cookie from us alone, and not from another host of the same domain.
    return f"__Host-{COOKIE}" if _is_secure(doors) else COOKIE


def _forget_cookie(response: Response, doors: SignInDoors) -> None:
    response.delete_cookie(_cookie(doors), secure=_is_secure(doors), httponly=True, samesite="lax")
