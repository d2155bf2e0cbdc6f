"""How the client sends an image: as a file, by its id, or by its URL."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class ImageId(str):
    """The id of an image that the service has, as `Client.upload` returns it."""

    __slots__ = ()


Image = Path | bytes | ImageId | str
"""An image file, its content, its id, or its URL: https, http or s3."""


def image_body(image: Image) -> dict[str, Any]:
    """Return the body of a request that has only an image, as arguments of `Transport.send`.

    Raises `OSError` when the file cannot be read.
    """
    if isinstance(image, ImageId):
        return {"json": {"image_id": str(image)}}
    if isinstance(image, str):
        return {"json": {"image_url": image}}
    name, content = (
        ("image", image) if isinstance(image, bytes) else (image.name, image.read_bytes())
    )
    return {"files": {"image": (name, content, "application/octet-stream")}}


def submission_body(image: Image, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of a submission. Raises as `image_body` does."""
    body = image_body(image)
    if "json" in body:
        return {"json": {**body["json"], **request}}
    part = (None, json.dumps(request), "application/json")
    return {"files": {**body["files"], "request": part}}
