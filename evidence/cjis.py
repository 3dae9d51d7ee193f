"""Which module protects each use of cryptography in this installation, and whether it is a validated one.

What is said of a module is seen by using it: one that runs in FIPS mode refuses MD5.  Whether the
module's own certificate covers this build is for the certificate to say, never for us.
"""

import hashlib
import platform
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.backends import default_backend
from cryptography.hazmat.primitives import hashes

from evidence.settings import Settings

KERNEL: Final = Path("/proc/sys/crypto/fips_enabled")


@dataclass(frozen=True, slots=True)
class Module:
    """A library that does cryptography here. `in_fips_mode`: it refuses what FIPS does not approve."""

    name: str
    in_fips_mode: bool


@dataclass(frozen=True, slots=True)
class Use:
    """One use of cryptography: what for, by which algorithm, whether FIPS approves it, and what does it."""

    use: str
    algorithm: str
    approved: bool
    module: Module

    @property
    def validated(self) -> str:
        """Say what this program can know about validation."""
        if not self.approved:
            return "no: the algorithm is not approved"
        if not self.module.in_fips_mode:
            return "no: the module does not run in FIPS mode"
        return "in FIPS mode; its certificate must cover this build"


def uses(settings: Settings) -> Iterator[Use]:
    """Yield every use, those that protect criminal justice information first."""
    ours, pythons = _cryptography(), _hashlib()
    argon2 = Module(f"argon2-cffi-bindings {version('argon2-cffi-bindings')}", in_fips_mode=False)
    plain = Module("Python, evidence.proof", in_fips_mode=False)
    yield Use("originals at rest", "AES-256-GCM, a key for each object", True, ours)
    yield Use("data keys under the agency key", "AES-256 key wrap (RFC 3394)", True, ours)
    yield Use("digests of evidence and of custody records", "SHA-256", True, pythons)
    yield Use("tokens of people and docks", "ECDSA P-256, SHA-256", True, ours)
    yield Use("a dock's own statements", "ECDSA P-256, SHA-256", True, ours)
    yield Use("receipts, heads of chains and packages, signed", "Ed25519", True, ours)
    yield Use("the same, checked offline", "Ed25519", True, plain)
    yield Use("passwords", "Argon2id", False, argon2)
    tls = Module(f"Python's ssl, {ssl.OPENSSL_VERSION}", in_fips_mode=pythons.in_fips_mode)
    yield Use(
        "in transit, to the object store" if settings.store == "s3" else "in transit, from docks", "TLS", True, tls
    )
    yield Use(
        "in transit, from browsers", "TLS, at the proxy before this server", True, Module("the proxy's own", False)
    )


def kernel_in_fips_mode() -> bool:
    """Say whether the system as a whole was started in FIPS mode."""
    return KERNEL.exists() and KERNEL.read_text().strip() == "1"


def _cryptography() -> Module:
    try:
        hashes.Hash(hashes.MD5())  # noqa: S303  # to see whether it is refused
    except UnsupportedAlgorithm:
        refused = True
    else:
        refused = False
    openssl = default_backend().openssl_version_text()
    return Module(f"cryptography {version('cryptography')}, {openssl}", in_fips_mode=refused)


def _hashlib() -> Module:
    try:
        hashlib.md5()  # noqa: S324  # to see whether it is refused
    except ValueError:
        refused = True
    else:
        refused = False
    return Module(f"Python {platform.python_version()}, {ssl.OPENSSL_VERSION}", in_fips_mode=refused)
