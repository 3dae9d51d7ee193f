"""What a record says, in words: nothing left out, in one order, and no value that passes for a word of ours."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.proof import canonical
from evidence.verify import words
from tests.vectors import make

NAMES = st.from_regex(r"[a-z0-9_]{1,12}", fullmatch=True)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


def leaves(value: canonical.Value) -> Iterator[canonical.Value]:
    """Yield every string and number that a value holds, however deep."""
    inner = value.values() if type(value) is dict else value if type(value) is list else None
    if inner is None:
        yield value
        return
    for each in inner:
        yield from leaves(each)


@pytest.mark.parametrize("body", [body for _chain, body in make.EXAMPLES], ids=lambda body: str(body["act"]))
def test_everything_that_a_record_says_is_told(body: make.Body) -> None:
    body = {**body, "on_behalf": {"type": "account", "id": make.DOCK, "session": make.digest_of("session")}}
    digests, act = body.pop("sd", []), body["act"]

    said = "\n".join(words.tell({**body, "sd": digests}, [], len(digests)))

    kinds = [each.pop("kind") for each in [dict(each) for each in body.get("att", [])]]
    for leaf in leaves({name: value for name, value in body.items() if name != "act"}):
        assert str(leaf) in said or leaf in kinds, f"{act} says {leaf}"
    for name in (*body.get("facts", {}), *(("occ",) if "occ" in body else ())):
        assert name in said
    assert ("not shown" in said) == bool(digests)


def test_the_order_is_the_same_for_every_record() -> None:
    body = {
        **make.body("item.received", occ="2026-03-01T09:15:00.000000Z", facts={"upload": "7", "later": True}),
        "on_behalf": {"type": "account", "id": make.DOCK, "roles": ["detective"]},
        "obj": [{"version": "3", "size": 2, "role": "original", "enc": {"size": 30, "format": "f"}}],
        "src": ["ab", "cd"],
        "tool": {"version": "1", "name": "pyav"},
        "pol": "ef",
        "att": [{"kind": kind, "sha256": "01"} for kind in ("declared", "read_back", "somehow")],
        "zeal": None,
    }
    fields = [("reason", '"asked"'), ("actor", 'name "Ruiz", badge "47"'), ("on_behalf", 'name "Ito"')]
    told = list(words.tell(body, fields, 2))

    assert told == list(words.tell(dict(sorted(body.items(), reverse=True)), fields[::-1], 2))
    assert told == [
        f"by account {make.OFFICER}",
        'actor: name "Ruiz", badge "47"',
        'actor, roles: "evidence_technician"',
        'actor, sign-in method: "password"',
        f"on behalf of account {make.DOCK}",
        'on_behalf: name "Ito"',
        'on behalf, roles: "detective"',
        'recorded, by a device\'s clock (occ): "2026-03-01T09:15:00.000000Z"',
        "fact later: yes",
        'fact upload: "7"',
        'object (obj): role "original", version "3", size 2, enc (format "f", size 30)',
        'came from (src): "ab"',
        'came from (src): "cd"',
        'with tool: name "pyav", version "1"',
        'policy decision (pol): "ef"',
        'attested (att), declared by the sender: "01"',
        'attested (att), read back from the store: "01"',
        'attested (att): kind "somehow", sha256 "01"',
        'reason: "asked"',
        'clock of the record (clk): source "system", error_us 1500',
        'request (req): "request:item.received"',
        f'nonce (n): "{body["n"]}"',
        "unknown member zeal: none",
        "2 fields not shown",
    ]


def test_members_of_another_form_are_told_as_they_are() -> None:
    body = {"act": "x", "actor": {"type": "a b", "since": 7}, "on_behalf": ["x", []], "obj": {}, "att": [7], "facts": 1}

    assert list(words.tell(body, [("on_behalf", '"Ito"')], 1)) == [
        'by "a b"',
        "actor, unknown members: since 7",
        "on behalf of nobody named",
        'on_behalf: "Ito"',
        'on behalf, in another form: "x", (nothing)',
        "facts, in another form: 1",
        "object (obj): no members",
        "attested (att): 7",
        "1 field not shown",
    ]


def test_a_field_about_another_than_the_record_names_is_still_told() -> None:
    assert "on_behalf: 1" in words.tell({"act": "x", "actor": None}, [("on_behalf", "1")], 0)


def test_a_cut_is_marked_where_no_value_could_mark_it() -> None:
    """The mark stands behind the quotation marks; a quotation mark inside them is escaped."""
    whole, pretended = "x" * words.LONGEST_VALUE, 'x"… (cut, 2,140 characters in all)'
    long = {"media": [{"codec": "y" * 2000}]}

    assert words.in_words(whole) == f'"{whole}"'
    assert words.in_words(whole * 2) == f'"{whole}"… (cut, 2,000 characters in all)'
    assert words.in_words(pretended) == '"x\\"… (cut, 2,140 characters in all)"'
    assert words.in_words(long).endswith("y… (cut, 2,018 characters in all)")
    assert len(words.in_words(long)) < words.LONGEST_VALUE + 50
    assert words.plain("z" * 3000).endswith("z… (cut, 3,000 characters in all)")


def test_a_record_of_very_many_facts_is_cut_and_says_so() -> None:
    facts: dict[str, object] = {f"f{number}": number for number in range(5000)}

    told = list(words.tell({"act": "x", "actor": None, "facts": facts}, [], 3))

    assert len(told) == words.MOST_LINES + 2
    assert told[-2:] == ["… (cut, 5,001 lines in all)", "3 fields not shown"]


@given(st.dictionaries(NAMES | st.sampled_from(["actor", "obj", "att", "facts", "tool"]), VALUES, max_size=6))
def test_whatever_a_record_says_each_line_is_ours_bounded_and_steers_nothing(body: dict[str, canonical.Value]) -> None:
    for line in words.tell(body, [("reason", words.in_words(list(body.values())))], 0):
        shown = words.harmless(line)
        assert shown.isprintable()
        assert len(shown) <= 2 * words.LONGEST_VALUE + 2 * words.LONGEST_NAME
        label, colon, _value = shown.partition(": ")
        assert label == "reason" or (" " in label and (colon or label.startswith(("by", "on behalf of"))))


@given(VALUES, VALUES)
def test_two_values_are_never_told_alike(one: canonical.Value, other: canonical.Value) -> None:
    if canonical.encode([one]) != canonical.encode([other]):
        assert len(words.in_words(one)) > words.LONGEST_VALUE or words.in_words([one]) != words.in_words([other])
