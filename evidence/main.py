"""The composition root of the server: the only file that knows every part of it.

`create_app` puts the routers together over one open room; `evidence serve` opens the room and
runs the application.  Without a room the application only describes itself (`evidence openapi`).
"""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager

from fastapi import FastAPI, Request
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from auth import http as auth_http
from auth import sign_in_http
from auth.single_sign_on import SignInDoors
from evidence import __version__, api
from evidence.api import problems
from evidence.api.dependencies import AppRoom
from evidence.api.middleware import RequestStamp, SlashesInNames
from evidence.database import unit_of_work
from evidence.ingest.intake import Intake
from evidence.room import Room

DESCRIPTION = """Body-worn camera footage under a chain of custody that anybody can check.

Every act on an evidence item is entered in its chain before it takes effect. Errors are problem
details (RFC 9457): what happened, why, and the next step."""


def create_app(room: Room | None = None) -> FastAPI:
    """Make the application over an open room."""
    app = FastAPI(
        title="The open evidence room",
        version=__version__,
        description=DESCRIPTION,
        # The pages for reading the interface fetch their scripts from elsewhere; a city's network is closed.
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        lifespan=_lifespan,
    )
    app.state.room = room
    app.state.intake = Intake(room) if room else None
    app.add_middleware(SlashesInNames)
    app.add_middleware(RequestStamp)
    problems.install(app)
    app.include_router(auth_http.router(_doors), prefix="/api/v1", max_body_size=api.BODY_LIMIT)
    app.include_router(sign_in_http.router(_sign_in_doors, _request_id), prefix="/api/v1", max_body_size=api.BODY_LIMIT)
    app.include_router(api.router())
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    if app.state.intake is not None:
        await run_in_threadpool(app.state.intake.close)


async def _doors(room: AppRoom) -> auth_http.TokenDoors:
    """Hand auth what it needs of us, so that it need not know us."""

    def unit() -> AbstractContextManager[Session]:
        return unit_of_work(room.sessions)

    return auth_http.TokenDoors(
        unit_of_work=unit,
        tokens=room.tokens,
        recorder=room.recorder,
        rules=room.settings.auth,
        sealer=room.vault.keyring,
        clock=room.clock,
        audiences=(f"{room.settings.url}/api/v1/tokens", room.settings.auth.audience),
        url=room.settings.url,
        request_id=_request_id,
    )


async def _sign_in_doors(room: AppRoom) -> SignInDoors:
    """The same for sign-in at an identity provider."""

    def unit() -> AbstractContextManager[Session]:
        return unit_of_work(room.sessions)

    return SignInDoors(
        unit_of_work=unit,
        tokens=room.tokens,
        providers=room.providers,
        sealer=room.vault.keyring,
        rules=room.settings.auth,
        recorder=room.recorder,
        clock=room.clock,
        url=room.settings.url,
    )


def _request_id(asked: Request) -> str:
    return str(asked.state.request_id)
