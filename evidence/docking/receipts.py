"""Holding a server to its receipt: signed by a key that was pinned, for this item, over this digest."""

from typing import Any

from evidence.errors import IntegrityError, SetupError
from evidence.proof import FormatError, canonical, note, receipt, record, trust

NEXT_STEP = "do not erase the recording; tell whoever runs the evidence room, with this message"


def read_trust(raw: bytes) -> trust.Trust:
    """Read a trust file, or raise SetupError."""
    try:
        return trust.parse(raw)
    except FormatError as error:
        raise SetupError(
            f"the trust file cannot be read: {error}", next_step="fetch it again: evidence trust --out FILE"
        ) from None


def check(signed: str, *, trusted: trust.Trust, item: str, sealed: str, sha256: str, size: int) -> receipt.Receipt:
    """Return the receipt when it holds, else raise IntegrityError saying what is wrong with it.

    `signed` is the signed note, `item` the item's id, `sealed` the custody record that the
    receipt is for, `sha256` (hex) and `size` (bytes) those of the file that was sent.  Checked
    are: the signature, by a key of role `receipt` in its time; origin and chain; that the
    receipt's leaf is that of the record; that the record names this digest and size.
    """
    try:
        signed.encode()
        raw = sealed.encode()
    except UnicodeEncodeError:
        raise _wrong("it is not made of whole characters") from None
    try:
        given = _open(signed, trusted)
        named = record.parse(raw)
        body = canonical.decode(named.body)
    except FormatError as error:
        raise IntegrityError(f"the receipt cannot be accepted: {error}", next_step=NEXT_STEP) from None
    if given.leaf != record.leaf_hash(raw):
        raise _wrong("it is for another custody record than the one shown")
    if (given.origin, given.chain, given.seq) != (named.origin, named.chain, named.seq):
        raise _wrong("it does not stand where its custody record stands")
    if given.origin != trusted.origin or given.chain != f"item/{item}":
        raise _wrong("it is for another item or of another installation")
    if not any(_names(each, sha256, size) for each in _objects(body)):
        raise _wrong("the custody record does not name the digest and size of the file that was sent")
    return given


def seq_of(signed: str) -> int:
    """Return the place in its chain of what a checked receipt is for."""
    return receipt.parse(note.parse(signed).text).seq


def act_of(sealed: str) -> str:
    """Return the act of a custody record whose receipt was checked."""
    body = canonical.decode(record.parse(sealed.encode()).body)
    act = body.get("act") if isinstance(body, dict) else None
    return act if isinstance(act, str) else ""


def _open(signed: str, trusted: trust.Trust) -> receipt.Receipt:
    keys = {key.verifier_key: key for key in trusted.keys if key.role == receipt.ROLE}
    opened = note.open_note(note.parse(signed), keys)
    given = receipt.parse(opened.text)
    signers = {(each.name, each.key_id) for each in opened.verified}
    if not any(key.covers(given.at) for key in keys.values() if (key.name, key.key_id) in signers):
        raise FormatError("it was signed by a key outside its time")
    return given


def _objects(body: Any) -> list[Any]:
    named = body.get("obj") if isinstance(body, dict) else None
    return named if isinstance(named, list) else []


def _names(one: Any, sha256: str, size: int) -> bool:
    return isinstance(one, dict) and one.get("sha256") == sha256 and one.get("size") == size


def _wrong(why: str) -> IntegrityError:
    return IntegrityError(f"the receipt cannot be accepted: {why}", next_step=NEXT_STEP)
