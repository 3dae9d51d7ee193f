"""No route reaches evidence except through a guard, and the test sees every route."""

from collections.abc import Iterator

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts

from evidence.api.guards import AnyGuard
from evidence.main import create_app

PUBLIC = {
    "/healthz": "says only that the process is alive",
    "/readyz": "says only whether the parts answer",
    "/openapi.json": "describes the interface",
    "/api/v1/tokens": "is where one proves who one is",
    "/api/v1/sign-in": "names the identity providers",
    "/api/v1/sign-in/{provider}": "sends a browser to where one proves who one is",
    "/api/v1/sign-in/{provider}/callback": "what the provider says of whoever comes back is the credential",
    "/api/v1/sign-in/code": "a one-time code and the verifier that goes with it are the credential",
    "/api/v1/sign-in/renewal": "the token that is renewed is the credential",
    "/api/v1/trust": "public keys",
    "/api/v1/banner": "the notice that everybody reads before they sign in",
}
"""Path -> why anybody may ask it."""

GUARDED_BY_ITSELF = {
    ("POST", "/api/v1/docks"): "the one-time enrolment code is the credential",
    ("POST", "/api/v1/docks/{dock_id}/key"): "the statement signed with the dock's key is the credential",
    ("GET", "/api/v1/me"): "answers only about whoever asks",
    ("GET", "/api/v1/me/tasks"): "answers only about whoever asks",
    ("GET", "/api/v1/approvals"): "lists what whoever asks has requested or may decide, by the cell of each action",
    ("GET", "/api/v1/approvals/{approval_id}"): "as the list; the rest is told apart from nothing",
    ("POST", "/api/v1/approvals/{approval_id}/approve"): "is decided by the cell of the action that is approved",
    ("POST", "/api/v1/approvals/{approval_id}/refuse"): "is decided by the cell of the action that is refused",
    ("POST", "/api/v1/approvals/{approval_id}/withdraw"): "is for the requester alone",
    ("GET", "/api/v1/break-glass/{glass_id}"): "is for whoever broke it, and by audit.read for the rest",
    ("DELETE", "/api/v1/tokens/current"): "ends only the session of whoever asks",
    ("POST", "/api/v1/tokens/step-up"): "the code is what is asked for; it strengthens only one's own session",
    ("POST", "/api/v1/accounts/me/second-factor"): "only one's own, after a fresh sign-in",
    ("POST", "/api/v1/accounts/me/second-factor/confirm"): "only one's own; the code is what is asked for",
    ("POST", "/api/v1/accounts/me/recovery-codes"): "only one's own, with the second factor just proved",
    ("POST", "/api/v1/accounts/me/password"): "only one's own; the old password is what is asked for",
    ("OPTIONS", "/api/v1/uploads"): "says which version of tus is spoken",
}


def dependencies(of: Dependant) -> Iterator[object]:
    for each in of.dependencies:
        yield each.call
        yield from dependencies(each)


def is_guarded(route: RouteContext) -> bool:
    dependant = getattr(route, "dependant", None)
    return dependant is not None and any(isinstance(call, AnyGuard) for call in dependencies(dependant))


def unguarded(app: FastAPI) -> list[tuple[str, str]]:
    return [
        (method, str(route.path))
        for route in iter_route_contexts(app.routes)
        for method in sorted(getattr(route, "methods", None) or {"*"})
        if route.path not in PUBLIC and (method, route.path) not in GUARDED_BY_ITSELF and not is_guarded(route)
    ]


def test_every_route_is_guarded_or_public() -> None:
    app = create_app()
    # A part of an address that may hold slashes is described without saying so.
    seen = {str(route.path).replace(":path}", "}") for route in iter_route_contexts(app.routes)}

    assert seen >= set(app.openapi()["paths"]), "this test must see every route"
    assert unguarded(app) == []


def test_no_exception_is_listed_for_a_route_that_is_gone() -> None:
    seen = {
        (method, str(route.path))
        for route in iter_route_contexts(create_app().routes)
        for method in getattr(route, "methods", None) or set()
    }

    assert set(GUARDED_BY_ITSELF) <= seen
    assert set(PUBLIC) <= {path for _method, path in seen}


@pytest.mark.parametrize("hidden", [False, True])
def test_a_route_without_a_guard_is_seen(hidden: bool) -> None:
    app = create_app()
    careless = APIRouter()

    @careless.get("/items/{item}/bytes", include_in_schema=not hidden)
    def read_bytes(item: str) -> str:
        return item

    app.include_router(careless, prefix="/api/v1")

    assert unguarded(app) == [("GET", "/api/v1/items/{item}/bytes")]
