"""A real OpenID provider in a process of its own, and a browser that signs somebody in there."""

import json
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from auth.strict import write_base64url
from tests.support import npm

HERE = Path(__file__).parents[1] / "provider"
TOOLS = HERE.parents[1] / ".tools" / "provider"
"""Where npm puts what it installs; outside of the tree, and kept between runs."""

CLIENT, SECRET = "evidence-room", "a secret of the city, for tests alone"
MACHINE, MACHINE_SECRET = "case-system", "another secret of the city, for tests alone"
AUDIENCE = "urn:riverbend:evidence-api"


def installed() -> None:
    """Have oidc-provider installed as the lock file says, or leave the test out."""
    npm.install(HERE, TOOLS, script="server.mjs")


def private_jwk(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, kid: str) -> dict[str, Any]:
    """Write a private key as the provider wants it."""

    def number(value: int, length: int | None = None) -> str:
        return write_base64url(value.to_bytes(length or (value.bit_length() + 7) // 8))

    if isinstance(key, ec.EllipticCurvePrivateKey):
        numbers = key.private_numbers()
        point = numbers.public_numbers
        return {
            **{"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": "ES256"},
            **{"x": number(point.x, 32), "y": number(point.y, 32), "d": number(numbers.private_value, 32)},
        }
    whole = key.private_numbers()
    parts = {"n": whole.public_numbers.n, "e": whole.public_numbers.e, "d": whole.d, "p": whole.p, "q": whole.q}
    parts |= {"dp": whole.dmp1, "dq": whole.dmq1, "qi": whole.iqmp}
    shown = {name: number(value) for name, value in parts.items()}
    return {"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", **shown}


class IdentityProvider:
    """The provider: started with some keys, stopped, started again with others. Its port stays the same."""

    def __init__(self, redirects: list[str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._redirects = redirects
        self._process: subprocess.Popen[str] | None = None

    def start(self, *keys: dict[str, Any]) -> None:
        """Start it; the first key signs."""
        self.stop()
        given = {"port": self.port, "keys": keys, "redirects": self._redirects, "audience": AUDIENCE}
        self._process = subprocess.Popen(
            ["node", "server.mjs", json.dumps(given)],
            cwd=TOOLS,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        assert any(line == "ready\n" for line in self._process.stdout), "the provider did not start"

    def stop(self) -> None:
        """Stop it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def fetched(self, path: str) -> int:
        """Return how often this path was asked for since it started."""
        counts: dict[str, int] = httpx2.get(f"{self.url}/counts").json()
        return counts.get(path, 0)

    def token(self, **form: str) -> httpx2.Response:
        """Ask the token endpoint, as a client of the city might."""
        return httpx2.post(f"{self.url}/token", data=form)

    def machine_token(self) -> str:
        """Return an access token of the machine client."""
        answer = self.token(
            grant_type="client_credentials", client_id=MACHINE, client_secret=MACHINE_SECRET, resource=AUDIENCE
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])


@dataclass
class Browser:
    """Somebody's browser. It goes where it is sent, at the provider alone, and stops when it is sent back."""

    provider: IdentityProvider
    user: str
    amr: str = "pwd"

    def __post_init__(self) -> None:
        self._client = httpx2.Client(headers={"X-User": self.user, "X-Amr": self.amr}, follow_redirects=False)

    def go(self, address: str) -> tuple[str, dict[str, str]]:
        """Go to the address, sign in there, and return where one is sent back to, and with what."""
        with self._client as client:
            for _ in range(9):
                answer = client.get(address)
                assert answer.is_redirect, (answer.status_code, answer.text[:300])
                address = str(httpx2.URL(address).join(answer.headers["location"]))
                if not address.startswith(self.provider.url):
                    parts = urlsplit(address)
                    brought = {name: values[0] for name, values in parse_qs(parts.query).items()}
                    return f"{parts.scheme}://{parts.netloc}{parts.path}", brought
        raise AssertionError("sent round in circles")
