"""What every request and answer carries: an id, one line in the log, and headers that keep evidence private."""

import time

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
