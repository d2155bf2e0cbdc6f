"""The two ways to send a picture: multipart, or JSON with base64."""

import base64
import binascii

from flask import Request
from pydantic import Field

from seewhy.errors import EmptyImage, InvalidRequest
from seewhy.schemas.request import ExplanationRequest

WAIT_LIMIT_S = 30.0
KEY_LENGTH_LIMIT = 255


class _JsonUpload(ExplanationRequest):
    image_base64: str = Field(min_length=1)


def read_upload(request: Request) -> tuple[bytes, ExplanationRequest]:
    """Take the picture's bytes and what is asked about it out of a request.

    Raises `InvalidRequest`, `EmptyImage`, or pydantic's `ValidationError`.
    """
    if request.mimetype == "multipart/form-data":
        return _multipart(request)
    if request.mimetype == "application/json":
        return _json(request.get_data())
    raise InvalidRequest(
        "send multipart/form-data with a part named image, or application/json with image_base64"
    )


def body_limit_bytes(max_upload_bytes: int) -> int:
    """How long a request body may be so that a picture fits in as base64, with its JSON."""
    return max_upload_bytes * 4 // 3 + 65_536


def wait_wanted(request: Request) -> float:
    """Read `?wait=N` or `Prefer: wait=N`, in seconds, capped at 30. Raises `InvalidRequest`."""
    preferences = (part.strip() for part in request.headers.get("Prefer", "").split(","))
    wanted = (part.removeprefix("wait=") for part in preferences if part.startswith("wait="))
    text = request.args.get("wait") or next(wanted, "0")
    if not (text.isascii() and text.isdigit()):
        raise InvalidRequest(f"wait is a whole number of seconds, not {text[:20]!r}")
    return min(float(text), WAIT_LIMIT_S)


def idempotency_key(request: Request) -> str | None:
    """Read the `Idempotency-Key` header. Raises `InvalidRequest` for an empty or endless one."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not 0 < len(key) <= KEY_LENGTH_LIMIT:
        raise InvalidRequest(f"an Idempotency-Key has 1 to {KEY_LENGTH_LIMIT} characters")
    return key


def _multipart(request: Request) -> tuple[bytes, ExplanationRequest]:
    unknown = (set(request.files) | set(request.form)) - {"image", "request"}
    if unknown:
        raise InvalidRequest(f"unknown parts: {', '.join(sorted(unknown))}")
    pictures = request.files.getlist("image")
    if len(pictures) != 1:
        raise InvalidRequest("send exactly one file part named image")
    asked = request.form.get("request")
    if asked is None and "request" in request.files:
        asked = request.files["request"].read().decode("utf-8", errors="replace")
    wanted = ExplanationRequest.model_validate_json(asked) if asked else ExplanationRequest()
    return pictures[0].read(), wanted


def _json(body: bytes) -> tuple[bytes, ExplanationRequest]:
    upload = _JsonUpload.model_validate_json(body)
    try:
        picture = base64.b64decode(upload.image_base64, validate=True)
    except binascii.Error as error:
        raise InvalidRequest(f"image_base64 is not base64: {error}") from error
    if not picture:
        raise EmptyImage("image_base64 holds no bytes")
    return picture, ExplanationRequest(**upload.model_dump(exclude={"image_base64"}))
