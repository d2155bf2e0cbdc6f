"""Parsing of requests: uploads (multipart, or JSON with base64), waits and idempotency keys."""

import base64
import binascii

from flask import Request
from pydantic import Field

from seewhy.errors import EmptyImage, InvalidRequest
from seewhy.schemas.request import ExplanationRequest

MAX_WAIT_S = 30.0
MAX_KEY_LENGTH = 255


class _JsonUpload(ExplanationRequest):
    image_base64: str = Field(min_length=1)


def parse_upload(request: Request) -> tuple[bytes, ExplanationRequest]:
    """Return the encoded image and the explanation request.

    Raises `InvalidRequest`, `EmptyImage`, or pydantic's `ValidationError`.
    """
    if request.mimetype == "multipart/form-data":
        return _parse_multipart(request)
    if request.mimetype == "application/json":
        return _parse_json(request.get_data())
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
        raise InvalidRequest(f"wait must be a whole number of seconds, not {text[:20]!r}.")
    return min(float(text), MAX_WAIT_S)


def parse_idempotency_key(request: Request) -> str | None:
    """Return the `Idempotency-Key` header. Raises `InvalidRequest` for a wrong length."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not 0 < len(key) <= MAX_KEY_LENGTH:
        raise InvalidRequest(f"Idempotency-Key must have 1 to {MAX_KEY_LENGTH} characters.")
    return key


def _parse_multipart(request: Request) -> tuple[bytes, ExplanationRequest]:
    unknown = (set(request.files) | set(request.form)) - {"image", "request"}
    if unknown:
        raise InvalidRequest(
            f"Unknown parts: {', '.join(sorted(unknown))}. Send a file part named image and "
            "optionally a part named request."
        )
    images = request.files.getlist("image")
    if len(images) != 1:
        raise InvalidRequest("Send exactly one file part named image.")
    text = request.form.get("request")
    if text is None and "request" in request.files:
        text = request.files["request"].read().decode("utf-8", errors="replace")
    parsed = ExplanationRequest.model_validate_json(text) if text else ExplanationRequest()
    return images[0].read(), parsed


def _parse_json(body: bytes) -> tuple[bytes, ExplanationRequest]:
    upload = _JsonUpload.model_validate_json(body)
    try:
        image = base64.b64decode(upload.image_base64, validate=True)
    except binascii.Error as error:
        raise InvalidRequest(f"image_base64 is not valid base64: {error}.") from error
    if not image:
        raise EmptyImage("image_base64 contains no bytes.")
    return image, ExplanationRequest(**upload.model_dump(exclude={"image_base64"}))
