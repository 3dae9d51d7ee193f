"""Errors as answers: RFC 9457 problem details, and the one table of status codes.

A problem says what happened, why, and the next step; never a text that we did not write
ourselves.  What nobody expected is answered with 500 and a reference, and the log has the rest.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from auth import errors as auth_errors
from evidence import errors
from evidence.database import DatabaseAwayError

log = structlog.get_logger()

STATUS: Mapping[type[Exception], tuple[int, str, str]] = {
    errors.RefusedError: (403, "refused", "Not permitted"),
    errors.NotFoundError: (404, "not-found", "No such thing"),
    errors.TooLargeError: (413, "too-large", "Too large"),
    errors.OtherVersionError: (412, "other-version", "Another version"),
    errors.OtherContentError: (415, "other-content", "Not taken here"),
    errors.ManifestError: (422, "manifest", "Not signed by the dock as it must be"),
    errors.InvalidError: (400, "invalid", "Cannot be accepted"),
    errors.OffsetConflictError: (409, "offset-conflict", "The upload goes on at another byte"),
    errors.BusyError: (423, "busy", "Somebody else is at it"),
    errors.GoneError: (410, "gone", "It has ended"),
    errors.ConflictError: (409, "conflict", "In the wrong state for this"),
    errors.ChecksumError: (460, "checksum-mismatch", "Arrived damaged"),
    errors.IntegrityError: (422, "integrity", "Not what was announced or recorded"),
    errors.NoSpaceError: (507, "no-space", "No room"),
    errors.UnavailableError: (503, "unavailable", "A part does not answer"),
    DatabaseAwayError: (503, "unavailable", "A part does not answer"),
    errors.SetupError: (503, "setup", "The installation is not ready"),
    auth_errors.NotSignedInError: (401, "not-signed-in", "Not signed in"),
    auth_errors.SecondFactorNeededError: (401, "second-factor-needed", "A second factor is needed"),
    auth_errors.NewPasswordNeededError: (401, "new-password-needed", "A new password is needed"),
    auth_errors.BannerError: (403, "banner-not-acknowledged", "The system-use notice was not acknowledged"),
    auth_errors.ProviderAwayError: (503, "unavailable", "A part does not answer"),
    auth_errors.RenewingError: (409, "conflict", "In the wrong state for this"),
    auth_errors.NotPermittedError: (403, "refused", "Not permitted"),
    auth_errors.EnrolmentCodeError: (403, "refused", "Not permitted"),
    auth_errors.UnknownError: (404, "not-found", "No such thing"),
    auth_errors.TakenError: (409, "conflict", "In the wrong state for this"),
    auth_errors.AuthError: (400, "invalid", "Cannot be accepted"),
}
"""Error -> status, type and title. The nearest class in an error's family counts."""

MEDIA_TYPE = "application/problem+json"

ANYWHERE = (400, 401, 403, 404, 409, 413, 422, 500, 503)
"""Statuses with which any operation may refuse or fail, as the interface is described."""

OF_UPLOADS = (410, 412, 415, 423, 460, 507)
"""And those that only an upload meets. Another operation names such a status itself."""


class Problem(BaseModel):
    """What went wrong, why, and the next step (RFC 9457). Some kinds carry further members."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:evidence-room:problem:not-found"])
    title: str
    status: int
    detail: str
    next_step: str
    request_id: str = Field(description="Name it to whoever runs this installation.")


def install(app: FastAPI) -> None:
    """Answer every error of the application as a problem, and say so in the description of the interface."""
    app.add_exception_handler(errors.EvidenceError, _expected)
    app.add_exception_handler(auth_errors.AuthError, _expected)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _plain)
    app.add_exception_handler(Exception, _unexpected)
    app.openapi = partial(_described, app, app.openapi)  # type: ignore[method-assign]  # as FastAPI has it done


def _described(app: FastAPI, describe: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Describe the interface, with the problems that each operation may answer with."""
    if app.openapi_schema is None:
        described = describe()
        schemas = described["components"]["schemas"]
        schemas["Problem"] = Problem.model_json_schema()
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        titles = {status: title for status, _, title in STATUS.values()} | {
            500: "Unexpected",
            422: "Not as it has to be",
        }
        for path in described["paths"].values():
            for operation in path.values():
                named = [int(each) for each in operation["responses"] if int(each) in titles]
                of_uploads = OF_UPLOADS if "Uploads" in operation.get("tags", ()) else ()
                for status in (*ANYWHERE, *of_uploads, *named):
                    operation["responses"][str(status)] = {"description": titles[status], "content": content}
    return describe()


def problem(
    request: Request,
    status: int,
    *,
    slug: str,
    title: str,
    detail: str,
    next_step: str = "",
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> JSONResponse:
    """Write one problem; `members` are extra members that this kind of problem carries."""
    content = {
        "type": f"urn:evidence-room:problem:{slug}",
        "title": title,
        "status": status,
        "detail": _encodable(detail),
        "next_step": _encodable(next_step),
        "request_id": getattr(request.state, "request_id", ""),
        **members,
    }
    return JSONResponse(content, status_code=status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def _encodable(text: str) -> str:
    """Write out what UTF-8 cannot carry: a problem may quote what was sent."""
    return text.encode("utf-8", "backslashreplace").decode()


def _expected(request: Request, error: Exception) -> JSONResponse:
    status, slug, title = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    headers = {}
    if isinstance(error, errors.UnavailableError):
        headers["Retry-After"] = str(error.retry_after)
    elif isinstance(error, errors.BusyError):
        headers["Retry-After"] = "2"
    elif isinstance(error, auth_errors.ProviderAwayError):
        headers["Retry-After"] = "60"
        log.warning("identity provider away", reason=error.reason)
    elif isinstance(error, auth_errors.NotSignedInError):
        headers["WWW-Authenticate"] = error.challenge
    elif status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    next_step = getattr(error, "next_step", "")
    if isinstance(error, auth_errors.NotSignedInError):
        log.info("not signed in", reason=error.reason)  # one of auth's own few words, never what was sent
    if status >= 500:
        log.warning("answered", status=status, kind=type(error).__name__, cause=type(error.__cause__).__name__)
    members: Mapping[str, Any] = getattr(error, "members", {})  # what this kind of error lists, such as lines
    return problem(
        request, status, slug=slug, title=title, detail=str(error), next_step=next_step, headers=headers, **members
    )


def _unreadable(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # The values themselves are left out: what was sent may be a password.
    fields = [{"where": ".".join(map(str, each["loc"])), "what": str(each["msg"])} for each in error.errors()]
    said = "; ".join(f"{field['where']}: {field['what']}" for field in fields[:5])
    return problem(
        request,
        422,
        slug="unreadable",
        title="The request does not have the form this needs",
        detail=said,
        next_step="Correct the named members and send it again; /openapi.json has the form.",
        fields=fields,
    )


def _plain(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    known = {404: ("not-found", "No such thing"), 405: ("wrong-method", "Not a method of this address")}
    slug, title = known.get(error.status_code, ("http", "The request was not accepted"))
    headers = {"Allow": ", ".join(_methods(request))} if error.status_code == 405 else error.headers
    return problem(request, error.status_code, slug=slug, title=title, detail=title + ".", headers=headers)


def _methods(request: Request) -> list[str]:
    """Return every method of the address: the framework knows a route for each, and names those of the first."""
    routes = [
        each
        for each in iter_route_contexts(request.app.routes)
        if compile_path(str(each.path))[0].match(request.scope["path"])
    ]
    # An address by its own name is not also one of things that could have that name.
    named = [each for each in routes if "{" not in str(each.path)]
    return sorted({method for each in named or routes for method in each.methods or ()})


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("unexpected", kind=type(error).__name__, request_id=request.state.request_id, exc_info=error)
    return problem(
        request,
        500,
        slug="unexpected",
        title="Something went wrong here",
        detail="The request was not carried out.",
        next_step="Try again; if it happens again, give the request_id to whoever runs this installation.",
    )
