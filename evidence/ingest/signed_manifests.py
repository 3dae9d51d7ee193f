"""The manifest that a dock signs: required of every upload a dock opens, and the beginning of the item's chain.

It is held against the dock's key, against who sends it, and against what the upload itself
announces.  The bytes are held against it when they are all here, for its digest is the declared one.
It is kept whole, with the upload and as a disclosure of the first record of the item's chain.
"""

from uuid import UUID

from sqlalchemy.orm import Session

from auth import dock_keys, machines
from auth.principals import Principal
from evidence.errors import ManifestError
from evidence.ingest.manifests import Manifest
from evidence.proof import FormatError, manifest
from evidence.proof.manifest import Signed

NEXT_STEP = (
    "Send the header Upload-Manifest with a manifest signed by the dock's present key, as section 14 of "
    "evidence/proof/FORMAT.md has it; the dock client of this version does."
)


def require_good(session: Session, text: str | None, *, by: Principal, announced: Manifest, size: int) -> None:
    """Raise ManifestError unless a dock's upload comes with its signed manifest, and nobody else's with one."""
    if by.kind != "dock":
        if text is not None:
            raise ManifestError("Manifests are signed by docks, and this upload is a person's.", next_step="Leave it.")
        return
    if text is None:
        raise ManifestError(
            "A dock signs what it is about to send, and this upload came without a signed manifest.",
            next_step=NEXT_STEP,
        )
    try:
        signed = manifest.parse(text)
    except FormatError as error:
        raise ManifestError(f"The signed manifest cannot be read: {error}.", next_step=NEXT_STEP) from None
    dock = machines.by_id(session, by.id)
    if dock is None or not signed.is_by(manifest.public_bytes(dock.public_key)):
        raise ManifestError("The manifest is not signed by this dock's present key.", next_step=NEXT_STEP)
    if differing := _differences(signed, by, announced, size=size):
        raise ManifestError(
            f"The signed manifest and what is announced beside it differ in: {', '.join(differing)}.",
            next_step="Sign the manifest of this very recording and announce the same in Upload-Metadata.",
        )


def read(text: str) -> Signed:
    """Return a manifest that was taken once."""
    return manifest.parse(text)


def key_of(session: Session, dock_id: UUID, signed: Signed) -> bytes:
    """Return the public key that signed it: the dock may have another one by now."""
    jwk = dock_keys.of_fingerprint(session, dock_id, signed.fingerprint)
    assert jwk is not None, "it was checked with this key when it was taken, and keys are never removed"
    return manifest.public_bytes(jwk)


def _differences(signed: Signed, by: Principal, announced: Manifest, *, size: int) -> list[str]:
    said = signed.manifest
    pairs = {
        "dock": (said.dock, str(by.id)),
        "filename": (said.filename, announced.filename),
        "size": (said.size, size),
        "sha256": (said.sha256, announced.sha256),
        **{name: (said.said.get(name), announced.said.get(name) or None) for name in manifest.SAID},
    }
    return [name for name, (one, other) in pairs.items() if one != other]
