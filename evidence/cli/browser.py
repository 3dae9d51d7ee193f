"""Sign in with the browser: at an identity provider, while this program waits for the answer (RFC 8252).

The browser is sent back to a port of this machine that only we listen on, with a code that is worth
nothing without a verifier that never leaves this process (PKCE).
"""

import secrets
import time
import webbrowser
from collections.abc import Callable, Mapping
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from auth.strict import write_base64url
from evidence.errors import RefusedError, UnavailableError

PATIENCE_SECONDS = 300.0
ANSWER = b"You can close this window: the command line goes on.\n"


def sign_in(
    address: str,
    provider: str,
    *,
    show: Callable[[str], None],
    asked_too: Mapping[str, str],
    patience: float = PATIENCE_SECONDS,
) -> Any:
    """Have somebody sign in, and return the code and its verifier for `POST /api/v1/sign-in/code`.

    `show` is handed the address to open. Raises UnavailableError when nobody comes back in time.
    """
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
    answered: dict[str, str] = {}

    class Waiting(BaseHTTPRequestHandler):
        """Takes the one answer that carries our state; whatever else comes is not for us."""

        def do_GET(self) -> None:  # the name http.server gives it
            """Take an answer."""
            asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            ours = secrets.compare_digest(asked.get("state", "").encode(), state.encode()) and "code" in asked
            self.send_response(200 if ours else 404)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Connection", "close")
            self.end_headers()
            if ours:
                answered.update(asked)
                self.wfile.write(ANSWER)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: what comes has a code in it."""

    with HTTPServer(("127.0.0.1", 0), Waiting) as server:
        asked = {
            "return_to": f"http://127.0.0.1:{server.server_port}/answer",
            "code_challenge": write_base64url(sha256(verifier.encode()).digest()),
            "state": state,
            **asked_too,
        }
        show(f"{address}/api/v1/sign-in/{provider}?{urlencode(asked)}")
        ends = time.monotonic() + patience
        server.timeout = 0.5
        while not answered and time.monotonic() < ends:
            server.handle_request()
    if not answered:
        raise UnavailableError("nobody came back from the browser in time", next_step="run the same command again")
    return {"code": answered["code"], "code_verifier": verifier}


def open_in_browser(address: str) -> bool:
    """Open the address for the person who sits here; False if this machine has no browser."""
    try:
        return webbrowser.open(address)
    except (webbrowser.Error, OSError):
        return False


def require_known(provider: str, listed: Any) -> None:
    """Raise RefusedError naming the providers there are, unless this is one."""
    names = [str(each["name"]) for each in listed["providers"]]
    if provider not in names:
        known = f"it has {', '.join(names)}" if names else "it has none: sign in with --email"
        raise RefusedError(f"the server knows no identity provider named {provider}", next_step=known)
