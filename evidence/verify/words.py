"""What a record says, and other values of a package, in words: all of it, in one order, bounded, every cut marked.

Whoever wrote the package chose these values, so none of them may pass for a word of ours.  Strings stand in quotation
marks, with those inside them escaped, and a mark of a cut stands outside.  A name that stands alone before a colon is
that of a disclosed field; every name that we give has a blank in it, which no name of the format has.
"""

import re
from collections.abc import Iterable, Iterator

from evidence.proof import canonical

LONGEST_NAME = 100
LONGEST_VALUE = 1000
LONGEST_TEXT = 2000
"""Letters of a name, of a value and of any other text that are shown before it is cut."""

MOST_LINES = 1000
"""Lines that are told of one record."""

Field = tuple[str, str]
"""Name of a disclosed field, and its value in words."""

_BARE = re.compile(r"[A-Za-z0-9._-]{1,100}")
_MEMBERS = {
    "occ": "recorded, by a device's clock (occ)",
    "facts": "facts, in another form",
    "obj": "object (obj)",
    "src": "came from (src)",
    "tool": "with tool",
    "pol": "policy decision (pol)",
    "att": "attested (att)",
}
_LAST_MEMBERS = {"clk": "clock of the record (clk)", "req": "request (req)", "n": "nonce (n)"}
_TOLD_ELSEWHERE = {"act", "actor", "on_behalf", "sd"}
_FIRST = dict.fromkeys(("role", "kind", "format", "source", "name", "id", "version", "sha256", "size")).keys()
_PARTS_OF_ACTOR = {"roles": "roles", "method": "sign-in method", "session": "session, as a digest"}
_ATTESTATIONS = {
    "declared": "declared by the sender",
    "read_back": "read back from the store",
    "streamed_chunks": "list of chunks, on arrival",
    "read_back_chunks": "list of chunks, read back from the store",
}


def tell(body: dict[str, canonical.Value], fields: Iterable[Field], withheld: int) -> Iterator[str]:
    """Yield what a record says, a line each: who, when, what, the disclosed fields, and how it was recorded.

    `withheld` is the number of fields that are not shown.
    """
    lines = list(_lines(body, sorted(fields)))
    yield from lines[:MOST_LINES]
    if len(lines) > MOST_LINES:
        yield _cut_mark(len(lines), "lines")
    if withheld:
        yield f"{withheld} field{'' if withheld == 1 else 's'} not shown"


def in_words(value: canonical.Value) -> str:
    """Return a value in words, on one line: names before their values, lists and objects inside others in brackets."""
    if type(value) is str:
        text = value[:LONGEST_VALUE]
        return _quoted(text) + (_cut_mark(len(value)) if len(value) > LONGEST_VALUE else "")
    return shortened(_spelled(value), LONGEST_VALUE)


def shortened(text: str, most: int) -> str:
    """Return the text, or its first letters and a mark that says how many there are."""
    return text if len(text) <= most else text[:most] + _cut_mark(len(text))


def plain(text: str) -> str:
    """Keep a text of the package from moving the cursor, or from passing for ours by a line of its own."""
    return harmless(shortened(text, LONGEST_TEXT))


def harmless(text: str) -> str:
    """Return a text, however long, that steers no terminal and stays on its line."""
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else "?" for letter in text)
    # A row of blanks would push what follows to the next line of a terminal.
    return " ".join(filter(None, text.split(" ")))


def _lines(body: dict[str, canonical.Value], fields: list[Field]) -> Iterator[str]:
    yield from _who("by", "actor", body.get("actor"), fields)
    if "on_behalf" in body:
        yield from _who("on behalf of", "on_behalf", body["on_behalf"], fields)
    for member, label in _MEMBERS.items():
        yield from _member(member, label, body)
    yield from (f"{name}: {value}" for name, value in fields if name not in ("actor", "on_behalf"))
    if "on_behalf" not in body:
        yield from _named("on_behalf", fields)
    for member, label in _LAST_MEMBERS.items():
        yield from _member(member, label, body)
    for member in sorted(body.keys() - _MEMBERS.keys() - _LAST_MEMBERS.keys() - _TOLD_ELSEWHERE):
        yield f"unknown member {shortened(member, LONGEST_NAME)}: {in_words(body[member])}"


def _who(begin: str, member: str, actor: canonical.Value, fields: list[Field]) -> Iterator[str]:
    """Tell who acted as the record has it, and the disclosed field of the same name, which has what they are called."""
    parts = actor if type(actor) is dict else {}
    told = [_bare(parts[name]) for name in ("type", "id") if name in parts]
    yield f"{begin} {' '.join(told) or 'nobody named'}"
    yield from _named(member, fields)
    whose = member.replace("_", " ")
    for name, label in _PARTS_OF_ACTOR.items():
        if name in parts:
            yield f"{whose}, {label}: {in_words(parts[name])}"
    if others := {name: value for name, value in parts.items() if name not in ("type", "id", *_PARTS_OF_ACTOR)}:
        yield f"{whose}, unknown members: {in_words(others)}"
    if actor is not None and type(actor) is not dict:
        yield f"{whose}, in another form: {in_words(actor)}"


def _bare(value: canonical.Value) -> str:
    """Leave out the quotation marks where nothing in the value could be mistaken for words of ours."""
    return value if type(value) is str and _BARE.fullmatch(value) else in_words(value)


def _named(name: str, fields: list[Field]) -> Iterator[str]:
    return (f"{each}: {value}" for each, value in fields if each == name)


def _member(member: str, label: str, body: dict[str, canonical.Value]) -> Iterator[str]:
    """Tell one member of a body: a fact or an element of a list each on a line of its own."""
    value = body.get(member)
    if member == "facts" and type(value) is dict and value:
        yield from (f"fact {shortened(name, LONGEST_NAME)}: {in_words(value[name])}" for name in sorted(value))
    elif type(value) is list and value:
        yield from (_element(member, label, each) for each in value)
    elif member in body:
        yield f"{label}: {in_words(value)}"


def _element(member: str, label: str, value: canonical.Value) -> str:
    if member == "att" and type(value) is dict and value.keys() == {"kind", "sha256"}:
        kind, sha256 = value["kind"], value["sha256"]
        if type(kind) is str and kind in _ATTESTATIONS:
            return f"{label}, {_ATTESTATIONS[kind]}: {in_words(sha256)}"
    return f"{label}: {in_words(value)}"


def _spelled(value: canonical.Value) -> str:
    if type(value) is dict:
        names = [*(name for name in _FIRST if name in value), *sorted(value.keys() - _FIRST)]
        return ", ".join(f"{name} {_inner(value[name])}" for name in names) or "no members"
    if type(value) is list:
        return ", ".join(map(_inner, value)) or "nothing"
    if type(value) is str:
        return _quoted(value)
    if value is None:
        return "none"
    return str(value) if type(value) is int else "yes" if value else "no"


def _inner(value: canonical.Value) -> str:
    return f"({_spelled(value)})" if type(value) in (dict, list) else _spelled(value)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _cut_mark(number: int, what: str = "characters") -> str:
    return f"… (cut, {number:,} {what} in all)"
