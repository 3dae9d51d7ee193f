"""A proxy in front of a real server that fails as networks and servers do, once for each fault it is given."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

Kind = Literal["pass", "refuse", "cut", "deafen", "damage"]
"""pass: nothing happens to it. refuse: answer with `status` and do not pass it on. cut: pass on half
of the body and hang up. deafen: pass it on and hang up instead of answering. damage: alter one byte of the body."""

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "date", "server"}
BLOCK = 65_536


@dataclass(slots=True)
class Fault:
    """What happens to the next request of this method."""

    method: str
    kind: Kind
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Proxy:
    """A running proxy. `passed` are the requests that reached the server."""

    url: str
    upstream: str
    faults: list[Fault] = field(default_factory=list)
    passed: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, method: str) -> Fault | None:
        """Take the fault that is meant for this request, if there is one."""
        with self.lock:
            for fault in self.faults:
                if fault.method == method:
                    self.faults.remove(fault)
                    return fault
        return None


@contextmanager
def faulty(upstream: str) -> Iterator[Proxy]:
    """Have a proxy in front of the server at that address."""
    proxy = Proxy("", upstream)

    class Handler(_Handler):
        at = proxy

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    at: Proxy

    def handle_one_request(self) -> None:
        self.close_connection = True
        super().handle_one_request()

    def log_message(self, *_said: object) -> None:
        """Be quiet."""

    def _pass_on(self) -> None:
        fault = self.at.take(self.command)
        length = int(self.headers.get("content-length", 0))
        self.close_connection = True
        if fault is not None and fault.kind == "refuse":
            self._drain(length)
            self._answer(fault.status, list(fault.headers.items()), b"{}")
            return
        address = urlsplit(self.at.upstream)
        with_upstream = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
        try:
            with_upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in HOP_BY_HOP:
                    with_upstream.putheader(name, value)
            with_upstream.endheaders()
            wanted = length // 2 if fault is not None and fault.kind == "cut" else length
            self._copy(with_upstream, wanted, damage=fault is not None and fault.kind == "damage")
            if wanted < length:
                return
            answer = with_upstream.getresponse()
            body = answer.read()
            with self.at.lock:
                self.at.passed.append((self.command, self.path))
            if fault is not None and fault.kind == "deafen":
                return
            self._answer(answer.status, answer.getheaders(), body)
        except OSError:
            return  # one of the two hung up; the other is told by this connection's end
        finally:
            with_upstream.close()

    def _copy(self, upstream: http.client.HTTPConnection, length: int, *, damage: bool) -> None:
        left = length
        while left > 0:
            block = self.rfile.read(min(BLOCK, left))
            if not block:
                raise ConnectionError
            left -= len(block)
            upstream.send(bytes([block[0] ^ 1]) + block[1:] if damage else block)
            damage = False

    def _drain(self, length: int) -> None:
        while length > 0:
            block = self.rfile.read(min(BLOCK, length))
            if not block:
                return
            length -= len(block)

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP | {"content-length"}:
                self.send_header(name, value)
        if self.command == "HEAD":
            self.send_header("Content-Length", "0")
        elif status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PATCH = do_DELETE = _pass_on  # noqa: N815 -- names that http.server looks for
