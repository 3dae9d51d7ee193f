"""A value inside the profile has one spelling; everything else is refused."""

import json
import math
from enum import IntEnum
from pathlib import Path

import orjson
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from evidence.proof import FormatError, canonical

VECTORS = Path(__file__).parents[2] / "vectors"
GOLDEN = json.loads((VECTORS / "canonical.json").read_text())

keys = st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=1, max_size=8)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-canonical.LARGEST, canonical.LARGEST) | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=20,
)


@given(values)
def test_reading_undoes_writing(value: canonical.Value) -> None:
    assert canonical.decode(canonical.encode(value)) == value


@given(values)
def test_inside_the_profile_it_is_rfc_8785_and_what_orjson_writes_sorted(value: canonical.Value) -> None:
    assert canonical.encode(value) == rfc8785.dumps(value) == orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


@given(values, st.integers(0, 200), st.integers(0, 2), st.binary(max_size=2), st.booleans())
def test_no_second_spelling_is_read(value: canonical.Value, at: int, cut: int, put: bytes, known: bool) -> None:
    """Whatever some bytes are changed to: it is refused, or it is another value, whether the form was seen or not."""
    raw = canonical.encode(value)
    at %= len(raw)
    changed = raw[:at] + put + raw[at + cut :]
    if known:
        canonical.decode(raw)
    try:
        read = canonical.decode(changed)
    except FormatError:
        return
    assert changed == raw or read != value
    assert canonical.encode(read) == changed


KNOWN = b'{"a":[5,"x"],"b":{"c":-7},"d":"z"}'


@pytest.mark.parametrize(
    "other",
    [
        b'{"a":[05,"x"],"b":{"c":-7},"d":"z"}',
        b'{"a":[-0,"x"],"b":{"c":-7},"d":"z"}',
        b'{"a":[5,"x"],"b":{"c":-0},"d":"z"}',
        b'{"a":[5.0,"x"],"b":{"c":-7},"d":"z"}',
        b'{"a":[5e0,"x"],"b":{"c":-7},"d":"z"}',
        b'{"a":[9007199254740992,"x"],"b":{"c":-7},"d":"z"}',
        b'{"a":[,"x"],"b":{"c":-7},"d":"z"}',
        b'{"a":[5,"x"],"b":{"c":-},"d":"z"}',
        b'{"a":[5,"x"],"b":{"c":-7},"d":"z"}5',
        b'5{"a":[5,"x"],"b":{"c":-7},"d":"z"}',
        b'{"a":[5,"x"],"b":{"c":-7}5,"d":"z"}',
        b'{"a"5:[5,"x"],"b":{"c":-7},"d":"z"}',
        b'{"a":[5 ,"x"],"b":{"c":-7},"d":"z"}',
        b'{"a":[5,"x"],"b":{"c":-7},"d":"z"}\n',
        b'{"b":[5,"x"],"a":{"c":-7},"d":"z"}',
        b'{"a":[5,"x"],"a":{"c":-7},"d":"z"}',
        b'{"a":[5,"x"],"b":{"C":-7},"d":"z"}',
        b'{"a":[5,"x"],"b":{"":-7},"d":"z"}',
        b'{"a":[5,"\\u0078"],"b":{"c":-7},"d":"z"}',
        b'{"a":[5,"\\/"],"b":{"c":-7},"d":"z"}',
        b'{"a":[5,"\x01"],"b":{"c":-7},"d":"z"}',
        b'{"a":[5,"\n"],"b":{"c":-7},"d":"z"}',
        b'{"a":[5,"\xed\xa0\x80"],"b":{"c":-7},"d":"z"}',
        b'{"a":[5,"\xff"],"b":{"c":-7},"d":"z"}',
        '{"a":[٥,"x"],"b":{"c":-7},"d":"z"}'.encode(),
    ],
)
def test_what_only_looks_like_a_known_form_is_refused(other: bytes) -> None:
    canonical.decode(KNOWN)

    with pytest.raises(FormatError):
        canonical.decode(other)


def test_a_known_form_is_not_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The short cut is taken: else the test above would show nothing of it."""
    canonical.decode(KNOWN)
    written: list[canonical.Value] = []
    write = canonical._write

    def noting(value: canonical.Value) -> str:
        written.append(value)
        return write(value)

    monkeypatch.setattr(canonical, "_write", noting)
    other = {"a": [1234, ":{é"], "b": {"c": 8}, "d": ""}

    assert canonical.decode(b'{"a":[1234,":{\xc3\xa9"],"b":{"c":8},"d":""}') == other
    assert written == [other]
    assert canonical.decode(b'{"a":[1234,":{\xc3\xa9"],"b":{"c":-8},"d":""}') == other | {"b": {"c": -8}}
    assert len(written) == 1


def test_forms_are_remembered_within_bounds() -> None:
    forms = canonical._Forms()

    for number in range(3 * forms.MOST):
        forms.remember(b'{"a":%b,"b":1}' % (b"[" * number + b"]" * number))
        forms.remember(b'{"a":1,"k%d":1}' % number)
    forms.remember(b'{"a":"%b"}' % (b"x" * forms.LONGEST_TEXT))

    assert len(forms._seen) <= forms.MOST
    assert all(len(keys) <= forms.MOST_KEYS for _, keys in forms._seen.values())
    assert not forms.knows(b'{"a":"%b"}' % (b"x" * forms.LONGEST_TEXT))


@pytest.mark.parametrize("case", GOLDEN["inside"])
def test_golden_values_have_their_golden_spelling(case: dict[str, canonical.Value]) -> None:
    assert canonical.encode(case["value"]).hex() == case["hex"]
    assert canonical.decode(bytes.fromhex(case["hex"])) == case["value"]


@pytest.mark.parametrize("case", GOLDEN["outside"], ids=lambda case: case["why"])
def test_golden_refusals_are_refused(case: dict[str, str]) -> None:
    with pytest.raises(FormatError):
        canonical.decode(bytes.fromhex(case["hex"]))


@pytest.mark.parametrize("name", ["arrays", "french", "structures", "unicode", "values", "weird"])
def test_the_vectors_of_rfc_8785_agree_or_lie_outside(name: str) -> None:
    value = json.loads((VECTORS / "rfc8785" / "input" / f"{name}.json").read_text())
    written = (VECTORS / "rfc8785" / "output" / f"{name}.json").read_bytes()
    assert rfc8785.dumps(value) == written

    outside = {"french": "péché", "structures": "56.0", "unicode": "a capital key", "values": "1E30", "weird": "a euro"}
    if name in outside:
        with pytest.raises(FormatError):
            canonical.encode(value)
        with pytest.raises(FormatError):
            canonical.decode(written)
    else:
        assert canonical.encode(value) == written
        assert canonical.decode(written) == value


def test_strings_of_the_vectors_are_spelled_as_rfc_8785_spells_them() -> None:
    """The vectors' keys are outside the profile; as values the same strings must come out the same."""
    for name in ("french", "unicode", "weird"):
        value = json.loads((VECTORS / "rfc8785" / "input" / f"{name}.json").read_text())
        for text in (*value, *value.values()):
            assert canonical.encode([text]) == rfc8785.dumps([text])


class Number(IntEnum):
    ONE = 1


@pytest.mark.parametrize(
    "value",
    [1.0, math.nan, 2**53, -(2**53), (1, 2), {1}, b"raw", Number.ONE, {"A": 1}, {1: 1}, {"": 1}, ["\ud800"], object()],
)
def test_values_outside_the_profile_are_refused(value: object) -> None:
    with pytest.raises(FormatError):
        canonical.encode(value)


def test_values_are_nested_32_deep_and_no_deeper() -> None:
    deep: canonical.Value = 0
    for _ in range(canonical.DEEPEST):
        deep = [deep]

    assert canonical.decode(canonical.encode(deep)) == deep
    with pytest.raises(FormatError, match="deeper"):
        canonical.encode([deep])


def test_many_lists_beside_one_another_are_not_deep() -> None:
    wide = [[number] for number in range(100)]

    assert canonical.decode(canonical.encode(wide)) == wide


@pytest.mark.parametrize("raw", [b"[" * 100_000, b'{"a":' * 100_000, b"9" * 100_000, b"-" + b"9" * 17])
def test_absurd_input_is_refused_and_breaks_nothing(raw: bytes) -> None:
    with pytest.raises(FormatError):
        canonical.decode(raw)


def test_sixteen_digits_are_inside_up_to_the_last() -> None:
    assert canonical.decode(b"-9007199254740991") == -canonical.LARGEST
    with pytest.raises(FormatError):
        canonical.decode(b"-9007199254740992")


@given(values)
def test_an_interpreter_without_the_encoder_in_c_writes_the_same(value: canonical.Value) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json.encoder, "c_make_encoder", None)

        pieces = canonical._encoder()

        assert "".join(pieces(value, 0)).encode() == canonical.encode(value)
