"""Parsing of requests: uploads (multipart, or JSON with base64), waits and idempotency keys."""

import binascii
from io import BytesIO
from typing import IO, Any

from flask import Request
from pydantic_core import from_json
from werkzeug.exceptions import RequestEntityTooLarge

from seewhy.errors import EmptyImage, InvalidRequest
from seewhy.quoting import quote
from seewhy.schemas.request import ExplanationRequest
from seewhy_api.http.json_body import (
    SplitJson,
    parse_json,
    raise_too_large,
    refuse_json,
    split_json,
)

MAX_WAIT_S = 30.0
MAX_KEY_LENGTH = 255


class UploadRequest(Request):
    """A request whose file parts stay in memory: routes read them whole, and a disk may be full."""

    def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:
        return BytesIO()


def parse_upload(request: Request) -> tuple[bytes, ExplanationRequest]:
    """Return the encoded image and the explanation request.

    Raises `InvalidRequest`, `EmptyImage`, or pydantic's `ValidationError`.
    """
    if request.mimetype == "multipart/form-data":
        return _parse_multipart(request)
    if request.mimetype == "application/json":
        return _parse_json(request.get_data(cache=False))
    raise InvalidRequest(
        "Send multipart/form-data with a file part named image, or application/json with "
        "image_base64."
    )


def max_body_bytes(max_image_bytes: int) -> int:
    """Return the size limit of a body that holds the largest image as base64 inside JSON."""
    return max_image_bytes * 4 // 3 + 65_536


def parse_wait_s(request: Request) -> float:
    """Parse `?wait=N` or `Prefer: wait=N`, at most 30 s. Raises `InvalidRequest`."""
    preferences = (part.strip() for part in request.headers.get("Prefer", "").split(","))
    waits = (part.removeprefix("wait=") for part in preferences if part.startswith("wait="))
    text = request.args.get("wait") or next(waits, "0")
    if not (text.isascii() and text.isdigit()):
        raise InvalidRequest(f"wait must be a whole number of seconds, not {quote(text)}.")
    return min(float(text), MAX_WAIT_S)


def parse_idempotency_key(request: Request) -> str | None:
    """Return the `Idempotency-Key` header. Raises `InvalidRequest` for a wrong length."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not 0 < len(key) <= MAX_KEY_LENGTH:
        raise InvalidRequest(f"Idempotency-Key must have 1 to {MAX_KEY_LENGTH} characters.")
    return key


def _parse_multipart(request: Request) -> tuple[bytes, ExplanationRequest]:
    try:
        files, form = request.files, request.form
    except RequestEntityTooLarge:
        if (request.content_length or 0) > (request.max_content_length or 0):
            raise  # the image is too large
        raise_too_large()
    unknown = (set(files) | set(form)) - {"image", "request"}
    if unknown:
        raise InvalidRequest(
            f"Unknown parts: {', '.join(sorted(map(quote, unknown)))}. Send a file part named "
            "image and optionally a part named request."
        )
    images = files.getlist("image")
    if len(images) != 1:
        raise InvalidRequest("Send exactly one file part named image.")
    texts = [*form.getlist("request"), *(part.read() for part in files.getlist("request"))]
    if len(texts) > 1:
        raise InvalidRequest("Send at most one part named request.")
    value = parse_json(texts[0]) if texts and texts[0] else {}
    return images[0].read(), ExplanationRequest.model_validate(value)


def _parse_json(body: bytes) -> tuple[bytes, ExplanationRequest]:
    split = split_json(body)
    del body  # the image would be in memory three times
    value = parse_json(split.rest)
    if not isinstance(value, dict):
        raise InvalidRequest("The JSON must be an object with image_base64.")
    image = _image_text(value.pop("image_base64", None), split)
    parsed = ExplanationRequest.model_validate(value)
    try:
        decoded = binascii.a2b_base64(image, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"image_base64 is not valid base64: {error}.") from error
    if not decoded:
        raise EmptyImage("image_base64 contains no bytes.")
    return decoded, parsed


def _image_text(sent: Any, split: SplitJson) -> str | bytes:
    """Return the base64 text, which `split` has taken out of a large body."""
    if split.placeholder is not None and sent != split.placeholder:
        raise_too_large()  # the longest string is another field
    if not isinstance(sent, str):
        raise InvalidRequest("Send the image as a base64 string named image_base64.")
    if split.placeholder is None:
        return sent
    if b"\\" not in split.string:
        return split.string
    try:
        text: str = from_json(b'"%b"' % split.string)
    except ValueError:
        refuse_json("a string has an invalid escape")
    return text
