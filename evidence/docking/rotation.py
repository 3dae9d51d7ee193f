"""A dock replaces its key: makes the next one, has the old one vouch for it, and changes over.

The next key is on the disk before the server hears of it, and the old one goes only when the
server is known to have taken the next: after a kill at any point the same command ends it.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from evidence.clock import Clock
from evidence.docking.connection import Connection
from evidence.docking.identity import ASSERTION_LIFE, KEY, NEXT_KEY, Dock, DockKey, DockToken, base64url, synced
from evidence.errors import RefusedError


def rotate(folder: Path, *, clock: Clock) -> Dock:
    """Replace the key of the dock whose folder this is; return the dock with its new fingerprint.

    Raises RefusedError when the server takes neither key.
    """
    dock = Dock.read(folder)
    begun = (folder / NEXT_KEY).exists()
    coming = DockKey.load_or_create(folder, name=NEXT_KEY)
    if not (begun and _is_taken(dock, coming, clock)):
        try:
            _tell(dock, DockKey.load(folder), coming, clock=clock)
        except RefusedError:
            # The answer to an earlier try may have been lost on its way.
            if not _is_taken(dock, coming, clock):
                raise
    renewed = replace(dock, fingerprint=coming.fingerprint)
    renewed.write(folder)
    (folder / NEXT_KEY).replace(folder / KEY)
    synced(folder)
    return renewed


def _tell(dock: Dock, present: DockKey, coming: DockKey, *, clock: Clock) -> None:
    path = f"/api/v1/docks/{dock.id}/key"
    at = clock()
    claims = {
        "iss": dock.id,
        "sub": dock.id,
        "aud": dock.url + path,
        "jti": secrets.token_urlsafe(24),
        "iat": int(at.timestamp()),
        "exp": int((at + ASSERTION_LIFE).timestamp()),
        "jwk": coming.public_jwk(),
    }
    statement = present.sign({"alg": "ES256", "typ": "dock-key+jwt"}, _json(claims))
    named = {"statement": base64url(sha256(statement.encode("ascii")).digest())}
    answer = coming.sign({"alg": "ES256", "typ": "dock-key-answer+jwt"}, _json(named))
    with Connection(dock.url) as connection:
        connection.post(path, {"statement": statement, "answer": answer})


def _is_taken(dock: Dock, key: DockKey, clock: Clock) -> bool:
    try:
        DockToken(dock, key, clock=clock).sign_in()
    except RefusedError:
        return False
    return True


def _json(members: Mapping[str, Any]) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode()
