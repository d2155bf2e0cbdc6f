"""Multipart and JSON bodies."""

import json
from collections.abc import Iterable

from bad_inputs.case import IMAGE_BASE64, JPEG, MULTIPART, Case, form, json_case, part


def multipart() -> Iterable[Case]:
    image = part("image", JPEG, file="a.jpg")
    yield Case("no boundary", {422}, form(image), "multipart/form-data")
    yield Case("another boundary", {422}, form(image), "multipart/form-data; boundary=other")
    yield Case("an endless boundary", {400, 413, 422}, form(image), f"{MULTIPART}{'x' * 9_000}")
    yield Case("10,000 parts", {413}, form(*[part(f"p{n}", b"x") for n in range(10_000)]))
    yield Case("two images", {422}, form(image, image))
    yield Case("two requests", {422}, form(image, part("request", b"{}"), part("request", b"{}")))
    yield Case("no image", {422}, form(part("request", b"{}")))
    yield Case("text as an image", {422}, form(part("image", JPEG)))
    yield Case("an unknown part", {422}, form(image, part("x" * 5_000, b"y")))
    unnamed = part("request", b"{}").replace(b" name=", b" lame=")
    yield Case("a part without a name", {422}, form(image, unnamed, part("x", b"y")))
    yield Case("a part with a path", {422}, form(image, part("../../etc/passwd", b"y")))
    yield Case("a large part header", {400, 413, 422}, form(part("x" * 1_000_000, b"y")))
    yield Case("a large text part", {413}, form(image, part("request", b" " * 400_000)))
    yield Case("a large file part", {413}, form(image, part("request", b" " * 400_000, file="r")))
    yield Case("a nested form", {415, 422}, form(part("image", form(image), file="a")))
    yield Case("cut", {422}, form(image)[:200])
    yield Case("no body", {422}, b"")
    for name in (
        "../../etc/passwd",
        "a\0b",
        "x" * 10_000,
        "\u202egpj.exe",
        "😀.jpg",
        'a"b',
        "C:\\a",
    ):
        yield Case(f"file {name[:20]!r}", {202, 422}, form(part("image", JPEG, file=name)))


def with_image(rest: str) -> str:
    return f'{{"image_base64": "{IMAGE_BASE64}"{rest}}}'


def json_bodies() -> Iterable[Case]:
    yield json_case("valid", with_image(""), 202)
    for name, rest, status in (
        ("depth 10,000", ', "metadata": {"a":' + "[" * 10_000 + "]" * 10_000 + "}", 400),
        ("a name twice", ', "method": "gradcam", "method": "gradcam"', 400),
        ("a name twice in metadata", ', "metadata": {"a": 1, "a": 2}', 400),
        ("NaN", ', "metadata": {"a": NaN}', 422),
        ("Infinity", ', "deadline_s": Infinity', 422),
        ("1e999", ', "metadata": {"a": [1e999]}', 422),
        ("a number of 10,000 digits", ', "targets": [' + "9" * 10_000 + "]", 400),
        ("2^63 in metadata", f', "metadata": {{"a": {2**63}}}', 202),
        ("a lone surrogate", ', "metadata": {"a": "\\ud800"}', 422),
        ("a lone surrogate as a name", ', "metadata": {"\\udfff": 1}', 422),
        ("a null character", ', "metadata": {"a": "\\u0000"}', 202),
        ("a field twice the limit", f', "model": "{"x" * 130_000}"', 413),
        ("200,000 fields", "".join(f', "a{n}": 1' for n in range(200_000)), 413),
        ("400,000 targets", ', "targets": [' + "{}, " * 400_000 + "{}]", 413),
        ("2,400 rivals", ', "targets": {"why": 1, "not": [' + "{}, " * 2_300 + "{}]}", 422),
        ("an unknown field", f', "{"x" * 3_000}": 1', 422),
        ("a trailing comma", ",", 400),
        ("a comment", "/* */", 400),
    ):
        yield json_case(name, with_image(rest), status)
    yield json_case("12 MB of a model", f'{{"model": "{"x" * 12_000_000}"}}', 413)
    yield json_case("12 MB of a name", f'{{"{"x" * 12_000_000}": 1}}', 413)
    yield json_case("12 MB of base64", f'{{"image_base64": "{"A" * 12_000_000}"}}', 415)
    yield json_case("an image without an end", f'{{"image_base64": "{"A" * 500_000}', 400)
    yield json_case("too large", f'{{"image_base64": "{"A" * 14_000_000}"}}', 413)
    for encoded in (b"\xef\xbb\xbf{}", b'{"a": "\xe9"}', b""):
        yield json_case(f"encoded as {encoded!r}", encoded, 400)
    yield json_case("UTF-16", with_image("").encode("utf-16"), 400)
    for text in ("[]", "1", '"a"', "null", "{}", '{"image_base64": 1}', '{"image_base64": null}'):
        yield json_case(text, text, 422)
    for image in (
        "",
        "?",
        IMAGE_BASE64 + "\n",
        f"data:image/jpeg;base64,{IMAGE_BASE64}",
        "_-==",
        "é",
    ):
        text = json.dumps({"image_base64": image})
        yield json_case(f"base64 {image[:20]!r}", text, 400, 415, 422)
    for kind in ("text/plain", "application/xml", "", "image/jpeg", "application/json-patch+json"):
        yield Case(f"content type {kind!r}", {422}, with_image("").encode(), kind)
