"""An HTTP proxy before an S3 server that does to requests what networks and servers do.

The first try of every request it is meant for meets the fault, and of every third request the
second try too; later tries pass.  So whatever retries gets through, and whatever believes the
first answer is caught.
"""

import http.client
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit
from zlib import crc32


class Fault(StrEnum):
    """What may happen to a request."""

    SERVER_ERROR = "500"
    SLOW_DOWN = "503"
    RESET = "connection reset before the request is served"
    SLOW = "an answer later than anybody waits"
    LOST_REPLY = "served, but the answer is lost"
    DUPLICATE = "served twice"
    DAMAGED_WRITE = "one byte of the body flipped on its way to the server"
    DAMAGED_READ = "one byte of the object flipped on its way back, or the end cut off"


_ERRORS = {
    Fault.SERVER_ERROR: (500, "InternalError"),
    Fault.SLOW_DOWN: (503, "SlowDown"),
}
_NOT_THE_OBJECT = ("uploads", "uploadId", "list-type", "versions", "object-lock", "versioning", "location")


class FaultyS3:
    """A running proxy. `fault` may be changed at any time; none passes everything on."""

    def __init__(self, upstream: str, *, slow: float = 3.0) -> None:
        self.fault: Fault | None = None
        self.always = False
        """Whether no try passes."""
        self.tries: Counter[tuple[str, str]] = Counter()
        """How often each request (method and target) came since `fault` was set by `suffering`."""
        self.faults = 0
        """How many requests met the fault."""
        self.slow = slow
        self._guard = threading.Lock()
        place = urlsplit(upstream)
        self.upstream = (place.hostname or "127.0.0.1", place.port or 80)
        self._server = _Server(self)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def suffering(self, fault: Fault | None, *, always: bool = False) -> Iterator[None]:
        """Let requests meet this fault within the block."""
        self.fault, self.always, self.faults = fault, always, 0
        self.tries.clear()
        try:
            yield
        finally:
            self.fault, self.always = None, False

    @contextmanager
    def running(self) -> Iterator["FaultyS3"]:
        """Serve within the block."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def meets(self, method: str, target: str, *, body: bool) -> Fault | None:
        """Count the request, and say which fault this try of it meets."""
        with self._guard:
            self.tries[method, target] += 1
            fault = self.fault
            most = 2 if crc32(target.encode()) % 3 == 0 else 1
            if fault is Fault.SLOW:
                most -= 1  # every third request, once: waiting takes long
            if fault is None or (self.tries[method, target] > most and not self.always):
                return None
            if fault is Fault.DAMAGED_WRITE and (method not in ("PUT", "POST") or not body):
                return None
            query = urlsplit(target).query
            if fault is Fault.DAMAGED_READ and (method != "GET" or any(word in query for word in _NOT_THE_OBJECT)):
                return None
            self.faults += 1
            return fault


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, faulty: FaultyS3) -> None:
        self.faulty = faulty
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _serve(self) -> None:
        faulty = self.server.faulty
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = faulty.meets(self.command, self.path, body=bool(body))
        match fault:
            case Fault.RESET:
                return self._reset()
            case Fault.SERVER_ERROR | Fault.SLOW_DOWN:
                status, code = _ERRORS[fault]
                answer = f"<Error><Code>{code}</Code><Message>injected</Message></Error>".encode()
                return self._answer(status, [("Content-Type", "application/xml")], answer)
            case Fault.DAMAGED_WRITE:
                body = _flipped(body)
            case Fault.DUPLICATE:
                self._forward(body)
        status, headers, answer = self._forward(body)
        match fault:
            case Fault.LOST_REPLY:
                return self._reset()
            case Fault.SLOW:
                time.sleep(faulty.slow)
            case Fault.DAMAGED_READ if answer and faulty.tries[self.command, self.path] % 2:
                answer = _flipped(answer)
            case Fault.DAMAGED_READ if answer:
                self._answer(status, headers, answer, cut=True)
                return self._reset()
        return self._answer(status, headers, answer)

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(*self.server.faulty.upstream, timeout=60)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("expect", "connection"):
                    connection.putheader(name, value)
            connection.endheaders(body or None)
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, *, cut: bool = False) -> None:
        self.send_response_only(status)
        length = str(len(body))
        for name, value in headers:
            if name.lower() == "content-length" and self.command == "HEAD":
                length = value
            elif name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


for _method in ("GET", "PUT", "POST", "DELETE", "HEAD"):
    setattr(_Handler, f"do_{_method}", _Handler._serve)


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
