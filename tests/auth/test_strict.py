"""What two readers could take differently is refused."""

from base64 import urlsafe_b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.strict import read_base64url, read_object, write_base64url


@given(st.binary(max_size=70))
def test_base64url_read_is_what_was_written(raw: bytes) -> None:
    assert read_base64url(write_base64url(raw)) == raw


@given(st.text(alphabet="ABQgw019_-+/= \n", max_size=9))
def test_a_text_is_read_only_if_writing_it_again_gives_the_same(text: str) -> None:
    try:
        canonical = write_base64url(urlsafe_b64decode(text + "=" * (-len(text) % 4))) == text
    except ValueError:
        canonical = False

    try:
        read_base64url(text)
    except ValueError:
        assert not canonical
    else:
        assert canonical


@pytest.mark.parametrize("text", ["A", "AB", "AAB", "AA==", "A A", "AA\n", "AAAAA", "éA", "Ａ"])
def test_another_spelling_of_base64url_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_base64url(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"1",
        b"null",
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":1}}',
        b'{"a":1,"\\u0061":2}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":"\\ud800"}',
        b'{"\\udfff":1}',
        b'{"a":1}{',
        b"\xef\xbb\xbf{}",
        b'{"a":"\xff"}',
        '{"a":1}'.encode("utf-16"),
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' + b"9" * 5000 + b"}",
    ],
)
def test_ambiguous_json_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        read_object(text)


def test_plain_json_is_read() -> None:
    assert read_object(b' {"a":[1,{"b":"\\ud83d\\ude00\\u00e9"}]}\n') == {"a": [1, {"b": "😀é"}]}
