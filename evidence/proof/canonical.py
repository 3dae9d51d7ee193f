"""One value, one byte string: RFC 8785 (JSON Canonicalization Scheme), narrowed.

Inside the profile (FORMAT.md 1) there are null, booleans, integers below 2^53 in size, Unicode
strings, lists and objects whose keys are `[a-z0-9_]+`.  Floats are refused, because two programs
seldom agree on how to print one.  What `decode` accepts has exactly one spelling, so a digest of
the bytes is a digest of the value.
"""

import json
import re
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any, NoReturn, TypeAlias

from evidence.proof import FormatError

Value: TypeAlias = Any
"""A value inside the profile. (JSON's recursive type, which the type checker would only get in the way of.)"""

LARGEST = 2**53 - 1
"""The largest integer, and with a minus the smallest, that every JSON reader keeps exact."""

DEEPEST = 32
"""How many lists and objects may stand inside one another."""

_KEY = re.compile(r"[a-z0-9_]+")


def encode(value: Value) -> bytes:
    """Return the only byte string for this value, or raise FormatError if it is outside the profile."""
    _require_profile(value, depth=0)
    try:
        return _write(value).encode("utf-8")
    except UnicodeEncodeError:
        raise FormatError("a string holds half of a surrogate pair, which UTF-8 cannot carry") from None


def decode(raw: bytes) -> Value:
    """Return the value of canonical bytes; raise FormatError for any other spelling, however close."""
    try:
        text = raw.decode("utf-8")
        value, end = _DECODER.raw_decode(text)
    except FormatError:
        raise
    except UnicodeDecodeError as wrong:
        raise FormatError(f"not UTF-8 at byte {wrong.start}") from None
    except (ValueError, RecursionError):
        raise FormatError("not JSON in canonical form") from None
    if end == len(text) and _FORMS.knows(raw):
        return value
    _require_profile(value, depth=0)
    # Spaces, another order, escapes, a second spelling of a number or a key given twice: all of
    # these read well and are written otherwise.
    if end != len(text) or _write(value) != text:
        raise FormatError("not in canonical form (RFC 8785), or a key stands twice")
    _FORMS.remember(raw)
    return value


_Keys: TypeAlias = tuple[bytes, ...]


class _Forms:
    """What canonical texts already read have in common: everything but the strings and digits of their values.

    The records of a history are much alike, and to write each of them again only to compare takes
    longer than to read it.  In a text without a backslash, quotation marks stand around strings and
    nowhere else, so the pieces between them are structure and string by turns, and a string is a key
    if a colon follows.  A text that is JSON, and has the structure and the keys of a canonical one,
    has its order, single keys, depth and lack of spaces too, and no string without escapes has a second
    spelling.  Digits are left out of the structure: JSON has them in numbers only, and `_integer`
    refuses those that are not as they must be.
    """

    LONGEST_TEXT = 4096
    """Bytes. Longer texts are seldom alike."""

    MOST = 128
    """How many structures are remembered before all are forgotten."""

    MOST_KEYS = 16
    """How many sets of keys of one structure are remembered before they are forgotten."""

    def __init__(self) -> None:
        self._seen: dict[bytes, tuple[Callable[[list[bytes]], _Keys], list[_Keys]]] = {}

    def knows(self, raw: bytes) -> bool:
        """Say whether these bytes, which are JSON, have the form of a text that was remembered."""
        if b"\\" in raw or len(raw) > self.LONGEST_TEXT:
            return False
        pieces = raw.split(b'"')
        seen = self._seen.get(_structure(pieces))
        return seen is not None and seen[0](pieces) in seen[1]

    def remember(self, raw: bytes) -> None:
        """Take the form of a text that was found to be canonical."""
        if b"\\" in raw or len(raw) > self.LONGEST_TEXT:
            return
        pieces = raw.split(b'"')
        places = [at for at in range(1, len(pieces), 2) if pieces[at + 1].startswith(b":")]
        # Of fewer than two places itemgetter makes no tuple.
        keys_of = itemgetter(*places) if len(places) > 1 else lambda found: tuple(found[at] for at in places)
        if len(self._seen) == self.MOST:
            self._seen.clear()
        _, keys = self._seen.setdefault(_structure(pieces), (keys_of, []))
        if len(keys) == self.MOST_KEYS:
            keys.clear()
        keys.append(keys_of(pieces))


def _structure(pieces: list[bytes]) -> bytes:
    return b'"'.join(pieces[::2]).translate(None, b"0123456789")


_FORMS = _Forms()


def _require_profile(value: Value, *, depth: int) -> None:
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return
    if kind is int:
        if not -LARGEST <= value <= LARGEST:
            raise FormatError(f"the integer {value:#x} is not below 2^53 in size")
        return
    if kind is not list and kind is not dict:
        raise FormatError(f"a {kind.__name__} is outside the profile (null, bool, int, str, list and dict are inside)")
    if depth == DEEPEST:
        raise FormatError(f"nested deeper than {DEEPEST}")
    if kind is dict:
        for key in value:
            if type(key) is not str or not _KEY.fullmatch(key):
                raise FormatError(f"the key {key!r} is not [a-z0-9_]+")
        value = value.values()
    for inner in value:
        _require_profile(inner, depth=depth + 1)


def _integer(digits: str) -> int:
    # Fifteen digits are always inside; more than seventeen never, and are not even converted.
    if len(digits) > 15 and (len(digits) > 17 or not -LARGEST <= int(digits) <= LARGEST):
        raise FormatError("an integer is not below 2^53 in size")
    if digits == "-0":
        raise FormatError("nought has no minus")
    return int(digits)


def _refuse_number(_spelling: str) -> NoReturn:
    raise FormatError("a number that is not an integer")


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True, check_circular=False)
_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_refuse_number, parse_constant=_refuse_number)


def _encoder() -> Callable[[Value, int], Iterable[str]]:
    """Return what `_ENCODER` makes anew for every value: a fifth of its time goes into that.

    An interpreter without the part in C has none to keep, and goes the long way to the same text.
    """
    make = getattr(json.encoder, "c_make_encoder", None)
    escape = getattr(json.encoder, "c_encode_basestring", None)
    if make is None or escape is None:
        return lambda value, _level: _ENCODER.iterencode(value)
    kept: Callable[[Value, int], Iterable[str]] = make(
        None, _ENCODER.default, escape, None, ":", ",", True, False, False
    )
    return kept


_pieces = _encoder()


def _write(value: Value) -> str:
    return "".join(_pieces(value, 0))
