"""A connection to a server: one base address, one credential, and problems turned into our errors.

What is worth a second try and what is not is decided here: UnavailableError and BusyError are
worth one, everything else is final.
"""

import json
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import httpx2

from evidence.errors import (
    BusyError,
    ChecksumError,
    ConflictError,
    EvidenceError,
    GoneError,
    IntegrityError,
    InvalidError,
    NotCarriedOutError,
    NotFoundError,
    OffsetConflictError,
    RefusedError,
    TooLargeError,
    UnavailableError,
)

TIMEOUT = httpx2.Timeout(connect=10.0, read=120.0, write=120.0, pool=10.0)
"""Seconds. Reading is patient: the last answer of an upload comes after the server has read everything back."""

RETRY_AFTER_SECONDS = 5
"""When the server does not say how long to wait."""

LONGEST_ANSWER = 1 << 20
"""Bytes of an answer that are read where nobody asked for more: an item, a receipt, the trust file."""

LONGEST_PAGE = 32 << 20
"""Bytes of one page of a list: 200 custody records may be as large."""

LONGEST_WAIT = 9
"""Digits of a Retry-After that is taken seriously."""

LONGEST_PROBLEM = 65_536
"""Bytes of an error's body that are read; no more is needed to tell what happened."""

FRAMING = (b"content-encoding", b"content-length", b"transfer-encoding")
"""Headers that say how a body came; they mean nothing for one that was read."""

ERRORS: Mapping[int, type[EvidenceError]] = {
    400: InvalidError,
    401: RefusedError,
    403: RefusedError,
    404: NotFoundError,
    405: InvalidError,
    409: ConflictError,
    410: GoneError,
    412: InvalidError,
    413: TooLargeError,
    415: InvalidError,
    422: InvalidError,
    423: BusyError,
    460: ChecksumError,
}
"""By status. Those in AWAY are UnavailableError, others from 500 on its NotCarriedOutError, the rest EvidenceError."""

AWAY = frozenset({429, 502, 503, 504, 507})
"""With these a server says that it or a part of it is away, and so for every request."""

Credential = Callable[[str, str, bool], Mapping[str, str]]
"""Returns the headers that show who asks, for one request: its method and whole address.

True asks for a new token because the old was refused; one that cannot be renewed raises and says so."""


def no_token(_method: str, _address: str, _renew: bool) -> Mapping[str, str]:
    """Speak without a token, as anybody may to what is public."""
    return {}


def bearer(token: Callable[[bool], str]) -> Credential:
    """Show a token that counts by itself, as people's do."""

    def headers(_method: str, _address: str, renew: bool) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {token(renew)}"}

    return headers


class ServerProblem(Exception):  # noqa: N818 -- it is what the server said; the error is made of it
    """What a server said was wrong (RFC 9457), whatever it sent. The cause of the error raised for it."""

    def __init__(self, status: int, headers: httpx2.Headers, body: bytes) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.members = _members(body)
        self.request_id = self._text("request_id") or headers.get("x-request-id")
        self.retry_after = _seconds(headers.get("retry-after"))

    @property
    def kind(self) -> str:
        """The problem's `type`."""
        return self._text("type")

    def error(self) -> EvidenceError:
        """Return the error of our family that says the same."""
        what = self._text("detail") or self._text("title") or f"the server answered {self.status}"
        next_step = self._text("next_step")
        if self.status in AWAY or self.status >= 500:
            kind = UnavailableError if self.status in AWAY else NotCarriedOutError
            return kind(
                what,
                next_step=next_step or "run the same command again in a moment",
                retry_after=self.retry_after if self.retry_after is not None else RETRY_AFTER_SECONDS,
            )
        if self.kind.endswith(":offset-conflict"):
            return OffsetConflictError(what, next_step=next_step)
        return ERRORS.get(self.status, EvidenceError)(what, next_step=next_step)

    def _text(self, member: str) -> str:
        value = self.members.get(member)
        return value if isinstance(value, str) else ""


class Connection:
    """A connection to one server, to be closed after use. Safe for one thread at a time."""

    def __init__(self, url: str, credential: Credential = no_token, *, timeout: httpx2.Timeout = TIMEOUT) -> None:
        self.url = url.rstrip("/")
        self._credential = credential
        self._client = httpx2.Client(timeout=timeout, follow_redirects=False, trust_env=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, path: str, *, longest: int = LONGEST_ANSWER, **query: str | int) -> Any:
        """Return the JSON answer to a GET of a path below the base address; `longest` as in `request`.

        What is asked for goes into `query`: a question mark in the path would be lost with all that follows it.
        """
        if "?" in path:
            raise ValueError("what is asked for goes into `query`")
        return read_json(self.request("GET", path, longest=longest, params=query))

    def post(self, path: str, body: Any) -> Any:
        """Return the JSON answer to a POST of a JSON body."""
        return read_json(self.request("POST", path, json=body))

    def put(self, path: str, body: Any) -> Any:
        """Send a body as JSON under a name that is its own, and return the answer."""
        return read_json(self.request("PUT", path, json=body))

    def request(self, method: str, path: str, *, longest: int = LONGEST_ANSWER, **more: Any) -> httpx2.Response:
        """Send one request and return the answer, which is a success; raise an EvidenceError otherwise.

        Of the body up to `longest` bytes are read; IntegrityError when there is more.

        A refused token is renewed once, so a body that flows is given as `parts`: a function
        that begins it anew.  Paths only: our token goes nowhere but to our server, whatever a
        server writes into a Location.
        """
        with self._translated():
            answer = self._send(method, path, renew=False, longest=longest, **more)
            if answer.status_code == 401 and self._credential is not no_token:
                answer = self._send(method, path, renew=True, longest=longest, **more)
            if answer.is_success:
                return answer
        problem = ServerProblem(answer.status_code, answer.headers, answer.content)
        raise problem.error() from problem

    @contextmanager
    def stream(self, method: str, path: str, **more: Any) -> Iterator[httpx2.Response]:
        """Send one request and give the answer with its body unread; raise as `request` does."""
        with self._translated():
            headers = self._headers(method, path, more.pop("headers", {}), renew=False)
            with self._client.stream(method, self.url + path, headers=headers, **more) as answer:
                if answer.status_code == 401:
                    self._credential(method, self._address(path), True)
                if not answer.is_success:
                    problem = ServerProblem(answer.status_code, answer.headers, _first(answer, LONGEST_PROBLEM))
                    raise problem.error() from problem
                yield answer

    def _send(
        self,
        method: str,
        path: str,
        *,
        renew: bool,
        longest: int,
        headers: Mapping[str, str] | None = None,
        parts: Callable[[], Iterable[bytes]] | None = None,
        **more: Any,
    ) -> httpx2.Response:
        if parts is not None:
            more["content"] = parts()
        own = self._headers(method, path, headers or {}, renew=renew)
        with self._client.stream(method, self.url + path, headers=own, **more) as answer:
            if not answer.is_success:
                body = _first(answer, LONGEST_PROBLEM)
            elif "content-encoding" in answer.headers:
                raise _unreadable("it is compressed, which was not asked for")
            elif len(body := _first(answer, longest + 1)) > longest:
                raise _unreadable(f"it is longer than {longest} bytes")
        kept = [(name, value) for name, value in answer.headers.raw if name.lower() not in FRAMING]
        return httpx2.Response(answer.status_code, headers=kept, content=body, request=answer.request)

    def _headers(self, method: str, path: str, given: Mapping[str, str], *, renew: bool) -> dict[str, str]:
        shown = self._credential(method, self._address(path), renew)
        # Never compressed: a few bytes could stand for gigabytes.
        return {"Accept": "application/json, */*;q=0.5", "Accept-Encoding": "identity", **shown, **given}

    def _address(self, path: str) -> str:
        return (self.url + path).partition("?")[0]

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Say in our words what a network says in many."""
        try:
            yield
        except httpx2.TimeoutException:
            raise UnavailableError(
                f"{self.url} did not answer in time", next_step="run the same command again in a moment"
            ) from None
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol):
            raise InvalidError(
                f"{self.url} is not an address", next_step="write it as http://host:port or https://host"
            ) from None
        except httpx2.TransportError as error:
            why, next_step = _why_away(error)
            raise UnavailableError(f"{self.url} cannot be reached: {why}", next_step=next_step) from None


def _why_away(error: BaseException) -> tuple[str, str]:
    """Return in plain words why nobody was reached, and what to do."""
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    running = "check the address and that the server is running (`evidence doctor` there)"
    if any(isinstance(each, socket.gaierror) for each in causes):
        return "no host of this name is known", "check the name in the address"
    if any(isinstance(each, ssl.SSLCertVerificationError) for each in causes):
        return "its certificate is not trusted here", "have the certificate's authority installed on this machine"
    if any(isinstance(each, ssl.SSLError) for each in causes):
        return "it does not speak https there", "check the address: http:// or https://, and the port"
    if any(isinstance(each, ConnectionRefusedError) for each in causes):
        return "the connection was refused, nothing listens there", running
    if isinstance(error, httpx2.ConnectError):
        return "no connection came about", running
    return "the connection broke", running


def read_json(answer: httpx2.Response) -> Any:
    """Return what the JSON body of an answer says; raise IntegrityError when it cannot be read."""
    try:
        return _parsed(answer.content)
    except ValueError:
        raise _unreadable("it is no JSON") from None


def _parsed(body: bytes) -> Any:
    """Read JSON; raise ValueError for whatever is not, is too deep, or holds text that cannot be written again."""
    try:
        said = json.loads(body)
        json.dumps(said, ensure_ascii=False).encode()  # half a character (a lone surrogate) fails here
    except RecursionError:
        raise ValueError("it is too deep") from None
    return said


def _unreadable(why: str) -> IntegrityError:
    return IntegrityError(
        f"the server's answer cannot be read: {why}", next_step="check that the address is that of an evidence room"
    )


def _members(body: bytes) -> dict[str, Any]:
    try:
        members = _parsed(body)
    except ValueError:
        return {}
    return members if isinstance(members, dict) else {}


def _seconds(value: str | None) -> int | None:
    if value is None or not value.isascii() or not value.isdigit() or len(value) > LONGEST_WAIT:
        return None
    return int(value)


def _first(answer: httpx2.Response, longest: int) -> bytes:
    """Read up to `longest` bytes of a body as they came, and leave the rest unread."""
    body = bytearray()
    for part in answer.iter_raw():
        body += part
        if len(body) >= longest:
            break
    return bytes(body[:longest])
