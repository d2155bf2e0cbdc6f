"""Parsing of requests: images with their requests, waits and idempotency keys."""

import binascii
from collections.abc import Callable
from io import BytesIO
from typing import IO, Any

from flask import Request
from pydantic import BaseModel, Field
from pydantic_core import from_json
from werkzeug.exceptions import RequestEntityTooLarge

from seewhy.errors import EmptyImage, InvalidRequest
from seewhy.jobs.image_sources import ImageSource, KnownImage, RemoteImage, SentImage
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


class WaitQuery(BaseModel):
    """The query of a route that can wait."""

    wait: int = Field(
        0, ge=0, description="Seconds to wait for the outcome. More than 30 count as 30."
    )


class UploadRequest(Request):
    """A request whose file parts stay in memory: routes read them whole, and a disk may be full."""

    def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:
        return BytesIO()


def parse_submission(request: Request) -> tuple[ImageSource, ExplanationRequest]:
    """Return the image and the explanation request.

    Raises `InvalidRequest`, `EmptyImage`, or pydantic's `ValidationError`.
    """
    if request.mimetype == "multipart/form-data":
        body, value = _parse_multipart(request, parts={"image", "request"})
        return SentImage(body), ExplanationRequest.model_validate(value)
    source, value = _parse_json(request)
    return source, ExplanationRequest.model_validate(value)


def parse_image(request: Request) -> ImageSource:
    """Return the image of a request that has nothing else. Raises as `parse_submission` does."""
    if request.mimetype == "multipart/form-data":
        return SentImage(_parse_multipart(request, parts={"image"})[0])
    source, value = _parse_json(request)
    if value:
        raise InvalidRequest(f"Unknown fields: {', '.join(sorted(map(quote, value)))}.")
    return source


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


def _parse_multipart(request: Request, *, parts: set[str]) -> tuple[bytes, Any]:
    """Return the image, and the value of the part named request."""
    try:
        files, form = request.files, request.form
    except RequestEntityTooLarge:
        if (request.content_length or 0) > (request.max_content_length or 0):
            raise  # the image is too large
        raise_too_large()
    unknown = (set(files) | set(form)) - parts
    if unknown:
        optional = " and optionally a part named request" if "request" in parts else ""
        raise InvalidRequest(
            f"Unknown parts: {', '.join(sorted(map(quote, unknown)))}. Send a file part named "
            f"image{optional}."
        )
    images = files.getlist("image")
    if len(images) != 1:
        raise InvalidRequest("Send exactly one file part named image.")
    texts = [*form.getlist("request"), *(part.read() for part in files.getlist("request"))]
    if len(texts) > 1:
        raise InvalidRequest("Send at most one part named request.")
    return images[0].read(), parse_json(texts[0]) if texts and texts[0] else {}


def _parse_json(request: Request) -> tuple[ImageSource, dict[str, Any]]:
    """Return the image that a JSON body holds or names, and its other fields."""
    if request.mimetype != "application/json":
        raise InvalidRequest(
            "Send multipart/form-data with a file part named image, or application/json with "
            f"{_SOURCE_NAMES}."
        )
    return parse_document(request.get_data(cache=False))


def parse_document(body: bytes) -> tuple[ImageSource, dict[str, Any]]:
    """Return the image that a JSON document holds or names, and its other fields.

    Raises `InvalidRequest`, `EmptyImage`, or pydantic's `ValidationError`.
    """
    split = split_json(body)
    value = parse_json(split.rest)
    if not isinstance(value, dict):
        raise InvalidRequest(f"The JSON must be an object with {_SOURCE_NAMES}.")
    if split.placeholder is not None and value.get("image_base64") != split.placeholder:
        raise_too_large()  # the longest string is another field
    sent = {name: value.pop(name) for name in _SOURCES if name in value}
    if len(sent) != 1:
        raise InvalidRequest(f"Send exactly one of {_SOURCE_NAMES}.")
    ((name, text),) = sent.items()
    if not isinstance(text, str):
        raise InvalidRequest(f"{name} must be a string.")
    return _SOURCES[name](text, split), value


def _decode_base64(text: str, split: SplitJson) -> ImageSource:
    try:
        decoded = binascii.a2b_base64(_unsplit(text, split), strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"image_base64 is not valid base64: {error}.") from error
    if not decoded:
        raise EmptyImage("image_base64 contains no bytes.")
    return SentImage(decoded)


def _unsplit(text: str, split: SplitJson) -> str | bytes:
    """Return the base64 text, which `split` has taken out of a large body."""
    if split.placeholder is None:
        return text
    if b"\\" not in split.string:
        return split.string
    try:
        unescaped: str = from_json(b'"%b"' % split.string)
    except ValueError:
        refuse_json("a string has an invalid escape")
    return unescaped


_SOURCES: dict[str, Callable[[str, SplitJson], ImageSource]] = {
    "image_base64": _decode_base64,
    "image_id": lambda text, _: KnownImage(text),
    "image_url": lambda text, _: RemoteImage(text),
}
_SOURCE_NAMES = "image_base64, image_id or image_url"
