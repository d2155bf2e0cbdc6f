"""JSON from clients: strict, and parsed at a bounded cost."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from seewhy.errors import RequestTooLarge
from seewhy_api.http.json_body import MAX_JSON_BYTES, MAX_VALUES, parse_json, split_json

LARGE = 5 * MAX_JSON_BYTES
finite = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | st.integers() | finite | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


def mistake(text: bytes | str) -> tuple[str, str]:
    """Return the type and the field of the first mistake."""
    with pytest.raises(ValidationError) as caught:
        parse_json(text)
    first = caught.value.errors()[0]
    return first["type"], ".".join(map(str, first["loc"]))


@given(values)
def test_valid_json_is_parsed_as_it_is(value: Any) -> None:
    assert parse_json(json.dumps(value)) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"a": 1,}',
        b"[1] 2",
        b'"\x01"',
        b"\xff",
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        b'{"a": 1, "a": 1}',
        b'{"b": {"a": 1, "\\u0061": 2}}',
        b"1" * 5_000,
        b"[" * 33 + b"1" + b"]" * 33,
        b"[" * 30_000,
        b'{"a":' * 10_000,
    ],
    ids=str,
)
def test_what_is_not_json_or_has_a_name_twice_is_refused(text: bytes) -> None:
    assert mistake(text) == ("json_invalid", "")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_numbers_that_are_not_finite_are_refused_with_their_field(text: str) -> None:
    assert mistake(f'{{"metadata": {{"a": [1, {text}]}}}}') == ("unusable_value", "metadata.a.1")
    assert mistake(text) == ("unusable_value", "")


def test_half_characters_are_refused_with_their_field() -> None:
    assert mistake(r'{"a": "\ud800"}') == ("unusable_value", "a")
    assert mistake(r'{"a": {"\udc00": 1}}') == ("unusable_value", "a")
    assert parse_json(r'{"a": "\ud83d\ude00"}') == {"a": "😀"}


def test_bytes_and_values_are_limited() -> None:
    assert len(parse_json("[" + ",".join("1" * (MAX_VALUES - 1)) + "]")) == MAX_VALUES - 1
    assert parse_json('"' + "x" * (MAX_JSON_BYTES - 2) + '"') == "x" * (MAX_JSON_BYTES - 2)
    for text in ("[" + ",".join("1" * MAX_VALUES) + "]", '"' + "x" * (MAX_JSON_BYTES - 1) + '"'):
        with pytest.raises(RequestTooLarge):
            parse_json(text)


@given(values, st.integers(0, 3))
def test_a_large_image_is_taken_out_of_any_json(value: Any, escapes: int) -> None:
    image = "A" * LARGE + "\\/" * escapes
    body = b'{"before": %b, "image_base64": "%b", "after": 1}' % (
        json.dumps(value).encode(),
        image.encode(),
    )
    split = split_json(body)
    assert split.string == image.encode()
    rest = parse_json(split.rest)
    assert rest == {"before": value, "image_base64": split.placeholder, "after": 1}


def test_a_small_body_is_left_as_it_is() -> None:
    body = b'{"image_base64": "AAAA"}'
    split = split_json(body)
    assert (split.rest, split.placeholder) == (body, None)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * LARGE,
        b"[" + b"{}," * LARGE,
        b'{"a":1,' * LARGE,
        b'["' + b'","' * LARGE,
        b'{"a": "' + b"x" * LARGE + b'", "b": "' + b"x" * LARGE + b'"}',
        b'{"a": "' + b'\\"' * LARGE + b'"}',
        b'{"a": "' + b"\\" * LARGE + b'"}',
        b'"' + b"x" * LARGE + b'"' + b" " * (MAX_JSON_BYTES + 1),
    ],
    ids=lambda body: body[:12].decode(),
)
def test_json_that_is_large_apart_from_one_string_is_refused(body: bytes) -> None:
    with pytest.raises(RequestTooLarge):
        split_json(body)


def test_a_string_without_an_end_is_not_json() -> None:
    with pytest.raises(ValidationError, match="no end"):
        split_json(b'{"image_base64": "' + b"A" * LARGE)
