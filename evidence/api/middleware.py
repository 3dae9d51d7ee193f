"""What every request and answer carries: an id, one line in the log, and headers that keep evidence private."""

import time
from urllib.parse import unquote

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evidence.ids import new_id

log = structlog.get_logger()

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


SLASH = "\x1f"
"""Stands in a path for a slash that is part of a name: no name of ours holds a control character."""


def with_slashes(named: str) -> str:
    """Return a name from a path as it was meant."""
    return named.replace(SLASH, "/")


class SlashesInNames:
    """Lets a part of an address hold a slash, written `%2F`: courts number their cases CR/2026/117.

    A server decodes the path before it is routed, and a slash in a name would divide it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        raw: bytes = scope.get("raw_path") or b""
        if scope["type"] == "http" and b"%2f" in raw.lower():
            kept = raw.partition(b"?")[0].replace(b"%2F", b"%1F").replace(b"%2f", b"%1F")
            scope["path"] = unquote(kept.decode("ascii"))
        await self.app(scope, receive, send)


class RequestStamp:
    """Stamps each request with an id of ours and each answer with it and the headers above.

    A route adds headers to all its answers, problems included, by `request.state.headers`.

    Plain ASGI, so that bodies stream through untouched.  The log line holds method, path and
    status: ids, never names or what was sent.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = str(new_id())
        scope.setdefault("state", {})["request_id"] = request_id
        began = time.monotonic()

        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                for name, value in {**HEADERS, **scope["state"].get("headers", {})}.items():
                    headers.setdefault(name, value)
                log.info(
                    "answered",
                    request_id=request_id,
                    method=scope["method"],
                    path=scope["path"],
                    status=message["status"],
                    milliseconds=round((time.monotonic() - began) * 1000, 1),
                )
            await send(message)

        await self.app(scope, receive, stamped)
