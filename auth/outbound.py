"""Asking a provider over the network: to pinned addresses, without redirects, within size and time.

What comes back is JSON read strictly; whatever else happens is ProviderAwayError.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from auth.errors import ProviderAwayError
from auth.settings import is_safe_address
from auth.strict import read_object

LARGEST_ANSWER = 65_536
LONGEST_SECONDS = 5.0
TIMEOUT = httpx2.Timeout(connect=2.0, read=LONGEST_SECONDS, write=2.0, pool=LONGEST_SECONDS)

Ask = Callable[[httpx2.Request], "Answer"]
"""Sends one request and returns what came back. Raises ProviderAwayError."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a JSON object."""

    status: int
    members: dict[str, Any]


def ask(request: httpx2.Request) -> Answer:
    """Ask over the network. Raises ProviderAwayError for everything but a JSON object."""
    if not is_safe_address(str(request.url)):
        raise ProviderAwayError("address")
    ends = time.monotonic() + LONGEST_SECONDS
    try:
        # A connection of its own each time: providers are asked seldom. The environment may name a proxy and
        # further certificate authorities: cities have both.
        with httpx2.Client(timeout=TIMEOUT, follow_redirects=False, trust_env=True) as client:
            request.extensions["timeout"] = TIMEOUT.as_dict()
            response = client.send(request, stream=True)
            try:
                return Answer(response.status_code, read_object(_read(response, ends)))
            finally:
                response.close()
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, ValueError, OSError) as error:
        raise ProviderAwayError(type(error).__name__) from None


def getting(address: str) -> httpx2.Request:
    """Ask for a document."""
    return httpx2.Request("GET", address, headers={"Accept": "application/json"})


def posting(address: str, form: Mapping[str, str], *, client_id: str, secret: str | None) -> httpx2.Request:
    """Send a form, with our secret if we have one (`client_secret_post`)."""
    proof = {"client_id": client_id} if secret is None else {"client_id": client_id, "client_secret": secret}
    return httpx2.Request("POST", address, data={**form, **proof}, headers={"Accept": "application/json"})


def _read(response: httpx2.Response, ends: float) -> bytes:
    if 300 <= response.status_code < 400:
        raise ProviderAwayError("redirect")
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > LARGEST_ANSWER:
            raise ProviderAwayError("size")
        if time.monotonic() > ends:
            raise ProviderAwayError("time")
    return bytes(body)
