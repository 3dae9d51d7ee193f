"""Open a signed text: is it signed, by a key of the trust file, in its role, at its time, for this place."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from evidence.proof import FormatError, note
from evidence.proof.trust import Trust, TrustedKey


class _Text(Protocol):
    @property
    def origin(self) -> str: ...
    @property
    def at(self) -> str: ...


Text = TypeVar("Text", bound=_Text)


class NotTrustedError(Exception):
    """The text cannot be relied on. `code` is the finding this makes.

    `stranger`: the installation that it says it is of, when that is another and no key of ours is under it.
    """

    def __init__(self, code: str, message: str, *, stranger: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.stranger = stranger


def open_signed(raw: bytes, trust: Trust, *, role: str, parse: Callable[[str], Text], malformed: str) -> Text:
    """Return what a signed note says, or raise NotTrustedError.

    `malformed` is the code for a note that is rightly signed and whose text cannot be read.
    """
    try:
        signed = note.parse_bytes(raw)
    except FormatError as wrong:
        raise NotTrustedError("K03", f"it is no signed note: {wrong}") from None
    text = _parsed(signed.text, parse)
    if text is not None and text.origin != trust.origin:
        message = f"it is from {text.origin}; the trust file is for {trust.origin}"
        ours = {(key.name, key.key_id) for key in trust.keys}
        claimed = any((each.name, each.key_id) in ours for each in signed.signatures)
        raise NotTrustedError("L02", message, stranger=None if claimed else text.origin)
    signers = _signers(signed, trust)
    in_role = [key for key in signers if key.role == role]
    if not in_role:
        key = signers[0]
        raise NotTrustedError("K01", f"the key {key.name}+{key.key_id.hex()} may sign as {key.role}, not as {role}")
    if text is None:
        raise NotTrustedError(malformed, "it is signed, and its text cannot be read")
    if not any(key.covers(text.at) for key in in_role):
        raise NotTrustedError("K02", f"the key {in_role[0].name} was not valid at {text.at}")
    return text


def _parsed(text: str, parse: Callable[[str], Text]) -> Text | None:
    try:
        return parse(text)
    except FormatError:
        return None


def _signers(signed: note.Note, trust: Trust) -> list[TrustedKey]:
    try:
        opened = note.open_note(signed, [key.verifier_key for key in trust.keys])
    except note.NoSignatureError:
        names = ", ".join(f"{each.name}+{each.key_id.hex()}" for each in signed.signatures)
        raise NotTrustedError("K03", f"no key of the trust file signed it (signed by {names})") from None
    except note.BadSignatureError as wrong:
        raise NotTrustedError("K03", str(wrong)) from None
    verified = {(each.name, each.key_id) for each in opened.verified}
    return [key for key in trust.keys if (key.name, key.key_id) in verified]
